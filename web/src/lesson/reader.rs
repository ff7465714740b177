//! Reads a lesson's file: lines, each of which begins with a word and a colon. A line that does not is a
//! paragraph of what came before it.
//!
//! ```text
//! lesson: First election              its title
//! about: How equals agree on one.     one sentence
//! guided:                             it goes on by itself
//!
//! step: Nobody leads                  an idea
//! opens: seed=42.nodes=5              a session, as in a link
//! Five nodes have just started.       a paragraph
//!
//! ask: Who will be first?             a question
//! no: Node 1. Numbers are names.      a wrong answer; what follows the first full stop is said to it
//! yes: Node 4. Its ring is shortest.  the right one
//!
//! task: Let time run.                 something to do
//! goal: leader                        when it is done, see `milestone`
//! do: crash-leader                    how it is done: an act of the page, a command
//!                                     in the letters of a link, write K V, read K, wait MS, until GOAL;
//!                                     `write K V times N` is N writes
//! pace: 2                             how fast time runs then, if it is long
//! then: You have seen an election.    what is said afterwards
//! ```

use super::milestone::Milestone;
use super::{Answer, Do, Lesson, Question, Step, Task};
use crate::session::Session;
use std::time::Duration;

/// The lesson in a file.
///
/// # Errors
/// The number of a line that cannot be read, and the line.
pub(super) fn read(name: &'static str, file: &str) -> Result<Lesson, String> {
    let mut lesson = Lesson {
        name,
        title: String::new(),
        about: String::new(),
        is_guided: false,
        steps: Vec::new(),
    };
    for (number, line) in (1..).zip(file.lines()) {
        let line = line.trim();
        if !line.is_empty() {
            take(&mut lesson, line).ok_or_else(|| format!("line {number}: {line}"))?;
        }
    }
    let is_whole = lesson.steps.first().is_some_and(|step| step.opens.is_some());
    let has_goals =
        lesson.steps.iter().flat_map(|step| &step.task).all(|task| !task.goal.is_empty());
    match is_whole && has_goals {
        true => Ok(lesson),
        false => Err("the first step opens a session, and every task has a goal".to_owned()),
    }
}

fn take(lesson: &mut Lesson, line: &str) -> Option<()> {
    let (key, value) = match line.split_once(':') {
        Some((key, value)) if KEYS.contains(&key) => (key, value.trim()),
        _ => ("", line),
    };
    let text = || value.to_owned();
    match key {
        "lesson" => lesson.title = text(),
        "about" => lesson.about = text(),
        "guided" => lesson.is_guided = true,
        "step" => lesson.steps.push(Step {
            title: text(),
            text: Vec::new(),
            opens: None,
            question: None,
            task: None,
        }),
        _ => return of_step(lesson.steps.last_mut()?, key, value),
    }
    Some(())
}

const KEYS: &[&str] = &[
    "lesson", "about", "guided", "step", "opens", "ask", "yes", "no", "task", "goal", "do", "pace",
    "then",
];

fn of_step(step: &mut Step, key: &str, value: &str) -> Option<()> {
    let text = || value.to_owned();
    match key {
        "opens" => step.opens = Some(Session::from_link(&format!("v1.{value}")).ok()?),
        "ask" => step.question = Some(Question { asks: text(), answers: Vec::new() }),
        "yes" | "no" => {
            let (says, because) = value.split_once(". ")?;
            let (says, because) = (format!("{says}."), because.to_owned());
            step.question.as_mut()?.answers.push(Answer { says, is_right: key == "yes", because });
        }
        "task" => {
            let task = Task {
                says: text(),
                goal: Vec::new(),
                does: Vec::new(),
                pace: None,
                then: Vec::new(),
            };
            step.task = Some(task);
        }
        "goal" => step.task.as_mut()?.goal = milestones(value)?,
        "do" => step.task.as_mut()?.does.extend(doing(value)?),
        "pace" => step.task.as_mut()?.pace = Some(value.parse().ok().filter(|pace| *pace > 0)?),
        "then" => step.task.as_mut()?.then.push(text()),
        // A paragraph of what came before it.
        _ => match &mut step.task {
            Some(task) if !task.then.is_empty() => task.then.push(text()),
            Some(_) => return None,
            None => step.text.push(text()),
        },
    }
    Some(())
}

/// The most often that something is done in one line: enough to fill a log beyond what a leader keeps.
const TIMES_MAX: usize = 100;

fn milestones(text: &str) -> Option<Vec<Milestone>> {
    text.split(" and ").map(Milestone::read).collect()
}

fn doing(text: &str) -> Option<Vec<Do>> {
    let words: Vec<&str> = text.split(' ').collect();
    if let [what @ .., "times", times] = &words[..] {
        let times = times.parse().ok().filter(|times| *times <= TIMES_MAX)?;
        let once = doing(&what.join(" "))?;
        return Some(std::iter::repeat_n(once, times).flatten().collect());
    }
    Some(vec![match words[..] {
        ["write", key, value] => Do::Write(key.to_owned(), value.to_owned()),
        ["read", key] => Do::Read(key.to_owned()),
        ["wait", ms] => Do::Wait(Duration::from_millis(ms.parse().ok()?)),
        ["until", ..] => Do::Until(milestones(text.strip_prefix("until ")?)?),
        [act] => Do::Press(act.to_owned()),
        _ => return None,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (file, line) in [
            ("lesson: A\nstep: B\nopens: seed=x", "line 3"),
            ("lesson: A\nhello", "line 2"),
            ("step: B\nopens: seed=1\ntask: C\ngoal: moon", "line 4"),
            ("step: B\nopens: seed=1\ntask: C\ngoal: leader\ndo: jump now", "line 5"),
            ("step: B\nopens: seed=1\nask: C\nyes: D", "line 4"),
            ("step: B", "the first step"),
            ("step: B\nopens: seed=1\ntask: C", "every task"),
        ] {
            let error = read("a", file).expect_err(file);
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn paragraphs_belong_to_what_came_before_them() {
        let file =
            "step: B\nopens: seed=1\none\n\ntwo: 2\ntask: C\ngoal: leader\nthen: three\nfour";
        let lesson = read("a", file).expect("a good lesson");
        assert_eq!(lesson.steps[0].text, ["one", "two: 2"]);
        assert_eq!(lesson.steps[0].task.as_ref().map(|task| task.then.len()), Some(2));
    }
}
