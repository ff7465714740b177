//! The page in a browser: what the visitor does comes in, frames go out. Nothing is decided here.

use crate::controls::{self, Action, NOTCHES, Notch};
use crate::dom::Living;
use crate::draw::{panels, stage};
use crate::look::{self, View};
use crate::mark::length;
use crate::narration;
use crate::run::Run;
use crate::scene::Scene;
use crate::session::{Cluster, NODES_MAX, Session};
use raft_core::time::Instant;
use raft_sim::Command;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Document, Element, Event, HtmlDetailsElement, HtmlElement, HtmlInputElement, HtmlSelectElement,
    KeyboardEvent, MediaQueryList, Window,
};

/// The longest stretch of real time that one frame makes up for, in milliseconds. After a pause of the
/// browser's own the run goes on where it was.
const CATCH_UP_MS: f64 = 250.0;

/// How long one frame may compute, in milliseconds; half of what 60 frames in a second leave.
const FRAME_MS: f64 = 8.0;

/// Panels change this often at most while time runs, in milliseconds: a text that flickers is not read.
const PANELS_MS: f64 = 120.0;

/// A sentence stays for this long while time runs, in milliseconds.
const SENTENCE_MS: f64 = 1_400.0;

/// A message shall be under way for this long on screen, in milliseconds, when a run begins.
const FLIGHT_MS: f64 = 750.0;

/// Below this flights are too short to see, in milliseconds: three frames.
const FLIGHT_MS_MIN: f64 = 50.0;

/// How many times as high as wide the stage is where nothing says otherwise.
const ASPECT: f64 = 0.7;

/// The page, shared by its event handlers. Handlers run one at a time.
#[derive(Clone)]
pub struct Page(Rc<RefCell<State>>);

struct State {
    window: Window,
    root: Element,
    parts: Parts,
    wants_narrow: MediaQueryList,
    wants_wide: MediaQueryList,
    wants_still: MediaQueryList,
    run: Run,
    view: View,
    notch: Notch,
    playing: bool,
    /// A frame has been asked for.
    awaiting_frame: bool,
    /// When the last frame was, while time runs.
    frame_at: Option<f64>,
    /// Simulated time that is due, less than a microsecond: dropped, it would falsify slow speeds.
    fraction_us: f64,
    panels_at: f64,
    sentence: (f64, String),
    /// Something to tell the visitor before anything else; empty if there is nothing.
    complaint: String,
    /// What was last said to a screen reader: the number of a happening.
    said: u64,
    on_frame: Option<Closure<dyn FnMut(f64)>>,
}

/// The parts of the page that are filled.
struct Parts {
    stage: Living,
    logs: Living,
    story: Living,
    requests: Living,
    table: Living,
    dock: Living,
}

type Result<T> = std::result::Result<T, JsValue>;

impl Page {
    /// Brings the page inside `root` to life, paused at the beginning of the session that the address
    /// names. `root` holds what `<body>` of `index.html` holds.
    pub fn mount(root: &Element) -> Result<Self> {
        let window = web_sys::window().ok_or("no window")?;
        let document = window.document().ok_or("no document")?;
        let media = |query| window.match_media(query)?.ok_or(JsValue::from("no media queries"));
        let living = |id: &str| Ok::<_, JsValue>(Living::new(&document, find(root, id)?));
        living("#legend")?.show(panels::legend())?;
        let (session, complaint) = match Session::from_link(&window.location().hash()?) {
            Ok(session) => (session, None),
            Err(complaint) => (Session::default(), Some(complaint)),
        };
        let mut state = State {
            parts: Parts {
                stage: living("#stage")?,
                logs: living("#logs")?,
                story: living("#story")?,
                requests: living("#requests")?,
                table: living("#table")?,
                dock: living("#dock")?,
            },
            wants_narrow: media("(max-width: 719px)")?,
            wants_wide: media("(min-width: 1080px)")?,
            wants_still: media("(prefers-reduced-motion: reduce)")?,
            window,
            root: root.clone(),
            run: Run::new(session.clone()),
            view: View { selected: None, narrow: false, aspect: ASPECT, still: false, fast: false },
            notch: 0,
            playing: false,
            awaiting_frame: false,
            frame_at: None,
            fraction_us: 0.0,
            panels_at: 0.0,
            sentence: (0.0, String::new()),
            complaint: String::new(),
            said: 0,
            on_frame: None,
        };
        state.open(session)?;
        state.measure()?;
        if let Some(complaint) = complaint {
            state.complain(&complaint)?;
        }
        let page = Self(Rc::new(RefCell::new(state)));
        page.listen(&document)?;
        Ok(page)
    }

