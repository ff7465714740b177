//! The states that the page comes to, each shown to whoever wants to look: to be photographed, and to be checked.
//! They are of moments after so many events, so that they are the same wherever and whenever one looks.

use crate::browser::key;
use crate::harness::{Cluster, PATIENCE};
use crate::page::{ELECTION_MAX, Page};

/// A leader with a write behind it, a node down, and a write on its way.
pub(crate) const BUSY: &str =
    "/#v1.seed=2.nodes=5.do=3200000-set-x-1~4200000-crash-2~5000000-set-x-2~7000000-set-x-3";

/// The theme of those whose system prefers it.
pub(crate) const DARK: &[(&str, &str)] = &[("prefers-color-scheme", "dark")];

/// A screen on which everything is there at once, and the narrowest.
pub(crate) const WIDE: (u32, u32) = (1360, 850);
pub(crate) const NARROW: (u32, u32) = (320, 640);

/// Goes through all of them. `look` is told the name of each, and leaves the page as it was.
pub(crate) fn every_state(page: &Page, look: &mut dyn FnMut(&str)) {
    page.browser.screen(WIDE);
    a_run(page, look);
    what_is_picked(page, look);
    lessons(page, look);
    what_goes_wrong(page, look);
    frames_of_other_pages(page, look);
    a_real_cluster(page, look);
}

fn a_run(page: &Page, look: &mut dyn FnMut(&str)) {
    page.open("/");
    look("first-visit");
    page.open_led("/#v1.seed=2.nodes=5");
    look("running");
    after(page, BUSY, 159);
    look("node-down");
    for menu in ["share", "hunt", "checks", "whatif", "help"] {
        page.press(&format!("#{menu} > summary"));
        look(menu);
        page.press(&format!("#{menu} > summary"));
    }
    for panel in ["logs", "timeline", "client", "story"] {
        page.press(&format!(".panels [data-act='panel:{panel}']"));
        look(panel);
    }
    (0..4).for_each(|_| page.press("[data-act=last-turn]"));
    page.press("[data-act=split]");
    look("branches");
    after(page, "/#v1.seed=9.nodes=9", 120);
    look("nine-nodes");
}

fn what_is_picked(page: &Page, look: &mut dyn FnMut(&str)) {
    let browser = &page.browser;
    after(page, BUSY, 159);
    for (thing, keys) in [("node", "4"), ("link", "c"), ("message", "m")] {
        browser.keys(keys);
        assert_eq!(page.count(&format!(".stage .{thing}.selected")), 1, "{thing}");
        look(&format!("inside-{thing}"));
    }
    page.press(".index[data-act='entry:2']");
    browser.wait_for_text("#inspector h3", "Entry 2", ELECTION_MAX);
    look("inside-entry");
}

fn lessons(page: &Page, look: &mut dyn FnMut(&str)) {
    let browser = &page.browser;
    page.open("/#v1.seed=2");
    page.press("[data-act=lessons]");
    look("lessons");
    page.open("/#v1.lesson=figure-8.step=2");
    look("lesson-question");
    page.press("#lesson .answer:last-of-type");
    browser.wait_for("#lesson .because", ELECTION_MAX);
    look("lesson-answer");
}

fn what_goes_wrong(page: &Page, look: &mut dyn FnMut(&str)) {
    let browser = &page.browser;
    page.open("/#v1.seed=2");
    page.press("[data-act='show-mistake:half']");
    page.full_speed();
    browser.wait_for(".broken #play[aria-pressed=false]", ELECTION_MAX);
    look("check-failed");
    page.press("#checks > summary");
    look("failed-checks");
    page.open("/#v1.seed=x");
    browser.wait_for_text("#sentence", "damaged", ELECTION_MAX);
    look("damaged-link");
}

fn frames_of_other_pages(page: &Page, look: &mut dyn FnMut(&str)) {
    let busy = BUSY.trim_start_matches('/');
    after(page, &format!("/?embed=1{busy}"), 159);
    look("embed");
    let panels = "top,lesson,do,logs,picked,client,story,table";
    after(page, &format!("/?embed=1&panels={panels}{busy}"), 159);
    page.browser.keys("4");
    look("embed-panels");
}

fn a_real_cluster(page: &Page, look: &mut dyn FnMut(&str)) {
    let browser = &page.browser;
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    assert_eq!(cluster.cli(["set", "x", "1"]).code, 0);
    let follower = cluster.running().into_iter().find(|id| *id != leader).expect("three nodes run");
    browser.open(&format!("http://{}/", cluster.address(follower)));
    browser.wait_for_text("#attached", "quorum: 3 of 3 heard from", PATIENCE);
    look("live");
    browser.keys(&follower.to_string());
    look("live-inside");
    cluster.kill(leader);
    browser.wait_for_text("#attached", "quorum: 2 of 3 heard from", PATIENCE);
    browser.click("#play");
    browser.wait_for("#attached .frozen", PATIENCE);
    look("live-frozen");
    // The browser itself notes that a node that was killed does not answer.
    browser.console();
}

/// Opens a run and goes to the moment after so many events.
pub(crate) fn after(page: &Page, path: &str, events: usize) {
    page.open(path);
    if page.browser.attribute("#play", "aria-pressed") == "true" {
        page.press("#play");
    }
    let keys: String =
        std::iter::once(key::HOME).chain(std::iter::repeat_n(key::RIGHT, events)).collect();
    page.browser.keys(&keys);
}

/// Has the task of a lesson's step done, if it has one.
pub(crate) fn do_task(page: &Page) {
    page.full_speed();
    if page.count("#lesson [data-act=lesson-help]") > 0 {
        page.press("#lesson [data-act=lesson-help]");
        page.browser.wait_for("#lesson .task.done", ELECTION_MAX);
    }
}
