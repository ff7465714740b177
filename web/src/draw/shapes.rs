//! The shapes of messages, drawn the same on the stage and in the legend.

use crate::draw::{is_striped, term_class};
use crate::mark::Mark;
use crate::scene::Kind;
use raft_core::id::Term;

/// A message around the origin: a full shape asks or tells, a hollow one answers.
pub fn message(kind: Kind, answer: Option<bool>, term: Term) -> Vec<Mark> {
    let size = match kind {
        Kind::Heartbeat => 6.5,
        Kind::PreVote | Kind::Vote => 13.0,
        Kind::Append(_) => 10.5,
        Kind::Snapshot => 13.0,
        Kind::Forward => 11.0,
    };
    let mut marks = vec![outline(kind, size).set("class", format!("body {}", term_class(term)))];
    if is_striped(term) {
        marks.push(outline(kind, size).set("class", "stripes"));
    }
    if answer.is_some() {
        marks.push(outline(kind, size * 0.62).set("class", "hollow"));
    }
    let word = match (answer, kind) {
        (None, Kind::PreVote) => "?".to_owned(),
        (None, Kind::Append(entries)) => entries.to_string(),
        _ => String::new(),
    };
    let glyph = match answer {
        // An acknowledged heartbeat is the most common message of all: the empty ring says it.
        Some(true) if kind == Kind::Heartbeat => None,
        Some(true) => Some("M-4 0.5 L-1.2 3.2 L4 -3.2"),
        Some(false) => Some("M-3 -3 L3 3 M3 -3 L-3 3"),
        None => None,
    };
    if !word.is_empty() {
        marks.push(
            Mark::of("text", format!("on {}", term_class(term))).set("dy", "0.36em").text(word),
        );
    }
    marks.extend(glyph.map(|path| Mark::of("path", "glyph").set("d", path)));
    marks
}

fn outline(kind: Kind, size: f64) -> Mark {
    let s = size;
    match kind {
        Kind::Heartbeat => Mark::new("circle").place([("r", s)]),
        Kind::Append(_) => Mark::new("rect").place([
            ("x", -s),
            ("y", -s),
            ("width", 2.0 * s),
            ("height", 2.0 * s),
            ("rx", 2.5),
        ]),
        Kind::Forward => Mark::new("rect").place([
            ("x", -1.3 * s),
            ("y", -0.75 * s),
            ("width", 2.6 * s),
            ("height", 1.5 * s),
            ("rx", 0.75 * s),
        ]),
        Kind::PreVote | Kind::Vote => polygon(&[(0.0, -s), (s, 0.0), (0.0, s), (-s, 0.0)]),
        Kind::Snapshot => polygon(&[
            (s, 0.0),
            (s * 0.5, s * 0.87),
            (-s * 0.5, s * 0.87),
            (-s, 0.0),
            (-s * 0.5, -s * 0.87),
            (s * 0.5, -s * 0.87),
        ]),
    }
}

fn polygon(corners: &[(f64, f64)]) -> Mark {
    let points: Vec<String> = corners
        .iter()
        .map(|(x, y)| format!("{},{}", crate::mark::length(*x), crate::mark::length(*y)))
        .collect();
    Mark::new("polygon").set("points", points.join(" "))
}
