//! What visitors do who have no pointer: keys alone, and the focus is always there to be seen.

use crate::browser::key::{END, ENTER, ESCAPE, HOME, LEFT, PAGE_DOWN, PAGE_UP, RIGHT, TAB};
use crate::page::{ELECTION_MAX, Page};
use crate::states::{BUSY, NARROW, WIDE, after};
use crate::{Scene, scenes};

pub(crate) const SCENES: &[Scene] = scenes![
    focus_goes_through_the_whole_page_and_is_always_seen,
    keys_alone_run_pause_step_and_scrub,
    keys_alone_pick_a_node_a_link_a_message_and_an_entry_and_command_them,
    keys_alone_write_and_see_it_commit,
    keys_alone_take_a_step_of_a_lesson,
    keys_alone_share_and_find_a_seed,
];

/// More stops than the page has.
const STOPS_MAX: usize = 250;

/// What is wrong with the focus as it is, or nothing: it is on something, which can be told from the rest, and of
/// which the eye sees a part (WCAG 2.4.7, 2.4.11).
const FAULT: &str = "\
    const it = document.activeElement; \
    if (!it || it === document.body) return 'the focus is nowhere'; \
    const shown = it.closest('label.button') ?? it, name = (it.id && '#' + it.id) || it.dataset.act || it.outerHTML.slice(0, 90); \
    const rim = it.matches('.node') ? getComputedStyle(it.querySelector('.picked')).stroke : getComputedStyle(shown).outlineStyle; \
    if (rim === 'none') return `${name}: nothing shows the focus`; \
    const { left, right, top, bottom } = shown.getBoundingClientRect(); \
    const points = [[.5, .5], [.1, .1], [.9, .1], [.1, .9], [.9, .9]] \
      .map(([x, y]) => document.elementFromPoint(left + (right - left) * x, top + (bottom - top) * y)); \
    return points.some((hit) => shown.contains(hit)) ? '' : `${name}: hidden behind ${points[0]?.outerHTML.slice(0, 90)}`";

fn focus_goes_through_the_whole_page_and_is_always_seen(page: &Page) {
    let browser = &page.browser;
    for (path, screen) in [
        (BUSY, WIDE),
        (BUSY, NARROW),
        ("/#v1.lesson=figure-8.step=2", WIDE),
        ("/#v1.lesson=figure-8.step=2", NARROW),
    ] {
        browser.screen(screen);
        after(page, path, 159);
        browser.keys("4");
        // Everything that wants the focus, in the order in which it is read.
        browser.script(
            "const all = 'a[href], button, input, select, summary, [tabindex=\"0\"]'; \
             window.stops = [...document.querySelectorAll(all)].filter((stop) => stop.checkVisibility()); \
             return ''",
        );
        let mut last = -1;
        for _ in 0..STOPS_MAX {
            browser.keys(&TAB.to_string());
            let stop: i32 = browser
                .script("return String(stops.indexOf(document.activeElement))")
                .parse()
                .unwrap();
            if stop <= last {
                break;
            }
            assert_eq!(stop, last + 1, "{path} {screen:?}: what comes after {last} is left out");
            assert_eq!(fault(page), "", "{path} {screen:?}");
            last = stop;
        }
        assert_eq!(
            browser.script("return String(stops.length - 1)"),
            last.to_string(),
            "{path} {screen:?}"
        );
    }
}

fn keys_alone_run_pause_step_and_scrub(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=5");
    browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    tab_to(page, "#play");
    browser.keys(" ");
    browser.wait_for("#play[aria-pressed=false]", ELECTION_MAX);
    let events = || -> u64 { browser.attribute("body", "data-events").parse().expect("a number") };
    let played = events();
    browser.keys(&HOME.to_string());
    press(page, "[data-act=next-turn]");
    let (turn, hash) = (events(), page.hash());
    assert!(turn > 0);
    browser.keys(&format!("{RIGHT}{RIGHT}{LEFT}"));
    assert_eq!(events(), turn + 1);
    browser.shift(LEFT);
    assert_eq!((events(), page.hash()), (turn, hash));
    browser.shift(RIGHT);
    assert!(events() > turn);
    let played = played.max(events());

    tab_to(page, "#scrub");
    let moment =
        || -> u64 { browser.attribute("#scrub", "aria-valuenow").parse().expect("a number") };
    browser.keys(&HOME.to_string());
    assert_eq!((events(), moment()), (0, 0));
    browser.keys(&format!("{PAGE_UP}{PAGE_UP}"));
    let two_pages = moment();
    browser.keys(&PAGE_DOWN.to_string());
    assert!(0 < moment() && moment() < two_pages);
    browser.keys(&END.to_string());
    assert_eq!(events(), played);
    assert_eq!(fault(page), "");
}

