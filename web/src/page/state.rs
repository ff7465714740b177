//! What the visitor has before them: a run, a view of it, and the parts of the page that show it.

mod asks;
mod checks;
mod files;
mod frame;
mod lasso;
mod lesson;
mod live;
mod picture;
mod time;

use super::Result;
use super::hunt::Worked;
use super::live::Attached;
use crate::branches::Branches;
use crate::controls::{self, Action, NOTCHES, Notch, Panel};
use crate::dom::Living;
use crate::draw::{panels, timeline};
use crate::embed::Embed;
use crate::layout::{Point, within};
use crate::link::Link;
use crate::look::{self, ASPECT, View};
use crate::run::Run;
use crate::scene::{PauseWhen, Scene};
use crate::session::{Cluster, Session};
use checks::Watch;
use lesson::Learning;
use raft_core::time::Instant;
use raft_sim::Command;
use raft_sim::options::PLAYGROUND_NODES_MAX;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Document, Element, HtmlDetailsElement, HtmlElement, HtmlInputElement, HtmlSelectElement,
    MediaQueryList, Window,
};

/// The longest stretch of real time that one frame makes up for, in milliseconds. After a pause of the
/// browser's own the run goes on where it was.
const CATCH_UP_MS: f64 = 250.0;

/// How long one frame may compute, in milliseconds; half of what 60 frames in a second leave.
const FRAME_MS: f64 = 8.0;

/// A message shall be under way for this long on screen, in milliseconds, when a run begins.
const FLIGHT_MS: f64 = 750.0;

pub(super) struct State {
    pub(super) window: Window,
    pub(super) root: Element,
    parts: Parts,
    wants_narrow: MediaQueryList,
    wants_wide: MediaQueryList,
    pub(super) wants_still: MediaQueryList,
    branches: Branches,
    view: View,
    /// The timeline's size.
    frame: timeline::Frame,
    /// Whether there are branches below the timeline, and whether words.
    foot: (bool, bool),
    panel: Panel,
    learning: Learning,
    /// What time stops at.
    pause: Option<PauseWhen>,
    /// A pointer draws the moment along the timeline.
    pub(super) scrubs: bool,
    /// The corners of the loop that a pointer draws on the stage; none if none is drawn.
    pub(super) lasso: Vec<Point>,
    pub(super) notch: Notch,
    pub(super) playing: bool,
    /// When the last frame was, while time runs.
    pub(super) frame_at: Option<f64>,
    /// Simulated time that is due, less than a microsecond: dropped, it would falsify slow speeds.
    fraction_us: f64,
    panels_at: f64,
    sentence: (f64, String),
    /// Something to tell the visitor before anything else; empty if there is nothing.
    pub(super) complaint: String,
    /// How the page is shown.
    pub(super) embed: Embed,
    /// The search for a seed that is under way.
    pub(super) hunted: Option<Worked>,
    /// The real cluster that is watched instead of a run, if one is.
    pub(super) attached: Option<Attached>,
    /// What was last said to a screen reader: the number of a happening.
    said: u64,
}

/// The parts of the page that are filled.
struct Parts {
    stage: Living,
    logs: Living,
    story: Living,
    requests: Living,
    table: Living,
    dock: Living,
    inspector: Living,
    timeline: Living,
    branches: Living,
    attached: Living,
    lesson: Living,
    watch: Watch,
}

