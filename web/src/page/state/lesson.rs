//! The lesson beside the stage: a visitor's way through it.

use super::{Result, State, find};
use crate::controls::{self, Learn, Notch};
use crate::draw;
use crate::lesson::course::{Course, Help};
use crate::lesson::{self, Place};
use crate::link::Link;
use crate::scene::Scene;
use raft_core::time::Instant;
use wasm_bindgen::JsCast;

/// How long a step that goes on by itself stays after it is done, in milliseconds: to read what it says.
const STAY_MS: f64 = 3_500.0;

/// What is beside the stage of it.
#[derive(Default)]
pub(super) struct Learning {
    /// The lesson that is taken.
    course: Option<Course>,
    /// Whether all lessons are shown to choose from.
    lists: bool,
    /// The visitor's own speed, while a task is done for them at another.
    notch: Option<Notch>,
    /// When the step was done, by the browser's clock.
    step_at: Option<f64>,
}

impl State {
    /// The lesson and the step that are taken.
    pub(super) fn lesson(&self) -> Option<Place> {
        self.learning.course.as_ref().map(|course| (course.lesson(), course.place()))
    }

    /// Leaves the lesson, if one is taken, and makes its room free.
    pub(crate) fn leave_lesson(&mut self) {
        self.learning = Learning::default();
    }

    pub(crate) fn is_in_lesson(&self) -> bool {
        self.learning.course.is_some()
    }

    /// Whether time shall not run before the visitor wants it to.
    pub(crate) fn waits_for_reader(&self) -> bool {
        self.lesson().is_some_and(|(lesson, _)| !lesson.is_guided)
    }

    /// Stands at the beginning of a step, or leaves the lesson.
    pub(super) fn take_lesson(&mut self, lesson: Option<Place>) {
        self.learning = Learning::default();
        if let Some((lesson, place)) = lesson {
            let (course, branches) = Course::at(lesson, place);
            (self.learning.course, self.branches) = (Some(course), branches);
            self.begin_guided();
        }
    }

    /// Goes on with a step in a run that was shared.
    pub(super) fn go_on_with_lesson(&mut self, lesson: Option<Place>) {
        self.learning.course =
            lesson.map(|(lesson, place)| Course::in_run(lesson, place, self.run()));
    }

    pub(super) fn learn(&mut self, learn: Learn) -> Result<()> {
        match learn {
            Learn::List => {
                (self.learning.course, self.learning.lists) =
                    (None, !self.learning.lists || self.learning.course.is_some());
                self.write_address()?;
            }
            Learn::Begin(name) => {
                self.playing = false;
                let lesson = lesson::named(name).map(|lesson| (lesson, 0));
                self.open(Link { lesson, ..Link::of_first_visit() })?;
                self.playing = !self.waits_for_reader();
                return find(&self.root, "#lesson-title")?
                    .dyn_into::<web_sys::HtmlElement>()?
                    .focus();
            }
            Learn::Leave => {
                (self.learning.course, self.learning.lists) = (None, false);
                self.write_address()?;
                find(&self.root, "[data-act=lessons]")?
                    .dyn_into::<web_sys::HtmlElement>()?
                    .focus()?;
            }
            Learn::Answer(number) => {
                if let Some(course) = &mut self.learning.course {
                    course.answer(number);
                }
            }
            Learn::Help => {
                if let Some(course) =
                    self.learning.course.as_mut().filter(|course| !course.is_done())
                {
                    course.begin_help(self.branches.run());
                    let pace = course.step().task.as_ref().and_then(|task| task.pace);
                    if let Some(pace) = pace {
                        self.learning.notch.get_or_insert(self.notch);
                        self.notch = controls::notch_near(f64::from(pace));
                    }
                    self.playing = true;
                    self.frame_at = None;
                    if self.wants_narrow.matches() {
                        find(&self.root, "#frame")?.scroll_into_view();
                    }
                }
            }
            Learn::Next => self.turn(true)?,
            Learn::Back => self.turn(false)?,
        }
        self.show_lesson()?;
        self.draw(true)
    }

