//! Every lesson, done to its end as the page does it for a visitor: each task is reached, and the run is the
//! same as ever. `RAFT_REWRITE=1` writes `lessons.txt` anew.
#![cfg(not(target_arch = "wasm32"))]

use raft_sim::Command;
use raft_web::lesson::course::Course;
use raft_web::lesson::{self, Lesson};
use raft_web::whatif;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "tests/lessons.txt";

/// The mistake that the code makes is one for the whole process: tests that play take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lesson's steps, and the fingerprint at the end of each.
fn taken(lesson: &'static Lesson) -> String {
    let mut hashes = Vec::new();
    for place in 0..lesson.steps.len() {
        let (mut course, mut branches) = Course::at(lesson, place);
        assert_eq!(course.place(), place);
        course.finish(&mut branches);
        let (title, run) = (&course.step().title, branches.run());
        assert!(
            course.is_done(),
            "{}: “{title}” does not come to its goal; {} s, {} steps",
            lesson.name,
            run.sim().now(),
            run.steps()
        );
        assert_eq!(branches.all().len(), 1, "{}: “{title}” acts in the past", lesson.name);
        hashes.push(format!("{:016x}", run.sim().trace_hash()));
    }
    hashes.join(" ")
}

#[test]
fn every_lesson_comes_to_its_last_milestone_by_the_same_run() {
    let _turn = turn();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let known = fs::read_to_string(&path).unwrap_or_default();
    let mut lines: BTreeMap<&str, &str> =
        known.lines().filter_map(|line| line.split_once(' ')).collect();
    let lessons = lesson::groups().iter().flat_map(|(_, lessons)| lessons);
    // Only a build with mistakes can take those that are about mistakes.
    let lessons: Vec<&'static Lesson> =
        lessons.filter(|lesson| whatif::CAN || !lesson.is_mistaken()).collect();
    let done: Vec<(&str, String)> =
        lessons.iter().map(|lesson| (lesson.name, taken(lesson))).collect();
    if std::env::var_os("RAFT_REWRITE").is_some() {
        lines.extend(done.iter().map(|(name, hashes)| (*name, &**hashes)));
        let text: String =
            lines.iter().map(|(name, hashes)| format!("{name} {hashes}\n")).collect();
        fs::write(&path, text).expect("the file can be written");
        return;
    }
    for (name, hashes) in &done {
        assert_eq!(lines.get(name), Some(&&**hashes), "{name}: see {FILE}");
    }
}

#[test]
fn every_step_can_be_read_without_touching_anything() {
    for lesson in lesson::groups().iter().flat_map(|(_, lessons)| lessons) {
        assert!(!lesson.about.is_empty() && lesson.about.ends_with('.'), "{}", lesson.name);
        assert!(lesson.steps.len() >= 2, "{} is no lesson yet", lesson.name);
        for step in &lesson.steps {
            let words: usize = step.text.iter().map(|text| text.split(' ').count()).sum();
            assert!(
                (10..=75).contains(&words),
                "{}: “{}” has {words} words",
                lesson.name,
                step.title
            );
            let has_one_right = |question: &lesson::Question| {
                question.answers.iter().filter(|answer| answer.is_right).count() == 1
            };
            assert!(step.question.iter().all(has_one_right), "{}: “{}”", lesson.name, step.title);
        }
    }
}

#[test]
fn task_that_is_done_in_another_way_is_done() {
    let _turn = turn();
    let lesson = lesson::named("start").expect("the first lesson");
    let (mut course, mut branches) = Course::at(lesson, 2);
    // Not as the lesson would: there is a write under way.
    branches.act(Command::Write { key: "y".into(), value: "2".into() });
    branches.act(Command::CrashLeader);
    while !course.notice(branches.run()) {
        assert!(branches.run_mut().step());
    }
    assert!(course.next(branches.run()).is_none(), "the run goes on as the visitor made it");
    assert_eq!(course.place(), 3);
}

#[test]
fn step_that_is_skipped_begins_as_if_it_had_been_done() {
    let _turn = turn();
    let lesson = lesson::named("start").expect("the first lesson");
    let (mut course, branches) = Course::at(lesson, 0);
    let prepared = course.next(branches.run()).expect("a run in which the first task was done");
    let (same, there) = Course::at(lesson, 1);
    assert_eq!(course, same);
    assert_eq!(prepared.run().sim().trace_hash(), there.run().sim().trace_hash());
    assert!(prepared.run().steps() > 0);
}
