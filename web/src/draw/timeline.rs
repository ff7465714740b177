//! The space-time diagram: time runs along, nodes stand across. On a narrow screen time runs down the
//! page, elsewhere to the right; nothing else differs.

use crate::draw::{is_striped, term_class};
use crate::layout::{Point, within};
use crate::mark::{Mark, length};
use crate::record::{Arrow, Band, Spell};
use crate::scene::timeline::{Flag, Lane, Timeline};
use crate::scene::{Role, Turn};
use raft_core::time::Instant;

/// What the names of the lanes take up, along.
const GUTTER: f64 = 34.0;

/// What the times take up, across.
const AXIS: f64 = 16.0;

/// What clients and commands take up, across.
const BANDS: f64 = 20.0;

/// What the overview of the whole run takes up, across, and what keeps it apart.
const OVERVIEW: f64 = 18.0;
const GAP: f64 = 8.0;

/// The size and direction of a timeline, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Whether time runs down the page.
    pub down: bool,
    /// How long it is in the direction of time.
    pub along: f64,
    /// How far it reaches in the other.
    pub across: f64,
}

impl Frame {
    /// The width and height of the picture.
    pub fn size(&self) -> (f64, f64) {
        if self.down { (self.across, self.along) } else { (self.along, self.across) }
    }

    /// The moment at a place in the picture: on the overview one of the whole run, else one of the window.
    pub fn moment(&self, timeline: &Timeline, at: Point) -> Instant {
        let (along, across) = if self.down { (at.y, at.x) } else { (at.x, at.y) };
        let share = within((along - GUTTER) / self.reach(), 0.0, 1.0);
        let us = |us: u64| (us as f64 * share) as u64;
        match across > self.across - OVERVIEW - GAP / 2.0 {
            true => Instant(us(timeline.end.0)),
            false => {
                let window = timeline.window;
                Instant((window.from.0 + us(window.length.as_micros() as u64)).min(timeline.end.0))
            }
        }
    }

    fn reach(&self) -> f64 {
        (self.along - GUTTER).max(1.0)
    }

    fn along(&self, timeline: &Timeline, at: Instant) -> f64 {
        GUTTER + self.reach() * timeline.window.share(at)
    }

    fn point(&self, along: f64, across: f64) -> Point {
        if self.down { Point { x: across, y: along } } else { Point { x: along, y: across } }
    }

    fn lane_height(&self, timeline: &Timeline) -> f64 {
        let room = self.across - AXIS - BANDS - GAP - OVERVIEW;
        room / timeline.lanes.len().max(1) as f64
    }

    /// The middle of a lane.
    fn lane(&self, timeline: &Timeline, place: usize) -> f64 {
        AXIS + BANDS + self.lane_height(timeline) * (place as f64 + 0.5)
    }

    fn rect(&self, class: String, along: (f64, f64), across: (f64, f64)) -> Mark {
        let (from, to) = (self.point(along.0, across.0), self.point(along.1, across.1));
        Mark::of("rect", class).place([
            ("x", from.x),
            ("y", from.y),
            ("width", to.x - from.x),
            ("height", to.y - from.y),
        ])
    }

    fn line(&self, class: &str, from: (f64, f64), to: (f64, f64)) -> Mark {
        Mark::of("path", class).set("d", self.path(from, to))
    }

    fn path(&self, from: (f64, f64), to: (f64, f64)) -> String {
        let (from, to) = (self.point(from.0, from.1), self.point(to.0, to.1));
        format!("M{} L{}", spot(from), spot(to))
    }

    fn text(&self, class: &str, along: f64, across: f64, text: String) -> Mark {
        let at = self.point(along, across);
        Mark::of("text", class).place([("x", at.x), ("y", at.y)]).text(text)
    }
}