    /// Goes to the next step, or to the one before.
    fn turn(&mut self, on: bool) -> Result<()> {
        let Some(course) = &mut self.learning.course else { return Ok(()) };
        let prepared = match on {
            true => course.next(self.branches.run()),
            false => Some(course.back()),
        };
        self.learning.step_at = None;
        // A step made ready is there to be read first, unless the lesson goes on by itself.
        self.playing = self.playing && on && (prepared.is_none() || !self.waits_for_reader());
        if let Some(branches) = prepared {
            self.branches = branches;
            self.view.picked = None;
            self.said = 0;
        }
        self.begin_guided();
        self.write_address()
    }

    /// Lets a little happen, under the eyes of the lesson. Returns whether to stop: what one waits for has
    /// come, or the task is done.
    pub(super) fn advance(&mut self, until: Instant) -> bool {
        let Some(course) = &mut self.learning.course else {
            return self.branches.run_mut().advance(until, 100, self.pause);
        };
        // All that is to be done at this moment comes before anything else happens, however fast time runs.
        let helped = loop {
            match course.help(&mut self.branches) {
                Help::Acted => {}
                helped => break helped,
            }
        };
        if helped == Help::Over {
            course.end_help();
        }
        let until = course.waits_until().map_or(until, |at| at.min(until));
        let paused = self.branches.run_mut().advance(until, 1, self.pause);
        let is_ticked = course.notice(self.branches.run());
        if !course.is_helping() {
            self.notch = self.learning.notch.take().unwrap_or(self.notch);
        }
        paused || (is_ticked && !course.lesson().is_guided)
    }

    /// Turns the page of a lesson that goes on by itself.
    pub(super) fn turn_lesson(&mut self, now_ms: f64) -> Result<()> {
        let is_guided = |course: &&Course| course.lesson().is_guided && course.is_done();
        let Some(course) = self.learning.course.as_ref().filter(is_guided) else { return Ok(()) };
        let since = *self.learning.step_at.get_or_insert(now_ms);
        if self.playing && now_ms - since > STAY_MS && !course.is_last() {
            self.turn(true)?;
            self.show_lesson()?;
        }
        Ok(())
    }

    /// A step of a lesson that goes on by itself is done for the visitor, and time runs.
    fn begin_guided(&mut self) {
        let course = self.learning.course.as_mut().filter(|course| course.lesson().is_guided);
        if let Some(course) = course {
            course.begin_help(self.branches.run());
        }
    }

    /// Makes room for the lesson, or takes the room away.
    pub(super) fn show_lesson(&mut self) -> Result<()> {
        let shown = self.learning.course.is_some() || self.learning.lists;
        let was = self.root.class_list().contains("learning");
        self.root.class_list().toggle_with_force("learning", shown)?;
        if shown != was {
            self.measure()?;
        }
        find(&self.root, "#lesson")?.set_scroll_top(0);
        Ok(())
    }

    pub(super) fn draw_lesson(&mut self, scene: &Scene) -> Result<()> {
        // What the visitor does is noticed even while time stands still.
        if let Some(course) = &mut self.learning.course {
            course.notice(self.branches.run());
        }
        let marks = match (&self.learning.course, self.learning.lists) {
            (Some(course), _) => draw::lesson::step(course),
            (None, true) => draw::lesson::list(),
            (None, false) => Vec::new(),
        };
        self.parts.lesson.show(marks)?;
        let hint = self.learning.course.as_ref().and_then(|course| course.hint(scene));
        self.hint(hint.as_deref())
    }

    /// Marks what is to be pressed next.
    fn hint(&self, act: Option<&str>) -> Result<()> {
        if let Some(old) = self.root.query_selector(".hinted")? {
            old.class_list().remove_1("hinted")?;
        }
        let wanted = act.map(|act| format!("button[data-act='{act}']"));
        if let Some(wanted) = wanted
            && let Some(button) = self.root.query_selector(&wanted)?
        {
            button.class_list().add_1("hinted")?;
        }
        Ok(())
    }
}