impl State {
    /// The state of a page that has just been opened.
    pub(super) fn new(root: &Element, window: Window, document: &Document) -> Result<Self> {
        let media = |query| window.match_media(query)?.ok_or(JsValue::from("no media queries"));
        let living = |id: &str| Ok::<_, JsValue>(Living::new(document, find(root, id)?));
        living("#legend")?.show(panels::legend())?;
        living("#wanted")?.show(panels::wanted())?;
        let address = window.location().hash()?;
        let door = super::live::door(&window)?;
        let link = match &door {
            Some(door) => door.clone().map(|_| Link::of_session(Session::default())),
            None if address.is_empty() => Ok(Link::of_first_visit()),
            None => Link::read(&address),
        };
        let (link, complaint) = match link {
            Ok(link) => (link, String::new()),
            Err(complaint) => (Link::of_session(Session::default()), complaint),
        };
        let embed = Embed::read(&window.location().search()?);
        let lesson = link.lesson.filter(|_| embed.shows_lessons());
        let link = Link { lesson, ..link };
        let branches = Branches::new(link.session.clone());
        let run = branches.run();
        let in_view = look::timeline::first_window(run);
        let notch = notch_for(run);
        let mut state = Self {
            parts: Parts {
                stage: living("#stage")?,
                logs: living("#logs")?,
                story: living("#story")?,
                requests: living("#requests")?,
                table: living("#table")?,
                dock: living("#dock")?,
                inspector: living("#inspector")?,
                timeline: living("#timeline")?,
                branches: living("#branches")?,
                attached: living("#attached")?,
                lesson: living("#lesson")?,
                watch: Watch::new(living)?,
            },
            wants_narrow: media("(max-width: 719px)")?,
            wants_wide: media("(min-width: 1080px)")?,
            wants_still: media("(prefers-reduced-motion: reduce)")?,
            window,
            root: root.clone(),
            notch,
            branches,
            view: View::of(in_view),
            frame: timeline::Frame { down: false, along: 1_000.0, across: 180.0 },
            foot: (false, false),
            panel: Panel::default(),
            learning: Learning::default(),
            pause: None,
            scrubs: false,
            lasso: Vec::new(),
            playing: false,
            frame_at: None,
            fraction_us: 0.0,
            panels_at: 0.0,
            sentence: (0.0, String::new()),
            complaint: String::new(),
            embed,
            hunted: None,
            attached: None,
            said: 0,
        };
        state.put_in_frame()?;
        // Who attaches keeps the address; it is the page that does it.
        if !matches!(door, Some(Ok(_))) {
            state.open(link)?;
        }
        state.measure()?;
        if !complaint.is_empty() {
            state.complain(&complaint)?;
        }
        Ok(state)
    }

    pub(super) fn document(&self) -> Result<Document> {
        self.window.document().ok_or_else(|| "no document".into())
    }

    /// The branch in view.
    pub(super) fn run(&self) -> &Run {
        self.branches.run()
    }

    pub(super) fn scene(&self) -> Scene {
        match &self.attached {
            Some(attached) => attached.live.scene(&self.view),
            None => look::scene(self.run(), &self.view),
        }
    }

    /// What is chosen in a list of the page.
    pub(super) fn chosen(&self, id: &str) -> Result<String> {
        Ok(find(&self.root, id)?.dyn_into::<HtmlSelectElement>()?.value())
    }

    pub(super) fn input(&self, id: &str) -> Result<HtmlInputElement> {
        Ok(find(&self.root, id)?.dyn_into()?)
    }

    pub(super) fn write(&self, id: &str, text: &str) -> Result<()> {
        let element = find(&self.root, id)?;
        if element.text_content().as_deref() != Some(text) {
            element.set_text_content(Some(text));
        }
        Ok(())
    }

    /// Fits the stage to its frame, which fills what a wide screen leaves; elsewhere the frame follows
    /// the stage.
    pub(super) fn measure(&mut self) -> Result<()> {
        let frame = find(&self.root, "#frame")?;
        let (width, height) = (frame.client_width(), frame.client_height());
        self.view.aspect = match self.wants_wide.matches() || self.embed.is_embedded {
            true => f64::from(height) / f64::from(width.max(1)),
            false => ASPECT,
        };
        self.fit_timeline()?;
        self.draw(true)
    }

    /// Begins a session, at the moment that a link names.
    pub(super) fn open(&mut self, Link { session, lesson, seen }: Link) -> Result<()> {
        self.detach()?;
        let flight_us = look::usual_flight_us(self.run());
        self.branches = Branches::new(session);
        self.take_lesson(lesson.filter(|_| seen.is_none()));
        self.view.picked = None;
        self.view.window = look::timeline::first_window(self.run());
        // A visitor's choice of speed outlives the run, unless the next is of another kind altogether.
        if look::usual_flight_us(self.run()) != flight_us {
            self.notch = notch_for(self.run());
        }
        (self.fraction_us, self.frame_at, self.said) = (0.0, None, 0);
        self.sentence = (0.0, String::new());
        self.complaint.clear();
        let session = self.run().session();
        let nodes: HtmlSelectElement = find(&self.root, "#nodes")?.dyn_into()?;
        nodes.set_value(&self.run().sim().options().nodes.to_string());
        self.input("#seed")?.set_value(&session.seed.to_string());
        self.write_address()?;
        if let Some(seen) = seen {
            self.playing = false;
            self.view.picked = seen.picked;
            if let Some(complaint) = Link::go(&seen, self.branches.run_mut()) {
                return self.complain(&complaint);
            }
            self.go_on_with_lesson(lesson);
        }
        self.show_lesson()?;
        self.draw(true)
    }

