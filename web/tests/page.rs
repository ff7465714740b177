//! The page in a real browser: the body of `index.html`, clicked and typed on.
#![cfg(target_arch = "wasm32")]

#[path = "parity/fingerprint.rs"]
mod fingerprint;
#[path = "page/picked.rs"]
mod picked;
#[path = "page/visit.rs"]
mod visit;

use fingerprint::fingerprint;
use raft_web::scene::PauseWhen;
use visit::{Visit, document};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{HtmlElement, HtmlInputElement};

wasm_bindgen_test_configure!(run_in_browser);

const PARITY: &str = include_str!("parity.txt");

#[wasm_bindgen_test]
fn page_opens_what_the_address_names() {
    let visit = Visit::to("v1.seed=7.nodes=3");
    assert_eq!((visit.count(".node.follower"), visit.count("#table tr")), (3, 3));
    let seed: HtmlInputElement = visit.find("#seed").dyn_into().unwrap();
    assert_eq!(seed.value(), "7");
    assert_eq!(visit.text("#clock"), "0.000");
    assert!(visit.text("#sentence").starts_with("No leader yet."));
}

#[wasm_bindgen_test]
fn damaged_address_is_said_so_and_opens_a_first_visit() {
    let visit = Visit::to("v1.seed=x");
    assert!(visit.text("#sentence").contains("damaged"));
    assert_eq!(visit.count(".node"), 5);
    assert!(web_sys::window().unwrap().location().hash().unwrap().starts_with("#v1.seed="));
}

#[wasm_bindgen_test]
fn runs_have_the_fingerprints_of_the_native_ones() {
    for line in PARITY.lines() {
        let [link, steps, hash] = line.split(' ').collect::<Vec<&str>>()[..] else {
            panic!("{line}")
        };
        let here = fingerprint(link, steps.parse().unwrap());
        assert_eq!(format!("{here:016x}"), hash, "{link}");
    }
}

#[wasm_bindgen_test]
fn in_a_frame_the_page_is_what_its_address_says() {
    let history = web_sys::window().unwrap().history().unwrap();
    let ask = |query: &str| history.replace_state_with_url(&"".into(), "", Some(query)).unwrap();
    ask("?embed=1&panels=story,logs&autoplay=1");
    let visit = Visit::to("v1.seed=2.nodes=3");
    assert!(visit.root.class_list().contains("embedded"));
    assert_eq!(visit.root.get_attribute("data-panels").unwrap(), "logs story");
    visit.page.begin().unwrap();
    assert_eq!(visit.attribute("#play", "aria-pressed"), "true");
    drop(visit);
    ask("?embed=1");
    let visit = Visit::to("v1.seed=2.nodes=3");
    visit.page.begin().unwrap();
    assert_eq!(visit.attribute("#play", "aria-pressed"), "false");
    drop(visit);
    ask("?");
    assert!(!Visit::to("v1.seed=2").root.class_list().contains("embedded"));
}

#[wasm_bindgen_test]
fn what_is_on_the_screen_is_saved() {
    let visit = Visit::to("v1.seed=2.nodes=3");
    visit.key("e");
    assert!(visit.find("#share").has_attribute("open"));
    for (what, file) in [
        ("stage", "raft-stage.svg"),
        ("timeline", "raft-timeline.svg"),
        ("trace", "raft-trace.jsonl"),
    ] {
        visit.click(&format!("[data-act='save:{what}']"));
        assert_eq!(visit.text("#sentence"), format!("Saved as {file}."));
    }
    visit.key("f");
    assert!(visit.find("#hunt").has_attribute("open"));
    assert!(visit.count("#wanted option") > 10);
}

#[wasm_bindgen_test]
fn page_shows_the_fingerprint_of_its_run() {
    let line = PARITY.lines().next().unwrap();
    let [link, steps, hash] = line.split(' ').collect::<Vec<&str>>()[..] else { panic!("{line}") };
    let visit = Visit::to(link);
    (0..steps.parse::<u64>().unwrap()).for_each(|_| visit.key("ArrowRight"));
    assert_eq!((&*visit.hash(), &*visit.text("#hash")), (hash, hash));
}

