//! Drawing: what there is to see becomes marks, and those become the page.

use super::{Result, State, find};
use crate::controls;
use crate::draw::{inside, panels, stage};
use crate::look::{self, View};
use crate::mark::length;
use crate::narration;
use crate::scene::Scene;

/// Panels change this often at most while time runs, in milliseconds: a text that flickers is not read.
const PANELS_MS: f64 = 120.0;

/// A sentence stays for this long while time runs, in milliseconds.
const SENTENCE_MS: f64 = 1_400.0;

/// Below this flights are too short to see, in milliseconds: three frames.
const FLIGHT_MS_MIN: f64 = 50.0;

impl State {
    /// Draws what there is to see; the panels too if `all`, or if it is time.
    pub(crate) fn draw(&mut self, all: bool) -> Result<()> {
        let flight_ms =
            look::usual_flight_us(self.run()) as f64 / 1_000.0 / controls::speed(self.notch);
        self.view = View {
            narrow: self.wants_narrow.matches(),
            still: self.wants_still.matches(),
            fast: self.attached.is_none() && self.playing && flight_ms < FLIGHT_MS_MIN,
            window: self.turn_page(),
            ..self.view
        };
        let scene = self.scene();
        let mut marks = stage::draw(&scene);
        marks.extend(stage::lasso(&self.lasso));
        self.parts.stage.show(marks)?;
        let now_ms = self.frame_at.unwrap_or_default();
        if all || !self.playing || self.panels_due(now_ms) {
            self.panels_at = now_ms;
            self.draw_panels(&scene, now_ms, all)?;
        }
        self.write("#clock", &panels::seconds(scene.now))?;
        let plural = if scene.events == 1 { "" } else { "s" };
        self.write("#events", &format!("{} event{plural}", scene.events))
    }

    pub(super) fn panels_due(&self, now_ms: f64) -> bool {
        now_ms - self.panels_at >= PANELS_MS
    }

    fn draw_panels(&mut self, scene: &Scene, now_ms: f64, all: bool) -> Result<()> {
        self.parts.logs.show(panels::logs(scene))?;
        self.parts.story.show(panels::story(scene))?;
        self.parts.requests.show(panels::requests(scene))?;
        self.parts.table.show(panels::table(scene))?;
        self.parts.dock.show(panels::dock(scene))?;
        let inside = self.inside();
        self.parts.inspector.show(inside::draw(inside.as_ref()))?;
        self.draw_timeline()?;
        let sentence = match &*self.complaint {
            "" => self.sentence(scene),
            complaint => complaint.to_owned(),
        };
        let (since, shown) = &self.sentence;
        // That a real node is gone is to be read at once.
        let stays_ms = if self.attached.is_some() { PANELS_MS } else { SENTENCE_MS };
        if *shown != sentence && (all || !self.playing || now_ms - since >= stays_ms) {
            self.write("#sentence", &narration::unbroken(&sentence))?;
            self.sentence = (now_ms, sentence);
            self.say(scene)?;
        }
        let stage = find(&self.root, "#stage")?;
        let view_box =
            format!("0 0 {} {}", length(scene.layout.width), length(scene.layout.height));
        stage.set_attribute("viewBox", &view_box)?;
        stage.set_attribute("class", if scene.layout.narrow { "stage narrow" } else { "stage" })?;
        let hash = format!("{:016x}", scene.trace_hash);
        self.root.set_attribute("data-trace-hash", &hash)?;
        self.root.set_attribute("data-events", &scene.events.to_string())?;
        self.write("#hash", &hash)?;
        let broken = scene.violation.is_some();
        self.root.class_list().toggle_with_force("broken", broken)?;
        match &self.attached {
            Some(_) => self.draw_live()?,
            None => {
                self.draw_checks()?;
                self.draw_lesson(scene)?;
            }
        }
        find(&self.root, "#caption")?.toggle_attribute_with_force("hidden", !scene.fast)?;
        find(&self.root, "#legend")?.toggle_attribute_with_force("hidden", scene.fast)?;
        let play = find(&self.root, "#play")?;
        play.set_attribute("aria-pressed", if self.playing { "true" } else { "false" })?;
        let is_live = self.attached.is_some() && !self.is_recording();
        let word = match (is_live, self.playing) {
            (false, true) => "Pause",
            (false, false) => "Run",
            (true, true) => "Freeze",
            (true, false) => "Go live",
        };
        self.write("#play-word", word)?;
        let words = controls::speed_words(self.notch);
        let hurries = self.playing && self.pace() > controls::speed(self.notch);
        self.write("#speed-word", if hurries { "waiting …" } else { &words })?;
        let slider = self.input("#speed")?;
        slider.set_value(&self.notch.to_string());
        slider.set_attribute("aria-valuetext", &words)
    }

    /// Tells a screen reader of the newest turning point, once.
    fn say(&mut self, scene: &Scene) -> Result<()> {
        let newest = scene.story.iter().find(|happening| happening.turn.is_turning_point());
        if let Some(happening) = newest.filter(|happening| happening.id > self.said) {
            let who = happening.node.map_or_else(String::new, |node| format!("Node {node} "));
            self.write("#live", &format!("{who}{}", happening.says))?;
            self.said = happening.id;
        }
        Ok(())
    }
}
