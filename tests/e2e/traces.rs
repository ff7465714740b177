//! A run as a file, saved by one page and shown by another.

use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};
use std::time::Instant;

pub(crate) const SCENES: &[Scene] =
    scenes![trace_that_is_dropped_on_the_page_is_shown_run_and_scrubbed];

fn trace_that_is_dropped_on_the_page_is_shown_run_and_scrubbed(page: &Page) {
    let browser = &page.browser;
    // What the page itself saves of a run in which the leader crashes.
    page.open("/#v1.seed=2.nodes=5.do=7000000-crashleader.at=400-0000000000000000");
    browser.script(
        "URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved = text); return '#'; }; \
         HTMLAnchorElement.prototype.click = () => {}; return ''",
    );
    browser.wait_for("body[data-trace-hash]", ELECTION_MAX);
    browser.keys("e");
    browser.wait_for("#share[open]", ELECTION_MAX);
    browser.click("[data-act='save:trace']");
    let end = Instant::now() + ELECTION_MAX;
    while browser.script("return typeof saved") == "undefined" {
        assert!(Instant::now() < end, "{}", browser.text("#sentence"));
    }
    let drop = |text: &str| {
        browser.script(&format!(
            "const files = new DataTransfer(); \
             files.items.add(new File([{text}], 'trace.jsonl')); \
             document.querySelector('main').dispatchEvent(new DragEvent('drop', \
               {{ bubbles: true, cancelable: true, dataTransfer: files }})); \
             return ''"
        ));
    };
    drop("saved");
    browser.wait_for(".recording .node.follower", ELECTION_MAX);
    assert_eq!(browser.text("#clock"), "0.000");

    // To the first leader, and on: somebody is not heard from any more.
    browser.click("[data-act=end]");
    browser.wait_for(".node.silent", ELECTION_MAX);
    let crashed = browser.attribute(".node.silent", "data-node");
    let end = browser.text("#clock");
    while page.count(".node.leader") == 0 || page.count(".node.silent") != 0 {
        assert_ne!(browser.text("#clock"), "0.000", "somebody led before");
        browser.click("[data-act=back]");
    }
    assert_eq!(browser.attribute(".node.leader", "data-node"), crashed);
    let here = browser.text("#clock");
    browser.click("[data-act=play]");
    browser.wait_for(".node.silent", ELECTION_MAX);
    assert_ne!(browser.text("#clock"), here);
    assert_eq!(page.count("#dock [data-act^='do:']"), 0);
    browser.press_at(browser.point_of("#scrub", 0.2), "mouse");
    assert_eq!(browser.attribute("#play", "aria-pressed"), "false");
    assert_ne!(browser.text("#clock"), end);

    // What cannot be read is said, and changes nothing.
    drop("saved.slice(0, 3000)");
    browser.wait_for("#sentence", ELECTION_MAX);
    let until = Instant::now() + ELECTION_MAX;
    while !browser.text("#sentence").contains("of this trace cannot be read") {
        assert!(Instant::now() < until, "{}", browser.text("#sentence"));
    }
    browser.script("history.back(); return ''");
    browser.wait_for("body:not(.recording) .node", ELECTION_MAX);
}
