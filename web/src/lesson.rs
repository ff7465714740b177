//! Lessons: what one can learn here, step by step, each a file in `web/lessons` that is read at the start.
//!
//! A lesson is a run that is steered, not a film: the code is the real one, and what happens in a step is
//! done by commands that a visitor could have given. So every step can also be done by oneself, or in
//! another way, and a milestone, which looks at the run, tells when it is done.

pub mod course;
pub mod milestone;
mod reader;

use crate::lesson::milestone::Milestone;
use crate::session::Session;
use std::sync::LazyLock;
use std::time::Duration;

/// A lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Its name in a link, and that of its file.
    pub name: &'static str,
    /// What it is called.
    pub title: String,
    /// What one learns, in a sentence.
    pub about: String,
    /// Whether it goes on by itself while time runs.
    pub is_guided: bool,
    /// The steps, at least one; the first has a session.
    pub steps: Vec<Step>,
}

/// A lesson, and the number of a step in it, from 0.
pub type Place = (&'static Lesson, usize);

/// One idea.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The idea, in a few words.
    pub title: String,
    /// The idea, in paragraphs.
    pub text: Vec<String>,
    /// The session that it begins; without one it goes on where the step before it ended.
    pub opens: Option<Session>,
    /// A question to guess at before one sees.
    pub question: Option<Question>,
    /// Something to do.
    pub task: Option<Task>,
}

/// A question with a few answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub asks: String,
    /// The answers.
    pub answers: Vec<Answer>,
}

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub says: String,
    /// Whether it is right.
    pub is_right: bool,
    /// What there is to say to whoever gives it.
    pub because: String,
}

/// Something to do in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What to do.
    pub says: String,
    /// What is so when it is done.
    pub goal: Vec<Milestone>,
    /// How it is done for someone who only wants to see it. Then time runs to the goal.
    pub does: Vec<Do>,
    /// How fast time runs meanwhile, in simulated seconds a second, if there is long to wait.
    pub pace: Option<u32>,
    /// What there is to say once it is done.
    pub then: Vec<String>,
}

/// A part of doing a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Press what has this `data-act` in the page, or give a command in the letters of a link. `{leader}`
    /// and the like stand for nodes.
    Press(String),
    /// A client sets a key.
    Write(String, String),
    /// A client reads a key.
    Read(String),
    /// Time passes.
    Wait(Duration),
    /// Time passes until these are reached.
    Until(Vec<Milestone>),
}

/// Lessons that belong together: the group's name, and name and file of each.
type Group = (&'static str, &'static [(&'static str, &'static str)]);

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../lessons/", $name, ".lesson")))),*]
    };
}

/// The lesson of a first visit.
pub const FIRST: &str = "start";

/// Every lesson, in the order of learning.
const GROUPS: &[Group] = &[
    ("Begin", files!["start", "first-election", "split-vote", "one-write"]),
    ("When things break", files!["leader-crash", "who-may-win", "minority-leader", "divergence"]),
    ("Reads and clocks", files!["stale-read", "lease"]),
    ("Trouble with networks and disks", files!["disruptive", "one-way", "snapshot", "disk-loss"]),
    ("Changing the cluster", files!["transfer", "add-server", "joint", "one-step"]),
    ("The finer points", files!["figure-8", "quorums", "chaos"]),
    ("Drills for operators", files!["rolling-restart", "two-of-five", "slow-disk"]),
];

static LESSONS: LazyLock<Vec<(&'static str, Vec<Lesson>)>> = LazyLock::new(|| {
    let read = |(name, file): &(&'static str, &'static str)| reader::read(name, file).ok();
    let group = |(group, files): &Group| (*group, files.iter().filter_map(read).collect());
    GROUPS.iter().map(group).collect()
});

/// Every lesson that can be read, in groups. A test holds that all can.
pub fn groups() -> &'static [(&'static str, Vec<Lesson>)] {
    &LESSONS
}

/// The lesson of this name.
pub fn named(name: &str) -> Option<&'static Lesson> {
    groups().iter().flat_map(|(_, lessons)| lessons).find(|lesson| lesson.name == name)
}

/// The lesson that follows another.
pub fn after(lesson: &Lesson) -> Option<&'static Lesson> {
    let mut all = groups().iter().flat_map(|(_, lessons)| lessons);
    all.find(|other| other.name == lesson.name);
    all.next()
}

impl Lesson {
    /// Whether some step of it needs code that makes mistakes.
    pub fn is_mistaken(&self) -> bool {
        let session =
            |step: &Step| step.opens.as_ref().is_some_and(|opens| opens.what_if.is_some());
        self.steps.iter().any(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_can_be_read() {
        for (name, file) in GROUPS.iter().flat_map(|(_, files)| *files) {
            reader::read(name, file).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(named(FIRST).is_some());
    }
}