    /// Begins a session at its beginning.
    fn begin(&mut self, session: Session) -> Result<()> {
        self.open(Link::of_session(session))
    }

    /// Begins the session that the form describes.
    pub(super) fn open_form(&mut self) -> Result<()> {
        let nodes: HtmlSelectElement = find(&self.root, "#nodes")?.dyn_into()?;
        let nodes = nodes.value().parse().unwrap_or(5).clamp(1, PLAYGROUND_NODES_MAX);
        let seed = self.input("#seed")?.value();
        match seed.trim().parse() {
            Ok(seed) => self.begin(Session::new(seed, Cluster::Playground(nodes))),
            Err(_) => self.complain("A seed is a whole number, such as 42."),
        }
    }

    /// The address always names what is on the screen, so that it can be copied at any moment.
    fn write_address(&self) -> Result<()> {
        let link = Link { lesson: self.lesson(), ..Link::of_session(self.run().session().clone()) };
        let link = format!("#{}", link.print());
        self.window.history()?.replace_state_with_url(&JsValue::NULL, "", Some(&link))
    }

    pub(super) fn act(&mut self, action: Action) -> Result<()> {
        self.complaint.clear();
        let Some(action) = self.act_live(action)? else { return Ok(()) };
        match action {
            Action::Play => {
                self.playing = !self.playing && !self.is_over();
                self.frame_at = None;
            }
            Action::Step => self.travel(|run| {
                run.step();
            }),
            Action::Back => self.travel(|run| run.seek(run.steps().saturating_sub(1))),
            Action::NextTurn => self.travel(Run::seek_next_turn),
            Action::LastTurn => self.travel(Run::seek_last_turn),
            Action::Go(step) => self.travel(|run| run.seek(step.min(run.record().steps()))),
            Action::Start => self.travel(|run| run.seek(0)),
            Action::End => self.travel(|run| run.seek_time(run.record().end())),
            Action::Branch(place) => {
                self.playing = false;
                self.branches.switch(place);
                self.write_address()?;
            }
            Action::Zoom(nearer) => {
                let shortest = look::timeline::shortest_window(self.run());
                let times = if nearer { (1, 2) } else { (2, 1) };
                self.view.window = self.view.window.zoomed(self.here(), times, shortest);
            }
            Action::Panel(panel) => {
                self.panel = panel;
                self.show_panel()?;
                return self.measure();
            }
            Action::Faster | Action::Slower => {
                let step = if action == Action::Faster { 1 } else { -1 };
                self.notch = (self.notch + step).clamp(*NOTCHES.start(), *NOTCHES.end());
            }
            Action::Learn(learn) => return self.learn(learn),
            Action::WhatIf(what_if) => return self.switch(what_if),
            Action::Show(what_if) => self.show_mistake(what_if)?,
            Action::NewSeed => {
                let seed = getrandom::u32().map_err(|error| error.to_string())?;
                // Short enough to read out in a room.
                let session =
                    Session::new(u64::from(seed % 1_000_000), self.run().session().cluster);
                return self.begin(session);
            }
            Action::Pick(picked) => {
                self.view.picked = Some(picked).filter(|_| self.view.picked != Some(picked));
                // On a narrow screen the panel is for the visitor to choose.
                if self.view.picked.is_some() && !self.wants_narrow.matches() {
                    self.panel = Panel::Picked;
                    self.show_panel()?;
                }
            }
            Action::Open(picked) => {
                self.view.picked = Some(picked);
                self.draw(true)?;
                let first = self.root.query_selector("#dock button:not([aria-disabled])")?;
                return first.map_or(Ok(()), |first| first.unchecked_into::<HtmlElement>().focus());
            }
            // One thing at a time: what is open, then what is picked.
            Action::Escape => {
                if !self.close_sheets(None)? {
                    self.view.picked = None;
                }
            }
            Action::Help => self.open_sheet("#help", "summary")?,
            Action::AskForSeed => self.open_sheet("#hunt", "select")?,
            Action::EndHunt => self.end_hunt("The search has ended.")?,
            // The page's affair, and a watched cluster's.
            Action::Hunt | Action::Fork => {}
            Action::Share => return self.share(),
            Action::Whole => return self.open_whole(),
            Action::AskToSave => self.open_sheet("#share", "button")?,
            Action::Save(file) => return self.save(file),
            Action::Write | Action::Swap | Action::Delete | Action::Read => {
                return self.client_asks(&action);
            }
            Action::Do(commands) => self.command(commands)?,
        }
        self.draw(true)
    }