#[wasm_bindgen_test]
fn leader_crashed_by_a_click_is_followed_by_another() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.settle();
    let first = visit.attribute(".node.leader", "data-node");
    visit.click("[data-act=crash-leader]");
    assert_eq!(visit.attribute(".node.down", "data-node"), first);
    visit.key(" ");
    visit.until(".node.leader");
    assert_ne!(visit.attribute(".node.leader", "data-node"), first);
    assert_ne!(visit.attribute(".node.leader", "data-term"), "1");
    visit.click(&format!("#table [data-act='open:{first}']"));
    visit.click(&format!("#dock [data-act='do:restart-{first}']"));
    assert_eq!(visit.count(".node.down"), 0);
}

#[wasm_bindgen_test]
fn messages_fly_while_time_runs_and_hang_while_it_does_not() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.key(" ");
    visit.until(".message");
    let at = |visit: &Visit| visit.attribute(".message", "transform");
    let before = at(&visit);
    visit.page.frame(visit.now_ms + 50.0).unwrap();
    let after = at(&visit);
    assert_ne!(before, after);
    visit.key(" ");
    visit.page.frame(visit.now_ms + 100.0).unwrap();
    assert_eq!(at(&visit), after);
}

#[wasm_bindgen_test]
fn arrows_take_one_event_on_and_one_back() {
    let visit = Visit::to("v1.seed=2.nodes=3");
    (0..20).for_each(|_| visit.key("ArrowRight"));
    let (events, hash) = (visit.events(), visit.hash());
    assert_eq!(events, 20);
    visit.click("[data-act=step]");
    assert_eq!(visit.events(), 21);
    assert_ne!(visit.hash(), hash);
    visit.key("ArrowLeft");
    assert_eq!((visit.events(), visit.hash()), (events, hash));
}

#[wasm_bindgen_test]
fn interesting_moments_are_stops_both_ways() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    visit.shift("ArrowRight");
    let first = visit.events();
    assert!(first > 0);
    visit.click("[data-act=next-turn]");
    assert!(visit.events() > first);
    visit.shift("ArrowLeft");
    assert_eq!(visit.events(), first);
    visit.key("Home");
    assert_eq!((visit.events(), visit.text("#clock")), (0, "0.000".into()));
    visit.key("End");
    assert!(visit.events() > first);
}

#[wasm_bindgen_test]
fn acting_in_the_past_begins_another_branch_and_both_can_be_gone_to() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.settle();
    let (events, hash) = (visit.events(), visit.hash());
    assert_eq!(visit.count("#branches .tab"), 0);
    (0..20).for_each(|_| visit.key("ArrowLeft"));
    assert!(visit.text("#branches").contains("begins another branch"));
    visit.key("2");
    visit.key("k");
    assert_eq!(visit.count("#branches .tab"), 2);
    visit.key(" ");
    visit.until(".node.leader");
    visit.key(" ");
    let other = visit.hash();
    visit.click("[data-act='branch:0']");
    visit.key("End");
    assert_eq!((visit.events(), visit.hash()), (events, hash));
    assert!(visit.text("#branches").contains("Parted from B"));
    assert!(!web_sys::window().unwrap().location().hash().unwrap().contains("crash"));
    visit.click("[data-act='branch:1']");
    visit.key("End");
    assert_eq!(visit.hash(), other);
    assert!(web_sys::window().unwrap().location().hash().unwrap().contains("crash-2"));
}

#[wasm_bindgen_test]
fn timeline_is_drawn_and_a_pointer_on_it_goes_to_the_moment() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.settle();
    assert_eq!(visit.count("#timeline .name"), 5);
    assert!(visit.count("#timeline .spell.leader") == 1 && visit.count("#timeline .arrow") > 10);
    let before: f64 = visit.text("#clock").parse().unwrap();
    visit.pointer("pointerdown", 0.3);
    let there: f64 = visit.text("#clock").parse().unwrap();
    assert!(there < before, "{there} is not before {before}");
    visit.pointer("pointermove", 0.1);
    assert!(visit.text("#clock").parse::<f64>().unwrap() < there);
    visit.pointer("pointerup", 0.1);
    visit.pointer("pointermove", 0.3);
    assert!(visit.text("#clock").parse::<f64>().unwrap() < there, "the pointer was let go");
    let words = visit.attribute("#scrub", "aria-valuetext");
    assert!(words.starts_with(&visit.text("#clock")), "{words}");
    visit.key_on("#scrub", "PageUp");
    assert!(visit.text("#clock").parse::<f64>().unwrap() > there);
}

