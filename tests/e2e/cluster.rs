//! The page that a node serves, which shows its cluster.

use crate::harness::{Cluster, PATIENCE};
use crate::page::Page;
use crate::{Scene, scenes};
use std::time::{Duration, Instant};

pub(crate) const SCENES: &[Scene] =
    scenes![killing_a_real_leader_is_seen_within_a_second_and_then_the_next];

fn killing_a_real_leader_is_seen_within_a_second_and_then_the_next(page: &Page) {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    assert_eq!(cluster.cli(["set", "secret-key", "secret-value"]).code, 0);
    // The page of a node that stays, so that nothing but the leader is gone.
    let follower = cluster.running().into_iter().find(|id| *id != leader).expect("three nodes run");
    let browser = &page.browser;
    browser.open(&format!("http://{}/", cluster.address(follower)));
    let role = |id: u64, role: &str| format!(".node.{role}[data-node='{id}']");
    browser.wait_for(&role(leader, "leader"), PATIENCE);
    browser.wait_for_text("#attached", "quorum: 3 of 3 heard from", PATIENCE);
    assert!(browser.console().is_empty(), "{:#?}", browser.console());
    let compressed = "const wasm = performance.getEntriesByType('resource').find(e => /wasm$/.test(e.name)); \
                      return String(wasm.encodedBodySize * 2 < wasm.decodedBodySize)";
    assert_eq!(browser.script(compressed), "true", "a node sends its page compressed");

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
    // The browser itself notes that a node that was killed does not answer; nothing else may be there.
    for line in browser.console() {
        assert!(line["message"].as_str().is_some_and(|text| text.contains("WebSocket")), "{line}");
    }
}
