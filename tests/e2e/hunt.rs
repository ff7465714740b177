//! Looking for a seed in a worker, while the page stays alive.

use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};
use std::time::Instant;

/// In the seconds of a search a page draws some hundred frames; one that is blocked draws none. On a busy machine
/// it may be a fraction of that.
const FRAMES_MIN: u32 = 20;

/// How long the page may be blocked at a time while a worker searches, until what it found is before the visitor, in
/// milliseconds. Where nothing else runs no task takes the 50 at which a browser begins to count.
const BLOCKED_MS_MAX: f64 = 200.0;

pub(crate) const SCENES: &[Scene] =
    scenes![search_for_a_seed_opens_the_moment_and_does_not_block_the_page];

fn search_for_a_seed_opens_the_moment_and_does_not_block_the_page(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=5");
    browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    browser.script(
        "window.blocked = [0]; \
         new PerformanceObserver((tasks) => blocked.push(...tasks.getEntries().map((task) => task.duration)))\
           .observe({ type: 'longtask' }); \
         window.drawn = 0; \
         const draw = () => { drawn += 1; requestAnimationFrame(draw); }; \
         draw(); \
         return ''",
    );
    let look_for = |wanted: &str| {
        browser.keys("f");
        browser.wait_for("#hunt[open]", ELECTION_MAX);
        browser.script(&format!("document.querySelector('#wanted').value = '{wanted}'; return ''"));
        browser.click("[data-act=hunt]");
    };

    // In code that makes no mistake no check fails, so that this search lasts as long as one looks on.
    look_for("check-fails");
    browser.script("drawn = 0; return ''");
    let end = Instant::now() + ELECTION_MAX;
    while !browser.text("#hunt-says").starts_with("1,") {
        assert!(Instant::now() < end, "{}", browser.text("#hunt-says"));
    }
    let drawn: u32 = browser.script("return String(drawn)").parse().unwrap();
    eprintln!("{}; {drawn} frames meanwhile", browser.text("#hunt-says"));
    assert!(drawn >= FRAMES_MIN, "{drawn} frames");
    browser.click("[data-act=end-hunt]");
    browser.wait_for("[data-act=hunt]", ELECTION_MAX);

    browser.keys("f");
    look_for("two-leaders");
    browser.wait_for("#hunt:not([open])", ELECTION_MAX);
    assert_eq!(page.count(".node.leader"), 2);
    assert!(browser.text("#sentence").starts_with("Here two nodes believe that they lead."));
    assert_eq!(browser.attribute("#play", "aria-pressed"), "false");

    let blocked: f64 = browser.script("return String(Math.max(...blocked))").parse().unwrap();
    assert!(blocked <= BLOCKED_MS_MAX, "the page was blocked for {blocked} ms");
}
