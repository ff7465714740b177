//! The stage: the ring of nodes, the links between them and the messages on their way.

use crate::draw::{is_striped, shapes, term_class};
use crate::layout::{Lane, Layout, Point, hull, within};
use crate::mark::{Mark, decimal, length};
use crate::scene::{
    Ballot, BallotState, Link, Message, Node, Role, Scene, Side, Standing, Trouble,
};
use raft_core::id::NodeId;

/// How far outside a node's rim its timer runs.
const RING: f64 = 12.0;

/// How far outside a leader's rim its second ring runs.
const SECOND_RING: f64 = 6.0;

/// How far outside the middle of its nodes a side has its words: the first where no node is in the way.
const NAME_OUTWARDS: [f64; 4] = [22.0, 0.0, -25.0, -50.0];

/// How wide these words are, about.
const NAME_WIDE: f64 = 120.0;

/// Everything inside the stage's `<svg>`, from back to front.
pub fn draw(scene: &Scene) -> Vec<Mark> {
    let layer = |class, marks: Vec<Mark>| Mark::of("g", class).with_all(marks);
    // Links and messages have their equals in words: what is near a node, and the story.
    let unsaid = |class, marks| layer(class, marks).set("aria-hidden", "true");
    vec![
        stripes(),
        unsaid("sides", scene.sides.iter().map(|side| self::side(scene, side)).collect()),
        client(scene),
        unsaid("links", scene.links.iter().map(|link| self::link(scene, link)).collect()),
        unsaid(
            "side-names",
            scene.sides.iter().filter_map(|side| side_name(scene, side)).collect(),
        ),
        layer("nodes", scene.nodes.iter().map(|node| self::node(scene, node)).collect()),
        unsaid("messages", scene.messages.iter().map(message).collect()),
        layer("everywhere", everywhere(scene).into_iter().collect()),
    ]
}

/// The loop that is being drawn.
pub fn lasso(corners: &[Point]) -> Option<Mark> {
    let path: Vec<String> = corners.iter().map(|point| spot(*point)).collect();
    let path = (path.len() > 1).then(|| format!("M{} Z", path.join(" L")))?;
    Some(Mark::of("path", "lasso").set("d", path))
}

/// The stage as a picture of its own, for files and tests; colours come from the style sheet.
pub fn svg_string(scene: &Scene) -> String {
    let view_box = format!("0 0 {} {}", length(scene.layout.width), length(scene.layout.height));
    let svg = Mark::of("svg", "stage")
        .set("xmlns", "http://www.w3.org/2000/svg")
        .set("viewBox", view_box)
        .with_all(draw(scene));
    svg.print()
}

/// What is laid over the hue of every second lap of terms.
fn stripes() -> Mark {
    let stripe = Mark::of("rect", "stripe").place([("width", 3.0), ("height", 8.0)]);
    let pattern = Mark::new("pattern")
        .set("id", "stripes")
        .set("patternUnits", "userSpaceOnUse")
        .set("patternTransform", "rotate(45)")
        .place([("width", 8.0), ("height", 8.0)])
        .with(stripe);
    Mark::new("defs").with(pattern)
}

/// A soft area round the nodes that reach each other.
fn side(scene: &Scene, side: &Side) -> Mark {
    let points: Vec<Point> = scene
        .nodes
        .iter()
        .filter(|node| side.nodes.contains(&node.id))
        .map(|node| node.at)
        .collect();
    let corners = hull(&points);
    let path: Vec<String> = corners.iter().map(|point| spot(*point)).collect();
    let thick = 2.0 * (scene.layout.radius + RING + 12.0);
    let key = side.nodes.first().map_or(0, |node| node.0);
    let class = if side.quorum { "side" } else { "side minority" };
    let area = Mark::of("path", "area")
        .set("d", format!("M{} Z", path.join(" L")))
        .place([("stroke-width", thick)]);
    Mark::of("g", class).key(key).with(area)
}

