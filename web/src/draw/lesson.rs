//! A step of a lesson, or the list of lessons, in HTML.

use crate::lesson::course::Course;
use crate::lesson::{self, Lesson, Question, Task};
use crate::mark::Mark;
use crate::whatif;

/// The step that the visitor is at.
pub fn step(course: &Course) -> Vec<Mark> {
    let step = course.step();
    let (place, all) = (course.place() + 1, course.lesson().steps.len());
    let dots = (1..=all).map(|dot| Mark::of("i", if dot <= place { "past" } else { "" }));
    let head = Mark::of("header", "lesson-head")
        .key(0)
        .with(Mark::new("h2").set("id", "lesson-title").text(&*course.lesson().title))
        .with(Mark::of("span", "dots").set("aria-hidden", "true").with_all(dots))
        .with(Mark::of("span", "quiet").text(format!("{place} of {all}")))
        .with(
            act("lesson-leave", "✕")
                .set("aria-label", "Close the lesson; the run stays")
                .set("title", "Close the lesson; the run stays"),
        );
    // One element for each step: a screen reader reads a new step as a whole.
    let mut body = Mark::of("div", "lesson-step")
        .key(place as u64)
        .with(Mark::new("h3").text(&*step.title))
        .with_all(paragraphs(&step.text));
    if let Some(question) = &step.question {
        body = body.with(self::question(question, course));
    }
    if let Some(task) = &step.task {
        body = body.with(self::task(task, course));
    }
    vec![head, body, feet(course).key(u64::MAX)]
}

fn paragraphs(text: &[String]) -> impl Iterator<Item = Mark> {
    text.iter().map(|text| Mark::new("p").text(&**text))
}

fn question(question: &Question, course: &Course) -> Mark {
    let given = course.answered();
    let answer = |(number, answer): (usize, &lesson::Answer)| {
        let is_given = given.is_some_and(|(given, _)| given == number);
        let class = match (is_given, answer.is_right) {
            (true, true) => "answer right",
            (true, false) => "answer wrong",
            (false, _) => "answer",
        };
        act(&format!("answer:{number}"), &answer.says)
            .set("aria-pressed", if is_given { "true" } else { "false" })
            .class(class)
    };
    let answers = question.answers.iter().enumerate().map(answer);
    let says = given.map(|(_, answer)| {
        let glyph = if answer.is_right { "Yes. " } else { "Not quite. " };
        Mark::of("p", "because")
            .with(Mark::new("b").text(glyph))
            .with(Mark::new("span").text(&*answer.because))
    });
    Mark::of("div", "question")
        .set("role", "group")
        .set("aria-label", "A question")
        .with(Mark::of("p", "asks").text(&*question.asks))
        .with_all(answers)
        .with_all(says)
}

fn task(task: &Task, course: &Course) -> Mark {
    let is_done = course.is_done();
    let words = if is_done { "done" } else { "to do" };
    let says = Mark::of("p", "says")
        .with(Mark::of("b", "tick").set("role", "img").set("aria-label", words).text(if is_done {
            "✓"
        } else {
            ""
        }))
        .with(Mark::new("span").text(&*task.says));
    let mut mark = Mark::of("div", if is_done { "task done" } else { "task" }).with(says);
    if is_done {
        mark = mark.with_all(paragraphs(&task.then));
    } else if !course.lesson().is_guided {
        let words = match (course.is_helping(), task.does.is_empty()) {
            (true, _) => "Under way …",
            (false, true) => "Let it run",
            (false, false) => "Do it for me",
        };
        let help = act("lesson-help", words).class("small");
        mark =
            mark.with(if course.is_helping() { help.set("aria-disabled", "true") } else { help });
    }
    mark
}

fn feet(course: &Course) -> Mark {
    let back = match course.place() {
        0 => act("lessons", "All lessons"),
        _ => act("lesson-back", "Back"),
    };
    let on = match (course.is_last(), course.is_done()) {
        (true, _) => match lesson::after(course.lesson()) {
            Some(next) => act(&format!("lesson:{}", next.name), &format!("Next: {}", next.title)),
            None => act("lessons", "All lessons"),
        },
        (false, true) => act("lesson-next", "Next"),
        (false, false) => act("lesson-next", "Skip"),
    };
    let class = if course.is_done() { "next ready" } else { "next" };
    let free = act("lesson-leave", "Free play from here").class("free");
    Mark::of("div", "lesson-feet").with(back).with(on.class(class)).with(free)
}

/// All lessons, to choose from.
pub fn list() -> Vec<Mark> {
    let head = Mark::of("header", "lesson-head")
        .key(0)
        .with(Mark::new("h2").set("id", "lesson-title").text("Lessons"))
        .with(act("lesson-leave", "✕").set("aria-label", "Close the list"));
    let one = |lesson: &Lesson| {
        let choose = act(&format!("lesson:{}", lesson.name), "")
            .class("choose")
            .with(Mark::new("b").text(&*lesson.title))
            .with(Mark::of("span", "quiet").text(&*lesson.about));
        Mark::new("li").with(choose)
    };
    let groups = (1..).zip(lesson::groups()).map(|(key, (group, lessons))| {
        let lessons = lessons.iter().filter(|lesson| whatif::CAN || !lesson.is_mistaken());
        Mark::of("div", "lesson-group")
            .key(key)
            .with(Mark::new("h3").text(*group))
            .with(Mark::new("ul").with_all(lessons.map(one)))
    });
    std::iter::once(head).chain(groups).collect()
}

fn act(act: &str, words: &str) -> Mark {
    Mark::new("button").set("type", "button").set("data-act", act).text(words)
}
