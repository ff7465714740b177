//! The browser page: the simulator, drawn.
//!
//! ```text
//! session, link   what is played, as data              run        the session, played so far
//! play      the cluster at one moment                  hunt       looks for sessions that show something
//! record    what happened in it, in sentences: story   branches   runs that parted from each other
//! live      a real cluster, as it shows itself         trace      the same, as a file of a run or a cluster
//! look      run + view -> scene                        scene      what there is to see, as data
//! narration, draw   scene -> words, marks              mark       a picture as a value
//! controls  clicks and keys -> actions                 page, dom  the only parts that know a browser
//! ```
//!
//! All but the last line is plain Rust that runs, and is tested, anywhere.

pub mod branches;
pub mod controls;
pub mod draw;
pub mod embed;
pub mod hunt;
pub mod layout;
pub mod lesson;
pub mod link;
pub mod live;
pub mod look;
pub mod mark;
pub mod narration;
pub mod play;
pub mod record;
pub mod run;
pub mod scene;
pub mod session;
mod story;
pub mod trace;
pub mod whatif;

#[cfg(target_arch = "wasm32")]
pub mod dom;
#[cfg(target_arch = "wasm32")]
pub mod page;

/// Starts the page. Called by the script in `index.html` once the module has loaded.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn run() -> Result<(), wasm_bindgen::JsValue> {
    std::panic::set_hook(Box::new(page::show_panic));
    let body =
        web_sys::window().and_then(|window| window.document()?.body()).ok_or("no document")?;
    page::Page::mount(&body)?.begin()
}