    /// Does what a visitor asks for.
    pub fn act(&self, action: Action) -> Result<()> {
        self.0.borrow_mut().act(action)?;
        self.ask_for_frame()
    }

    /// Runs, unless the visitor's system asks for little motion, or there is something to read first.
    pub fn begin(&self) -> Result<()> {
        let state = self.0.borrow();
        let waits = state.wants_still.matches() || !state.complaint.is_empty();
        drop(state);
        if waits { Ok(()) } else { self.act(Action::Play) }
    }

    /// One frame at a time of the browser's clock, in milliseconds.
    pub fn frame(&self, now_ms: f64) -> Result<()> {
        self.0.borrow_mut().frame(now_ms)?;
        self.ask_for_frame()
    }

    /// Frames come only while time runs and somebody can see it.
    fn ask_for_frame(&self) -> Result<()> {
        let mut state = self.0.borrow_mut();
        let hidden = state.document()?.hidden();
        if !state.playing || hidden || state.awaiting_frame {
            return Ok(());
        }
        if state.on_frame.is_none() {
            let page = self.clone();
            state.on_frame = Some(Closure::new(move |now_ms| {
                page.0.borrow_mut().awaiting_frame = false;
                report(page.frame(now_ms));
            }));
        }
        if let Some(on_frame) = &state.on_frame {
            state.window.request_animation_frame(on_frame.as_ref().unchecked_ref())?;
            state.awaiting_frame = true;
        }
        Ok(())
    }

    fn listen(&self, document: &Document) -> Result<()> {
        let (root, window) = {
            let state = self.0.borrow();
            (state.root.clone(), state.window.clone())
        };
        self.on(&root, "click", Self::on_click)?;
        self.on(&root, "keydown", Self::on_key)?;
        self.on(&root, "input", Self::on_input)?;
        self.on(&root, "change", Self::on_change)?;
        self.on(&root, "submit", Self::on_submit)?;
        self.on(document, "visibilitychange", |page, _| page.on_visibility())?;
        self.on(&window, "hashchange", |page, _| page.on_address())?;
        self.on(&window, "resize", |page, _| page.0.borrow_mut().measure())
    }

