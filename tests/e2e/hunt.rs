//! Looking for a seed in a worker, while the page stays alive.

use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};
use std::time::Instant;

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
    let end = Instant::now() + ELECTION_MAX;
    while !browser.text("#hunt-says").starts_with("1,") {
        assert!(Instant::now() < end, "{}", browser.text("#hunt-says"));
    }
    eprintln!("{}", browser.text("#hunt-says"));
    browser.click("[data-act=end-hunt]");
    browser.wait_for("#hunt:not(.searches)", ELECTION_MAX);

    browser.keys("f");
    look_for("two-leaders");
    browser.wait_for("#hunt:not([open])", ELECTION_MAX);
    assert_eq!(page.count(".node.leader"), 2);
    assert!(browser.text("#sentence").starts_with("Here two nodes believe that they lead."));
    assert_eq!(browser.attribute("#play", "aria-pressed"), "false");

    let blocked: f64 = browser.script("return String(Math.max(...blocked))").parse().unwrap();
    eprintln!("the page was blocked for {blocked} ms at most");
    assert!(blocked <= 200.0, "{blocked} ms");
}
