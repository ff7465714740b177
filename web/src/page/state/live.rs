//! The view of a cluster that is watched: the same parts of the page, and nothing that commands.

use super::{Result, State, find};
use crate::controls::Action;
use crate::draw;
use crate::look;
use crate::look::View;
use crate::narration;
use crate::page::live::Attached;
use crate::scene::Scene;
use crate::scene::inside::{Inside, Picked};
use crate::scene::timeline::{Timeline, Window};
use raft_core::time::Instant;
use std::time::Duration;
use wasm_bindgen::JsValue;

/// How much time is in view at first.
const WINDOW: Duration = Duration::from_secs(20);

/// While the present is followed, the window moves on by such a part of itself at a time: what stands still in
/// between need not be drawn anew.
const WINDOW_PARTS: u64 = 40;

impl State {
    /// Shows a cluster from now on, and nothing of it yet.
    pub(crate) fn attach(&mut self, attached: Attached) -> Result<()> {
        self.leave_lesson();
        self.attached = Some(attached);
        (self.playing, self.frame_at, self.said) = (true, None, 0);
        self.complaint.clear();
        let window = Window { from: Instant(0), length: WINDOW };
        self.view = View { picked: None, window, ..self.view };
        self.show_attached()
    }

    /// Goes back to the simulator.
    pub(super) fn detach(&mut self) -> Result<()> {
        if self.attached.take().is_none() {
            return Ok(());
        }
        self.playing = false;
        self.show_attached()
    }

    fn show_attached(&mut self) -> Result<()> {
        let is_attached = self.attached.is_some();
        self.root.class_list().toggle_with_force("attached", is_attached)?;
        find(&self.root, "#attached")?.toggle_attribute_with_force("hidden", !is_attached)?;
        self.show_lesson()?;
        self.measure()
    }

    /// The browser's clock, in milliseconds.
    pub(crate) fn now_ms(&self) -> Result<f64> {
        Ok(self.window.performance().ok_or("no clock")?.now())
    }

    /// Does what a visitor wants of the view. Returns what there is to do besides, which commands nothing.
    pub(super) fn act_live(&mut self, action: Action) -> Result<Option<Action>> {
        let Some(attached) = &mut self.attached else { return Ok(Some(action)) };
        let live = &mut attached.live;
        match action {
            Action::Play if live.follows() => live.stay(live.end()),
            Action::Play | Action::End => live.follow(),
            Action::Start => live.stay(Instant(0)),
            Action::Step => live.go_on(false),
            Action::Back => live.go_back(false),
            Action::NextTurn => live.go_on(true),
            Action::LastTurn => live.go_back(true),
            Action::Go(step) => live.go(step),
            Action::Pick(Picked::Link(..)) | Action::Open(Picked::Link(..)) => return Ok(None),
            Action::Pick(_)
            | Action::Open(_)
            | Action::Zoom(_)
            | Action::Panel(_)
            | Action::Escape
            | Action::Help => return Ok(Some(action)),
            Action::Fork => return self.fork().map(|()| None),
            // What commands a cluster is of the simulator alone.
            _ => return Ok(None),
        }
        let follows = live.follows();
        self.go_live(follows)?;
        Ok(None)
    }

    fn go_live(&mut self, follows: bool) -> Result<()> {
        if follows != self.playing {
            (self.playing, self.frame_at) = (follows, None);
        }
        self.draw(true)
    }

    /// Looks at a moment of what was seen. Returns false if nothing is watched.
    pub(super) fn look_back(&mut self, to: impl FnOnce(Instant, Instant) -> Instant) -> bool {
        let Some(attached) = &mut self.attached else { return false };
        let live = &mut attached.live;
        live.stay(to(live.here(), live.end()));
        self.playing = false;
        true
    }

    /// One frame of what is watched.
    pub(super) fn frame_live(&mut self, now_ms: f64) -> Result<()> {
        let panels_due = self.panels_due(now_ms);
        let Some(attached) = &mut self.attached else { return Ok(()) };
        let now = attached.moment(now_ms);
        attached.live.pass(now);
        // Between two looks at the panels only messages move.
        if !panels_due && (self.view.still || !attached.live.moves()) {
            return Ok(());
        }
        self.frame_at = Some(now_ms);
        self.draw(false)
    }

    /// The moment that is looked at.
    pub(super) fn here(&self) -> Instant {
        match &self.attached {
            Some(attached) => attached.live.here(),
            None => self.run().sim().now(),
        }
    }

    pub(super) fn timeline(&self) -> Timeline {
        match &self.attached {
            Some(attached) => attached.live.timeline(&self.view),
            None => look::timeline::timeline(&self.branches, &self.view),
        }
    }

    pub(super) fn inside(&self) -> Option<Inside> {
        match &self.attached {
            Some(attached) => Some(attached.live.inside(&self.view)),
            None => look::inside::inside(self.run(), &self.view),
        }
    }

    pub(super) fn sentence(&self, scene: &Scene) -> String {
        let Some(attached) = &self.attached else { return narration::sentence(scene) };
        match (scene.nodes.is_empty(), &*attached.refusal) {
            (false, _) => attached.live.sentence(),
            (true, "") => format!(
                "No node has answered at {} yet. A node answers pages that it or another node of its cluster \
                 serves.",
                attached.door().address
            ),
            (true, refusal) => {
                format!("{} turns this page away: {refusal}.", attached.door().address)
            }
        }
    }

    /// What is in view while the present is followed: it ends a little behind it.
    pub(super) fn window_live(&self) -> Option<Window> {
        let live = &self.attached.as_ref().filter(|attached| attached.live.follows())?.live;
        let length = self.view.window.length;
        let part_us = (length.as_micros() as u64 / WINDOW_PARTS).max(1);
        let parts = (live.end().0 / part_us + 2).saturating_sub(WINDOW_PARTS);
        Some(Window { from: Instant(parts * part_us), length })
    }

    pub(super) fn draw_live(&mut self) -> Result<()> {
        if let Some(attached) = &self.attached {
            self.parts.attached.show(draw::live::strip(&attached.live))?;
        }
        Ok(())
    }

    /// Goes on in the simulator from a beginning like the cluster's moment. Back leads to the cluster.
    fn fork(&mut self) -> Result<()> {
        let Some(attached) = &self.attached else { return Ok(()) };
        let fork = attached.live.fork();
        let link = format!("#{}", fork.link.print());
        self.window.history()?.push_state_with_url(&JsValue::NULL, "", Some(&link))?;
        self.open(fork.link)?;
        self.complain(&fork.says)
    }
}
