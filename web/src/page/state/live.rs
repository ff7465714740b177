//! The view of a cluster that is watched: the same parts of the page, and nothing that commands.

use super::{CATCH_UP_MS, Result, State, find, notch_for};
use crate::controls::{self, Action, File};
use crate::draw;
use crate::layout::within;
use crate::live::Live;
use crate::look;
use crate::look::View;
use crate::narration;
use crate::page::live::Attached;
use crate::scene::Scene;
use crate::scene::inside::{Inside, Picked};
use crate::scene::timeline::{Timeline, Window};
use crate::trace;
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
        (self.playing, self.frame_at, self.said) = (attached.live.follows(), None, 0);
        self.attached = Some(attached);
        self.complaint.clear();
        let window = Window { from: Instant(0), length: WINDOW };
        self.view = View { picked: None, window, ..self.view };
        self.show_attached()
    }

    /// Goes back to the simulator.
    pub(super) fn detach(&mut self) -> Result<()> {
        let was_recording = self.is_recording();
        if self.attached.take().is_none() {
            return Ok(());
        }
        if was_recording {
            self.notch = notch_for(self.run());
        }
        self.playing = false;
        self.show_attached()
    }

    fn show_attached(&mut self) -> Result<()> {
        let is_attached = self.attached.is_some();
        let is_recording = self.is_recording();
        self.root.class_list().toggle_with_force("attached", is_attached)?;
        self.root.class_list().toggle_with_force("recording", is_recording)?;
        find(&self.root, "#attached")?.toggle_attribute_with_force("hidden", !is_attached)?;
        self.show_lesson()?;
        self.measure()
    }

    /// Whether what is seen was recorded.
    pub(super) fn is_recording(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.live.is_recording())
    }

    /// Shows what a trace has recorded, at its beginning, or says why it cannot.
    pub(crate) fn show_trace(&mut self, text: &str) -> Result<()> {
        let moments = match trace::read(text) {
            Ok(moments) => moments,
            Err(complaint) => return self.complain(&complaint),
        };
        // Back leads to what was there before.
        let page = self.window.location().pathname()?;
        self.window.history()?.push_state_with_url(&JsValue::NULL, "", Some(&page))?;
        self.attach(Attached::recorded(Live::of_recording(moments)))?;
        // A recording is in the time of clocks, and begins at their pace.
        self.notch = 0;
        self.draw(true)
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
            Action::Play if live.is_recording() => {
                let runs = !self.playing && live.here() < live.end();
                return self.go_live(runs).map(|()| None);
            }
            Action::End if live.is_recording() => live.stay(live.end()),
            Action::Faster | Action::Slower if live.is_recording() => return Ok(Some(action)),
            Action::Play if live.follows() => live.stay(live.end()),
            Action::Play | Action::End => live.follow(),
            Action::Start => live.stay(Instant(0)),
            Action::Step => live.go_on(false),
            Action::Back => live.go_back(false),
            Action::NextTurn => live.go_on(true),
            Action::LastTurn => live.go_back(true),
            Action::Go(step) => live.go(step),
            Action::Pick(Picked::Link(..) | Picked::Group(_))
            | Action::Open(Picked::Link(..) | Picked::Group(_)) => return Ok(None),
            Action::Pick(_)
            | Action::Open(_)
            | Action::Zoom(_)
            | Action::Panel(_)
            | Action::Escape
            | Action::AskToSave
            | Action::Save(File::Stage | File::Photo | File::Timeline)
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
        if attached.live.is_recording() {
            return self.play_back(now_ms);
        }
        let now = attached.moment(now_ms);
        attached.live.pass(now);
        // Between two looks at the panels only messages move.
        if !panels_due && (self.view.still || !attached.live.moves()) {
            return Ok(());
        }
        self.frame_at = Some(now_ms);
        self.draw(false)
    }

    /// One frame of what was recorded.
    fn play_back(&mut self, now_ms: f64) -> Result<()> {
        let speed = controls::speed(self.notch);
        let elapsed_ms = within(self.frame_at.map_or(0.0, |last| now_ms - last), 0.0, CATCH_UP_MS);
        let due_us = self.fraction_us + elapsed_ms * 1_000.0 * speed;
        (self.frame_at, self.fraction_us) = (Some(now_ms), due_us.fract());
        let Some(Attached { live, .. }) = &mut self.attached else { return Ok(()) };
        // Beyond the end there is nothing to go to.
        live.stay(Instant(live.here().0.saturating_add(due_us as u64)));
        self.playing = live.here() < live.end();
        self.draw(!self.playing)
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
        match (scene.nodes.is_empty(), attached.trouble()) {
            (false, "") => attached.live.sentence(),
            (false, trouble) => format!("{} {trouble}", attached.live.sentence()),
            (true, "") => format!(
                "No node has answered at {} yet. A node answers pages that it or another node of its cluster \
                 serves.",
                attached.address()
            ),
            (true, trouble) => trouble.to_owned(),
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
