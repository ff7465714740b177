//! The page in a frame of another page.

use crate::page::Page;
use crate::{Scene, scenes};

pub(crate) const SCENES: &[Scene] = scenes![stage_and_time_fit_into_a_small_frame,];

fn stage_and_time_fit_into_a_small_frame(page: &Page) {
    for (width, height) in [(340, 420), (480, 360), (720, 520)] {
        page.browser.screen((width, height));
        page.open("/?embed=1#v1.seed=2.nodes=5");
        let lowest = page.browser.script(
            "return String(document.querySelector('.timeline').getBoundingClientRect().bottom)",
        );
        assert!(
            lowest.parse::<f64>().unwrap() <= f64::from(height),
            "{width} x {height}: {lowest}"
        );
        assert_eq!(page.sideways(), "0");
    }
}
