//! The panels round the stage, in HTML: logs, story, requests, the table of nodes and what one can do.

use crate::draw::{shapes, term_class};
use crate::hunt::{self, Wanted};
use crate::mark::Mark;
use crate::scene::menu::Item;
use crate::scene::timeline::{Tab, Timeline, Versus};
use crate::scene::{Cell, Happening, Kind, Node, Request, Scene};
use raft_core::id::{Index, Term};
use raft_core::time::Instant;

/// What one can look for, as the choices of a list.
pub fn wanted() -> Vec<Mark> {
    let choice = |wanted: &Wanted| Mark::new("option").set("value", wanted.name).text(wanted.says);
    hunt::ALL.iter().map(choice).collect()
}

/// The logs side by side, one row per node, one column per index.
pub fn logs(scene: &Scene) -> Vec<Mark> {
    let number = |index: &Index| {
        let act = Mark::of("button", "index")
            .set("type", "button")
            .set("data-act", format!("entry:{index}"))
            .set("aria-label", format!("Entry {index}"))
            .text(index.to_string());
        Mark::new("th").set("scope", "col").with(act)
    };
    let head =
        Mark::new("tr").with(Mark::new("td")).with_all(scene.logs.indexes.iter().map(number));
    let rows = scene.nodes.iter().zip(&scene.logs.rows).map(|(node, cells)| {
        Mark::of("tr", if node.selected { "selected" } else { "" })
            .with(
                Mark::new("th")
                    .set("scope", "row")
                    .with(badge(node))
                    .with(Mark::of("span", "role-word").text(node.role.name())),
            )
            .with_all(
                cells.iter().zip(&scene.logs.indexes).map(|(cell, index)| self::cell(cell, *index)),
            )
    });
    vec![Mark::new("thead").with(head), Mark::new("tbody").with_all(rows)]
}

/// The more certain an entry, the more solid: dashed rim until on disk, hatched until committed,
/// underlined once applied.
fn cell(cell: &Cell, index: Index) -> Mark {
    match cell {
        Cell::Empty => Mark::of("td", "cell empty"),
        Cell::Folded => {
            Mark::of("td", "cell folded").text("⋯").set("title", "part of the snapshot")
        }
        Cell::Entry { term, says, durable, committed, applied } => {
            let mark = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
            let class = format!(
                "cell entry {}{}{}{}",
                term_class(*term),
                mark(*durable, " durable", ""),
                mark(*committed, " committed", ""),
                mark(*applied, " applied", "")
            );
            let what = if says.is_empty() { String::new() } else { format!(": {says}") };
            let title = format!(
                "Entry {index} of term {term}{what}; {}, {}, {}",
                mark(*durable, "on disk", "not yet on disk"),
                mark(*committed, "committed", "not known to be committed"),
                mark(*applied, "applied", "not applied")
            );
            Mark::of("td", class)
                .set("data-act", format!("entry:{index}"))
                .set("title", &*title)
                .set("aria-label", title)
                .with(Mark::new("b").text(term.to_string()))
                .with(Mark::new("span").text(&**says))
        }
    }
}

/// What happened, newest first.
pub fn story(scene: &Scene) -> Vec<Mark> {
    scene.story.iter().map(|happening| self::happening(happening)).collect()
}

/// One thing that happened, with its moment to go to.
pub fn happening(happening: &Happening) -> Mark {
    let class = if happening.turn.is_turning_point() { "turning-point" } else { "" };
    let badge = match happening.node {
        Some(node) => {
            Mark::of("span", format!("badge {}", term_class(happening.term))).text(node.to_string())
        }
        None => Mark::of("span", "badge you").text(happening.by),
    };
    let says = Mark::new("p").with(Mark::new("span").text(&*happening.says));
    let says = match &*happening.why {
        "" => says,
        why => says.with(Mark::new("em").text(format!(": {why}"))),
    };
    Mark::of("li", class).key(happening.id).with(moment(happening)).with(badge).with(says)
}

/// A moment to go to.
fn moment(happening: &Happening) -> Mark {
    Mark::of("button", "moment")
        .set("type", "button")
        .set("data-act", format!("go:{}", happening.step))
        .set("title", "Go to this moment")
        .text(seconds(happening.at))
}

/// What clients asked for, newest first.
pub fn requests(scene: &Scene) -> Vec<Mark> {
    scene.requests.iter().map(request).collect()
}

fn request(request: &Request) -> Mark {
    let (class, glyph) = match request.done {
        None => ("waiting", "…"),
        Some(true) => ("done", "✓"),
        Some(false) => ("failed", "✕"),
    };
    Mark::of("li", class)
        .key(request.id)
        .with(Mark::of("b", "glyph").text(glyph))
        .with(Mark::of("code", "").text(&*request.asks))
        .with(Mark::new("span").text(&*request.answer))
}

/// The table that says the same as the stage, row by row, with the same things to do.
pub fn table(scene: &Scene) -> Vec<Mark> {
    scene.nodes.iter().map(row).collect()
}

fn row(node: &Node) -> Mark {
    let down = !node.role.is_up();
    let cell = |text: String| Mark::of("td", "number").text(text);
    let known = |text: String| cell(if down { "–".to_owned() } else { text });
    let timer = match node.timer_us {
        Some(left) if !down => format!("{} ms", left / 1_000),
        _ => "–".to_owned(),
    };
    let vote = node.vote.map_or_else(|| "–".to_owned(), |vote| vote.to_string());
    Mark::of("tr", if node.selected { "selected" } else { "" })
        .key(node.id.0)
        .with(Mark::new("th").set("scope", "row").with(badge(node)))
        .with(Mark::new("td").text(node.role.name()))
        .with(cell(node.term.to_string()))
        .with(known(vote))
        .with(cell(timer))
        .with(known(node.last.to_string()))
        .with(known(node.durable.to_string()))
        .with(known(node.commit.to_string()))
        .with(known(node.applied.to_string()))
        .with(
            Mark::of("td", "acts").with(
                Mark::new("button")
                    .set("type", "button")
                    .set("data-act", format!("open:{}", node.id))
                    .set("aria-label", format!("Do … with node {}", node.id))
                    .text("Do …"),
            ),
        )
}

