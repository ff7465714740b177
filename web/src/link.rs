//! A link: a session, the moment in it that was seen, and the fingerprint that the run had there, so that
//! a page that plays it differently can say so.

use crate::lesson::{self, Lesson, Place};
use crate::run::Run;
use crate::scene::group::Group;
use crate::scene::inside::Picked;
use crate::session::Session;
use raft_core::id::{Index, NodeId};

/// The furthest moment a link may name, in steps: a browser plays there in a few seconds.
const STEPS_MAX: u64 = 200_000;

/// What a link names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The session.
    pub session: Session,
    /// The lesson that is taken, and the number of the step from 0. Without a moment it begins with the
    /// step, whatever the session is.
    pub lesson: Option<Place>,
    /// The moment; without one the session begins at its beginning.
    pub seen: Option<Seen>,
}

/// What was on the screen when a link was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The moment after so many steps.
    pub steps: u64,
    /// The fingerprint of the run up to there.
    pub hash: u64,
    /// What was picked.
    pub picked: Option<Picked>,
}

impl Link {
    /// A link to the beginning of a session.
    pub fn of_session(session: Session) -> Self {
        Self { session, lesson: None, seen: None }
    }

    /// What there is before anyone has chosen anything.
    pub fn of_first_visit() -> Self {
        let lesson = lesson::named(lesson::FIRST).map(|lesson| (lesson, 0));
        Self { lesson, ..Self::of_session(Session::default()) }
    }

    /// A link to the moment that a run is at.
    pub fn to(run: &Run, lesson: Option<Place>, picked: Option<Picked>) -> Self {
        let seen = Seen { steps: run.steps(), hash: run.sim().trace_hash(), picked };
        Self {
            session: run.session().clone(),
            lesson,
            seen: Some(seen).filter(|seen| seen.steps <= STEPS_MAX),
        }
    }

    /// The link as a fragment: `v1.seed=42.nodes=5.at=258-8873b385063cfc48.pick=node-4`.
    pub fn print(&self) -> String {
        let mut link = self.session.to_link();
        if let Some((lesson, step)) = self.lesson {
            let lesson = lesson_link(lesson, step);
            link = if self.seen.is_some() { link.replacen("v1", &lesson, 1) } else { lesson };
        }
        if let Some(Seen { steps, hash, picked }) = self.seen {
            link.push_str(&format!(".at={steps}-{hash:016x}"));
            link.push_str(&match picked {
                Some(Picked::Node(node)) => format!(".pick=node-{node}"),
                Some(Picked::Group(group)) => format!(".pick=group-{group}"),
                Some(Picked::Link(a, b)) => format!(".pick=link-{a}-{b}"),
                Some(Picked::Entry(index)) => format!(".pick=entry-{index}"),
                Some(Picked::Message(id)) => format!(".pick=message-{id}"),
                None => String::new(),
            });
        }
        link
    }

    /// What a fragment names, with or without its `#`. An empty one is a first visit.
    ///
    /// # Errors
    /// A sentence, if the link is damaged or from a later version of the page.
    pub fn read(link: &str) -> Result<Self, String> {
        let link = link.strip_prefix('#').unwrap_or(link);
        let (link, lesson) = take_lesson(link)?;
        let Some((rest, seen)) = link.split_once(".at=") else {
            return Ok(Self { session: Session::from_link(&link)?, lesson, seen: None });
        };
        let session = Session::from_link(rest)?;
        let seen = self::seen(seen).ok_or(
            "This link names a moment that is damaged or too far away. Take away all from “.at=” on.",
        )?;
        Ok(Self { session, lesson, seen: Some(seen) })
    }

    /// Goes to the moment. Returns a sentence if the run is not the one that was seen.
    pub fn go(seen: &Seen, run: &mut Run) -> Option<String> {
        run.seek(seen.steps);
        let is_same = run.steps() == seen.steps && run.sim().trace_hash() == seen.hash;
        (!is_same).then(|| {
            "This link was made by another version of the simulator: what follows is not the run that was \
             seen."
                .to_owned()
        })
    }
}

/// A step of a lesson as the beginning of a link: `v1.lesson=first-election.step=2`.
fn lesson_link(lesson: &Lesson, step: usize) -> String {
    format!("v1.lesson={}.step={}", lesson.name, step + 1)
}

