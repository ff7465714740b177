//! One visit to the page, and what a visitor does and sees.

use raft_web::page::Page;
use wasm_bindgen::JsCast;
use web_sys::{
    Document, Element, Event, HtmlElement, HtmlInputElement, HtmlSelectElement, KeyboardEvent,
    KeyboardEventInit, PointerEvent, PointerEventInit,
};

const HTML: &str = include_str!("../../index.html");

/// A page of its own, and the element it lives in.
pub(crate) struct Visit {
    pub(crate) page: Page,
    pub(crate) root: HtmlElement,
    /// The browser's clock as this visit sees it, in milliseconds.
    pub(crate) now_ms: f64,
}

pub(crate) fn document() -> Document {
    web_sys::window().unwrap().document().unwrap()
}

impl Visit {
    pub(crate) fn to(link: &str) -> Self {
        let body =
            HTML.split("<body>").nth(1).and_then(|rest| rest.split("</body>").next()).unwrap();
        let root: HtmlElement = document().create_element("div").unwrap().dyn_into().unwrap();
        root.set_inner_html(body);
        document().body().unwrap().append_child(&root).unwrap();
        let history = web_sys::window().unwrap().history().unwrap();
        history.replace_state_with_url(&"".into(), "", Some(&format!("#{link}"))).unwrap();
        Self { page: Page::mount(&root).unwrap(), root, now_ms: 1_000.0 }
    }

    pub(crate) fn find(&self, selector: &str) -> Element {
        self.root.query_selector(selector).unwrap().unwrap_or_else(|| panic!("no {selector}"))
    }

    pub(crate) fn count(&self, selector: &str) -> u32 {
        self.root.query_selector_all(selector).unwrap().length()
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        self.find(selector).text_content().unwrap_or_default()
    }

    pub(crate) fn attribute(&self, selector: &str, name: &str) -> String {
        self.find(selector)
            .get_attribute(name)
            .unwrap_or_else(|| panic!("{selector} has no {name}"))
    }

    pub(crate) fn click(&self, selector: &str) {
        let init = web_sys::EventInit::new();
        init.set_bubbles(true);
        let event = Event::new_with_event_init_dict("click", &init).unwrap();
        self.find(selector).dispatch_event(&event).unwrap();
    }

    pub(crate) fn key_on(&self, selector: &str, key: &str) {
        let init = KeyboardEventInit::new();
        init.set_bubbles(true);
        init.set_cancelable(true);
        init.set_key(key);
        let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init).unwrap();
        self.find(selector).dispatch_event(&event).unwrap();
    }

    pub(crate) fn key(&self, key: &str) {
        self.key_on("main", key);
    }

    pub(crate) fn shift(&self, key: &str) {
        let init = KeyboardEventInit::new();
        init.set_bubbles(true);
        init.set_key(key);
        init.set_shift_key(true);
        let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init).unwrap();
        self.find("main").dispatch_event(&event).unwrap();
    }

    /// The pointer at a share of the timeline's length.
    pub(crate) fn pointer(&self, name: &str, share: f64) {
        let place = self.find("#timeline").get_bounding_client_rect();
        let init = PointerEventInit::new();
        init.set_bubbles(true);
        let down = place.height() > place.width();
        let (x, y) = if down { (0.5, share) } else { (share, 0.5) };
        init.set_client_x((place.left() + place.width() * x) as i32);
        init.set_client_y((place.top() + place.height() * y) as i32);
        let event = PointerEvent::new_with_event_init_dict(name, &init).unwrap();
        self.find("#scrub").dispatch_event(&event).unwrap();
    }

    pub(crate) fn choose(&self, selector: &str, value: &str) {
        let select: HtmlSelectElement = self.find(selector).dyn_into().unwrap();
        select.set_value(value);
        assert_eq!(select.value(), value);
        let init = web_sys::EventInit::new();
        init.set_bubbles(true);
        let event = Event::new_with_event_init_dict("change", &init).unwrap();
        select.dispatch_event(&event).unwrap();
    }

    pub(crate) fn fill(&self, selector: &str, value: &str) {
        let input: HtmlInputElement = self.find(selector).dyn_into().unwrap();
        input.set_value(value);
        let init = web_sys::EventInit::new();
        init.set_bubbles(true);
        let event = Event::new_with_event_init_dict("change", &init).unwrap();
        input.dispatch_event(&event).unwrap();
    }

    pub(crate) fn events(&self) -> u64 {
        self.root.get_attribute("data-events").unwrap().parse().unwrap()
    }

    pub(crate) fn hash(&self) -> String {
        self.root.get_attribute("data-trace-hash").unwrap()
    }

    /// Lets frames come, 60 in a second, until something is to be seen.
    pub(crate) fn until(&mut self, selector: &str) {
        for _ in 0..6_000 {
            if self.count(selector) > 0 {
                return;
            }
            self.now_ms += 1_000.0 / 60.0;
            self.page.frame(self.now_ms).unwrap();
        }
        panic!("no {selector} in 100 seconds: {}", self.text("#sentence"));
    }

    /// Runs to a leader whose first entry everybody has applied, and pauses.
    pub(crate) fn settle(&mut self) {
        self.key(" ");
        self.until(".node.leader");
        let nodes = self.count(".node");
        self.until(&format!("tr:nth-child({nodes}) .cell.applied"));
        self.key(" ");
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.attribute("#play", "aria-pressed") == "true" {
            self.key(" ");
        }
        self.root.remove();
    }
}
