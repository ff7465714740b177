//! The page in a browser: what the visitor does comes in, frames go out. Nothing is decided here.

mod files;
pub mod hunt;
mod live;
mod state;

use crate::controls::Action;
use crate::embed::Embed;
use crate::link::Link;
use state::State;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, Event, HtmlElement, KeyboardEvent, PointerEvent};

/// The page, shared by its event handlers. Handlers run one at a time.
#[derive(Clone)]
pub struct Page {
    state: Rc<RefCell<State>>,
    frames: Rc<RefCell<Frames>>,
}

/// How frames come.
#[derive(Default)]
struct Frames {
    /// One has been asked for.
    is_coming: bool,
    /// What the browser calls for each.
    on_frame: Option<Closure<dyn FnMut(f64)>>,
}

type Result<T> = std::result::Result<T, JsValue>;

impl Page {
    /// Brings the page inside `root` to life, paused at the beginning of the session that the address
    /// names. `root` holds what `<body>` of `index.html` holds.
    pub fn mount(root: &Element) -> Result<Self> {
        let window = web_sys::window().ok_or("no window")?;
        let document = window.document().ok_or("no document")?;
        let state = Rc::new(RefCell::new(State::new(root, window, &document)?));
        let page = Self { state, frames: Rc::default() };
        page.listen(&document)?;
        page.enter()?;
        Ok(page)
    }

    /// Does what a visitor asks for.
    pub fn act(&self, action: Action) -> Result<()> {
        if action == Action::Hunt {
            return self.hunt();
        }
        self.state.borrow_mut().act(action)?;
        self.ask_for_frame()
    }

    /// Runs, unless the visitor's system asks for little motion, there is something to read first, the link
    /// names a moment to look at, or the page is in a frame; there, and of a moment, if its address says so.
    pub fn begin(&self) -> Result<()> {
        let state = self.state.borrow();
        if state.attached.is_some() {
            return Ok(());
        }
        let Embed { is_embedded, autoplay, .. } = state.embed;
        let is_at_rest = is_embedded || state.run().steps() > 0 || state.waits_for_reader();
        let waits =
            state.wants_still.matches() || !state.complaint.is_empty() || (is_at_rest && !autoplay);
        drop(state);
        if waits { Ok(()) } else { self.act(Action::Play) }
    }

    /// One frame at a time of the browser's clock, in milliseconds.
    pub fn frame(&self, now_ms: f64) -> Result<()> {
        self.state.borrow_mut().frame(now_ms)?;
        self.ask_for_frame()
    }

    /// Frames come only while time runs and somebody can see it.
    fn ask_for_frame(&self) -> Result<()> {
        let (state, mut frames) = (self.state.borrow(), self.frames.borrow_mut());
        if !state.playing || state.document()?.hidden() || frames.is_coming {
            return Ok(());
        }
        let on_frame = frames.on_frame.get_or_insert_with(|| {
            let page = self.clone();
            Closure::new(move |now_ms| {
                page.frames.borrow_mut().is_coming = false;
                report(page.frame(now_ms));
            })
        });
        state.window.request_animation_frame(on_frame.as_ref().unchecked_ref())?;
        frames.is_coming = true;
        Ok(())
    }

    fn listen(&self, document: &Document) -> Result<()> {
        let (root, window) = {
            let state = self.state.borrow();
            (state.root.clone(), state.window.clone())
        };
        self.on(&root, "click", Self::on_click)?;
        self.on(&root, "contextmenu", Self::on_menu)?;
        self.on(&root, "focusin", Self::on_focus)?;
        self.on(&root, "keydown", Self::on_key)?;
        for name in ["pointerdown", "pointermove", "pointerup", "pointercancel"] {
            self.on(&root, name, Self::on_pointer)?;
        }
        self.on(&root, "input", Self::on_input)?;
        self.on(&root, "change", Self::on_change)?;
        self.on(&root, "submit", Self::on_submit)?;
        for name in ["dragover", "dragleave", "drop"] {
            self.on(&root, name, Self::on_drop)?;
        }
        self.on(document, "visibilitychange", |page, _| page.on_visibility())?;
        self.on(&window, "hashchange", |page, _| page.on_address())?;
        self.on(&window, "resize", |page, _| page.state.borrow_mut().measure())
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
        self.state.borrow().close_sheets(in_sheet.as_ref())?;
        match target.closest("[data-act]")? {
            Some(element) => self.act_of(&element),
            None => Ok(()),
        }
    }

    /// Whoever leaves a sheet by the keyboard has it closed: it would hide where they are.
    fn on_focus(&self, event: Event) -> Result<()> {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        // Focus that the page itself moves, while it does something, is not the visitor's.
        let (Some(target), Ok(state)) = (target, self.state.try_borrow()) else { return Ok(()) };
        state.close_sheets(target.closest(".drop")?.as_ref()).map(drop)
    }