/// Whether those who reach each other are a majority; one node alone needs no words for it.
fn side_name(scene: &Scene, side: &Side) -> Option<Mark> {
    let is_here = |node: &&Node| side.nodes.contains(&node.id);
    let points: Vec<Point> = scene.nodes.iter().filter(is_here).map(|node| node.at).collect();
    if points.len() < 2 {
        return None;
    }
    let votes = |node: &&Node| node.standing == Standing::Voter;
    let all = scene.nodes.iter().filter(votes).count();
    let count = scene.nodes.iter().filter(votes).filter(is_here).count();
    let words = if side.quorum { "a majority" } else { "no majority" };
    let mean = |of: fn(&Point) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let mid = Point { x: mean(|point| point.x), y: mean(|point| point.y) };
    // Outwards, where fewer lines cross and the other side has no words; or inwards, if no node is in the way.
    let outwards = scene.layout.center().towards(mid);
    let room = |at: &Point| {
        let apart = |node: &Node| {
            let beside = ((node.at.x - at.x).abs() - NAME_WIDE / 2.0).max(0.0);
            Point::default().distance(Point { x: beside, y: node.at.y - at.y })
        };
        scene.nodes.iter().map(apart).fold(f64::MAX, f64::min)
    };
    let mut places = NAME_OUTWARDS.iter().map(|by| mid.along(outwards, *by));
    let is_free = |at: &Point| room(at) > scene.layout.radius + RING;
    let at = places.clone().find(is_free).or(places.next()).unwrap_or(mid);
    let name = Mark::of("text", "side-name")
        .key(side.nodes.first().map_or(0, |node| node.0))
        .place([("x", at.x), ("y", at.y)])
        .text(format!("{words}: {count} of {all}"));
    Some(name)
}

/// A link: a hairline where one may cut, a plain gap where one has, and words for what else is the matter.
fn link(scene: &Scene, link: &Link) -> Mark {
    let (a, b) = (place(scene, link.pair.0), place(scene, link.pair.1));
    let (from, to) = (rim(&scene.layout, a, b), rim(&scene.layout, b, a));
    let cut = link.cut_there || link.cut_back;
    let line = |class, from: Point, to: Point| {
        Mark::of("line", class).place([("x1", from.x), ("y1", from.y), ("x2", to.x), ("y2", to.y)])
    };
    let ill = link.is_damaged() || scene.everywhere != Trouble::default();
    let class = match (cut, ill) {
        (true, _) => "link cut",
        (false, true) => "link ill",
        (false, false) => "link",
    };
    let selected = if link.selected { " selected" } else { "" };
    let (heading, whole) = (from.towards(to), from.distance(to));
    let part = |share: f64| from.along(heading, whole * share);
    let mut mark = Mark::of("g", format!("{class}{selected}"))
        .key(link.pair.0.0 * 16 + link.pair.1.0)
        .set("data-act", format!("link:{}-{}", link.pair.0, link.pair.1))
        .with(Mark::new("title").text(format!("Link {}–{}", link.pair.0, link.pair.1)))
        .with(line("reach", from, to));
    if !cut {
        mark = mark.with(line("wire", from, to));
    } else {
        // Two slashes for a link that is gone; with one direction left, an arrow along it.
        let glyph = match (link.cut_there, link.cut_back) {
            (true, true) => "M-7 9 L-1 -9 M1 9 L7 -9",
            (false, _) => "M-6 -7 L6 0 L-6 7",
            (true, false) => "M6 -7 L-6 0 L6 7",
        };
        mark = mark.with(line("wire", from, part(0.44))).with(line("wire", part(0.56), to)).with(
            Mark::of("path", "break").set("d", glyph).set("transform", turned(part(0.5), heading)),
        );
    }
    // Each direction has its words on its own lane.
    for (trouble, from, to) in [(link.there, a, b), (link.back, b, a)] {
        let (words, r) = (trouble_words(trouble), scene.layout.radius);
        if !words.is_empty() {
            let lane = scene.layout.lane((from, r), (to, r));
            mark = mark.with(pill("pill", lane.at(0.45), &words));
        }
    }
    if scene.fast {
        let lanes = [(a, b, link.traffic.0), (b, a, link.traffic.1)];
        mark = mark.with_all(lanes.into_iter().filter(|(.., traffic)| *traffic > 0).map(
            |(from, to, traffic)| {
                let rim = scene.layout.radius;
                let lane = scene.layout.lane((from, rim), (to, rim));
                Mark::of("path", "traffic")
                    .set("d", curve(&lane))
                    .place([("stroke-width", (1.0 + 1.5 * traffic as f64).min(12.0))])
            },
        ));
    }
    mark
}

