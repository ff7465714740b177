//! Pictures of the page: `cargo xtask web --screenshots`. They are of moments after so many events, so that
//! they are the same wherever and whenever they are taken.

use crate::page::{self, ELECTION_MAX, Page};
use crate::{Scene, scenes};
use std::path::Path;

pub(crate) const SCENES: &[Scene] = scenes![pictures_of_the_readme, pictures_of_everything];

const DARK: &[(&str, &str)] = &[("prefers-color-scheme", "dark")];

/// A leader with a write behind it, a node down, and a write on its way.
const BUSY: &str =
    "/#v1.seed=2.nodes=5.do=3200000-set-x-1~4200000-crash-2~5000000-set-x-2~7000000-set-x-3";

/// The keys that WebDriver has no letters for.
const HOME: char = '\u{e011}';
const RIGHT: char = '\u{e014}';

/// What the README shows, as files beside the page's source.
fn pictures_of_the_readme(page: &Page) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let browser = &page.browser;
    browser.hide_scrollbars(true);
    browser.screen(1360, 850);
    after(page, BUSY, 159);
    browser.keys("2");
    browser.picture(&folder.join("screenshot.png"));

    browser.prefers(DARK);
    page.open("/#v1.lesson=minority-leader.step=1");
    do_task(page);
    browser.picture(&folder.join("lesson.png"));
}

/// Every lesson and the page's main states, in both themes, on a wide screen and on the narrowest, in
/// target/pictures.
fn pictures_of_everything(page: &Page) {
    let browser = &page.browser;
    browser.hide_scrollbars(true);
    page.open("/");
    take(page, "first-visit");
    after(page, BUSY, 159);
    take(page, "node-down");
    browser.keys("4");
    take(page, "inside");
    for menu in ["checks", "whatif", "help"] {
        page.press(&format!("#{menu} > summary"));
        take(page, menu);
        page.press(&format!("#{menu} > summary"));
    }
    for panel in ["timeline", "client", "story"] {
        page.press(&format!(".panels [data-act='panel:{panel}']"));
        take(page, panel);
    }
    after(page, "/#v1.seed=9.nodes=9", 120);
    take(page, "nine-nodes");
    page.press("[data-act=lessons]");
    take(page, "lessons");
    for lesson in page.lessons() {
        page.open(&format!("/#v1.lesson={lesson}.step=1"));
        do_task(page);
        take(page, &format!("lesson-{lesson}"));
    }
}

/// Opens a run and goes to the moment after so many events.
fn after(page: &Page, path: &str, events: usize) {
    page.open(path);
    page.browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    page.press("#play");
    let keys: String = std::iter::once(HOME).chain(std::iter::repeat_n(RIGHT, events)).collect();
    page.browser.keys(&keys);
}

/// Has the task of a lesson's step done, if it has one.
fn do_task(page: &Page) {
    page.full_speed();
    if page.count("#lesson [data-act=lesson-help]") > 0 {
        page.press("#lesson [data-act=lesson-help]");
        page.browser.wait_for("#lesson .task.done", ELECTION_MAX);
    }
}

/// Takes pictures of what there is, in four ways.
fn take(page: &Page, name: &str) {
    let (browser, folder) = (&page.browser, page::target().join("pictures"));
    for (theme, features) in [("light", &[] as &[_]), ("dark", DARK)] {
        browser.prefers(features);
        browser.screen(320, 640);
        browser.picture_of_all(&folder.join(format!("{name}-narrow-{theme}.png")));
        browser.screen(1360, 850);
        browser.picture(&folder.join(format!("{name}-{theme}.png")));
    }
    browser.prefers(&[]);
}
