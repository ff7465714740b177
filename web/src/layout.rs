//! Where things are on the stage: nodes on a ring, and between each two of them one lane per direction,
//! so that what goes there never meets what comes back.

use raft_sim::options::PLAYGROUND_NODES_MAX;
use std::f64::consts::FRAC_1_SQRT_2;

/// A place on the stage, or a direction if its length is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

impl Point {
    /// How far it is to another place.
    pub fn distance(self, to: Self) -> f64 {
        let (dx, dy) = (to.x - self.x, to.y - self.y);
        (dx * dx + dy * dy).sqrt()
    }

    /// The direction to another place.
    pub fn towards(self, to: Self) -> Self {
        let distance = self.distance(to).max(0.001);
        Self { x: (to.x - self.x) / distance, y: (to.y - self.y) / distance }
    }

    /// The place so far away in a direction.
    pub fn along(self, direction: Self, distance: f64) -> Self {
        Self { x: self.x + direction.x * distance, y: self.y + direction.y * distance }
    }
}

/// The stage for a number of nodes. Lengths are in units of the picture, which scales as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// The stage's width.
    pub width: f64,
    /// The stage's height.
    pub height: f64,
    /// The radius of a node.
    pub radius: f64,
    /// Whether it is for a narrow screen: words move into the nodes, and everything is larger relative
    /// to the stage.
    pub narrow: bool,
    nodes: usize,
    /// How far from the top the middle of the ring is.
    middle: f64,
    /// How far from its middle the ring reaches, to the side and up or down.
    reach: (f64, f64),
}

/// The most nodes there is room for: those of a playground.
pub const NODES_MAX: usize = PLAYGROUND_NODES_MAX as usize;

/// What of a node's surroundings its second ring and its timer take up.
const HALO: f64 = 16.0;

impl Layout {
    /// The stage for `nodes` nodes, in a frame so many times as high as wide.
    pub fn new(nodes: usize, narrow: bool, aspect: f64) -> Self {
        let crowded = (nodes as f64 - 5.0).max(0.0);
        let wide = 680.0 + 25.0 * crowded;
        let (width, height, radius) = match narrow {
            // The fewer there are, the less room they need, and the larger everything is drawn.
            false => (wide, wide * within(aspect, 0.55, 0.9), 44.0 - 3.0 * crowded),
            true => (390.0, 400.0, 36.0 - 3.0 * crowded),
        };
        let mut layout =
            Self { width, height, radius, narrow, nodes, middle: height / 2.0, reach: (0.0, 0.0) };
        // The ring fills its box: room for words at the sides, for the crown above and a word below.
        let (side, top, bottom) = if narrow { (6.0, 22.0, 20.0) } else { (104.0, 22.0, 8.0) };
        let (left, top) = (radius + HALO + side, radius + HALO + top);
        let bottom = height - radius - HALO - bottom;
        let ring: Vec<Point> = (0..nodes).map(|place| layout.outwards(place)).collect();
        let highest = ring.iter().fold(0.0, |highest: f64, point| highest.min(point.y));
        let lowest = ring.iter().fold(0.0, |lowest: f64, point| lowest.max(point.y));
        let widest = ring.iter().fold(0.0, |widest: f64, point| widest.max(point.x.abs()));
        if lowest - highest > 0.5 {
            let reach = (bottom - top) / (lowest - highest);
            layout.middle = top - highest * reach;
            layout.reach.1 = reach;
        }
        if widest > 0.5 {
            layout.reach.0 = (width / 2.0 - left) / widest;
        }
        layout
    }

    /// The middle of the stage.
    pub fn center(&self) -> Point {
        Point { x: self.width / 2.0, y: self.middle }
    }

    /// The direction from the middle of the ring to the node of this place.
    pub fn outwards(&self, place: usize) -> Point {
        // Two nodes stand side by side; a ring begins at the top.
        let first = if self.nodes == 2 { (-1.0, 0.0) } else { (0.0, -1.0) };
        let (cos, sin) = TURNS[self.nodes.clamp(1, TURNS.len()) - 1];
        let turn = |(x, y): (f64, f64), _| (x * cos - y * sin, x * sin + y * cos);
        let (x, y) = (0..place).fold(first, turn);
        Point { x, y }
    }