/// What is the matter with all links alike, in the corner that the ring leaves free.
fn everywhere(scene: &Scene) -> Option<Mark> {
    let words = Some(trouble_words(scene.everywhere)).filter(|words| !words.is_empty())?;
    let corner = scene.layout.client();
    let at = Point { x: scene.layout.width - corner.x - 70.0, y: corner.y };
    Some(pill("pill", at, &format!("all links {words}")))
}

fn trouble_words(trouble: Trouble) -> String {
    let later = match trouble.later_ms {
        0 => String::new(),
        ms if ms % 1_000 == 0 || ms > 10_000 => format!("+{} s", ms / 1_000),
        ms => format!("+{ms} ms"),
    };
    match trouble.loss_percent {
        0 => later,
        percent if later.is_empty() => format!("−{percent} %"),
        percent => format!("{later} −{percent} %"),
    }
}

/// Words on a ground of their own.
fn pill(class: &str, at: Point, words: &str) -> Mark {
    let wide = 12.0 + 6.4 * words.chars().count() as f64;
    Mark::of("g", class)
        .set("transform", format!("translate({})", spot(at)))
        .with(Mark::new("rect").place([
            ("x", -wide / 2.0),
            ("y", -9.0),
            ("width", wide),
            ("height", 18.0),
            ("rx", 9.0),
        ]))
        .with(Mark::new("text").place([("y", 4.0)]).text(words))
}

/// The clients, as one thing outside the ring, and what they asked last.
fn client(scene: &Scene) -> Mark {
    let (at, r) = (scene.layout.client(), scene.layout.client_radius());
    let asked = scene.requests.first().filter(|_| !scene.layout.narrow);
    let words = asked.into_iter().flat_map(|request| {
        let glyph = match request.done {
            None => "…",
            Some(true) => "✓",
            Some(false) => "✕",
        };
        let word = |class, y, text: String| {
            Mark::of("text", class).place([("x", r + 8.0), ("y", y)]).text(text)
        };
        [
            word("asks", -3.0, format!("{} {glyph}", request.asks)),
            // There is room for the main thing; the panel has the rest.
            word(
                "answer",
                14.0,
                request.answer.split([',', ';']).next().unwrap_or_default().to_owned(),
            ),
        ]
    });
    Mark::of("g", "client")
        .set("aria-hidden", "true")
        .set("data-act", "panel:client")
        .set("transform", format!("translate({})", spot(at)))
        .with(Mark::new("rect").place([
            ("x", -r),
            ("y", -r),
            ("width", 2.0 * r),
            ("height", 2.0 * r),
            ("rx", r * 0.45),
        ]))
        .with(Mark::new("path").set("d", "M-6 -5 L0 0 L-6 5 M2 6 H8"))
        .with(Mark::of("text", "note").place([("y", r + 16.0)]).text("client"))
        .with_all(words)
}

fn node(scene: &Scene, node: &Node) -> Mark {
    let r = scene.layout.radius;
    let circle = |class: &str, r: f64| Mark::of("circle", class).place([("r", r)]);
    // One without a vote is a square, whatever else it is.
    let body = |class: &str| match node.standing {
        Standing::Voter => circle(class, r),
        Standing::Learner | Standing::Outside => Mark::of("rect", class).place([
            ("x", -r * 0.9),
            ("y", -r * 0.9),
            ("width", r * 1.8),
            ("height", r * 1.8),
            ("rx", 8.0),
        ]),
    };
    let selected = if node.selected { " selected" } else { "" };
    let outside = if node.standing == Standing::Outside { " outside" } else { "" };
    let class = format!("node {} {}{selected}{outside}", node.role.name(), term_class(node.term));
    let mut mark = Mark::of("g", class)
        .key(node.id.0)
        .set("data-act", format!("select:{}", node.id))
        .set("data-node", node.id.to_string())
        .set("data-role", node.role.name())
        .set("data-term", node.term.to_string())
        .set("role", "button")
        .set("tabindex", "0")
        .set("aria-pressed", if node.selected { "true" } else { "false" })
        .set("transform", format!("translate({} {})", length(node.at.x), length(node.at.y)))
        .with(Mark::new("title").text(format!(
            "Node {}, {}, term {}{}",
            node.id,
            role_word(node),
            node.term,
            node.machine.words().fold(String::new(), |words, word| format!("{words}, {word}"))
        )))
        .with(circle("reach", r + RING + 4.0))
        .with(Mark::of("path", "picked").set("d", corners(r + RING + 6.0)));
    if let Some(share) = node.timer {
        let left = 100.0 * within(share, 0.0, 1.0);
        let class = if share < 0.2 { "timer urgent" } else { "timer" };
        mark = mark.with(circle("track", r + RING)).with(
            circle(class, r + RING)
                .set("pathLength", "100")
                .set("stroke-dasharray", format!("{} 100", length(left)))
                .set("stroke-dashoffset", length(left - 100.0))
                .set("transform", "rotate(-90)"),
        );
    }
    if node.role == Role::Leader {
        mark = mark.with(circle("ring", r + SECOND_RING)).with(
            Mark::of("path", "crown")
                .set("d", "M-12 0 L-15 -14 L-7 -6 L0 -17 L7 -6 L15 -14 L12 0 Z")
                .set("transform", format!("translate(0 {})", length(-r - RING - 2.0))),
        );
    }
    mark = mark.with(body("body"));
    if is_striped(node.term) && node.role.is_up() {
        mark = mark.with(body("stripes"));
    }
    if !node.role.is_up() {
        let arm = length(r * 0.71);
        mark = mark.with(
            Mark::of("path", "cross")
                .set("d", format!("M-{arm} -{arm} L{arm} {arm} M{arm} -{arm} L-{arm} {arm}")),
        );
    }
    let mark = mark.with_all(words(&scene.layout, node));
    let mark = mark.with_all(node.ballots.iter().map(|ballot| self::ballot(ballot, r)));
    let pills = node.machine.words().enumerate().map(|(place, words)| {
        pill("pill", Point { x: 0.0, y: r - 2.0 + 17.0 * place as f64 }, words)
    });
    mark.with_all(pills)
}

