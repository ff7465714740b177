//! Whether everybody can use the page: what axe-core finds, and the narrowest screen.

use crate::page::{self, Page};
use crate::states::{DARK, NARROW, WIDE, every_state};
use crate::{Scene, scenes};
use std::fs;

pub(crate) const SCENES: &[Scene] = scenes![no_state_violates_wcag_or_scrolls_sideways];

/// WCAG 2.2, levels A and AA, as axe names them.
const STANDARD: &str = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']";

/// What is found: a rule and the elements that break it, a line each. A page that runs meanwhile is as it was for each
/// rule by itself.
const FIND: &str = "const done = arguments[0]; \
    const element = (node) => `    ${node.target.join(' ')}: ${node.failureSummary.replace(/\\s+/g, ' ')}\\n`; \
    const rule = (broken) => `  ${broken.id}: ${broken.help}\\n${broken.nodes.map(element).join('')}`; \
    axe.run({ runOnly: STANDARD, resultTypes: ['violations'] }) \
        .then(({ violations }) => done(violations.map(rule).join('')), (error) => done(String(error)))";

fn no_state_violates_wcag_or_scrolls_sideways(page: &Page) {
    let browser = &page.browser;
    let file = page::target().join("tools/axe.min.js");
    let axe = fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask test` fetches it first", file.display())
    });
    let find = FIND.replace("STANDARD", STANDARD);
    let mut found = String::new();
    every_state(page, &mut |name| {
        // Both themes and both layouts, in half of the pairs.
        for (theme, features, screen) in [("light", &[] as &[_], WIDE), ("dark", DARK, NARROW)] {
            browser.prefers(features);
            browser.screen(screen);
            if browser.script("return typeof axe") == "undefined" {
                browser.script(&format!("{axe}; return ''"));
            }
            let (broken, sideways) = (browser.script_later(&find), page.sideways());
            if !broken.is_empty() || sideways != "0" {
                found +=
                    &format!("{name}, {theme}, {} wide: {sideways} sideways\n{broken}", screen.0);
            }
        }
        browser.prefers(&[]);
        browser.screen(WIDE);
    });
    assert!(found.is_empty(), "\n{found}");
}
