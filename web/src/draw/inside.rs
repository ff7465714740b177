//! What is picked, from inside, in HTML.

use crate::draw::panels::{happening, seconds};
use crate::mark::Mark;
use crate::scene::inside::{Fact, Inside};
use raft_core::time::Instant;

/// The facts and the reasons; each moment can be gone to.
pub fn draw(inside: Option<&Inside>) -> Vec<Mark> {
    let Some(Inside { title, facts, why, near }) = inside else { return primer() };
    let facts = Mark::new("dl").with_all(facts.iter().flat_map(fact));
    let mut marks = vec![Mark::new("div").with(Mark::new("h3").text(&**title)).with(facts)];
    let mut right = Mark::new("div");
    if !why.is_empty() {
        let why = Mark::of("ol", "why").with_all(why.iter().map(|reason| happening(reason)));
        right = right.with(Mark::new("h3").text("Why")).with(why);
    }
    if !near.is_empty() {
        let near = near.iter().map(|near| {
            Mark::of("button", "near")
                .set("type", "button")
                .set("data-act", &*near.act)
                .text(&*near.words)
        });
        let near = Mark::of("div", "nears").with_all(near);
        right = right.with(Mark::new("h3").text("Near it")).with(near);
    }
    if !right.children.is_empty() {
        marks.push(right);
    }
    marks
}

/// What one reads before anything is picked.
fn primer() -> Vec<Mark> {
    let line =
        |name: &'static str, words: &str| [Mark::new("dt").text(name), Mark::new("dd").text(words)];
    let lines = [
        line(
            "circles",
            "are nodes. Their colour and number are the term, Raft’s clock of elections.",
        ),
        line(
            "a ring",
            "drains until its node stands for election; the leader’s heartbeats refill it.",
        ),
        line("the crown", "is the leader’s: only it adds entries to the log."),
        line(
            "shapes",
            "between nodes are messages. An entry is safe once a majority has it on disk.",
        ),
        line(
            "pick",
            "a node, a line, a message or an entry’s number to see all of it and what can be done; draw a loop \
             round several nodes to cut them off together.",
        ),
    ];
    let lines = lines.into_iter().flatten();
    vec![
        Mark::new("div")
            .with(Mark::new("h3").text("How to read it"))
            .with(Mark::of("dl", "primer").with_all(lines)),
    ]
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
