//! The checks, in HTML: a line for each, in groups, and what to look at when one fails.

use crate::draw::panels;
use crate::look::checks::{Broken, Checks, Group, Line, State};
use crate::mark::Mark;
use crate::scene::inside::Picked;
use crate::whatif::{self, WhatIf};

/// All checks, and above them the one that failed.
pub fn draw(checks: &Checks) -> Vec<Mark> {
    let events = checks.events;
    let mut marks = match &checks.broken {
        Some(broken) => vec![self::broken(broken).key(0)],
        None => vec![
            Mark::of("p", "quiet")
                .key(1)
                .text(format!("Looked at after each of the {events} events so far:")),
        ],
    };
    marks.extend(
        (2..).zip(&checks.groups).map(|(key, group)| self::group(group, key == 2).key(key)),
    );
    marks
}

fn broken(broken: &Broken) -> Mark {
    let when = if broken.is_ahead { "Later in this run, at" } else { "At" };
    let button = |act: String, words: String| {
        Mark::of("button", "small").set("type", "button").set("data-act", act).text(words)
    };
    let about = broken.about.iter().map(|about| match about {
        Picked::Node(node) => button(format!("select:{node}"), format!("node {node}")),
        Picked::Group(group) => button(format!("group:{group}"), format!("nodes {group}")),
        Picked::Link(a, b) => button(format!("link:{a}-{b}"), format!("link {a}–{b}")),
        Picked::Entry(index) => button(format!("entry:{index}"), format!("entry {index}")),
        Picked::Message(id) => button(format!("message:{id}"), "message".to_owned()),
    });
    Mark::of("div", "broken-check")
        .set("role", "group")
        .set("aria-label", "The check that failed")
        .with(Mark::new("b").text(format!("✕ {} does not hold", broken.name)))
        .with(Mark::new("p").text(format!(
            "{when} {} s: {}.",
            panels::seconds(broken.at),
            broken.facts
        )))
        .with(
            Mark::of("p", "row")
                .with(button(format!("go:{}", broken.step), "Go to that moment".to_owned()))
                .with_all(about),
        )
}

fn group(group: &Group, is_first: bool) -> Mark {
    let is = |state| group.lines.iter().any(|line| line.state == state);
    let live = group.lines.iter().filter(|line| line.state != State::AtTheEnd).count();
    let (glyph, count) = match (is(State::Broken), live) {
        (true, _) => ("✕", "broken".to_owned()),
        (false, 0) => ("·", "in test runs".to_owned()),
        (false, live) => ("✓", format!("{live} hold{}", if live == 1 { "s" } else { "" })),
    };
    let class = if is(State::Broken) { "checked bad" } else { "checked" };
    let mut details = Mark::of("details", class)
        .with(
            Mark::new("summary")
                .with(Mark::of("b", "glyph").set("aria-hidden", "true").text(glyph))
                .with(Mark::new("span").text(group.name))
                .with(Mark::of("span", "quiet").text(count)),
        )
        .with(Mark::new("ul").with_all(group.lines.iter().map(line)));
    if is_first || is(State::Broken) {
        details = details.set("open", "");
    }
    details
}

fn line(line: &Line) -> Mark {
    let (class, glyph, words) = match line.state {
        State::Holds => ("", "✓", "holds"),
        State::AtTheEnd => ("later", "·", "judged when a test run ends"),
        State::Broken => ("bad", "✕", "does not hold"),
    };
    Mark::of("li", class)
        .with(Mark::of("b", "glyph").set("aria-label", words).set("role", "img").text(glyph))
        .with(
            Mark::new("span")
                .with(Mark::new("b").text(&*line.name))
                .with(Mark::new("span").text(format!(" {}", line.claims))),
        )
}

/// The mistakes that one can switch on.
pub fn mistakes(made: Option<&WhatIf>) -> Vec<Mark> {
    let switch = |what_if: &WhatIf| {
        let is_on = made == Some(what_if);
        let act = if is_on { String::new() } else { what_if.name.to_owned() };
        let switch = Mark::of("button", "switch-on")
            .set("type", "button")
            .set("data-act", format!("mistake:{act}"))
            .set("aria-pressed", if is_on { "true" } else { "false" })
            .with(Mark::of("b", "").text(what_if.mistake))
            .with(Mark::of("span", "quiet").text(what_if.rule));
        let show = Mark::of("button", "small")
            .set("type", "button")
            .set("data-act", format!("show-mistake:{}", what_if.name))
            .set("aria-label", format!("Show me: {}", what_if.mistake))
            .text("Show me");
        Mark::new("li").with(switch).with(show)
    };
    whatif::ALL.iter().map(switch).collect()
}

/// Says clearly that the code makes a mistake now.
pub fn mistaken(made: Option<&WhatIf>) -> Vec<Mark> {
    let Some(what_if) = made else { return Vec::new() };
    vec![
        Mark::new("p")
            .with(Mark::new("b").text("This code makes a mistake on purpose: "))
            .with(Mark::new("span").text(what_if.mistake)),
        Mark::of("button", "small")
            .set("type", "button")
            .set("data-act", "mistake:")
            .text("Right code again"),
    ]
}