fn keys_alone_pick_a_node_a_link_a_message_and_an_entry_and_command_them(page: &Page) {
    let browser = &page.browser;
    after(page, BUSY, 159);
    let press = |selector: &str| {
        press(page, selector);
        assert_eq!(fault(page), "", "after {selector}");
    };
    press(".node[data-node='3']");
    browser.wait_for(".node.selected[data-node='3']", ELECTION_MAX);
    press("#dock [data-act='do:crash-3']");
    browser.wait_for(".node.down[data-node='3']", ELECTION_MAX);
    press("#table [data-act='open:5']");
    browser.wait_for("#dock [data-act='do:crash-5']:focus", ELECTION_MAX);

    // What has no stop on the stage is a button beside it: what is near that which is picked.
    press("#inspector [data-act='link:1-5']");
    press("#dock [data-act='do:cut-1-5~cut-5-1']");
    browser.wait_for(".link.cut[data-act='link:1-5']", ELECTION_MAX);
    press(".index[data-act='entry:2']");
    assert!(browser.text("#inspector h3").starts_with("Entry 2"));
    browser.keys("m");
    browser.wait_for(".message.selected", ELECTION_MAX);
    press("#dock [data-act^='do:drop-']");
    browser.wait_for(".message.lost", ELECTION_MAX);
    browser.keys(&ESCAPE.to_string());
    assert_eq!(page.count(".selected"), 0, "Escape lets go");
    assert_eq!(fault(page), "");
    // What can be done no more keeps the focus.
    press("#dock [data-act=repair]");
    assert_eq!(
        (page.count(".node.down"), page.count("[data-act=repair][aria-disabled]:focus")),
        (0, 1)
    );
}

fn keys_alone_write_and_see_it_commit(page: &Page) {
    let browser = &page.browser;
    page.open_led("/#v1.seed=2.nodes=3");
    press(page, ".panels [data-act='panel:client']");
    tab_to(page, "#value");
    browser.keys(&format!("blue{ENTER}"));
    browser.wait_for("#requests li:first-child.done", ELECTION_MAX);
    assert!(browser.text("#requests").contains("blue"));
    browser.wait_for("#logs tr:first-child .entry.committed ~ .entry.committed", ELECTION_MAX);
    assert_eq!(page.count("#value:focus"), 1);
}

fn keys_alone_take_a_step_of_a_lesson(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=3");
    let press = |selector: &str| press(page, selector);
    press(".top [data-act=lessons]");
    press("[data-act='lesson:minority-leader']");
    page.full_speed();
    press("#lesson [data-act=lesson-help]");
    browser.wait_for("#lesson .task.done", ELECTION_MAX);
    assert_eq!(fault(page), "", "the button of what is done is gone");
    press("#lesson [data-act=lesson-next]");
    browser.wait_for("#lesson [data-act='answer:1']", ELECTION_MAX);
    assert_eq!(fault(page), "");
    press("#lesson [data-act='answer:1']");
    browser.wait_for("#lesson .answer.right:focus", ELECTION_MAX);
    press("#lesson [data-act=lesson-leave]");
    browser.wait_for("[data-act=lessons]:focus", ELECTION_MAX);
    assert_eq!(page.count("#lesson *"), 0);
}

fn keys_alone_share_and_find_a_seed(page: &Page) {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=5");
    press(page, "#share > summary");
    press(page, "#share [data-act=share]");
    browser.wait_for_text("#sentence", "The address is a link", ELECTION_MAX);
    assert!(page.address().contains(&page.hash()));
    browser.keys(&ESCAPE.to_string());
    browser.wait_for("#share:not([open]) > summary:focus", ELECTION_MAX);
    // A sheet is closed, too, when one goes on from it.
    browser.keys(&ENTER.to_string());
    browser.wait_for("#share[open]", ELECTION_MAX);
    tab_to(page, "#hunt > summary");
    assert_eq!(page.count("#share[open]"), 0);

    browser.keys(&ENTER.to_string());
    tab_to(page, "#wanted");
    browser.keys("two n");
    assert_eq!(browser.script("return document.querySelector('#wanted').value"), "two-leaders");
    press(page, "#search");
    browser.wait_for("#hunt:not([open]) > summary:focus", ELECTION_MAX);
    assert_eq!(page.count(".node.leader"), 2);
}

/// Presses Tab until the focus is there. It may go round the page once, and is seen at every stop.
fn tab_to(page: &Page, selector: &str) {
    let is_there = format!("return String(document.activeElement.matches({selector:?}))");
    for _ in 0..STOPS_MAX {
        page.browser.keys(&TAB.to_string());
        if page.browser.script(&is_there) == "true" {
            assert_eq!(fault(page), "");
            return;
        }
    }
    panic!("Tab never comes to {selector}");
}

/// Goes there and presses Enter.
fn press(page: &Page, selector: &str) {
    tab_to(page, selector);
    page.browser.keys(&ENTER.to_string());
}

fn fault(page: &Page) -> String {
    page.browser.script(FAULT)
}
