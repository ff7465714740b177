//! The page before a visitor, and what visitors do again and again.

use crate::browser::Browser;
use crate::site::Site;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a visitor may have to wait for an election at twice the speed of life, on a busy machine.
pub(crate) const ELECTION_MAX: Duration = Duration::from_secs(60);

/// The page, served, and a browser to see it in.
pub(crate) struct Page {
    pub(crate) browser: Browser,
    site: Site,
}

impl Page {
    pub(crate) fn start() -> Self {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist");
        Self { site: Site::serve(&dist), browser: Browser::start() }
    }

    /// Leaves the page, and forgets what the scene before did to the browser.
    pub(crate) fn forget(&self) {
        self.browser.open("about:blank");
        self.browser.screen((1280, 900));
        self.browser.prefers(&[]);
        self.browser.hide_scrollbars(false);
        self.browser.console();
    }

    /// Opens the page at an address such as `/#v1.seed=2`, fresh: the fragment alone would not load it.
    pub(crate) fn open(&self, path: &str) {
        self.browser.open("about:blank");
        self.browser.open(&self.link(path));
        self.browser.wait_for("#legend li", ELECTION_MAX);
    }

    /// The whole address of such a page.
    pub(crate) fn link(&self, path: &str) -> String {
        self.site.address(path)
    }

    /// Opens the page and runs, at twice the speed of life, until somebody leads. Returns who.
    pub(crate) fn open_led(&self, path: &str) -> String {
        self.open(path);
        self.browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
        self.faster(9);
        self.leader()
    }

    /// Waits for a leader, and returns who it is.
    pub(crate) fn leader(&self) -> String {
        self.browser.wait_for(".node.leader", ELECTION_MAX);
        self.browser.attribute(".node.leader", "data-node")
    }

    pub(crate) fn faster(&self, notches: u32) {
        (0..notches).for_each(|_| self.browser.click("[data-act=faster]"));
    }

    /// Time runs as fast as it goes from now on.
    pub(crate) fn full_speed(&self) {
        self.browser.script(
            "const speed = document.querySelector('#speed'); speed.value = speed.max; \
             speed.dispatchEvent(new Event('input', { bubbles: true })); return ''",
        );
    }

    /// The names of all lessons, from the list that the page shows of them.
    pub(crate) fn lessons(&self) -> Vec<String> {
        let names = self.browser.script(
            "return [...document.querySelectorAll('#lesson [data-act^=\"lesson:\"]')] \
             .map((lesson) => lesson.dataset.act.slice(7)).join(' ')",
        );
        names.split(' ').map(str::to_owned).collect()
    }

    /// The fingerprint of the run up to the moment that is shown.
    pub(crate) fn hash(&self) -> String {
        self.browser.attribute("[data-trace-hash]", "data-trace-hash")
    }

    /// Presses a button wherever it is, as a screen reader does.
    pub(crate) fn press(&self, selector: &str) {
        self.browser.script(&format!("document.querySelector({selector:?}).click(); return ''"));
    }

    /// How many elements there are.
    pub(crate) fn count(&self, selector: &str) -> u32 {
        let script = format!("return String(document.querySelectorAll({selector:?}).length)");
        self.browser.script(&script).parse().expect("a number")
    }

    /// What the address says after its `#`.
    pub(crate) fn address(&self) -> String {
        self.browser.script("return location.hash")
    }

    /// How much further than its width the page can be scrolled, in pixels.
    pub(crate) fn sideways(&self) -> String {
        let page = "document.documentElement";
        self.browser.script(&format!("return String({page}.scrollWidth - {page}.clientWidth)"))
    }
}

/// Where what is made here goes: this program is `TARGET/debug/deps/e2e-...`.
pub(crate) fn target() -> PathBuf {
    let this = env::current_exe().expect("this program has a path");
    this.ancestors().nth(3).expect("it is inside a target directory").to_owned()
}