#[wasm_bindgen_test]
fn shared_link_opens_at_its_moment_and_one_of_another_run_says_so() {
    let mut visit = Visit::to("v1.seed=2.nodes=3");
    visit.settle();
    visit.key("2");
    visit.key("s");
    let link = web_sys::window().unwrap().location().hash().unwrap();
    let (events, hash) = (visit.events(), visit.hash());
    assert!(link.contains(&format!("-{hash}.pick=node-2")), "{link}");
    drop(visit);
    let again = Visit::to(&link[1..]);
    assert_eq!((again.events(), again.hash()), (events, hash));
    assert_eq!(again.attribute(".node.selected", "data-node"), "2");
    drop(again);
    let other = Visit::to(&link[1..].replace("seed=2", "seed=3"));
    assert!(other.text("#sentence").contains("another version"));
}

#[wasm_bindgen_test]
fn run_pauses_when_a_leader_is_elected() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.choose("#pause", "elected");
    visit.key(" ");
    visit.until("#play[aria-pressed=false]");
    assert_eq!(visit.count(".node.leader"), 1);
    assert!(visit.text("#story").contains("leads term"));
}

#[wasm_bindgen_test]
fn write_is_answered_and_shown_in_every_log() {
    let mut visit = Visit::to("v1.seed=2.nodes=3");
    visit.settle();
    visit.fill("#key", "colour");
    visit.fill("#value", "blue");
    visit.key("w");
    visit.key(" ");
    visit.until("#requests .waiting");
    assert!(visit.text("#requests").contains("colour = blue"));
    visit.until("#requests .done");
    visit.until("#logs tbody tr:nth-child(1) .applied ~ .applied");
    assert!(visit.text("#logs tbody tr:nth-child(1)").contains("colour=blue"));
    // It is read, swapped only if it is what is said, and deleted.
    visit.click("[data-act='panel:client']");
    visit.key("r");
    visit.until("#requests li:nth-child(2)");
    visit.until("#requests li:nth-child(1).done");
    assert!(visit.text("#requests li:nth-child(1)").contains("blue"));
    visit.fill("#old", "green");
    visit.click("[data-act=swap]");
    visit.until("#requests li:nth-child(3)");
    visit.until("#requests li:nth-child(1).failed");
    visit.click("[data-act=delete]");
    visit.until("#requests li:nth-child(4)");
    visit.until("#requests li:nth-child(1).done");
}

#[wasm_bindgen_test]
fn typing_in_a_field_is_not_a_command() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    visit.key("3");
    visit.key_on("#key", "k");
    visit.key_on("#seed", " ");
    assert_eq!(
        (visit.count(".node.down"), visit.attribute("#play", "aria-pressed")),
        (0, "false".into())
    );
}

#[wasm_bindgen_test]
fn single_keys_can_be_switched_off() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    let switch: HtmlInputElement = visit.find("#single-keys").dyn_into().unwrap();
    switch.set_checked(false);
    visit.key("3");
    assert_eq!(visit.count(".node.selected"), 0);
    visit.key("ArrowRight");
    assert_eq!(visit.events(), 1);
}

#[wasm_bindgen_test]
fn address_follows_what_is_done_and_opens_the_same_run() {
    let mut visit = Visit::to("v1.seed=2.nodes=3");
    visit.settle();
    visit.key("2");
    visit.key("k");
    let link = web_sys::window().unwrap().location().hash().unwrap();
    assert!(link.contains("-crash-2"), "{link}");
    (0..50).for_each(|_| visit.key("ArrowRight"));
    let (events, hash) = (visit.events(), visit.hash());
    drop(visit);
    let again = Visit::to(&link[1..]);
    while again.events() < events {
        again.key("ArrowRight");
    }
    assert_eq!(again.hash(), hash);
}