/// Everything inside the timeline's `<svg>`, from back to front.
pub fn draw(timeline: &Timeline, frame: &Frame) -> Vec<Mark> {
    let layer = |class, marks: Vec<Mark>| Mark::of("g", class).with_all(marks);
    let places = || timeline.lanes.iter().enumerate();
    let spells = places().flat_map(|(place, lane)| self::lane(timeline, frame, place, lane));
    let names = places().map(|(place, lane)| name(timeline, frame, place, lane));
    let arrows = timeline.arrows.iter().filter_map(|arrow| self::arrow(timeline, frame, arrow));
    vec![
        layer("axis", axis(timeline, frame)),
        layer("spells", spells.collect()),
        layer("arrows", arrows.collect()),
        layer("bands", bands(timeline, frame)),
        layer(
            "flags",
            timeline.flags.iter().map(|flag| self::flag(timeline, frame, flag)).collect(),
        ),
        layer("names", names.collect()),
        layer("overview", overview(timeline, frame)),
        layer("present", present(timeline, frame)),
    ]
}

/// The timeline as a picture of its own, for files and tests; colours come from the style sheet.
pub fn svg_string(timeline: &Timeline, frame: &Frame) -> String {
    let (width, height) = frame.size();
    let svg = Mark::of("svg", "timeline")
        .set("xmlns", "http://www.w3.org/2000/svg")
        .set("viewBox", format!("0 0 {} {}", length(width), length(height)))
        .with_all(draw(timeline, frame));
    svg.print()
}

/// Times, at round distances that leave room for their digits.
fn axis(timeline: &Timeline, frame: &Frame) -> Vec<Mark> {
    let room = if frame.down { 48.0 } else { 72.0 };
    let least_us = timeline.window.length.as_micros() as f64 / frame.reach() * room;
    let mut step_us = 1_u64;
    for times in [2, 5, 10].into_iter().cycle() {
        if step_us as f64 >= least_us {
            break;
        }
        // 1, 2, 5, 10, 20 and so on.
        step_us = match times {
            2 => step_us * 2,
            5 => step_us / 2 * 5,
            _ => step_us / 5 * 10,
        };
    }
    let first = timeline.window.from.0.div_ceil(step_us) * step_us;
    let times = (0..60).map(|n| Instant(first + n * step_us));
    let shown = times.take_while(|at| *at <= timeline.window.until());
    let bottom = frame.across - OVERVIEW - GAP;
    shown
        .flat_map(|at| {
            let along = frame.along(timeline, at);
            let text = match step_us {
                ..1_000 => format!("{} µs", at.0),
                1_000..1_000_000 => format!("{} ms", at.0 / 1_000),
                _ => format!("{} s", at.0 / 1_000_000),
            };
            let word = match frame.down {
                true => frame.text("time down", along + 4.0, 2.0, text),
                false => frame.text("time", along, 11.0, text),
            };
            [
                frame.line("tick", (along, AXIS), (along, bottom)).key(at.0 * 2),
                word.key(at.0 * 2 + 1),
            ]
        })
        .collect()
}

fn lane(timeline: &Timeline, frame: &Frame, place: usize, lane: &Lane) -> Vec<Mark> {
    let (middle, height) = (frame.lane(timeline, place), frame.lane_height(timeline));
    let until = timeline.end.min(timeline.window.until());
    let base = frame.line("base", (GUTTER, middle), (frame.along, middle));
    let mut marks = vec![base];
    marks.extend(stretches(&lane.spells, until).map(|(spell, from, until)| {
        let along = (frame.along(timeline, from).max(GUTTER), frame.along(timeline, until));
        self::spell(frame, spell, along, middle, height)
    }));
    let edge = middle + height / 2.0;
    marks.extend(stretches(&lane.beside, timeline.window.until()).map(|(spell, from, until)| {
        let along = (frame.along(timeline, from).max(GUTTER), frame.along(timeline, until));
        let class = format!("beside {} {}", spell.role.name(), term_class(spell.term));
        frame.rect(class, (along.0, along.1.max(along.0)), (edge - 4.0, edge - 1.0))
    }));
    marks
}

