//! A loop that is drawn on the stage: the nodes inside are picked together.

use super::{Result, State, find};
use crate::controls::Action;
use crate::layout::{Point, is_inside};
use crate::scene::group::Group;
use crate::scene::inside::Picked;

/// The nearest two corners of a loop, in units of the stage: a hand is no finer, and a click no larger.
const STEP: f64 = 6.0;

/// The most corners kept: a loop round the whole stage several times.
const CORNERS_MAX: usize = 1_000;

impl State {
    /// A loop may begin under the pointer. Places are those of the window that the page is in.
    pub(crate) fn begin_loop(&mut self, x: i32, y: i32) -> Result<()> {
        if self.attached.is_none() {
            self.lasso = vec![self.on_stage(x, y)?];
        }
        Ok(())
    }

    /// The loop goes on to the place under the pointer, if there is one. Returns whether it has become one now.
    pub(crate) fn go_on_with_loop(&mut self, x: i32, y: i32) -> Result<bool> {
        let Some(last) = self.lasso.last().copied() else { return Ok(false) };
        let at = self.on_stage(x, y)?;
        if last.distance(at) < STEP || self.lasso.len() >= CORNERS_MAX {
            return Ok(false);
        }
        self.lasso.push(at);
        self.draw(false)?;
        Ok(self.lasso.len() == 2)
    }

    /// The loop is closed: whoever is inside is picked, and nobody else. Or it is given up.
    pub(crate) fn close_loop(&mut self, is_done: bool) -> Result<()> {
        let corners = std::mem::take(&mut self.lasso);
        if corners.len() < 2 || !is_done {
            return Ok(());
        }
        let scene = self.scene();
        let inside = scene.nodes.iter().filter(|node| is_inside(&corners, node.at));
        let inside: Vec<_> = inside.map(|node| node.id).collect();
        self.view.picked = None;
        match &*inside {
            [] => self.draw(true),
            [node] => self.act(Action::Pick(Picked::Node(*node))),
            nodes => self.act(Action::Pick(Picked::Group(Group::of(nodes.iter().copied())))),
        }
    }

    fn on_stage(&self, x: i32, y: i32) -> Result<Point> {
        let place = find(&self.root, "#stage")?.get_bounding_client_rect();
        let at = Point { x: f64::from(x) - place.left(), y: f64::from(y) - place.top() };
        Ok(self.scene().layout.from_frame((place.width(), place.height()), at))
    }
}