/// What a node is, in a word.
fn role_word(node: &Node) -> &'static str {
    match (node.standing, node.role) {
        (_, Role::Down | Role::Silent) | (Standing::Voter, _) => node.role.name(),
        (Standing::Learner, _) => "learner",
        (Standing::Outside, _) => "not a member",
    }
}

/// A node's name, term and role, as far as there is room.
fn words(layout: &Layout, node: &Node) -> Vec<Mark> {
    let r = layout.radius;
    let word = |class: &str, x: f64, y: f64, size: f64, text: String| {
        Mark::of("text", class)
            .set("aria-hidden", "true")
            .place([("x", x), ("y", y), ("font-size", size)])
            .text(text)
    };
    let term = if r < 30.0 { format!("t{}", node.term) } else { format!("term {}", node.term) };
    let mut words = match node.role {
        Role::Down | Role::Silent => vec![word("id", 0.0, r * 0.26, r * 0.74, node.id.to_string())],
        _ => vec![
            word("id", 0.0, r * 0.12, r * 0.74, node.id.to_string()),
            word("term", 0.0, r * 0.52, (r * 0.31).max(10.5), term),
        ],
    };
    if layout.narrow {
        words.push(word("role", 0.0, r + RING + 15.0, 12.5, role_word(node).to_owned()));
        return words;
    }
    let Point { x: cos, y: sin } = node.outwards;
    let reach = r + RING + 13.0;
    // Words stand outwards; above and below the ring they move aside, out of the crown's way.
    let (x, y, anchor) = match cos {
        _ if cos > 0.35 => (reach * cos.max(0.93), reach * sin * 0.8, "start"),
        _ if cos < -0.35 => (reach * cos.min(-0.93), reach * sin * 0.8, "end"),
        _ => (r * 0.8 + RING + 9.0, reach * sin.signum() * 0.72, "start"),
    };
    words.push(word("role", x, y, 15.0, capital(role_word(node))).set("text-anchor", anchor));
    words.push(word("note", x, y + 17.0, 13.0, note(node)).set("text-anchor", anchor));
    words
}

fn note(node: &Node) -> String {
    let have = node.ballots.iter().filter(|ballot| ballot.state == BallotState::Granted).count();
    match node.role {
        Role::Down => "its disk is safe".to_owned(),
        Role::Silent => "not heard from".to_owned(),
        Role::Leader => format!("committed {}", node.commit),
        // Who watches a real node is told only what happened, not which votes it has.
        Role::PreCandidate | Role::Candidate if node.ballots.is_empty() => {
            format!("needs {} votes", node.majority)
        }
        Role::PreCandidate | Role::Candidate => format!("{have} of {} votes", node.majority),
        Role::Follower => match (node.leader, node.vote) {
            (Some(leader), _) => format!("follows {leader}"),
            (None, Some(vote)) => format!("voted for {vote}"),
            (None, None) => "no leader".to_owned(),
        },
    }
}

