//! Lessons, taken as a visitor takes them.

use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};

pub(crate) const SCENES: &[Scene] =
    scenes![first_visit_is_guided, every_lesson_is_taken_to_its_end];

fn first_visit_is_guided(page: &Page) {
    let browser = &page.browser;
    page.open("/");
    browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    assert_eq!(browser.text("#lesson-title"), "Half a minute of Raft");
    browser.wait_for("#lesson .dots .past:nth-child(2)", ELECTION_MAX);
}

fn every_lesson_is_taken_to_its_end(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2");
    browser.click("[data-act=lessons]");
    let names = page.lessons();
    assert!(names.len() >= 20, "there are lessons: {names:?}");
    for name in names {
        browser.click(&format!("[data-act='lesson:{name}']"));
        page.full_speed();
        let mut step = 1;
        loop {
            assert_eq!(page.address(), format!("#v1.lesson={name}.step={step}"));
            let has_task = page.count("#lesson [data-act=lesson-help]") > 0;
            if has_task {
                browser.click("#lesson [data-act=lesson-help]");
            }
            if page.count("#lesson .task") > 0 {
                browser.wait_for("#lesson .task.done", ELECTION_MAX);
            }
            if page.count("#lesson [data-act=lesson-next]") == 0 {
                break;
            }
            browser.click("#lesson [data-act=lesson-next]");
            step += 1;
        }
        browser.click("#lesson [data-act=lesson-leave]");
        assert!(!page.address().contains("lesson="), "the run stays, the lesson does not");
        browser.click("[data-act=lessons]");
    }
}
