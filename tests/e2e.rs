//! The built page, served over HTTP, in a real browser, as a visitor has it.
//!
//! Wants `web/dist` (`cargo xtask web`), nodes with that page inside (`cargo build -p raft-native`),
//! `chromedriver` and Chromium.

#[path = "e2e/browser.rs"]
mod browser;
#[path = "processes/harness.rs"]
#[expect(dead_code, reason = "the tests of real processes need more of it")]
mod harness;
#[path = "e2e/site.rs"]
mod site;

use browser::Browser;
use harness::{Cluster, PATIENCE};
use site::Site;
use std::path::Path;
use std::time::{Duration, Instant};

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

#[test]
fn message_is_dropped_and_a_link_is_cut_by_pointer_by_tap_and_by_keys() {
    let site = Site::serve(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist"));
    let browser = Browser::start();
    browser.open(&site.address("/#v1.seed=2.nodes=5.at=30-0000000000000000"));
    browser.wait_for(".message", ELECTION_MAX);
    let count = |selector: &str| {
        browser.script(&format!("return String(document.querySelectorAll({selector:?}).length)"))
    };

    // A click on a message, where it hangs, and one on what can be done with it.
    browser.press_at(browser.point_of(".message:last-child .reach", 0.5), "mouse");
    browser.wait_for(".message.selected", ELECTION_MAX);
    browser.press_at(browser.point_of("#dock [data-act^='do:drop-']", 0.5), "mouse");
    browser.wait_for(".message.lost", ELECTION_MAX);
    assert!(browser.script("return location.hash").contains("-drop-"));

    // A link by the mouse: its line runs along the diagonal of its box, and its middle is free of nodes.
    let link = |pair: &str| format!(".link[data-act='link:{pair}'] .reach");
    browser.press_at(browser.point_of(&link("3-5"), 0.3), "mouse");
    browser.wait_for(".link.selected[data-act='link:3-5']", ELECTION_MAX);
    browser.press_at(browser.point_of("#dock [data-act='do:cut-3-5~cut-5-3']", 0.5), "mouse");
    browser.wait_for(".link.cut[data-act='link:3-5']", ELECTION_MAX);

    // Another by a finger.
    browser.press_at(browser.point_of(&link("1-2"), 0.5), "touch");
    browser.wait_for(".link.selected[data-act='link:1-2']", ELECTION_MAX);
    browser.press_at(browser.point_of("#dock [data-act='do:cut-1-2~cut-2-1']", 0.5), "touch");
    browser.wait_for(".link.cut[data-act='link:1-2']", ELECTION_MAX);

    // A third by keys alone: the connection after that, and cut it.
    browser.keys("cx");
    browser.wait_for(".link.cut[data-act='link:1-3']", ELECTION_MAX);
    assert_eq!(count(".link.cut"), "3");
    browser.keys("h");
    assert_eq!(count(".link.cut"), "0");
    // A link that names another run than it opens says so; nothing else may be on the console.
    assert_eq!(browser.console(), Vec::<serde_json::Value>::new());
}

#[test]
fn first_visit_is_guided_and_a_lesson_is_taken_to_its_end() {
    let site = Site::serve(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist"));
    let browser = Browser::start();
    browser.open(&site.address("/"));
    browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    assert_eq!(browser.text("#lesson-title"), "Half a minute of Raft");
    browser.wait_for("#lesson .dots .past:nth-child(2)", ELECTION_MAX);

    browser.click("[data-act=lessons]");
    browser.click("[data-act='lesson:slow-disk']");
    for step in 1..=3 {
        let address = browser.script("return location.hash");
        assert_eq!(address, format!("#v1.lesson=slow-disk.step={step}"));
        (0..6).for_each(|_| browser.click("[data-act=faster]"));
        browser.click("[data-act=lesson-help]");
        browser.wait_for("#lesson .task.done", ELECTION_MAX);
        if step < 3 {
            browser.click("[data-act=lesson-next]");
        }
    }
    browser.click("[data-act=lesson-leave]");
    let link = browser.script("return location.hash");
    assert!(link.contains("-slowdisk-"), "what was done stays in the address: {link}");
    let console = browser.console();
    assert!(console.is_empty(), "the browser's console must stay clean: {console:#?}");
}

#[test]
fn search_for_a_seed_opens_the_moment_and_does_not_block_the_page() {
    let site = Site::serve(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist"));
    let browser = Browser::start();
    browser.open(&site.address("/#v1.seed=2.nodes=5"));
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
    let leaders = "return String(document.querySelectorAll('.node.leader').length)";
    assert_eq!(browser.script(leaders), "2");
    assert!(browser.text("#sentence").starts_with("Here two nodes believe that they lead."));
    assert_eq!(browser.attribute("#play", "aria-pressed"), "false");

    let blocked: f64 = browser.script("return String(Math.max(...blocked))").parse().unwrap();
    eprintln!("the page was blocked for {blocked} ms at most");
    assert!(blocked <= 200.0, "{blocked} ms");
    assert_eq!(browser.console(), Vec::<serde_json::Value>::new());
}

#[test]
fn killing_a_real_leader_is_seen_within_a_second_and_then_the_next() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    assert_eq!(cluster.cli(["set", "secret-key", "secret-value"]).code, 0);
    // The page of a node that stays, so that nothing but the leader is gone.
    let follower = cluster.running().into_iter().find(|id| *id != leader).expect("three nodes run");
    let browser = Browser::start();
    browser.open(&format!("http://{}/", cluster.address(follower)));
    let role = |id: u64, role: &str| format!(".node.{role}[data-node='{id}']");
    browser.wait_for(&role(leader, "leader"), PATIENCE);
    browser.wait_for_text("#attached", "quorum: 3 of 3 heard from", PATIENCE);
    assert!(browser.console().is_empty(), "{:#?}", browser.console());

    cluster.kill(leader);
    let killed = Instant::now();
    browser.wait_for(&role(leader, "silent"), PATIENCE);
    let seen = killed.elapsed();
    assert!(seen < Duration::from_secs(1), "seen only after {seen:?}");
    browser.wait_for(".node.leader", PATIENCE);
    let next = browser.attribute(".node.leader", "data-node");
    assert_ne!(next, leader.to_string());
    browser.wait_for_text("#story", "stands for election in term 2 (§5.2)", PATIENCE);
    browser.wait_for_text("#story", "is not heard from: it crashed", PATIENCE);
    browser.wait_for_text("#attached", "quorum: 2 of 3 heard from", PATIENCE);
    assert!(!browser.script("return document.body.innerHTML").contains("secret"));

    // Frozen, it shows a moment; and what commands simulated nodes is nowhere.
    browser.click("#play");
    browser.wait_for("#attached .frozen", PATIENCE);
    browser.keys("K");
    browser.keys("L");
    assert_eq!(browser.attribute("#play", "aria-pressed"), "false");
    browser.click("#play");
    cluster.start_node(leader);
    browser.wait_for(&role(leader, "follower"), PATIENCE);
    browser.wait_for_text("#attached", "quorum: 3 of 3 heard from", PATIENCE);

    // A simulation with the same node leading, to be broken without harm; and back to the cluster.
    browser.click("#dock [data-act=fork]");
    browser.wait_for(&format!(".node.leader[data-node='{next}']"), PATIENCE);
    assert!(browser.text("#sentence").contains("Keys and values are not copied"));
    browser.click("#dock [data-act=crash-leader]");
    browser.wait_for(&format!(".node.down[data-node='{next}']"), PATIENCE);
    browser.script("history.back(); return ''");
    browser.wait_for("#attached .on-air", PATIENCE);
    browser.wait_for(".node.leader", PATIENCE);
    assert_eq!(browser.attribute(".node.leader", "data-node"), next);
}

#[test]
fn trace_that_is_dropped_on_the_page_is_shown_run_and_scrubbed() {
    let site = Site::serve(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist"));
    let browser = Browser::start();
    // What the page itself saves of a run in which the leader crashes.
    browser
        .open(&site.address("/#v1.seed=2.nodes=5.do=7000000-crashleader.at=400-0000000000000000"));
    browser.script(
        "URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved = text); return '#'; }; \
         HTMLAnchorElement.prototype.click = () => {}; return ''",
    );
    browser.keys("e");
    browser.click("[data-act='save:trace']");
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
    while browser.script("return String(document.querySelectorAll('.node.leader').length)") == "0"
        || browser.script("return String(document.querySelectorAll('.node.silent').length)") != "0"
    {
        assert_ne!(browser.text("#clock"), "0.000", "somebody led before");
        browser.click("[data-act=back]");
    }
    assert_eq!(browser.attribute(".node.leader", "data-node"), crashed);
    let here = browser.text("#clock");
    browser.click("[data-act=play]");
    browser.wait_for(".node.silent", ELECTION_MAX);
    assert_ne!(browser.text("#clock"), here);
    assert_eq!(
        browser
            .script("return String(document.querySelectorAll('#dock [data-act^=\"do:\"]').length)"),
        "0"
    );
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
    assert_eq!(browser.console(), Vec::<serde_json::Value>::new());
}