/// A vote on the candidate's rim, on the side where the voter stands.
fn ballot(ballot: &Ballot, r: f64) -> Mark {
    let (class, glyph) = match ballot.state {
        BallotState::Open => ("ballot", None),
        BallotState::Coming => ("ballot coming", Some("M-6 0 A6 6 0 0 0 6 0 Z")),
        BallotState::Granted => ("ballot granted", Some("M-3.4 0.4 L-1 2.8 L3.4 -2.6")),
        BallotState::Refused => ("ballot refused", Some("M-2.6 -2.6 L2.6 2.6 M2.6 -2.6 L-2.6 2.6")),
    };
    let at = Point::default().along(ballot.towards, r);
    Mark::of("g", class)
        .set("transform", format!("translate({} {})", length(at.x), length(at.y)))
        .with(Mark::new("circle").place([("r", 7.0)]))
        .with_all(glyph.map(|path| Mark::new("path").set("d", path)))
}

fn message(message: &Message) -> Mark {
    let mut class = "message".to_owned();
    for (is_so, word) in [
        (message.lost, " lost"),
        (message.held, " held"),
        (message.late, " late"),
        (message.selected, " selected"),
    ] {
        class.push_str(if is_so { word } else { "" });
    }
    // The tail points back to the sender, so that direction shows even when time stands still.
    let tail = Mark::of("path", format!("tail {}", term_class(message.term)))
        .set("d", "M0 -4.5 L-34 0 L0 4.5 Z")
        .set("transform", turn(message.heading));
    let mut mark = Mark::of("g", class)
        .key(message.id)
        .set("transform", format!("translate({} {})", length(message.at.x), length(message.at.y)))
        .set("data-act", format!("message:{}", message.id))
        .with(Mark::new("title").text(&*message.says))
        .with(Mark::of("circle", "reach").place([("r", 16.0)]))
        .with(tail)
        .with_all(shapes::message(message.kind, message.answer, message.term));
    // Held has a pin, late has an hourglass, lost is crossed out.
    let fate = match (message.lost, message.held, message.late) {
        (true, ..) => Some("M-11 -11 L11 11 M11 -11 L-11 11"),
        (_, true, _) => Some("M0 -13 V-25 M-6 -25 H6 M-4 -19 H4"),
        (.., true) => Some("M-5 -26 H5 L-5 -14 H5 L-5 -26"),
        _ => None,
    };
    if let Some(glyph) = fate {
        mark = mark.with(Mark::of("path", "fate").set("d", glyph));
    }
    if message.selected {
        mark = mark.with(Mark::of("path", "picked").set("d", corners(20.0)));
    }
    mark
}

fn place(scene: &Scene, id: NodeId) -> Point {
    scene.node(id).map_or_else(|| scene.layout.center(), |node| node.at)
}

/// Where the straight line from `a` to `b` leaves the surroundings of `a`.
fn rim(layout: &Layout, a: Point, b: Point) -> Point {
    a.along(a.towards(b), layout.radius + RING + 4.0)
}

/// The four corners of a square around the origin, like a viewfinder's.
fn corners(half: f64) -> String {
    let (far, near) = (length(half), length(half - (half * 0.5).min(12.0)));
    format!(
        "M-{far} -{near} V-{far} H-{near} M{near} -{far} H{far} V-{near} \
         M{far} {near} V{far} H{near} M-{near} {far} H-{far} V{near}"
    )
}

fn curve(lane: &Lane) -> String {
    format!("M{} Q{} {}", spot(lane.start), spot(lane.bend), spot(lane.end))
}

fn spot(point: Point) -> String {
    format!("{} {}", length(point.x), length(point.y))
}

fn turned(at: Point, heading: Point) -> String {
    format!("translate({}) {}", spot(at), turn(heading))
}

/// The rotation that makes right point in a direction.
fn turn(heading: Point) -> String {
    let (cos, sin) = (decimal(heading.x, 3), decimal(heading.y, 3));
    format!("matrix({cos} {sin} {} {cos} 0 0)", decimal(-heading.y, 3))
}

fn capital(word: &str) -> String {
    let mut word = word.to_owned();
    // The words are ours, and the letters of all languages are ten thousand bytes of page.
    word.get_mut(..1).map(str::make_ascii_uppercase);
    word
}