/// Each spell with its beginning and its end, which is the beginning of the next.
fn stretches(spells: &[Spell], until: Instant) -> impl Iterator<Item = (&Spell, Instant, Instant)> {
    let ends = spells.iter().skip(1).map(|next| next.from).chain([until]);
    spells
        .iter()
        .zip(ends)
        .map(move |(spell, end)| (spell, spell.from, end.min(until).max(spell.from)))
}

/// The higher the role, the more of the lane it fills; the hue is the term's.
fn spell(frame: &Frame, spell: &Spell, along: (f64, f64), middle: f64, height: f64) -> Mark {
    let half = match spell.role {
        Role::Leader => height * 0.38,
        Role::Candidate | Role::PreCandidate => height * 0.30,
        Role::Follower => height * 0.17,
        Role::Down | Role::Silent => 0.0,
    };
    let along = (along.0, along.1.max(along.0));
    let class = format!("spell {} {}", spell.role.name(), term_class(spell.term));
    let mut mark = Mark::of("g", class);
    if !spell.role.is_up() {
        return mark.with(frame.line("gone", (along.0, middle), (along.1, middle)));
    }
    let across = (middle - half, middle + half);
    mark = mark.with(frame.rect("body".to_owned(), along, across));
    if is_striped(spell.term) {
        mark = mark.with(frame.rect("stripes".to_owned(), along, across));
    }
    if along.1 - along.0 > 26.0 && (spell.role == Role::Leader || spell.term.0 > 0) {
        let word = match spell.role {
            Role::Leader if along.1 - along.0 > 70.0 => format!("leads {}", spell.term),
            _ => spell.term.to_string(),
        };
        mark = mark.with(match frame.down {
            true => frame.text("term middle", along.0 + 12.0, middle, word),
            false => frame.text("term", along.0 + 5.0, middle + 4.0, word),
        });
    }
    mark
}

fn name(timeline: &Timeline, frame: &Frame, place: usize, lane: &Lane) -> Mark {
    let middle = frame.lane(timeline, place);
    let (at, now) = (frame.point(14.0, middle), stretch_at(lane, timeline.now));
    let class = match now {
        Some(spell) => format!("name {} {}", spell.role.name(), term_class(spell.term)),
        None => "name".to_owned(),
    };
    let class = if lane.selected { format!("{class} selected") } else { class };
    let radius = (frame.lane_height(timeline) * 0.42).min(11.0);
    let class = if radius < 7.5 { format!("{class} tiny") } else { class };
    Mark::of("g", class)
        .set("data-act", format!("select:{}", lane.node))
        .with(Mark::new("circle").place([("cx", at.x), ("cy", at.y), ("r", radius)]))
        .with(Mark::new("text").place([("x", at.x), ("y", at.y + 4.0)]).text(lane.node.to_string()))
}

fn stretch_at(lane: &Lane, at: Instant) -> Option<&Spell> {
    lane.spells.iter().rev().find(|spell| spell.from <= at)
}