    fn on(
        &self,
        target: &web_sys::EventTarget,
        name: &str,
        handle: fn(&Self, Event) -> Result<()>,
    ) -> Result<()> {
        let page = self.clone();
        let closure = Closure::<dyn FnMut(Event)>::new(move |event| report(handle(&page, event)));
        target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref())?;
        // The page lives as long as its document.
        closure.forget();
        Ok(())
    }

    fn on_click(&self, event: Event) -> Result<()> {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok())
        else {
            return Ok(());
        };
        let in_sheet = target.closest(".drop")?;
        self.0.borrow().close_sheets(in_sheet.as_ref())?;
        match target.closest("[data-act]")? {
            Some(element) => self.act_of(&element),
            None => Ok(()),
        }
    }

    fn act_of(&self, element: &Element) -> Result<()> {
        let act = element.get_attribute("data-act").unwrap_or_default();
        let action = Action::of_element(&act, &self.0.borrow().scene());
        action.map_or(Ok(()), |action| self.act(action))
    }

    fn on_key(&self, event: Event) -> Result<()> {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return Ok(()) };
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
            return Ok(());
        }
        let key = event.key();
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        if let Some(target) = &target {
            let is_field =
                target.closest("input:not([type=range], [type=checkbox]), select")?.is_some();
            let keeps_arrows = target.closest("input, .scroll, #story")?.is_some();
            let keeps_space = target.closest("button, summary, input")?.is_some();
            if (is_field && key != "Escape")
                || (key.starts_with("Arrow") && keeps_arrows)
                || (key == " " && keeps_space)
            {
                return Ok(());
            }
            // Nodes on the stage are buttons; SVG does not press them by itself.
            let node = target.closest(".node")?;
            if let (Some(node), " " | "Enter") = (node, &*key) {
                event.prevent_default();
                return self.act_of(&node);
            }
        }
        let single = key.chars().count() == 1 && key != " ";
        let action = {
            let state = self.0.borrow();
            if single && !state.input("#single-keys")?.checked() {
                return Ok(());
            }
            Action::of_key(&key, &state.scene())
        };
        match action {
            Some(action) => {
                event.prevent_default();
                self.act(action)
            }
            None => Ok(()),
        }
    }

    fn on_input(&self, event: Event) -> Result<()> {
        let is_speed = target_id(&event) == "speed";
        if is_speed {
            let mut state = self.0.borrow_mut();
            state.notch = state.input("#speed")?.value().parse().unwrap_or_default();
            state.draw(true)?;
        }
        Ok(())
    }

    fn on_change(&self, event: Event) -> Result<()> {
        match &*target_id(&event) {
            "nodes" | "seed" => self.0.borrow_mut().open_form()?,
            _ => {}
        }
        self.ask_for_frame()
    }

    fn on_submit(&self, event: Event) -> Result<()> {
        event.prevent_default();
        match &*target_id(&event) {
            "write" => self.act(Action::Write),
            _ => Ok(()),
        }
    }

    fn on_visibility(&self) -> Result<()> {
        self.0.borrow_mut().frame_at = None;
        self.ask_for_frame()
    }

    fn on_address(&self) -> Result<()> {
        let mut state = self.0.borrow_mut();
        let link = state.window.location().hash()?;
        match Session::from_link(&link) {
            Ok(session) if session == *state.run.session() => Ok(()),
            Ok(session) => state.open(session),
            Err(complaint) => state.complain(&complaint),
        }
    }
}

impl State {
    fn document(&self) -> Result<Document> {
        self.window.document().ok_or_else(|| "no document".into())
    }

    fn scene(&self) -> Scene {
        look::scene(&self.run, &self.view)
    }

    fn input(&self, id: &str) -> Result<HtmlInputElement> {
        Ok(find(&self.root, id)?.dyn_into()?)
    }

    fn write(&self, id: &str, text: &str) -> Result<()> {
        let element = find(&self.root, id)?;
        if element.text_content().as_deref() != Some(text) {
            element.set_text_content(Some(text));
        }
        Ok(())
    }

    /// Fits the stage to its frame, which fills what a wide screen leaves; elsewhere the frame follows
    /// the stage.
    fn measure(&mut self) -> Result<()> {
        let frame = find(&self.root, "#frame")?;
        let (width, height) = (frame.client_width(), frame.client_height());
        self.view.aspect = match self.wants_wide.matches() {
            true => f64::from(height) / f64::from(width.max(1)),
            false => ASPECT,
        };
        self.draw(true)
    }

    /// Begins a session.
    fn open(&mut self, session: Session) -> Result<()> {
        self.run = Run::new(session);
        self.view.selected = None;
        self.notch =
            controls::notch_near(look::usual_flight_us(&self.run) as f64 / 1_000.0 / FLIGHT_MS);
        (self.fraction_us, self.frame_at, self.said) = (0.0, None, 0);
        self.sentence = (0.0, String::new());
        self.complaint.clear();
        let session = self.run.session();
        let nodes: HtmlSelectElement = find(&self.root, "#nodes")?.dyn_into()?;
        nodes.set_value(&self.run.sim().options().nodes.to_string());
        self.input("#seed")?.set_value(&session.seed.to_string());
        self.write_address()?;
        self.draw(true)
    }

    /// Begins the session that the form describes.
    fn open_form(&mut self) -> Result<()> {
        let nodes: HtmlSelectElement = find(&self.root, "#nodes")?.dyn_into()?;
        let nodes = nodes.value().parse().unwrap_or(5).clamp(1, NODES_MAX);
        let seed = self.input("#seed")?.value();
        match seed.trim().parse() {
            Ok(seed) => self.open(Session::new(seed, Cluster::Playground(nodes))),
            Err(_) => self.complain("A seed is a whole number, such as 42."),
        }
    }