    fn show_panel(&self) -> Result<()> {
        find(&self.root, "main")?.set_attribute("data-panel", self.panel.name())?;
        for (panel, name) in Panel::ALL {
            let tab = find(&self.root, &format!(".panels [data-act='panel:{name}']"))?;
            tab.set_attribute("aria-pressed", if panel == self.panel { "true" } else { "false" })?;
        }
        Ok(())
    }

    /// Puts a link to this moment into the address.
    fn share(&mut self) -> Result<()> {
        self.playing = false;
        let link = format!("#{}", Link::to(self.run(), self.lesson(), self.view.picked).print());
        self.window.history()?.replace_state_with_url(&JsValue::NULL, "", Some(&link))?;
        self.complain("The address is a link to this moment now: copy it.")
    }

    fn command(&mut self, commands: Vec<Command>) -> Result<()> {
        commands.into_iter().for_each(|command| self.branches.act(command));
        self.write_address()
    }

    fn is_over(&self) -> bool {
        self.run().next_at().is_none()
    }

    /// How fast time runs now. While nobody leads and nothing is on its way there is nothing to miss,
    /// and time runs four times as fast, though not faster than life.
    fn pace(&self) -> f64 {
        let speed = controls::speed(self.notch);
        let waits = look::is_quiet(self.run()) && !look::has_leader(self.run());
        if waits { speed.max((speed * 4.0).min(1.0)) } else { speed }
    }

    pub(super) fn frame(&mut self, now_ms: f64) -> Result<()> {
        if !self.playing {
            return Ok(());
        }
        if self.attached.is_some() {
            return self.frame_live(now_ms);
        }
        let elapsed_ms = within(self.frame_at.map_or(0.0, |last| now_ms - last), 0.0, CATCH_UP_MS);
        self.frame_at = Some(now_ms);
        let due_us = self.fraction_us + elapsed_ms * 1_000.0 * self.pace();
        let until = Instant(self.run().sim().now().0 + due_us as u64);
        self.fraction_us = due_us.fract();
        let performance = self.window.performance().ok_or("no clock")?;
        let start = performance.now();
        let mut is_met = false;
        while !is_met && self.run().sim().now() < until && performance.now() - start < FRAME_MS {
            is_met = self.advance(until);
        }
        self.playing = !is_met && !self.is_over();
        self.turn_lesson(now_ms)?;
        self.draw(is_met)
    }

    pub(super) fn complain(&mut self, complaint: &str) -> Result<()> {
        complaint.clone_into(&mut self.complaint);
        self.write("#live", complaint)?;
        self.draw(true)
    }

    /// Opens a sheet and goes to a part of it, or closes it.
    fn open_sheet(&self, id: &str, part: &str) -> Result<()> {
        let sheet: HtmlDetailsElement = find(&self.root, id)?.dyn_into()?;
        sheet.set_open(!sheet.open());
        find(&sheet, part)?.dyn_into::<HtmlElement>()?.focus()
    }

    /// Closes all sheets but one, and says whether any was open. The focus does not go with what was in one.
    pub(super) fn close_sheets(&self, except: Option<&Element>) -> Result<bool> {
        let mut closes = false;
        for id in ["#share", "#hunt", "#checks", "#whatif", "#help"] {
            let sheet = find(&self.root, id)?;
            if except == Some(&sheet) || !sheet.has_attribute("open") {
                continue;
            }
            if sheet.contains(self.document()?.active_element().as_deref()) {
                find(&sheet, "summary")?.dyn_into::<HtmlElement>()?.focus()?;
            }
            sheet.remove_attribute("open")?;
            closes = true;
        }
        Ok(closes)
    }
}

/// The speed at which messages are under way long enough to be followed.
fn notch_for(run: &Run) -> Notch {
    controls::notch_near(look::usual_flight_us(run) as f64 / 1_000.0 / FLIGHT_MS)
}

pub(super) fn find(root: &Element, id: &str) -> Result<Element> {
    root.query_selector(id)?.ok_or_else(|| format!("the page has no {id}").into())
}
