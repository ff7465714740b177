//! What happened, in sentences with reasons: the simulator's trace without the coming and going of
//! single messages, which the stage shows.

use crate::scene::Happening;
use raft_sim::Sim;
use raft_sim::trace::Line;
use std::collections::VecDeque;
use std::rc::Rc;

/// The most happenings kept: what one cares to scroll through.
const HAPPENINGS_MAX: usize = 120;

/// The newest happenings of a run, newest first.
#[derive(Clone, Debug, Default)]
pub struct Story {
    happenings: VecDeque<Rc<Happening>>,
    /// The trace's newest line that has been looked at.
    seen: u64,
}

impl Story {
    /// The happenings, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Rc<Happening>> {
        self.happenings.iter()
    }

    /// Takes in what is new in the trace.
    pub fn follow(&mut self, sim: &Sim) {
        let lines = sim.trace().lines();
        let new = lines.iter().rev().take_while(|line| line.number > self.seen).count();
        for line in lines.range(lines.len() - new..) {
            self.seen = line.number;
            self.tell(sim, line);
        }
    }

    fn tell(&mut self, sim: &Sim, line: &Line) {
        let Some(happening) = happening(sim, line) else { return };
        if let Some(last) = self.happenings.front()
            && let Some(both) = both_ways(last, &happening)
        {
            self.happenings.pop_front();
            self.happenings.push_front(Rc::new(Happening { says: both, ..happening }));
            return;
        }
        self.happenings.push_front(Rc::new(happening));
        self.happenings.truncate(HAPPENINGS_MAX);
    }
}

fn happening(sim: &Sim, line: &Line) -> Option<Happening> {
    let text = &*line.text;
    let starts = |verbs: &[&str]| verbs.iter().any(|verb| text.starts_with(verb));
    let is_traffic = starts(&["hears from", "misses from", "has write"]);
    let replica = line.node.and_then(|id| sim.nodes().find(|node| node.id() == id)?.replica());
    let (by, says, why) = match line.node {
        Some(_) if is_traffic => return None,
        // The command that did it stands in the line before.
        Some(_) if text == "crashes" => return None,
        // That followers learn of a commit shows in their logs.
        Some(id) if starts(&["commits"]) && replica.and_then(|r| r.raft().leader()) != Some(id) => {
            return None;
        }
        Some(_) => {
            let (says, why) = text.split_once(": ").unwrap_or((text, ""));
            ("", says, why)
        }
        // `hears from node 3: Response #7 written at revision 5`.
        None if line.client.is_some() => {
            ("client", text.split_once("Response ")?.1.split_once(' ')?.1, "")
        }
        None if sim.violation().is_some() => ("check", text, ""),
        None if sim.options().faults.is_some() => ("plan", text, ""),
        None => ("you", text, ""),
    };
    let turning_point = match line.node {
        Some(_) => {
            starts(&["stands", "leads", "starts", "removes", "installs", "has caught up"])
                || why.contains("no quorum answered")
                || why.contains("the disk finished")
        }
        None => by != "client",
    };
    Some(Happening {
        id: line.number,
        at: line.at,
        node: line.node,
        by,
        term: replica.map(|replica| replica.raft().term()).unwrap_or_default(),
        says: if by == "client" { format!("answer: {says}") } else { in_words(says) },
        why: in_words(why),
        turning_point,
    })
}

/// Entry ids as `5@t2` are for traces; a sentence says entry 5 of term 2.
fn in_words(text: &str) -> String {
    let word = |word: &str| match word.split_once("@t") {
        Some((index, term)) if index.parse::<u64>().is_ok() => {
            format!("entry {index} of term {term}")
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// Both directions of a link, cut or healed at once, in one sentence.
fn both_ways(last: &Happening, new: &Happening) -> Option<String> {
    let parts = |happening: &Happening| {
        let (verb, link) = happening.says.split_once(' ')?;
        let (from, to) = link.split_once("->")?;
        Some((verb.to_owned(), from.to_owned(), to.to_owned()))
    };
    let ((verb, from, to), (again, back_from, back_to)) = (parts(last)?, parts(new)?);
    let is_pair = last.at == new.at && verb == again && (&from, &to) == (&back_to, &back_from);
    is_pair.then(|| format!("{verb} the link between {from} and {to}"))
}