    /// A right click, a long press or the menu key on something that can be picked: what can be done with it.
    fn on_menu(&self, event: Event) -> Result<()> {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let Some(target) = target else { return Ok(()) };
        let Some(element) = target.closest("#stage [data-act]")? else { return Ok(()) };
        let act = element.get_attribute("data-act").unwrap_or_default();
        let action = Action::of_element(&act, &self.state.borrow().scene());
        let Some(Action::Pick(picked)) = action else { return Ok(()) };
        event.prevent_default();
        self.act(Action::Open(picked))
    }

    fn act_of(&self, element: &Element) -> Result<()> {
        // What cannot be done now keeps its place, and the focus, and does nothing.
        if element.has_attribute("aria-disabled") {
            return Ok(());
        }
        let act = element.get_attribute("data-act").unwrap_or_default();
        let action = Action::of_element(&act, &self.state.borrow().scene());
        action.map_or(Ok(()), |action| self.act(action))
    }

    /// Draws the moment along the timeline, or a loop on the stage.
    fn on_pointer(&self, event: Event) -> Result<()> {
        let Some(event) = event.dyn_ref::<PointerEvent>() else { return Ok(()) };
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        match &*event.type_() {
            "pointerdown" => {
                let Some(target) = target.filter(|_| event.button() == 0) else { return Ok(()) };
                // A finger there scrolls the page.
                let is_loop = event.pointer_type() != "touch"
                    && target.closest("#stage")?.is_some()
                    && target.closest(".node, .message, .client")?.is_none();
                if is_loop {
                    return self.state.borrow_mut().begin_loop(event.client_x(), event.client_y());
                }
                let Some(scrub) = target.closest("#scrub")? else { return Ok(()) };
                if target.closest("[data-act]")?.is_some() {
                    return Ok(());
                }
                // The pointer may leave the timeline on its way.
                let _ = scrub.set_pointer_capture(event.pointer_id());
                self.state.borrow_mut().scrubs = true;
            }
            "pointermove" => {}
            name => {
                let mut state = self.state.borrow_mut();
                state.scrubs = false;
                state.close_loop(name == "pointerup")?;
            }
        }
        let mut state = self.state.borrow_mut();
        if state.scrubs {
            return state.scrub(event.client_x(), event.client_y());
        }
        if state.go_on_with_loop(event.client_x(), event.client_y())? {
            // What it ends on is not clicked.
            let frame = state::find(&state.root, "#frame")?;
            let _ = frame.set_pointer_capture(event.pointer_id());
        }
        Ok(())
    }

    fn on_key(&self, event: Event) -> Result<()> {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return Ok(()) };
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
            return Ok(());
        }
        let key = match event.key() {
            arrow if event.shift_key() && arrow.starts_with("Arrow") => format!("Shift+{arrow}"),
            key => key,
        };
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        if let Some(target) = &target {
            let is_field =
                target.closest("input:not([type=range], [type=checkbox]), select")?.is_some();
            let keeps_arrows = target.closest("input, .scroll, #story")?.is_some();
            if let (Some(_), "PageUp" | "PageDown") = (target.closest("#scrub")?, &*key) {
                event.prevent_default();
                return self.state.borrow_mut().page(key == "PageUp");
            }
            let keeps_space = target.closest("button, summary, input")?.is_some();
            if (is_field && key != "Escape")
                || (keeps_arrows && (key.contains("Arrow") || key == "Home" || key == "End"))
                || (key == " " && keeps_space)
            {
                return Ok(());
            }
            // Things on the stage are buttons; SVG does not press them by itself.
            let node = target.closest("#stage [data-act]")?;
            if let (Some(node), " " | "Enter") = (node, &*key) {
                event.prevent_default();
                return self.act_of(&node);
            }
        }
        let single = key.chars().count() == 1 && key != " ";
        let action = {
            let state = self.state.borrow();
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
            let mut state = self.state.borrow_mut();
            state.notch = state.input("#speed")?.value().parse().unwrap_or_default();
            state.draw(true)?;
        }
        Ok(())
    }

    fn on_change(&self, event: Event) -> Result<()> {
        match &*target_id(&event) {
            "pause" => self.state.borrow_mut().choose_pause()?,
            "trace" => self.on_chosen_file()?,
            "nodes" | "seed" => self.state.borrow_mut().open_form()?,
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
        self.state.borrow_mut().frame_at = None;
        self.ask_for_frame()
    }

    /// Attaches to a cluster, if that is what the address is about. Returns whether it is.
    fn enter(&self) -> Result<bool> {
        let door = live::door(&self.state.borrow().window)?;
        match door {
            Some(Ok(door)) => self.attach(door)?,
            Some(Err(complaint)) => self.state.borrow_mut().complain(&complaint)?,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn on_address(&self) -> Result<()> {
        if self.enter()? {
            return Ok(());
        }
        let mut state = self.state.borrow_mut();
        let link = state.window.location().hash()?;
        match Link::read(&link) {
            Ok(Link { session, lesson: None, seen: None })
                if session == *state.run().session()
                    && !state.is_in_lesson()
                    && state.attached.is_none() =>
            {
                Ok(())
            }
            Ok(link) => state.open(link),
            Err(complaint) => state.complain(&complaint),
        }
    }
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
