//! Looking for a seed: the worker's side, and the page's.

use super::state::{State, find};
use super::{Page, Result};
use crate::hunt::{self, Hunt, News, Spent, Task, smaller};
use crate::link::Link;
use crate::session::Cluster;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::{Date, Function};
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// How often a worker tells how far it is, in milliseconds.
const TELL_INTERVAL_MS: f64 = 150.0;

/// The first seed of a search is below this: short enough to read out in a room.
const SEEDS: u32 = 1_000_000;

/// How many nodes there are if the run on the screen is none to play with.
const NODES: u64 = 5;

/// Searches to the end, and tells of it. Called by `hunt.js`, in a worker.
#[wasm_bindgen]
pub fn hunt(task: &str, tell: &Function) -> Result<()> {
    let began = Date::now();
    let mut told = began;
    let tell = |news: &News| tell.call1(&JsValue::NULL, &news.print().into()).map(drop);
    let mut tell_sometimes = |news: &dyn Fn(f64) -> News| match Date::now() {
        now if now - told < TELL_INTERVAL_MS => Ok(()),
        now => {
            told = now;
            tell(&news(now - began))
        }
    };
    let task = Task::read(task).ok_or("the task is damaged")?;
    let mut hunt = Hunt::new(task);
    while !hunt.is_over() {
        let Some(found) = hunt.play_next() else {
            tell_sometimes(&|ms| News::Searches(hunt.spent, ms as u64))?;
            continue;
        };
        let was = found.size();
        let found = smaller(found, task.wanted, |spent: &Spent| {
            // A page that hears nothing for once hears the next.
            let _ = tell_sometimes(&|_| News::MakesSmall(*spent));
        });
        return tell(&News::Found { link: found.link().print(), was, is: found.size() });
    }
    tell(&News::Nothing(hunt.spent))
}

/// A search under way. It ends with this.
pub(super) struct Worked {
    task: Task,
    worker: Worker,
    _on_news: Closure<dyn FnMut(MessageEvent)>,
}

impl Drop for Worked {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

impl Page {
    /// Begins to search for what the form says, instead of what is searched now.
    pub(super) fn hunt(&self) -> Result<()> {
        let Some(task) = self.state.borrow().hunt_task()? else { return Ok(()) };
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options("hunt.js", &options)?;
        let page = self.clone();
        let on_news = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            // An error of the worker's script has no data.
            let news = event.data().as_string().unwrap_or_else(|| "stopped it cannot start".into());
            super::report(page.state.borrow_mut().hear(&News::read(&news)));
        });
        worker.set_onmessage(Some(on_news.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_news.as_ref().unchecked_ref()));
        worker.post_message(&task.print().into())?;
        let mut state = self.state.borrow_mut();
        state.hunted = Some(Worked { task, worker, _on_news: on_news });
        state.tell_of_hunt("It begins …")
    }
}

impl State {
    /// What the form says to look for.
    pub(super) fn hunt_task(&self) -> Result<Option<Task>> {
        let Some(wanted) = hunt::named(&self.chosen("#wanted")?) else { return Ok(None) };
        let session = self.run().session();
        let nodes = match session.cluster {
            Cluster::Playground(nodes) => nodes,
            Cluster::Swarm => NODES,
        };
        // Another search finds something else.
        let seed = u64::from(getrandom::u32().map_err(|error| error.to_string())? % SEEDS);
        Ok(Some(Task { wanted, nodes, seed, what_if: session.what_if }))
    }

    /// Ends the search, if there is one.
    pub(super) fn end_hunt(&mut self, says: &str) -> Result<()> {
        self.hunted = None;
        self.tell_of_hunt(says)
    }

    /// Goes on with what the worker tells.
    fn hear(&mut self, news: &News) -> Result<()> {
        let says = news.says();
        match news {
            News::Searches(..) | News::MakesSmall(_) => self.tell_of_hunt(&says),
            News::Nothing(_) | News::Stopped(_) => self.end_hunt(&says),
            News::Found { link, .. } => {
                let wanted = self.hunted.as_ref().map_or("", |hunted| hunted.task.wanted.says);
                let says = format!("Here {wanted}. {says}");
                self.end_hunt(&says)?;
                self.close_sheets(None)?;
                self.open(Link::read(link)?)?;
                self.complain(&says)
            }
        }
    }

    /// Writes how far the search is, and what one can do about it.
    pub(super) fn tell_of_hunt(&self, says: &str) -> Result<()> {
        let searches = self.hunted.is_some();
        self.write("#hunt-says", says)?;
        self.write("#hunt-word", if searches { "Searching …" } else { "Find a seed" })?;
        // One button for both: the focus stays on it.
        self.write("#search", if searches { "Stop" } else { "Search" })?;
        let act = if searches { "end-hunt" } else { "hunt" };
        find(&self.root, "#search")?.set_attribute("data-act", act)
    }
}