/// What can be done: with what is picked, and else with the cluster.
pub fn dock(scene: &Scene) -> Vec<Mark> {
    let menu = if scene.menu.items.is_empty() { &scene.tries } else { &scene.menu };
    let row = Mark::of("div", "row")
        .set("role", "group")
        .set("aria-label", &*menu.title)
        .with(Mark::of("span", "row-name").key(u64::MAX).text(&*menu.title))
        .with_all(menu.items.iter().zip(0..).map(|(item, place)| act(item).key(place)));
    vec![row]
}

/// The branches, and how the one in view differs from the one it is compared with.
pub fn branches(timeline: &Timeline) -> Vec<Mark> {
    let tab = |tab: &Tab| {
        let title = match &tab.fork {
            Some((from, at)) => {
                format!("Branch {}, parted from {from} at {} s", tab.name, seconds(*at))
            }
            None => format!("Branch {}, the first", tab.name),
        };
        Mark::of("button", "small tab")
            .key(tab.place as u64)
            .set("type", "button")
            .set("data-act", format!("branch:{}", tab.place))
            .set("aria-pressed", if tab.current { "true" } else { "false" })
            .set("title", &*title)
            .set("aria-label", title)
            .text(&*tab.name)
    };
    let past = match timeline.in_the_past {
        true => "In the past: what you do begins another branch. ",
        false => "",
    };
    let words = match timeline.difference.as_ref().filter(|versus| versus.at <= timeline.now) {
        Some(Versus { name, at, states: [here, there], nodes }) => {
            let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            let nodes = match &*nodes {
                [] => "no role or term differs".to_owned(),
                [node] => format!("node {node} differs"),
                nodes => format!("nodes {} differ", nodes.join(", ")),
            };
            format!(
                "{past}Parted from {name} at {} s; {nodes}. Here {here}; in {name} {there}.",
                seconds(*at)
            )
        }
        None => past.to_owned(),
    };
    let tabs = timeline.branches.iter().map(tab).collect::<Vec<Mark>>();
    let mut marks = Vec::new();
    if !tabs.is_empty() {
        let group = Mark::of("span", "tabs").set("role", "group").set("aria-label", "Branches");
        marks.push(group.with_all(tabs));
    }
    marks.push(Mark::of("span", "quiet").text(words));
    marks
}

/// What one can do, as a button.
fn act(item: &Item) -> Mark {
    let mut mark = Mark::new("button").set("type", "button").set("data-act", &*item.act);
    if !item.enabled {
        mark = mark.set("aria-disabled", "true");
    }
    if item.on {
        mark = mark.set("aria-pressed", "true");
    }
    mark = mark
        .set("data-means", item.means)
        .set("title", item.means)
        .with(Mark::new("span").text(&*item.words));
    if !item.key.is_empty() {
        mark = mark.with(Mark::new("kbd").set("aria-hidden", "true").text(item.key));
    }
    mark
}

/// The shapes of messages and what they mean. Never changes.
pub fn legend() -> Vec<Mark> {
    let entries: [(&[Drawn], &str, &str); 8] = [
        (&[(Kind::PreVote, None)], "pre-vote", "Would you vote for me? Changes nothing yet"),
        (&[(Kind::Vote, None)], "vote", "Vote for me, please"),
        (&[(Kind::Vote, Some(true)), (Kind::Vote, Some(false))], "yes, no", "The voter's answer"),
        (&[(Kind::Heartbeat, None)], "heartbeat", "I lead, and have nothing new"),
        (&[(Kind::Append(2), None)], "entries", "So many new entries for your log"),
        (&[(Kind::Append(2), Some(true))], "stored", "They are on my disk"),
        (&[(Kind::Forward, None)], "request", "What a client wants"),
        (&[(Kind::Snapshot, None)], "snapshot", "The whole state, for one far behind"),
    ];
    let icon = |(kind, answer): &Drawn| {
        Mark::new("svg")
            .set("viewBox", "-15 -15 30 30")
            .set("width", "21")
            .set("height", "21")
            .set("aria-hidden", "true")
            .with_all(shapes::message(*kind, *answer, Term(0)))
    };
    let entry = |(shapes, words, means): (&[Drawn], &str, &str)| {
        Mark::new("li")
            .set("title", means)
            .with_all(shapes.iter().map(icon))
            .with(Mark::new("span").text(words))
    };
    entries.into_iter().map(entry).collect()
}

/// A message's kind and answer: all that its shape depends on.
type Drawn = (Kind, Option<bool>);

fn badge(node: &Node) -> Mark {
    Mark::of("button", format!("badge {} {}", node.role.name(), term_class(node.term)))
        .set("type", "button")
        .set("data-act", format!("select:{}", node.id))
        .set("aria-pressed", if node.selected { "true" } else { "false" })
        .set("aria-label", format!("Node {}", node.id))
        .text(node.id.to_string())
}

/// A moment in seconds, to the millisecond.
pub fn seconds(at: Instant) -> String {
    format!("{}.{:03}", at.0 / 1_000_000, at.0 / 1_000 % 1_000)
}