    /// The address always names what is on the screen, so that it can be copied at any moment.
    fn write_address(&self) -> Result<()> {
        let link = format!("#{}", self.run.session().to_link());
        self.window.history()?.replace_state_with_url(&JsValue::NULL, "", Some(&link))
    }

    fn act(&mut self, action: Action) -> Result<()> {
        self.complaint.clear();
        match action {
            Action::Play => {
                self.playing = !self.playing && !self.is_over();
                self.frame_at = None;
            }
            Action::Step => {
                self.playing = false;
                self.run.step();
            }
            Action::Back => {
                self.playing = false;
                self.run.back();
            }
            Action::Faster | Action::Slower => {
                let step = if action == Action::Faster { 1 } else { -1 };
                self.notch = (self.notch + step).clamp(*NOTCHES.start(), *NOTCHES.end());
            }
            Action::Again => return self.open(self.run.session().clone()),
            Action::NewSeed => {
                let seed = getrandom::u32().map_err(|error| error.to_string())?;
                // Short enough to read out in a room.
                let session = Session::new(u64::from(seed % 1_000_000), self.run.session().cluster);
                return self.open(session);
            }
            Action::Select(node) => {
                self.view.selected = Some(node).filter(|_| self.view.selected != Some(node));
            }
            Action::Escape => {
                self.close_sheets(None)?;
                self.view.selected = None;
            }
            Action::Help => {
                let help: HtmlDetailsElement = find(&self.root, "#help")?.dyn_into()?;
                help.set_open(!help.open());
            }
            Action::Write => self.client_writes()?,
            Action::Do(commands) => self.command(commands)?,
        }
        self.draw(true)
    }

    fn command(&mut self, commands: Vec<Command>) -> Result<()> {
        commands.into_iter().for_each(|command| self.run.act(command));
        self.write_address()
    }