/// From the sender when it was sent to the receiver when it arrived. What is lost ends half-way.
fn arrow(timeline: &Timeline, frame: &Frame, arrow: &Arrow) -> Option<Mark> {
    let place = |node| timeline.lanes.iter().position(|lane| lane.node == node);
    let (from, to) = (place(arrow.from)?, place(arrow.to)?);
    let sent = (frame.along(timeline, arrow.sent), frame.lane(timeline, from));
    let heard = (frame.along(timeline, arrow.arrived), frame.lane(timeline, to));
    let part =
        |share: f64| (sent.0 + (heard.0 - sent.0) * share, sent.1 + (heard.1 - sent.1) * share);
    let flight_us = (arrow.arrived.0 - arrow.sent.0).max(1) as f64;
    let flown = timeline.now.0.saturating_sub(arrow.sent.0) as f64 / flight_us;
    let tip = if arrow.lost { 0.5 } else { 1.0 };
    // One that is under way reaches as far as it has come.
    let tip = if arrow.step == u64::MAX { within(flown, 0.0, tip) } else { tip };
    // The names stand before the window's beginning.
    let tail = ((GUTTER - sent.0) / (heard.0 - sent.0).max(0.1)).max(0.0);
    if tail >= tip {
        return None;
    }
    let (start, end, arrived) = (part(tail), part(tip), arrow.arrived <= timeline.now);
    let (a, b) = (frame.point(start.0, start.1), frame.point(end.0, end.1));
    let heading = a.towards(b);
    let side = Point { x: -heading.y, y: heading.x };
    let back = b.along(heading, -5.0);
    let head = match (arrow.lost, arrow.step == u64::MAX) {
        (true, _) => {
            let spot = |x: f64, y: f64| spot(Point { x: b.x + x, y: b.y + y });
            let (a, b, c, d) = (spot(-3.5, -3.5), spot(3.5, 3.5), spot(-3.5, 3.5), spot(3.5, -3.5));
            format!(" M{a} L{b} M{c} L{d}")
        }
        (false, true) => String::new(),
        (false, false) => {
            let (left, right) = (back.along(side, 2.8), back.along(side, -2.8));
            format!(" M{} L{} L{}", spot(left), spot(b), spot(right))
        }
    };
    let kind = arrow.kind.word();
    let mut class = format!("arrow {kind} {}", term_class(arrow.term));
    for (is, word) in [
        (arrow.answer == Some(true), " yes"),
        (arrow.answer == Some(false), " no"),
        (arrow.lost, " lost"),
        (!arrived, " ahead"),
    ] {
        class.push_str(if is { word } else { "" });
    }
    Some(Mark::of("path", class).key(arrow.id).set("d", format!("M{} L{}{head}", spot(a), spot(b))))
}

/// Clients' operations, from asking to the answer, in as many rows as there is room for.
fn bands(timeline: &Timeline, frame: &Frame) -> Vec<Mark> {
    let mut ends = [Instant(0); 2];
    let mut marks = Vec::new();
    for band in &timeline.bands {
        let until = band.until.map_or(timeline.end, |(_, at)| at);
        let Some(row) = ends.iter().position(|end| *end <= band.from) else { continue };
        ends[row] = until;
        marks.push(self::band(timeline, frame, band, until, AXIS + row as f64 * BANDS / 2.0));
    }
    marks
}

fn band(timeline: &Timeline, frame: &Frame, band: &Band, until: Instant, top: f64) -> Mark {
    let from = frame.along(timeline, band.from).max(GUTTER);
    let to = frame.along(timeline, until.min(timeline.window.until())).max(from + 2.0);
    let (state, word) = match band.done {
        None => ("waiting", "waits"),
        Some(true) => ("done", "done"),
        Some(false) => ("failed", "refused"),
    };
    Mark::of("g", format!("band {state}"))
        .key(band.place as u64)
        .with(Mark::new("title").text(format!("{}: {word}", band.asks)))
        .with(frame.rect("body".to_owned(), (from, to), (top + 1.0, top + BANDS / 2.0 - 1.0)))
}

/// A pennant at what was done to the cluster, a tick at what a node did itself.
fn flag(timeline: &Timeline, frame: &Frame, flag: &Flag) -> Mark {
    let along = frame.along(timeline, flag.at);
    let place = flag.node.and_then(|node| timeline.lanes.iter().position(|lane| lane.node == node));
    let half = frame.lane_height(timeline) * 0.42;
    let class = match flag.turn {
        Turn::CheckFailed => "flag check",
        Turn::Fault => "flag fault",
        Turn::Committed => "flag commit",
        Turn::NoWinner | Turn::SecondLeader => "flag odd",
        _ => "flag",
    };
    let mark = Mark::of("g", class)
        .key(flag.step * 16 + flag.node.map_or(0, |node| node.0 % 16))
        .set("data-act", format!("go:{}", flag.step))
        .with(Mark::new("title").text(&*flag.says));
    let bottom = frame.across - OVERVIEW - GAP;
    match place {
        Some(place) => {
            let middle = frame.lane(timeline, place);
            mark.with(frame.line("reach", (along, middle - half), (along, middle + half)))
                .with(frame.line("pole", (along, middle - half), (along, middle + half)))
        }
        None => {
            let corners = [(0.0, 3.0), (8.0, 7.0), (0.0, 11.0)]
                .map(|(x, y)| spot(frame.point(along + x, AXIS + y - 3.0)));
            mark.with(frame.line("reach", (along, AXIS), (along, bottom)))
                .with(frame.line("pole", (along, AXIS), (along, bottom)))
                .with(Mark::of("path", "cloth").set("d", format!("M{} Z", corners.join(" L"))))
        }
    }
}

