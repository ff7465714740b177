//! Lessons, checks and mistakes in a real browser: the body of `index.html`, clicked through.
#![cfg(target_arch = "wasm32")]

#[path = "page/visit.rs"]
#[expect(dead_code, reason = "this visitor clicks, and types little")]
mod visit;

use raft_web::lesson::course::Course;
use raft_web::{lesson, whatif};
use visit::Visit;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const TAKEN: &str = include_str!("lessons.txt");

#[wasm_bindgen_test]
fn lessons_are_the_same_runs_in_a_browser() {
    for line in TAKEN.lines() {
        let (name, hashes) = line.split_once(' ').unwrap();
        let lesson = lesson::named(name).unwrap();
        let (mut course, mut branches) = Course::at(lesson, lesson.steps.len() - 1);
        course.finish(&mut branches);
        assert!(course.is_done(), "{name}");
        let hash = format!("{:016x}", branches.run().sim().trace_hash());
        assert_eq!(hashes.split(' ').next_back(), Some(&*hash), "{name}");
    }
}

fn address() -> String {
    web_sys::window().unwrap().location().hash().unwrap()
}

#[wasm_bindgen_test]
fn first_visit_is_shown_round_without_a_touch() {
    let mut visit = Visit::to("");
    assert_eq!(visit.text("#lesson .lesson-head .quiet"), "1 of 4");
    visit.page.begin().unwrap();
    if visit.attribute("#play", "aria-pressed") == "false" {
        // A browser whose system wants little motion waits for the visitor.
        visit.key(" ");
    }
    visit.until("#lesson .dots .past:nth-child(4)");
    assert!(visit.now_ms < 61_000.0, "it takes {} ms", visit.now_ms);
    assert_eq!(visit.count("#requests .done"), 1);
    visit.click("[data-act=lesson-leave]");
    assert!(visit.text("#lesson").is_empty());
    assert!(address().starts_with("#v1.seed=42.nodes=5.do="), "{}", address());
}

#[wasm_bindgen_test]
fn lesson_is_done_to_its_end_by_its_buttons() {
    let mut visit = Visit::to("v1.lesson=one-write");
    let steps = lesson::named("one-write").unwrap().steps.len();
    for step in 1..=steps {
        assert_eq!(visit.text("#lesson .lesson-head .quiet"), format!("{step} of {steps}"));
        assert!(address().ends_with(&format!("lesson=one-write.step={step}")), "{}", address());
        visit.click("[data-act=lesson-help]");
        visit.until("#lesson .task.done");
        assert_eq!(
            visit.attribute("#play", "aria-pressed"),
            "false",
            "time stands at the milestone"
        );
        if step < steps {
            visit.key(".");
        }
    }
    assert_eq!(visit.count("#lesson [data-act^='lesson:']"), 1, "the next lesson is offered");
    visit.click("[data-act=lesson-back]");
    assert_eq!(visit.text("#lesson .lesson-head .quiet"), format!("{} of {steps}", steps - 1));
}

#[wasm_bindgen_test]
fn visitors_own_click_ticks_the_task() {
    let mut visit = Visit::to("v1.lesson=start.step=3");
    assert_eq!(visit.count("#lesson .task.done"), 0);
    assert_eq!(visit.count("button.hinted[data-act=crash-leader]"), 0, "first some time passes");
    visit.click("[data-act=crash-leader]");
    visit.key(" ");
    visit.until("#lesson .task.done");
    assert_eq!(visit.text("#lesson .tick"), "✓");
}

#[wasm_bindgen_test]
fn answer_is_judged_and_can_be_thought_over() {
    let visit = Visit::to("v1.lesson=first-election.step=3");
    visit.click("[data-act='answer:0']");
    assert!(visit.text("#lesson .because").starts_with("Not quite."));
    visit.click("[data-act='answer:1']");
    assert!(visit.text("#lesson .because").starts_with("Yes."));
    assert_eq!(visit.count("#lesson .answer[aria-pressed=true]"), 1);
}

#[wasm_bindgen_test]
fn mistake_turns_a_check_red_and_one_can_go_there_again() {
    const { assert!(whatif::CAN, "the page is built with the mistakes") };
    let mut visit = Visit::to("v1.seed=42.nodes=4");
    visit.click("[data-act='show-mistake:half']");
    assert!(visit.text("#mistaken").contains("mistake on purpose"));
    assert!(address().contains("mistake=half"), "{}", address());
    visit.until("#checked .broken-check");
    assert_eq!(visit.text("#checks-word"), "Election Safety fails");
    assert_eq!(visit.attribute("#play", "aria-pressed"), "false");
    let events = visit.events();
    visit.key("Home");
    assert_eq!(visit.text("#checks-word"), "A check will fail");
    visit.click("#checked [data-act^='go:']");
    assert_eq!((visit.events(), &*visit.text("#checks-word")), (events, "Election Safety fails"));
    assert!(visit.count("#timeline .flag.check") > 0);
    visit.click("#mistaken [data-act='mistake:']");
    assert!(!address().contains("mistake="), "{}", address());
    assert_eq!(visit.text("#checks-word"), "All checks hold");
}
