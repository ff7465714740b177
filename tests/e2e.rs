//! The built page, served over HTTP, in a real browser, as a visitor has it.
//!
//! Wants `web/dist` (`cargo xtask web`), `chromedriver` and Chromium.

#[path = "e2e/browser.rs"]
mod browser;
#[path = "e2e/site.rs"]
mod site;

use browser::Browser;
use site::Site;
use std::path::Path;
use std::time::Duration;

/// How long a visitor may have to wait for an election at twice the speed of life, on a busy machine.
const ELECTION_MAX: Duration = Duration::from_secs(60);

#[test]
fn leader_is_elected_crashed_by_a_click_and_replaced_and_the_console_stays_clean() {
    let site = Site::serve(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist"));
    let browser = Browser::start();
    browser.open(&site.address("/#v1.seed=2.nodes=5"));

    browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    (0..9).for_each(|_| browser.click("[data-act=faster]"));
    browser.wait_for(".node.leader", ELECTION_MAX);
    let first = browser.attribute(".node.leader", "data-node");

    // A write, to see that the cluster does what clusters are for.
    browser.click(".panels [data-act='panel:client']");
    browser.click("#write button[type=submit]");
    browser.wait_for("#requests .done", ELECTION_MAX);

    // By the same clicks as anyone's: pick the node on the stage, then press its button.
    browser.click(&format!(".node[data-node='{first}'] .id"));
    browser.click("#dock button[data-act^='do:crash-']");
    browser.wait_for(&format!(".node.down[data-node='{first}']"), ELECTION_MAX);
    browser.wait_for(".node.leader", ELECTION_MAX);
    let second = browser.attribute(".node.leader", "data-node");
    assert_ne!(first, second);
    assert_ne!(browser.attribute(".node.leader", "data-term"), "1");
    assert_eq!(browser.text("#checks-word"), "All checks hold");

    let link = browser.script("return location.hash");
    assert!(link.contains(&format!("-crash-{first}")), "the address carries what was done: {link}");

    // The node is let go of, so that the dock is about the cluster again.
    browser.click(&format!(".node[data-node='{first}'] .id"));

    // Back to before the crash, and another course from there: both are kept.
    browser.click("[data-act=play]");
    browser.click("[data-act=last-turn]");
    (0..3).for_each(|_| browser.click("[data-act=last-turn]"));
    browser.click("[data-act=split]");
    browser.wait_for("#branches [data-act='branch:1'][aria-pressed=true]", ELECTION_MAX);
    browser.click("[data-act='branch:0']");
    assert!(browser.script("return location.hash").contains(&format!("-crash-{first}")));

    browser.resize(320, 640);
    let sideways = "const page = document.documentElement; \
                    return String(page.scrollWidth - page.clientWidth)";
    assert_eq!(browser.script(sideways), "0", "no scrolling sideways on a small screen");

    let console = browser.console();
    assert!(console.is_empty(), "the browser's console must stay clean: {console:#?}");
}
