//! What a worker tells of its search, as text: workers and pages share no memory.

use crate::hunt::Spent;

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It searches, for so many milliseconds.
    Searches(Spent, u64),
    /// It has found something, and makes it small.
    MakesSmall(Spent),
    /// It is done.
    Found {
        /// A link to the moment.
        link: String,
        /// How large the run was, in words.
        was: String,
        /// How large it is.
        is: String,
    },
    /// It has given up.
    Nothing(Spent),
    /// It cannot go on, and says why.
    Stopped(String),
}

impl News {
    /// The news as a line.
    pub fn print(&self) -> String {
        match self {
            Self::Searches(Spent { runs, events }, ms) => format!("searches {runs} {events} {ms}"),
            Self::MakesSmall(Spent { runs, events }) => format!("makes-small {runs} {events}"),
            Self::Found { link, was, is } => format!("found {link}|{was}|{is}"),
            Self::Nothing(Spent { runs, events }) => format!("nothing {runs} {events}"),
            Self::Stopped(why) => format!("stopped {why}"),
        }
    }

    /// The news of a line. What cannot be understood is a worker that stopped.
    pub fn read(line: &str) -> Self {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<u64> = rest.split(' ').map_while(|number| number.parse().ok()).collect();
        let parts: Vec<&str> = rest.split('|').collect();
        match (kind, &*numbers, &*parts) {
            ("searches", &[runs, events, ms], _) => Self::Searches(Spent { runs, events }, ms),
            ("makes-small", &[runs, events], _) => Self::MakesSmall(Spent { runs, events }),
            ("found", _, &[link, was, is]) => {
                Self::Found { link: link.into(), was: was.into(), is: is.into() }
            }
            ("nothing", &[runs, events], _) => Self::Nothing(Spent { runs, events }),
            _ => Self::Stopped(rest.into()),
        }
    }

    /// The news in a sentence for whoever waits.
    pub fn says(&self) -> String {
        match self {
            Self::Searches(Spent { runs, events }, ms) => {
                let a_second = |count: u64| thousands(count * 1_000 / (*ms).max(1));
                format!(
                    "{} seeds so far. {} seeds and {} events a second.",
                    thousands(*runs),
                    a_second(*runs),
                    a_second(*events)
                )
            }
            Self::MakesSmall(Spent { runs, .. }) => format!("Found. Made smaller in {runs} runs …"),
            Self::Found { was, is, .. } if was == is => {
                format!("It cannot be made smaller than {is}.")
            }
            Self::Found { was, is, .. } => format!("Made small: from {was} to {is}."),
            Self::Nothing(Spent { runs, .. }) => format!(
                "None of {} seeds shows it. Try more nodes, or look for something else.",
                thousands(*runs)
            ),
            Self::Stopped(why) => {
                format!("The search stopped: {why}. Search again to try other seeds.")
            }
        }
    }
}

/// A number that can be read at a glance: `1,234,567`.
fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1_000), number % 1_000),
    }
}
