//! Several nodes at once, and all links at once.

use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};

pub(crate) const SCENES: &[Scene] =
    scenes![groups_are_split_off_by_a_loop_by_tap_and_by_keys, all_links_lose_and_take_longer];

fn groups_are_split_off_by_a_loop_by_tap_and_by_keys(page: &Page) {
    let browser = &page.browser;
    page.open_led("/#v1.seed=2.nodes=5");
    browser.click("[data-act=play]");
    // A loop round the two nodes at the right; it begins and ends where there is nothing, and crosses links.
    let (above, below) = (browser.point_of(&body(2), 0.5), browser.point_of(&body(3), 0.5));
    let by = |(x, y): (f64, f64), right: f64, down: f64| (x + right, y + down);
    let corners = [
        by(above, -70.0, -75.0),
        by(above, 75.0, -75.0),
        by(above, 75.0, 40.0),
        by(below, 75.0, 65.0),
        by(below, -75.0, 65.0),
        by(below, -75.0, -30.0),
    ];
    browser.drag(&corners, "mouse");
    browser.wait_for(".node.selected[data-node='2']", ELECTION_MAX);
    assert_eq!((selected(page), page.count(".lasso")), ("2 3".to_owned(), 0));
    browser.click("#dock [data-act='do:split-2-3']");
    browser.wait_for_text(".side-names", "no majority: 2 of 5", ELECTION_MAX);
    assert!(page.address().contains("-split-2-3"));
    // What is picked is in a link.
    browser.keys("s");
    assert!(page.address().ends_with(".pick=group-2-3"), "{}", page.address());

    // By taps: the group that is proposed, without whom it has and with two others.
    browser.keys("\u{e00c}h");
    browser.press_at(browser.point_of("#dock [data-act^='group:']", 0.5), "touch");
    for node in selected(page).split(' ').chain(["1", "5"]) {
        let node = node.parse().expect("a node");
        browser.press_at(browser.point_of(&body(node), 0.5), "touch");
    }
    assert_eq!(selected(page), "1 5");
    browser.press_at(browser.point_of("#dock [data-act='do:split-1-5']", 0.5), "touch");
    browser.wait_for_text(".side-names", "no majority: 2 of 5", ELECTION_MAX);

    // By keys alone: a node, two others with it, cut them off; and once more, whole again.
    browser.keys("\u{e00c}h4g12x");
    assert_eq!(selected(page), "1 2 4");
    assert!(page.address().ends_with("-split-1-2-4"), "{}", page.address());
    assert_eq!(page.count(".link.cut"), 6);
    browser.keys("x");
    assert_eq!(page.count(".link.cut"), 0);
}

fn all_links_lose_and_take_longer(page: &Page) {
    let browser = &page.browser;
    page.open_led("/#v1.seed=2.nodes=5");
    browser.click("#dock [data-act^='do:lose-']");
    browser.keys("oy");
    browser.wait_for_text("#stage .everywhere", "all links +180 ms −30 %", ELECTION_MAX);
    browser.keys("h");
    assert_eq!(browser.text("#stage .everywhere"), "");
    assert!(page.address().ends_with("-lose"), "{}", page.address());
}

fn body(node: u64) -> String {
    format!(".node[data-node='{node}'] .body")
}

/// The nodes that are picked.
fn selected(page: &Page) -> String {
    page.browser.script(
        "return [...document.querySelectorAll('.node.selected')].map((n) => n.dataset.node).join(' ')",
    )
}
