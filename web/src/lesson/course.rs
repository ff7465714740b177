//! A visitor on the way through a lesson: which step, whether its task is done, and doing it for them.

use crate::branches::Branches;
use crate::controls::Action;
use crate::lesson::milestone::{Milestone, Since};
use crate::lesson::{Answer, Do, Lesson, Step};
use crate::look::{self, View};
use crate::run::Run;
use crate::scene::timeline::Window;
use crate::scene::{Node, Role, Scene};
use crate::session;
use raft_core::time::Instant;
use raft_sim::Command;
use std::time::Duration;

/// The longest that doing one task may take, in steps of the run: what has not come by then does not.
const STEPS_MAX: u64 = 20_000;

/// A visitor's place in a lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    lesson: &'static Lesson,
    place: usize,
    /// The run when the step began.
    since: Since,
    /// The answer that was given.
    answered: Option<usize>,
    is_done: bool,
    doing: Option<Doing>,
}

/// A task that is being done for the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doing {
    /// What is next.
    next: usize,
    /// The run when it became the next.
    since: Since,
}

/// What comes of helping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// Something was done; there may be more at this moment.
    Acted,
    /// Time has to pass.
    Waits,
    /// There is nothing to do any more.
    Over,
}

impl Course {
    /// The beginning of a step, and the run as it is there: every task before it was done.
    pub fn at(lesson: &'static Lesson, place: usize) -> (Self, Branches) {
        let place = place.min(lesson.steps.len() - 1);
        let opens = |place: &usize| lesson.steps[*place].opens.is_some();
        let first = (0..=place).rev().find(opens).unwrap_or_default();
        let session = lesson.steps[first].opens.clone().unwrap_or_default();
        let mut branches = Branches::new(session);
        let mut course = Self::begin(lesson, first, branches.run());
        while course.place < place {
            course.finish(&mut branches);
            course = Self::begin(lesson, course.place + 1, branches.run());
        }
        (course, branches)
    }

    /// A step of a run that is already there: one that was shared.
    pub fn in_run(lesson: &'static Lesson, place: usize, run: &Run) -> Self {
        Self::begin(lesson, place.min(lesson.steps.len() - 1), run)
    }

    fn begin(lesson: &'static Lesson, place: usize, run: &Run) -> Self {
        let since = Since::now(run);
        let is_done = lesson.steps[place].task.is_none();
        Self { lesson, place, since, answered: None, is_done, doing: None }
    }

