//! What is picked, from inside, in HTML.

use crate::draw::panels::{happening, seconds};
use crate::mark::Mark;
use crate::scene::inside::{Fact, Inside};
use raft_core::time::Instant;

/// The facts and the reasons; each moment can be gone to.
pub fn draw(inside: Option<&Inside>) -> Vec<Mark> {
    let Some(Inside { title, facts, why }) = inside else {
        let words =
            "Pick a node, an entry's number or a message to see all of it, and why it is so.";
        return vec![Mark::of("p", "quiet").text(words)];
    };
    let facts = Mark::new("dl").with_all(facts.iter().flat_map(fact));
    let mut marks = vec![Mark::new("div").with(Mark::new("h3").text(&**title)).with(facts)];
    if !why.is_empty() {
        let why = Mark::of("ol", "why").with_all(why.iter().map(|reason| happening(reason)));
        marks.push(Mark::new("div").with(Mark::new("h3").text("Why")).with(why));
    }
    marks
}

fn fact(fact: &Fact) -> [Mark; 2] {
    let value = Mark::new("dd").with(Mark::new("span").text(&*fact.value));
    let value = match fact.since {
        Some((step, at)) => value.with(moment(step, at)),
        None => value,
    };
    [Mark::new("dt").text(fact.name), value]
}

fn moment(step: u64, at: Instant) -> Mark {
    Mark::of("button", "moment")
        .set("type", "button")
        .set("data-act", format!("go:{step}"))
        .set("title", "Go to this moment")
        .text(format!("since {}", seconds(at)))
}