    /// Where the node of this place in the ring stands.
    pub fn node(&self, place: usize) -> Point {
        let (outwards, center) = (self.outwards(place), self.center());
        match self.nodes {
            1 => center,
            _ => Point {
                x: center.x + self.reach.0 * outwards.x,
                y: center.y + self.reach.1 * outwards.y,
            },
        }
    }

    /// The place on the stage that is drawn at a place of its frame, which is so wide and so high: the stage
    /// fills it as far as its shape allows, and stands in its middle.
    pub fn from_frame(&self, (wide, high): (f64, f64), at: Point) -> Point {
        let scale = (wide / self.width).min(high / self.height).max(0.001);
        Point {
            x: (at.x - wide / 2.0) / scale + self.width / 2.0,
            y: (at.y - high / 2.0) / scale + self.height / 2.0,
        }
    }

    /// Where clients stand: in the corner that the ring leaves free for any number of nodes.
    pub fn client(&self) -> Point {
        let corner = self.client_radius() + if self.narrow { 4.0 } else { 18.0 };
        Point { x: corner, y: corner }
    }

    /// The radius of what stands for clients.
    pub fn client_radius(&self) -> f64 {
        if self.narrow { 15.0 } else { 20.0 }
    }

    /// The lane from one rim to another; a rim is a centre and a radius.
    pub fn lane(&self, from: (Point, f64), to: (Point, f64)) -> Lane {
        let ((a, a_radius), (b, b_radius)) = (from, to);
        let (distance, straight) = (a.distance(b), a.towards(b));
        let bow = within(distance * 0.11, 14.0, 40.0);
        // Each lane bows to the left of its direction, which puts the two of a pair on either side.
        let left = Point { x: straight.y, y: -straight.x };
        Lane {
            start: a.along(straight, a_radius + 4.0),
            bend: a.along(straight, distance / 2.0).along(left, bow),
            end: b.along(straight, -b_radius - 4.0),
        }
    }
}

/// A curve from one node to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lane {
    /// At the sender's rim.
    pub start: Point,
    /// What the curve bends towards (the control point of a quadratic Bézier curve).
    pub bend: Point,
    /// At the receiver's rim.
    pub end: Point,
}

impl Lane {
    /// The point a share of the way along, from 0 to 1.
    pub fn at(&self, share: f64) -> Point {
        let (a, b, c) = ((1.0 - share) * (1.0 - share), 2.0 * share * (1.0 - share), share * share);
        Point {
            x: a * self.start.x + b * self.bend.x + c * self.end.x,
            y: a * self.start.y + b * self.bend.y + c * self.end.y,
        }
    }

    /// The direction of travel there.
    pub fn heading(&self, share: f64) -> Point {
        let between = |a: Point, b: Point| a.along(a.towards(b), a.distance(b) * share);
        between(self.start, self.bend).towards(between(self.bend, self.end))
    }
}

/// `value`, or the nearest that is no less than `least` and no more than `most`, which wins. `f64::clamp` would
/// do, but for the code to print a float, which it has for panics: fifteen thousand bytes of page.
pub fn within(value: f64, least: f64, most: f64) -> f64 {
    value.max(least).min(most)
}

/// Whether a place is inside a loop with these corners. What is left twice is outside.
pub fn is_inside(corners: &[Point], at: Point) -> bool {
    let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let crossed = corners.iter().zip(before).filter(|(a, b)| {
        // The edge is crossed on the way from the place to the right.
        (a.y > at.y) != (b.y > at.y) && at.x < a.x + (b.x - a.x) * (at.y - a.y) / (b.y - a.y)
    });
    crossed.count() % 2 == 1
}

/// The corners, in order, of the smallest convex shape around the points.
pub fn hull(points: &[Point]) -> Vec<Point> {
    let leftmost = points.iter().copied().reduce(|a, b| if b.x < a.x { b } else { a });
    let mut around: Vec<Point> = leftmost.into_iter().collect();
    // Wrap a string round them: from each corner on to the point that has no other to its left.
    while let Some(&corner) = around.last().filter(|_| around.len() < points.len()) {
        let is_left = |a: Point, b: Point| {
            (a.x - corner.x) * (b.y - corner.y) - (a.y - corner.y) * (b.x - corner.x) < 0.0
        };
        let others = points.iter().copied().filter(|point| *point != corner);
        match others.reduce(|a, b| if is_left(a, b) { b } else { a }) {
            Some(next) if !around.contains(&next) => around.push(next),
            _ => break,
        }
    }
    around
}