#[wasm_bindgen_test]
fn new_seed_and_number_of_nodes_begin_another_run() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    visit.click("[data-act=new-seed]");
    let seed: HtmlInputElement = visit.find("#seed").dyn_into().unwrap();
    assert_ne!(seed.value(), "2");
    visit.fill("#seed", "77");
    assert_eq!(web_sys::window().unwrap().location().hash().unwrap(), "#v1.seed=77.nodes=5");
    visit.fill("#seed", "no number");
    assert!(visit.text("#sentence").contains("whole number"));
}

#[wasm_bindgen_test]
fn thousand_frames_keep_focus_and_leave_nothing_behind() {
    let mut visit = Visit::to("v1.seed=2.nodes=5");
    visit.settle();
    let node = visit.find(".node[data-node='3']");
    node.unchecked_ref::<HtmlElement>().focus().unwrap();
    let elements = visit.count("*");
    visit.key(" ");
    for _ in 0..1_000 {
        visit.now_ms += 1_000.0 / 60.0;
        visit.page.frame(visit.now_ms).unwrap();
    }
    assert_eq!(document().active_element(), Some(node));
    assert!(visit.count("*") < elements + 400, "{elements} elements became {}", visit.count("*"));
}

#[wasm_bindgen_test]
fn paused_page_asks_for_no_frames() {
    let count = "window.asked = 0; const real = window.requestAnimationFrame; \
                 window.requestAnimationFrame = (f) => { window.asked += 1; return real.call(window, f); }; \
                 () => { window.requestAnimationFrame = real; return window.asked; }";
    let done: js_sys::Function = js_sys::eval(count).unwrap().dyn_into().unwrap();
    let visit = Visit::to("v1.seed=2.nodes=5");
    visit.key("ArrowRight");
    visit.click("[data-act=split]");
    visit.key("2");
    visit.page.frame(2_000.0).unwrap();
    assert_eq!(js_sys::eval("window.asked").unwrap(), 0);
    visit.key(" ");
    assert_eq!(done.call0(&wasm_bindgen::JsValue::NULL).unwrap(), 1);
}

#[wasm_bindgen_test]
fn list_of_what_to_pause_at_is_the_one_the_page_knows() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    for (_, name, words) in PauseWhen::ALL {
        assert_eq!(visit.text(&format!("#pause option[value='{name}']")), words);
    }
    assert_eq!(visit.count("#pause option"), PauseWhen::ALL.len() as u32 + 1);
}

#[wasm_bindgen_test]
fn keys_are_listed_on_the_page() {
    let visit = Visit::to("v1.seed=2.nodes=5");
    let help = visit.find("#help");
    visit.key("?");
    assert!(help.has_attribute("open"));
    for key in ["Space", "→", "K", "X", "W", "H"] {
        assert!(visit.text(".keys").contains(key), "{key}");
    }
    visit.key("Escape");
    assert!(!help.has_attribute("open"));
}

#[wasm_bindgen_test]
fn page_that_is_attached_commands_nothing() {
    // Nobody listens there.
    let visit = Visit::to("attach=ws://127.0.0.1:1");
    assert!(visit.text("#sentence").starts_with("No node has answered at\u{a0}127.0.0.1:1 yet."));
    assert_eq!((visit.count(".node"), visit.text("#play-word")), (0, "Freeze".to_owned()));
    let location = web_sys::window().unwrap().location();
    for key in ["n", "w", "r", "l", "h", "s", "f", "k", "ArrowLeft", "Home"] {
        visit.key(key);
    }
    for act in ["new-seed", "lessons", "share", "do:crash-1", "write", "read"] {
        let button = document().create_element("button").unwrap();
        button.set_attribute("data-act", act).unwrap();
        visit.root.append_child(&button).unwrap();
        visit.click(&format!("button[data-act='{act}']:last-child"));
        button.remove();
    }
    assert_eq!(location.hash().unwrap(), "#attach=ws://127.0.0.1:1");
    assert_eq!((visit.count(".node"), visit.count("#requests li")), (0, 0));
}

#[wasm_bindgen_test]
fn address_that_the_browser_refuses_is_said_so() {
    let visit = Visit::to("attach=ws://[:1");
    visit.page.frame(visit.now_ms + 1_000.0).unwrap();
    let says = visit.text("#sentence");
    assert!(says.starts_with("The browser refuses to connect to"), "{says}");
}