    /// The lesson.
    pub fn lesson(&self) -> &'static Lesson {
        self.lesson
    }

    /// The number of the step, from 0.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The step.
    pub fn step(&self) -> &'static Step {
        &self.lesson.steps[self.place]
    }

    /// Whether it is the last.
    pub fn is_last(&self) -> bool {
        self.place + 1 == self.lesson.steps.len()
    }

    /// Whether there is nothing left to do in the step.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether the task is being done for the visitor.
    pub fn is_helping(&self) -> bool {
        self.doing.is_some()
    }

    /// The answer that was given, and its number.
    pub fn answered(&self) -> Option<(usize, &'static Answer)> {
        let answers = &self.step().question.as_ref()?.answers;
        self.answered.and_then(|number| Some((number, answers.get(number)?)))
    }

    /// Gives an answer. One may think again.
    pub fn answer(&mut self, number: usize) {
        self.answered = Some(number);
    }

    /// The next step. If the task was done the run goes on as it is, however it was done; if not, it is
    /// `Some` run in which it was.
    pub fn next(&mut self, run: &Run) -> Option<Branches> {
        if self.is_last() {
            return None;
        }
        let place = self.place + 1;
        if self.is_done && self.lesson.steps[place].opens.is_none() {
            *self = Self::begin(self.lesson, place, run);
            return None;
        }
        let (course, branches) = Self::at(self.lesson, place);
        *self = course;
        Some(branches)
    }

    /// The step before, as it began.
    pub fn back(&mut self) -> Branches {
        let (course, branches) = Self::at(self.lesson, self.place.saturating_sub(1));
        *self = course;
        branches
    }

    /// The run has gone on. Returns whether the task was done by that.
    pub fn notice(&mut self, run: &Run) -> bool {
        let Some(task) = self.step().task.as_ref().filter(|_| !self.is_done) else { return false };
        self.is_done = are_met(&task.goal, run, &self.since);
        if self.is_done {
            self.doing = None;
        }
        self.is_done
    }

    /// From now on the task is done for the visitor.
    pub fn begin_help(&mut self, run: &Run) {
        if !self.is_done {
            self.doing = Some(Doing { next: 0, since: Since::now(run) });
        }
    }

    /// The visitor does it after all.
    pub fn end_help(&mut self) {
        self.doing = None;
    }

    /// Does what is to be done at this moment.
    pub fn help(&mut self, branches: &mut Branches) -> Help {
        let (Some(doing), Some(task)) = (self.doing, &self.step().task) else { return Help::Over };
        let run = branches.run();
        let is_late = run.steps() > doing.since.steps() + STEPS_MAX;
        let Some(next) = task.does.get(doing.next) else {
            return if is_late { Help::Over } else { Help::Waits };
        };
        let commands = match next {
            Do::Until(_) | Do::Wait(_) if is_late => return Help::Over,
            Do::Until(milestones) if !are_met(milestones, run, &doing.since) => return Help::Waits,
            Do::Wait(time) if !has_passed(*time, run, &doing.since) => return Help::Waits,
            Do::Until(_) | Do::Wait(_) => Vec::new(),
            Do::Write(key, value) => {
                let (key, value) = (key.clone().into(), value.clone().into());
                vec![Command::Write { key, value }]
            }
            Do::Read(key) => vec![Command::Read { key: key.clone().into() }],
            Do::Press(act) => pressed(act, run),
        };
        commands.into_iter().for_each(|command| branches.act(command));
        let since = Since::now(branches.run());
        self.doing = Some(Doing { next: doing.next + 1, since });
        Help::Acted
    }

    /// Does the whole task at once.
    pub fn finish(&mut self, branches: &mut Branches) {
        self.begin_help(branches.run());
        while !self.notice(branches.run()) {
            match self.help(branches) {
                Help::Acted => {}
                Help::Waits if self.goes_on(branches.run_mut()) => {}
                Help::Waits | Help::Over => return,
            }
        }
    }

    /// When the time is over that is waited for; time shall not run past it before what comes next is done.
    pub fn waits_until(&self) -> Option<Instant> {
        let (doing, task) = (self.doing?, self.step().task.as_ref()?);
        match task.does.get(doing.next)? {
            Do::Wait(time) => Some(doing.since.at() + *time),
            _ => None,
        }
    }

    fn goes_on(&self, run: &mut Run) -> bool {
        match self.waits_until() {
            Some(at) => !run.advance(at, 1, None),
            None => run.step(),
        }
    }

    /// What the page calls what is to be pressed next, if it is pressed at once.
    pub fn hint(&self, scene: &Scene) -> Option<String> {
        let task = self.step().task.as_ref().filter(|_| !self.is_done)?;
        match task.does.get(self.doing.map_or(0, |doing| doing.next))? {
            Do::Press(act) => Some(resolved(act, scene)),
            _ => None,
        }
    }
}

fn are_met(milestones: &[Milestone], run: &Run, since: &Since) -> bool {
    milestones.iter().all(|milestone| milestone.is_met(run, since))
}

fn has_passed(time: Duration, run: &Run, since: &Since) -> bool {
    Milestone::Time(time.as_millis() as u64).is_met(run, since)
}

/// The commands of what has this `data-act` in the page, as the run is now; or one in the letters of a link.
fn pressed(act: &str, run: &Run) -> Vec<Command> {
    let window = Window { from: Instant(0), length: Duration::from_secs(1) };
    let view = View { fast: true, ..View::of(window) };
    let scene = look::scene(run, &view);
    let act = resolved(act, &scene);
    match Action::of_element(&act, &scene) {
        Some(Action::Do(commands)) => commands,
        _ => Vec::new(),
    }
}

/// `crash:{leader}` with the leader's number in it.
fn resolved(act: &str, scene: &Scene) -> String {
    let leader = scene.leader().map(|leader| leader.id);
    let is_free = |node: &&Node| node.role == Role::Follower && Some(node.id) != leader;
    let followers = || scene.nodes.iter().filter(is_free);
    let stale = |node: &&Node| node.role == Role::Leader && Some(node.id) != leader;
    let stands: [(&str, Option<&Node>); 6] = [
        ("{leader}", scene.leader()),
        ("{follower}", followers().next()),
        ("{another}", followers().nth(1)),
        ("{behind}", followers().min_by_key(|node| node.last)),
        ("{stale}", scene.nodes.iter().find(stale)),
        ("{down}", scene.nodes.iter().find(|node| node.role == Role::Down)),
    ];
    let act = stands.into_iter().fold(act.to_owned(), |act, (name, node)| match node {
        Some(node) => act.replace(name, &node.id.to_string()),
        None => act,
    });
    // A command's button is named after its letters.
    let letters = act.replacen(':', "-", 1);
    if session::command(&letters).is_some() { format!("do:{letters}") } else { act }
}