/// The cosine and sine of one turn in a ring of 1, 2, 3 and more nodes. Written out because the page
/// needs no others, and trigonometry in general is large.
const TURNS: [(f64, f64); NODES_MAX] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (-0.5, 0.866_025_4),
    (0.0, 1.0),
    (0.309_017, 0.951_056_5),
    (0.5, 0.866_025_4),
    (0.623_489_8, 0.781_831_5),
    (FRAC_1_SQRT_2, FRAC_1_SQRT_2),
    (0.766_044_4, 0.642_787_6),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_stands_on_the_stage_and_clear_of_the_others() {
        for (narrow, aspect) in [(false, 0.1), (false, 0.7), (false, 2.0), (true, 0.7)] {
            for nodes in 1..=NODES_MAX {
                let layout = Layout::new(nodes, narrow, aspect);
                let room = layout.radius + HALO;
                let places: Vec<Point> = (0..nodes).map(|place| layout.node(place)).collect();
                for (place, a) in places.iter().enumerate() {
                    assert!(a.x >= room && a.x <= layout.width - room, "{nodes} nodes: {a:?}");
                    assert!(a.y >= room && a.y <= layout.height - room, "{nodes} nodes: {a:?}");
                    for b in &places[place + 1..] {
                        let apart = a.distance(*b);
                        assert!(
                            apart > 2.0 * room,
                            "{nodes} nodes, narrow {narrow}, aspect {aspect}: {apart}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_ring_closes() {
        for nodes in 1..=NODES_MAX {
            let layout = Layout::new(nodes, false, 0.7);
            assert!(layout.outwards(0).distance(layout.outwards(nodes)) < 1e-5, "{nodes} nodes");
        }
    }

    #[test]
    fn the_two_lanes_of_a_pair_keep_apart() {
        let layout = Layout::new(5, false, 0.7);
        for (a, b) in [(0, 1), (0, 2), (3, 1)] {
            let (a, b) = ((layout.node(a), layout.radius), (layout.node(b), layout.radius));
            let (there, back) = (layout.lane(a, b).at(0.5), layout.lane(b, a).at(0.5));
            assert!(there.distance(back) > 10.0);
        }
    }

    #[test]
    fn loop_has_inside_what_it_goes_round_whatever_its_shape() {
        let point = |x: f64, y: f64| Point { x, y };
        // Open to the right, and drawn either way round.
        let hook = [
            (0.0, 0.0),
            (9.0, 0.0),
            (9.0, 3.0),
            (3.0, 3.0),
            (3.0, 6.0),
            (9.0, 6.0),
            (9.0, 9.0),
            (0.0, 9.0),
        ];
        let mut hook: Vec<Point> = hook.into_iter().map(|(x, y)| point(x, y)).collect();
        for _ in 0..2 {
            assert!(is_inside(&hook, point(1.0, 4.5)) && is_inside(&hook, point(8.0, 1.0)));
            assert!(!is_inside(&hook, point(6.0, 4.5)) && !is_inside(&hook, point(-1.0, 1.0)));
            hook.reverse();
        }
        assert!(!is_inside(&[], point(0.0, 0.0)) && !is_inside(&hook[..1], hook[0]));
    }

    #[test]
    fn place_under_a_pointer_is_the_one_drawn_there() {
        let layout = Layout::new(5, false, 0.7);
        // Twice as large, with room left at both sides.
        let frame = (layout.width * 2.0 + 100.0, layout.height * 2.0);
        let at = layout.node(1);
        let drawn = Point { x: at.x * 2.0 + 50.0, y: at.y * 2.0 };
        assert!(layout.from_frame(frame, drawn).distance(at) < 1e-9);
    }

    #[test]
    fn hull_leaves_out_what_is_inside() {
        let point = |x: f64, y: f64| Point { x, y };
        assert_eq!(hull(&[]), []);
        assert_eq!(hull(&[point(1.0, 2.0)]), [point(1.0, 2.0)]);
        assert_eq!(hull(&[point(1.0, 2.0), point(0.0, 0.0)]).len(), 2);
        let corners = [point(0.0, 0.0), point(4.0, 0.0), point(4.0, 4.0), point(0.0, 4.0)];
        let mut points = corners.to_vec();
        points.push(point(2.0, 1.0));
        let around = hull(&points);
        assert_eq!(around.len(), 4);
        assert!(corners.iter().all(|corner| around.contains(corner)));
    }
}
