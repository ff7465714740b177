//! Pictures of the page: `cargo xtask web --screenshots`.

use crate::page::{self, Page};
use crate::states::{BUSY, DARK, NARROW, WIDE, after, do_task, every_state};
use crate::{Scene, scenes};
use std::path::Path;

pub(crate) const SCENES: &[Scene] = scenes![pictures_of_the_readme, pictures_of_everything];

/// What the README shows, as files beside the page's source.
fn pictures_of_the_readme(page: &Page) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let browser = &page.browser;
    browser.hide_scrollbars(true);
    // A README shows pictures some 850 points wide: no wider than the page needs to be, and finer than that.
    browser.fine_screen((1100, 860), 1.5);
    after(page, BUSY, 159);
    browser.keys("2");
    browser.picture(&folder.join("screenshot.png"));

    // A lesson stands beside it all.
    browser.fine_screen((1280, 860), 1.5);
    browser.prefers(DARK);
    page.open("/#v1.lesson=minority-leader.step=1");
    do_task(page);
    browser.picture(&folder.join("lesson.png"));
}

/// Every state of the page and every lesson, in both themes, on a wide screen and on the narrowest, in
/// target/pictures.
fn pictures_of_everything(page: &Page) {
    page.browser.hide_scrollbars(true);
    every_state(page, &mut |name| take(page, name));
    page.open("/#v1.seed=2");
    page.press("[data-act=lessons]");
    for lesson in page.lessons() {
        page.open(&format!("/#v1.lesson={lesson}.step=1"));
        do_task(page);
        take(page, &format!("lesson-{lesson}"));
    }
}

/// Takes pictures of what there is, in four ways.
fn take(page: &Page, name: &str) {
    let (browser, folder) = (&page.browser, page::target().join("pictures"));
    for (theme, features) in [("light", &[] as &[_]), ("dark", DARK)] {
        browser.prefers(features);
        browser.screen(NARROW);
        browser.picture_of_all(&folder.join(format!("{name}-narrow-{theme}.png")));
        browser.screen(WIDE);
        browser.picture(&folder.join(format!("{name}-{theme}.png")));
    }
    browser.prefers(&[]);
}