/// The link without its lesson, and the lesson.
fn take_lesson(link: &str) -> Result<(String, Option<Place>), String> {
    let Some(rest) = link.strip_prefix("v1.lesson=") else { return Ok((link.to_owned(), None)) };
    let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let (step, rest) = match rest.strip_prefix("step=") {
        Some(rest) => rest.split_once('.').unwrap_or((rest, "")),
        None => ("1", rest),
    };
    let step = step.parse::<usize>().ok().and_then(|step| step.checked_sub(1));
    let lesson = lesson::named(name).zip(step).filter(|(lesson, step)| *step < lesson.steps.len());
    let lesson = lesson.ok_or("This link names a lesson or a step that there is not.")?;
    let rest = if rest.is_empty() { "v1".to_owned() } else { format!("v1.{rest}") };
    Ok((rest, Some(lesson)))
}

fn seen(text: &str) -> Option<Seen> {
    let (at, picked) = match text.split_once(".pick=") {
        Some((at, picked)) => (at, Some(self::picked(picked)?)),
        None => (text, None),
    };
    let (steps, hash) = at.split_once('-')?;
    let steps = steps.parse().ok().filter(|steps| *steps <= STEPS_MAX)?;
    Some(Seen { steps, hash: u64::from_str_radix(hash, 16).ok()?, picked })
}

fn picked(text: &str) -> Option<Picked> {
    let (kind, number) = text.split_once('-')?;
    if let ("link", Some((a, b))) = (kind, number.split_once('-')) {
        return Some(Picked::Link(NodeId(a.parse().ok()?), NodeId(b.parse().ok()?)));
    }
    if kind == "group" {
        return Some(Picked::Group(Group::read(number)?));
    }
    let number = number.parse().ok()?;
    Some(match kind {
        "node" => Picked::Node(NodeId(number)),
        "entry" => Picked::Entry(Index(number)),
        "message" => Picked::Message(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Cluster;

    fn played() -> Run {
        let mut run = Run::new(Session::new(7, Cluster::Playground(3)));
        run.seek(300);
        run
    }

    #[test]
    fn link_leads_to_the_moment_that_was_seen() {
        let first = lesson::named(lesson::FIRST).map(|lesson| (lesson, 1));
        for (lesson, picked) in [
            (None, None),
            (first, Some(Picked::Node(NodeId(2)))),
            (None, Some(Picked::Entry(Index(1)))),
            (first, Some(Picked::Message(70))),
            (None, Some(Picked::Link(NodeId(1), NodeId(3)))),
            (None, Some(Picked::Group(Group::of([NodeId(1), NodeId(3)])))),
        ] {
            let link = Link::to(&played(), lesson, picked);
            let read = Link::read(&format!("#{}", link.print())).expect("a good link");
            assert_eq!(read, link);
            let (mut run, seen) = (Run::new(read.session), read.seen.expect("a moment"));
            assert_eq!(Link::go(&seen, &mut run), None);
            assert_eq!(run.sim().trace_hash(), played().sim().trace_hash());
        }
    }

    #[test]
    fn lesson_is_a_link_with_a_step() {
        for (link, step) in [("#v1.lesson=start", 0), ("v1.lesson=start.step=2", 1)] {
            let read = Link::read(link).expect("a good link");
            let (lesson, place) = read.lesson.expect("a lesson");
            assert_eq!((lesson.name, place), ("start", step));
            let again = Link::read(&read.print()).expect("the same link");
            assert_eq!(again, read);
        }
    }

    #[test]
    fn link_whose_run_is_another_now_says_so() {
        let mut link = Link::to(&played(), None, None);
        let seen = link.seen.as_mut().expect("a moment");
        seen.hash ^= 1;
        let complaint = Link::go(seen, &mut Run::new(link.session)).expect("it differs");
        assert!(complaint.ends_with('.') && complaint.contains("another version"));
    }

    #[test]
    fn damaged_links_are_refused_in_a_sentence() {
        let far = format!("v1.at={}-0", STEPS_MAX + 1);
        for link in [
            "v1.at=",
            "v1.lesson=moon",
            "v1.lesson=start.step=0",
            "v1.lesson=start.step=99",
            "v1.at=5",
            "v1.at=5-xyz",
            "v1.at=5-0.pick=moon-1",
            "v1.at=-5-0",
            &far,
        ] {
            let error = Link::read(link).expect_err(link);
            assert!(error.ends_with('.') && error.len() < 200, "{error}");
        }
        assert!(Link::read("v2.at=5-0").is_err());
    }
}
