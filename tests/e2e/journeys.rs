//! What visitors do on the page, from opening it to sharing what they saw.

use crate::browser::key;
use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};

pub(crate) const SCENES: &[Scene] = scenes![
    leader_is_elected_crashed_by_a_click_and_replaced,
    write_is_seen_to_commit_and_is_read_again,
    going_back_and_acting_begins_a_branch_and_both_are_there,
    message_is_dropped_by_a_click,
    link_is_cut_by_pointer_by_tap_by_keys_and_from_the_menu,
    shared_link_is_the_same_run_at_the_same_moment,
    no_frames_come_while_the_page_is_paused_or_hidden,
];

fn leader_is_elected_crashed_by_a_click_and_replaced(page: &Page) {
    let browser = &page.browser;
    let first = page.open_led("/#v1.seed=2.nodes=5");

    // By the same clicks as anyone's: pick the node on the stage, then press its button.
    browser.press_at(browser.point_of(&format!(".node[data-node='{first}'] .body"), 0.5), "mouse");
    browser.click("#dock button[data-act^='do:crash-']");
    browser.wait_for(&format!(".node.down[data-node='{first}']"), ELECTION_MAX);
    let second = page.leader();
    assert_ne!(first, second);
    assert_ne!(browser.attribute(".node.leader", "data-term"), "1");
    assert_eq!(browser.text("#checks-word"), "All checks hold");
    let address = page.address();
    assert!(address.contains(&format!("-crash-{first}")), "what was done is in it: {address}");
}

fn write_is_seen_to_commit_and_is_read_again(page: &Page) {
    let browser = &page.browser;
    page.open_led("/#v1.seed=2.nodes=3");
    browser.click(".panels [data-act='panel:client']");
    browser.type_into("#value", "blue");
    browser.click("#write button[type=submit]");
    browser.wait_for("#requests li:first-child.done", ELECTION_MAX);
    browser.wait_for("#logs tr:first-child .entry.committed ~ .entry.committed", ELECTION_MAX);
    assert!(browser.text("#logs").contains("x=blue"));
    browser.click("#write [data-act=read]");
    browser.wait_for("#requests li:nth-child(2)", ELECTION_MAX);
    browser.wait_for("#requests li:first-child.done", ELECTION_MAX);
    assert!(browser.text("#requests li:first-child").contains("blue"));
}

fn going_back_and_acting_begins_a_branch_and_both_are_there(page: &Page) {
    let browser = &page.browser;
    let first = page.open_led("/#v1.seed=2.nodes=5");
    browser.click("[data-act=crash-leader]");
    browser.wait_for(".node.down", ELECTION_MAX);
    page.leader();
    browser.click("[data-act=play]");
    let hash = page.hash();

    (0..4).for_each(|_| browser.click("[data-act=last-turn]"));
    browser.click("[data-act=split]");
    browser.wait_for("#branches [data-act='branch:1'][aria-pressed=true]", ELECTION_MAX);
    assert!(page.address().contains("-split-"));

    browser.click("#branches [data-act='branch:0']");
    browser.click("[data-act=end]");
    assert_eq!(page.hash(), hash, "the branch that was is as it was");
    assert!(page.address().contains(&format!("-crash-{first}")));
}

fn message_is_dropped_by_a_click(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=5.at=30-0000000000000000");
    browser.wait_for(".message", ELECTION_MAX);
    browser.press_at(browser.point_of(".message:last-child .reach", 0.5), "mouse");
    browser.wait_for(".message.selected", ELECTION_MAX);
    browser.press_at(browser.point_of("#dock [data-act^='do:drop-']", 0.5), "mouse");
    browser.wait_for(".message.lost", ELECTION_MAX);
    assert!(page.address().contains("-drop-"));
}

fn link_is_cut_by_pointer_by_tap_by_keys_and_from_the_menu(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=5.at=30-0000000000000000");
    // A link's line runs along the diagonal of its box; where it is pressed no node is in the way.
    for (pair, share, pointer) in [("3-5", 0.3, "mouse"), ("1-2", 0.5, "touch")] {
        let (a, b) = pair.split_once('-').expect("two nodes");
        let link = format!(".link[data-act='link:{pair}']");
        browser.press_at(browser.point_of(&format!("{link} .reach"), share), pointer);
        browser.wait_for(&format!("{link}.selected"), ELECTION_MAX);
        let cut = format!("#dock [data-act='do:cut-{a}-{b}~cut-{b}-{a}']");
        browser.press_at(browser.point_of(&cut, 0.5), pointer);
        browser.wait_for(&format!("{link}.cut"), ELECTION_MAX);
    }
    // By keys alone: the connection after that, and cut it.
    browser.keys("cx");
    browser.wait_for(".link.cut[data-act='link:1-3']", ELECTION_MAX);
    // From the menu of a node, one of its connections.
    browser.press_at(browser.point_of(".node[data-node='4'] .body", 0.5), "mouse");
    browser.click("#inspector [data-act='link:4-5']");
    browser.click("#dock [data-act='do:cut-4-5~cut-5-4']");
    browser.wait_for(".link.cut[data-act='link:4-5']", ELECTION_MAX);
    assert_eq!(page.count(".link.cut"), 4);
    browser.keys(&format!("{}h", key::ESCAPE));
    assert_eq!(page.count(".link.cut"), 0);
}

fn shared_link_is_the_same_run_at_the_same_moment(page: &Page) {
    let browser = &page.browser;
    page.open_led("/#v1.seed=5.nodes=5");
    browser.keys("l");
    browser.wait_for(".node.down", ELECTION_MAX);
    browser.keys("ws");
    let (address, hash, events) = (page.address(), page.hash(), browser.text("#events"));
    assert!(address.contains(&hash), "the fingerprint is in it: {address}");
    page.open(&format!("/{address}"));
    assert_eq!((page.hash(), browser.text("#events")), (hash, events));
    assert!(!browser.text("#sentence").contains("another version"));
}

fn no_frames_come_while_the_page_is_paused_or_hidden(page: &Page) {
    let browser = &page.browser;
    page.open_led("/#v1.seed=2.nodes=5");
    // Counts what the page asks for from now on; what the test itself asks for is left out.
    browser.script(
        "const ask = window.requestAnimationFrame; window.frames_asked = 0; \
         window.ask_quietly = (done) => ask.call(window, done); \
         window.requestAnimationFrame = (done) => { frames_asked++; return ask.call(window, done) }; \
         return ''",
    );
    let frames_in_half_a_second = || -> u32 {
        let count = "const done = arguments[0], before = frames_asked; \
                     setTimeout(() => done(String(frames_asked - before)), 500)";
        browser.script_later(count).parse().expect("a number")
    };
    assert!(frames_in_half_a_second() > 2, "frames come while it runs");
    // As a browser says that nobody sees the page.
    let hide = |hidden: bool| {
        browser.script(&format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {hidden} }}); \
             document.dispatchEvent(new Event('visibilitychange')); return ''"
        ));
    };
    hide(true);
    // One that had been asked for may still come, and asks for no other.
    frames_in_half_a_second();
    assert_eq!(frames_in_half_a_second(), 0, "hidden");
    hide(false);
    assert!(frames_in_half_a_second() > 2, "seen again");
    browser.click("[data-act=play]");
    frames_in_half_a_second();
    assert_eq!(frames_in_half_a_second(), 0, "paused");
}