    /// A client sets what the form says, and the form proposes the next value.
    fn client_writes(&mut self) -> Result<()> {
        let (key, value) = (self.input("#key")?, self.input("#value")?);
        let (name, text) = (key.value(), value.value());
        if name.is_empty() {
            return self.complain("A key needs a name.");
        }
        self.command(vec![Command::Write { key: name.into(), value: text.clone().into() }])?;
        if let Ok(number) = text.parse::<u32>() {
            value.set_value(&number.saturating_add(1).to_string());
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.run.next_at().is_none()
    }

    /// How fast time runs now. While nobody leads and nothing is on its way there is nothing to miss,
    /// and time runs four times as fast, though not faster than life.
    fn pace(&self) -> f64 {
        let speed = controls::speed(self.notch);
        let waits = look::is_quiet(&self.run) && !look::has_leader(&self.run);
        if waits { speed.max((speed * 4.0).min(1.0)) } else { speed }
    }

    fn frame(&mut self, now_ms: f64) -> Result<()> {
        if !self.playing {
            return Ok(());
        }
        let elapsed_ms = self.frame_at.map_or(0.0, |last| now_ms - last).clamp(0.0, CATCH_UP_MS);
        self.frame_at = Some(now_ms);
        let due_us = self.fraction_us + elapsed_ms * 1_000.0 * self.pace();
        let until = Instant(self.run.sim().now().0 + due_us as u64);
        self.fraction_us = due_us.fract();
        let performance = self.window.performance().ok_or("no clock")?;
        let start = performance.now();
        while self.run.sim().now() < until && performance.now() - start < FRAME_MS {
            self.run.advance(until, 100);
        }
        self.playing = !self.is_over();
        self.draw(false)
    }

    /// Draws what there is to see; the panels too if `all`, or if it is time.
    fn draw(&mut self, all: bool) -> Result<()> {
        let flight_ms =
            look::usual_flight_us(&self.run) as f64 / 1_000.0 / controls::speed(self.notch);
        self.view = View {
            narrow: self.wants_narrow.matches(),
            still: self.wants_still.matches(),
            fast: self.playing && flight_ms < FLIGHT_MS_MIN,
            ..self.view
        };
        let scene = self.scene();
        self.parts.stage.show(stage::draw(&scene))?;
        let now_ms = self.frame_at.unwrap_or_default();
        if all || !self.playing || now_ms - self.panels_at >= PANELS_MS {
            self.panels_at = now_ms;
            self.draw_panels(&scene, now_ms, all)?;
        }
        self.write("#clock", &panels::seconds(scene.now))?;
        let plural = if scene.events == 1 { "" } else { "s" };
        self.write("#events", &format!("{} event{plural}", scene.events))
    }

    fn draw_panels(&mut self, scene: &Scene, now_ms: f64, all: bool) -> Result<()> {
        self.parts.logs.show(panels::logs(scene))?;
        self.parts.story.show(panels::story(scene))?;
        self.parts.requests.show(panels::requests(scene))?;
        self.parts.table.show(panels::table(scene))?;
        self.parts.dock.show(panels::dock(scene))?;
        let sentence = match &*self.complaint {
            "" => narration::sentence(scene),
            complaint => complaint.to_owned(),
        };
        let (since, shown) = &self.sentence;
        if *shown != sentence && (all || !self.playing || now_ms - since >= SENTENCE_MS) {
            self.write("#sentence", &sentence)?;
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
        let checks = find(&self.root, "#checks")?;
        checks.class_list().toggle_with_force("broken", scene.violation.is_some())?;
        let broken = scene.violation.is_some();
        self.write("#checks-word", if broken { "A check failed" } else { "All checks hold" })?;
        find(&self.root, "#caption")?.toggle_attribute_with_force("hidden", !scene.fast)?;
        let play = find(&self.root, "#play")?;
        play.set_attribute("aria-pressed", if self.playing { "true" } else { "false" })?;
        self.write("#play-word", if self.playing { "Pause" } else { "Run" })?;
        let words = controls::speed_words(self.notch);
        let hurries = self.playing && self.pace() > controls::speed(self.notch);
        self.write("#speed-word", if hurries { "waiting …" } else { &words })?;
        let slider = self.input("#speed")?;
        slider.set_value(&self.notch.to_string());
        slider.set_attribute("aria-valuetext", &words)
    }

    /// Tells a screen reader of the newest turning point, once.
    fn say(&mut self, scene: &Scene) -> Result<()> {
        let newest = scene.story.iter().find(|happening| happening.turning_point);
        if let Some(happening) = newest.filter(|happening| happening.id > self.said) {
            let who = happening.node.map_or_else(String::new, |node| format!("Node {node} "));
            self.write("#live", &format!("{who}{}", happening.says))?;
            self.said = happening.id;
        }
        Ok(())
    }

    fn complain(&mut self, complaint: &str) -> Result<()> {
        complaint.clone_into(&mut self.complaint);
        self.write("#live", complaint)?;
        self.draw(true)
    }

    fn close_sheets(&self, except: Option<&Element>) -> Result<()> {
        for id in ["#checks", "#help"] {
            let sheet = find(&self.root, id)?;
            if except != Some(&sheet) {
                sheet.remove_attribute("open")?;
            }
        }
        Ok(())
    }
}

fn find(root: &Element, id: &str) -> Result<Element> {
    root.query_selector(id)?.ok_or_else(|| format!("the page has no {id}").into())
}

fn target_id(event: &Event) -> String {
    let target = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    target.map_or_else(String::new, |target| target.id())
}

/// What goes wrong in a handler is a bug of the page, and belongs in the browser's console.
fn report(result: Result<()>) {
    if let Err(error) = result {
        web_sys::console::error_1(&error);
    }
}

/// A panic ends the module, so its message goes to where a person sees it.
pub fn show_panic(info: &std::panic::PanicHookInfo<'_>) {
    let message = info.to_string();
    web_sys::console::error_1(&JsValue::from(&*message));
    let document = web_sys::window().and_then(|window| window.document());
    let sentence = document.and_then(|document| document.get_element_by_id("sentence"));
    if let Some(sentence) = sentence {
        sentence
            .set_text_content(Some(&format!("The simulator stopped, which is a bug: {message}")));
    }
}
