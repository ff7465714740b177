//! Going through time: along the timeline, event by event, and what time stops at.

use super::{Result, State, find};
use crate::draw::{panels, timeline};
use crate::layout::Point;
use crate::mark::length;
use crate::run::Run;
use crate::scene::PauseWhen;
use crate::scene::timeline::{Timeline, Window};
use raft_core::time::Instant;

impl State {
    /// Goes to another moment, and stays there.
    pub(super) fn travel(&mut self, to: impl FnOnce(&mut Run)) {
        self.playing = false;
        to(self.branches.run_mut());
    }

    /// Goes to the moment under the pointer. Places are those of the window that the page is in.
    pub(crate) fn scrub(&mut self, x: i32, y: i32) -> Result<()> {
        let place = find(&self.root, "#timeline")?.get_bounding_client_rect();
        let at = Point { x: f64::from(x) - place.left(), y: f64::from(y) - place.top() };
        let moment = self.frame.moment(&self.timeline(), at);
        if !self.look_back(|_, _| moment) {
            self.travel(|run| run.seek_time(moment));
        }
        self.draw(true)
    }

    /// Goes a part of the window on, or back.
    pub(crate) fn page(&mut self, on: bool) -> Result<()> {
        let part = self.view.window.length / 4;
        let turned = |now: Instant, end: Instant| match on {
            true => (now + part).min(end),
            false => Instant(now.0.saturating_sub(part.as_micros() as u64)),
        };
        if !self.look_back(turned) {
            let now = self.run().sim().now();
            let to = turned(now, self.run().record().end().max(now));
            self.travel(|run| run.seek_time(to));
        }
        self.draw(true)
    }

    /// Waits for what the form says.
    pub(crate) fn choose_pause(&mut self) -> Result<()> {
        let chosen = self.chosen("#pause")?;
        let known = PauseWhen::ALL.iter().find(|(_, name, _)| *name == chosen);
        self.pause = known.map(|(pause, _, _)| *pause);
        Ok(())
    }

    /// Fits the timeline to its frame.
    pub(super) fn fit_timeline(&mut self) -> Result<()> {
        let scrub = find(&self.root, "#scrub")?;
        let (width, height) = (scrub.client_width(), scrub.client_height());
        let (width, height) = (f64::from(width.max(200)), f64::from(height.max(120)));
        self.frame = match self.wants_narrow.matches() && !self.embed.is_embedded {
            true => timeline::Frame { down: true, along: height, across: width },
            false => timeline::Frame { down: false, along: width, across: height },
        };
        Ok(())
    }

    /// The window that holds the moment. It stays while a pointer moves inside it.
    pub(super) fn turn_page(&self) -> Window {
        let (now, window) = (self.here(), self.view.window);
        let is_inside = (window.from..=window.until()).contains(&now);
        if let Some(window) = self.window_live() {
            return window;
        }
        if self.scrubs && is_inside { window } else { window.holding(now) }
    }

    /// Draws the timeline and the branches.
    pub(super) fn draw_timeline(&mut self) -> Result<()> {
        let timeline = self.timeline();
        self.parts.timeline.show(timeline::draw(&timeline, &self.frame))?;
        self.parts.branches.show(panels::branches(&timeline))?;
        let svg = find(&self.root, "#timeline")?;
        let (width, height) = self.frame.size();
        svg.set_attribute("viewBox", &format!("0 0 {} {}", length(width), length(height)))?;
        let Timeline { now, end, crowded, window, kept_from, in_the_past, branches, .. } = timeline;
        let scrub = find(&self.root, "#scrub")?;
        scrub.set_attribute("aria-valuemax", &end.0.to_string())?;
        scrub.set_attribute("aria-valuenow", &now.0.to_string())?;
        let words = format!("{} s of {} s", panels::seconds(now), panels::seconds(end));
        scrub.set_attribute("aria-valuetext", &words)?;
        let crowded = match crowded {
            _ if window.until() < kept_from => "Messages of so long ago are not kept.",
            true => "Too many messages to draw each: zoom in.",
            false => "",
        };
        self.write("#crowded", crowded)?;
        // The foot takes its line from the diagram.
        let foot = (!branches.is_empty(), in_the_past || !crowded.is_empty());
        if std::mem::replace(&mut self.foot, foot) == foot {
            return Ok(());
        }
        self.fit_timeline()?;
        self.draw_timeline()
    }
}