/// The whole run, so that one sees where in it the window is.
fn overview(timeline: &Timeline, frame: &Frame) -> Vec<Mark> {
    let (top, bottom) = (frame.across - OVERVIEW, frame.across);
    let along = |at: Instant| {
        GUTTER + frame.reach() * (at.0 as f64 / timeline.end.0.max(1) as f64).min(1.0)
    };
    let most = timeline.density.iter().copied().max().unwrap_or_default().max(1);
    let wide = frame.reach() / timeline.density.len().max(1) as f64;
    let mut path = format!("M{}", spot(frame.point(GUTTER, bottom)));
    for (part, count) in timeline.density.iter().enumerate() {
        let height = (OVERVIEW - 4.0) * f64::from(*count) / f64::from(most);
        let (from, to) = (GUTTER + wide * part as f64, GUTTER + wide * (part + 1) as f64);
        for at in [from, to] {
            path.push_str(&format!(" L{}", spot(frame.point(at, bottom - height))));
        }
    }
    path.push_str(&format!(" L{} Z", spot(frame.point(frame.along, bottom))));
    let window = (along(timeline.window.from), along(timeline.window.until()));
    let now = along(timeline.now);
    let mut marks = vec![
        frame.rect("ground".to_owned(), (along(timeline.kept_from), frame.along), (top, bottom)),
        Mark::of("path", "density").set("d", path),
        frame.rect("window".to_owned(), (window.0, window.1.max(window.0 + 3.0)), (top, bottom)),
    ];
    marks.extend(timeline.branches.iter().filter_map(|tab| {
        let (_, at) = tab.fork.as_ref()?;
        Some(frame.line("fork", (along(*at), top), (along(*at), bottom)))
    }));
    marks.push(frame.line("now", (now, top), (now, bottom)));
    marks
}

/// The present moment, where branches parted, and a veil over what is still to come.
fn present(timeline: &Timeline, frame: &Frame) -> Vec<Mark> {
    let bottom = frame.across - OVERVIEW - GAP;
    let now = within(frame.along(timeline, timeline.now), GUTTER, frame.along);
    let end = within(frame.along(timeline, timeline.end), now, frame.along);
    let mut marks = vec![frame.rect("veil".to_owned(), (now, end), (AXIS, bottom))];
    for tab in &timeline.branches {
        let Some((_, at)) = tab
            .fork
            .as_ref()
            .filter(|(_, at)| *at >= timeline.window.from && *at <= timeline.window.until())
        else {
            continue;
        };
        let along = frame.along(timeline, *at);
        marks.push(frame.line("fork", (along, AXIS), (along, bottom)));
        marks.push(frame.text(
            "fork-name",
            along + 4.0,
            bottom - 3.0,
            format!("{} begins", tab.name),
        ));
    }
    let tip = [(-5.0, 4.0), (5.0, 4.0), (0.0, 12.0)]
        .map(|(x, y)| spot(frame.point(now + x, y)))
        .join(" L");
    marks.push(frame.line("now", (now, 8.0), (now, bottom)));
    marks.push(Mark::of("path", "grip").set("d", format!("M{tip} Z")));
    marks
}

fn spot(point: Point) -> String {
    format!("{} {}", length(point.x), length(point.y))
}
