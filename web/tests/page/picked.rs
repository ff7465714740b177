//! What is picked on the stage: how it is picked, looked into and broken, by pointer and by keys.

use crate::visit::{Visit, document};
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn node_entry_and_message_are_looked_into_and_lead_to_their_moments() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.settle();
    let leader = visit.attribute(".node.leader", "data-node");
    visit.key(&leader);
    assert!(visit.text("#inspector").contains("leader in term 1"));
    assert_eq!(visit.count("#inspector dt"), visit.count("#inspector dd"));
    assert!(visit.text("#inspector .why").contains("leads term 1"));
    let now = visit.events();
    visit.click("#inspector dd .moment");
    assert!(visit.events() < now && visit.count(".node.leader") == 1);
    visit.key("End");
    visit.click("#logs [data-act='entry:1']");
    assert!(visit.text("#inspector").contains("no-op of term 1"));
    visit.key(" ");
    visit.until(".message");
    visit.key(" ");
    visit.click(".message .reach");
    assert!(visit.text("#inspector").contains("arrives"));
}

#[wasm_bindgen_test]
fn node_is_picked_crashed_restarted_and_cut_off_by_keys() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.settle();
    visit.key("3");
    assert_eq!(visit.attribute(".node.selected", "data-node"), "3");
    visit.key("k");
    assert_eq!(visit.attribute(".node.down", "data-node"), "3");
    visit.key("k");
    assert_eq!(visit.count(".node.down"), 0);
    visit.key("x");
    assert_eq!((visit.count(".link.cut"), visit.count(".side")), (4, 2));
    visit.key("x");
    assert_eq!(visit.count(".link.cut"), 0);
    visit.key("Escape");
    assert_eq!(visit.count(".node.selected"), 0);
    visit.key_on(".node[data-node='4']", "Enter");
    assert_eq!(visit.attribute(".node.selected", "data-node"), "4");
}

#[wasm_bindgen_test]
fn link_is_cut_by_pointer_and_by_keys_and_healed_again() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    visit.click(".link[data-act='link:1-4'] .reach");
    assert_eq!(visit.count(".link.selected"), 1);
    visit.click("#dock [data-act='do:cut-1-4~cut-4-1']");
    assert_eq!(visit.count(".link.cut"), 1);
    visit.key("x");
    assert_eq!(visit.count(".link.cut"), 0);
    visit.key("Escape");
    // By keys alone: the next connection, and what its menu says.
    visit.key("c");
    visit.key("x");
    assert!(visit.attribute(".link.cut", "data-act").starts_with("link:1-2"));
}

#[wasm_bindgen_test]
fn link_that_is_slow_one_way_and_lossy_the_other_says_so_on_the_stage() {
    let visit = Visit::to("v1.seed=2.nodes=3");
    visit.click(".link[data-act='link:1-3'] .reach");
    visit.click("#dock [data-act='do:slow-1-3-720000']");
    visit.click("#dock [data-act='do:lossy-3-1-500000']");
    let words = visit.text(".link.ill");
    assert!(words.contains("+720 ms") && words.contains("−50 %"), "{words}");
    assert_eq!(visit.count("#dock [aria-pressed=true]"), 2);
}

#[wasm_bindgen_test]
fn message_is_picked_held_and_dropped_by_click_and_by_keys() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.key(" ");
    visit.until(".message");
    visit.key(" ");
    let messages = visit.count(".message");
    visit.key("m");
    assert_eq!((visit.count(".message.selected"), visit.count(".message.held")), (1, 0));
    let act = visit.attribute(".message.selected", "data-act");
    visit.key("z");
    assert_eq!(visit.attribute(".message.held", "data-act"), act);
    visit.click("#dock [data-act^='do:release-']");
    assert_eq!(visit.count(".message.held"), 0);
    visit.click("#dock [data-act^='do:drop-']");
    assert_eq!(
        (visit.attribute(".message.lost", "data-act"), visit.count(".message")),
        (act, messages)
    );
}

#[wasm_bindgen_test]
fn menu_key_on_a_node_goes_to_what_can_be_done_with_it() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    let init = web_sys::EventInit::new();
    init.set_bubbles(true);
    init.set_cancelable(true);
    let event = web_sys::Event::new_with_event_init_dict("contextmenu", &init).unwrap();
    visit.find(".node[data-node='3']").dispatch_event(&event).unwrap();
    assert!(event.default_prevented());
    let focused = document().active_element().unwrap();
    assert_eq!(focused.get_attribute("data-act").as_deref(), Some("do:crash-3"));
}

#[wasm_bindgen_test]
fn frozen_and_slow_are_written_on_the_node() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    visit.key("3");
    visit.key("z");
    visit.click("#dock [data-act^='do:slowdisk-3-']");
    let words = visit.text(".node[data-node='3']");
    assert!(words.contains("frozen") && words.contains("slow disk"), "{words}");
    visit.key("h");
    assert_eq!(visit.count(".node .pill"), 0);
}
