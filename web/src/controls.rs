//! What a visitor can do, as data. Every button, key and click becomes an [`Action`] here; there is no
//! other way to act.

use crate::lesson;
use crate::scene::Scene;
use crate::scene::group::Group;
use crate::scene::inside::Picked;
use crate::session::read_commands;
use crate::whatif::{self, WhatIf};
use raft_core::id::{Index, NodeId};
use raft_sim::Command;

/// Something the visitor wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run or pause.
    Play,
    /// Let one event happen.
    Step,
    /// Take one event back.
    Back,
    /// Run faster.
    Faster,
    /// Run slower.
    Slower,
    /// To the next thing of interest.
    NextTurn,
    /// Back to the last thing of interest.
    LastTurn,
    /// To the moment after so many steps.
    Go(u64),
    /// To the beginning.
    Start,
    /// To the latest moment that was ever played.
    End,
    /// To another branch.
    Branch(usize),
    /// A shorter or, if `false`, a longer stretch of time on the timeline.
    Zoom(bool),
    /// Show this panel.
    Panel(Panel),
    /// A link to this moment.
    Share,
    /// From the cluster that is watched to a simulation that begins like it.
    Fork,
    /// The whole page at this moment, out of the frame of another.
    Whole,
    /// Say what to save.
    AskToSave,
    /// Save this as a file.
    Save(File),
    /// Something about lessons.
    Learn(Learn),
    /// The same session from its beginning, with this mistake in the code or with none.
    WhatIf(Option<&'static WhatIf>),
    /// The session in which a mistake shows.
    Show(&'static WhatIf),
    /// Another seed.
    NewSeed,
    /// Say what to look for.
    AskForSeed,
    /// Look for a seed that shows it.
    Hunt,
    /// Look no more.
    EndHunt,
    /// Pick this, or let go of it if it is picked.
    Pick(Picked),
    /// Pick this, and go to what can be done with it.
    Open(Picked),
    /// Close what is open, and let go of the node.
    Escape,
    /// Show or hide the keys.
    Help,
    /// A client writes what the form says.
    Write,
    /// A client writes it if the key has the value that the form says.
    Swap,
    /// A client deletes the key that the form says.
    Delete,
    /// A client reads it.
    Read,
    /// Do this to the cluster.
    Do(Vec<Command>),
}

/// What can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The stage, as SVG.
    Stage,
    /// The stage, as PNG.
    Photo,
    /// The timeline, as SVG.
    Timeline,
    /// The trace of the run, as lines of JSON.
    Trace,
}

impl File {
    /// Every file, with its name in the page.
    const ALL: [(Self, &'static str); 4] = [
        (Self::Stage, "stage"),
        (Self::Photo, "photo"),
        (Self::Timeline, "timeline"),
        (Self::Trace, "trace"),
    ];

    /// What it is called when it is saved.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stage => "raft-stage.svg",
            Self::Photo => "raft-stage.png",
            Self::Timeline => "raft-timeline.svg",
            Self::Trace => "raft-trace.jsonl",
        }
    }
}

/// What one can do in a lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learn {
    /// See all lessons.
    List,
    /// Begin this one.
    Begin(&'static str),
    /// Give the answer of this number.
    Answer(usize),
    /// Have the task done.
    Help,
    /// On to the next step.
    Next,
    /// Back to the step before.
    Back,
    /// Play on without the lesson.
    Leave,
}

/// What a narrow screen shows one at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// The logs side by side.
    Logs,
    /// The timeline.
    Timeline,
    /// What clients ask for.
    Client,
    /// What is picked, and why it is as it is.
    #[default]
    Picked,
    /// What happened.
    Story,
}

impl Panel {
    /// Every panel, with its name in the page.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Logs, "logs"),
        (Self::Timeline, "timeline"),
        (Self::Client, "client"),
        (Self::Picked, "picked"),
        (Self::Story, "story"),
    ];

    /// Its name in the page.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(panel, _)| *panel == self).map_or("", |(_, name)| name)
    }
}

impl Action {
    /// The action that an element's `data-act` names, if it makes sense now.
    pub fn of_element(act: &str, scene: &Scene) -> Option<Self> {
        let (verb, object) = act.split_once(':').unwrap_or((act, ""));
        let node = || object.parse().ok().map(NodeId).filter(|id| scene.node(*id).is_some());
        Some(match verb {
            "play" => Self::Play,
            "step" => Self::Step,
            "back" => Self::Back,
            "faster" => Self::Faster,
            "slower" => Self::Slower,
            "next-turn" => Self::NextTurn,
            "last-turn" => Self::LastTurn,
            "go" => Self::Go(object.parse().ok()?),
            "start" => Self::Start,
            "end" => Self::End,
            "branch" => Self::Branch(object.parse().ok()?),
            "share" => Self::Share,
            "fork" => Self::Fork,
            "whole" => Self::Whole,
            "save" => Self::Save(File::ALL.iter().find(|(_, name)| *name == object)?.0),
            "zoom" => Self::Zoom(object == "in"),
            "panel" => Self::Panel(Panel::ALL.iter().find(|(_, name)| *name == object)?.0),
            "lessons" => Self::Learn(Learn::List),
            "lesson" => Self::Learn(Learn::Begin(lesson::named(object)?.name)),
            "answer" => Self::Learn(Learn::Answer(object.parse().ok()?)),
            "lesson-help" => Self::Learn(Learn::Help),
            "lesson-next" => Self::Learn(Learn::Next),
            "lesson-back" => Self::Learn(Learn::Back),
            "lesson-leave" => Self::Learn(Learn::Leave),
            "mistake" => Self::WhatIf(whatif::named(object)),
            "show-mistake" => Self::Show(whatif::named(object)?),
            "new-seed" => Self::NewSeed,
            "hunt" => Self::Hunt,
            "end-hunt" => Self::EndHunt,
            "write" => Self::Write,
            "swap" => Self::Swap,
            "delete" => Self::Delete,
            "read" => Self::Read,
            // While several nodes are picked, each is added or taken away.
            "select" => Self::Pick(match scene.group {
                Some(group) => Picked::Group(group.turned(node()?)),
                None => Picked::Node(node()?),
            }),
            "group" => Self::Pick(Picked::Group(Group::read(object)?)),
            "open" => Self::Open(Picked::Node(node()?)),
            "entry" => Self::Pick(Picked::Entry(Index(object.parse().ok()?))),
            "message" => Self::Pick(Picked::Message(object.parse().ok()?)),
            "link" => {
                let (a, b) = object.split_once('-')?;
                let pair = (NodeId(a.parse().ok()?), NodeId(b.parse().ok()?));
                let link = scene.links.iter().find(|link| link.pair == pair)?;
                Self::Pick(Picked::Link(link.pair.0, link.pair.1))
            }
            "do" => Self::Do(read_commands(object)?),
            _ => Self::Do(scene.tries.by_act(verb)?.commands.clone()),
        })
    }

    /// The action of a key, if it has one now.
    pub fn of_key(key: &str, scene: &Scene) -> Option<Self> {
        let with_picked = |act: String| Self::of_element(&act, scene);
        match key {
            " " => Some(Self::Play),
            "ArrowRight" => Some(Self::Step),
            "ArrowLeft" => Some(Self::Back),
            "Shift+ArrowRight" => Some(Self::NextTurn),
            "Shift+ArrowLeft" => Some(Self::LastTurn),
            "Home" => Some(Self::Start),
            "End" => Some(Self::End),
            "[" => Some(Self::Zoom(false)),
            "]" => Some(Self::Zoom(true)),
            "+" | "=" => Some(Self::Faster),
            "-" | "_" => Some(Self::Slower),
            "Escape" => Some(Self::Escape),
            "?" => Some(Self::Help),
            _ if matches!(key.as_bytes(), [b'1'..=b'9']) => with_picked(format!("select:{key}")),
            // A key means what the picked thing's menu says, before anything else.
            _ if scene.menu.by_key(key).is_some() => {
                scene.menu.by_key(key).and_then(|item| Self::of_element(&item.act, scene))
            }
            _ => match &*key.to_ascii_lowercase() {
                "." => Some(Self::Learn(Learn::Next)),
                "," => Some(Self::Learn(Learn::Back)),
                "d" => Some(Self::Learn(Learn::Help)),
                "w" => Some(Self::Write),
                "r" => Some(Self::Read),
                "n" => Some(Self::NewSeed),
                "f" => Some(Self::AskForSeed),
                "s" => Some(Self::Share),
                "e" => Some(Self::AskToSave),
                "m" => next(scene, &messages(scene)),
                "c" => next(scene, &links(scene)),
                _ => {
                    let item = scene.tries.by_key(key)?;
                    Self::of_element(&item.act, scene)
                }
            },
        }
    }
}

fn messages(scene: &Scene) -> Vec<Picked> {
    scene.messages.iter().map(|message| Picked::Message(message.id)).collect()
}

fn links(scene: &Scene) -> Vec<Picked> {
    scene.links.iter().map(|link| Picked::Link(link.pair.0, link.pair.1)).collect()
}

/// Picks the one after that which is picked, or the first.
fn next(scene: &Scene, all: &[Picked]) -> Option<Action> {
    let is_picked = |thing: &Picked| match thing {
        Picked::Link(a, b) => scene.links.iter().any(|link| link.selected && link.pair == (*a, *b)),
        Picked::Message(id) => {
            scene.messages.iter().any(|message| message.selected && message.id == *id)
        }
        Picked::Node(_) | Picked::Group(_) | Picked::Entry(_) => false,
    };
    let next = all.iter().position(is_picked).map_or(0, |place| place + 1);
    all.get(next).or_else(|| all.first()).copied().map(Action::Pick)
}

/// A speed on the slider: ten times the decimal logarithm of simulated seconds per second.
pub type Notch = i32;

/// From a thousandth of the speed of life to a hundred times as fast, and then as fast as it goes.
pub const NOTCHES: std::ops::RangeInclusive<Notch> = -30..=21;

/// Faster than any browser computes.
const AS_FAST_AS_IT_GOES: f64 = 1e6;

/// How fast a notch is.
pub fn speed(notch: Notch) -> f64 {
    if notch >= *NOTCHES.end() {
        return AS_FAST_AS_IT_GOES;
    }
    // Tenths of a power of ten, written out: the page then needs no logarithms.
    const TENTHS: [f64; 10] = [1.0, 1.25, 1.6, 2.0, 2.5, 10.0 / 3.0, 4.0, 5.0, 6.25, 8.0];
    let tenths = TENTHS[notch.rem_euclid(10) as usize];
    (0..notch.div_euclid(10).abs())
        .fold(tenths, |speed, _| if notch < 0 { speed / 10.0 } else { speed * 10.0 })
}

/// A speed in words: `1/20 ×`, `4 ×`.
pub fn speed_words(notch: Notch) -> String {
    let speed = speed(notch);
    match speed < 1.0 {
        _ if notch >= *NOTCHES.end() => "full speed".to_owned(),
        true => format!("1/{} ×", one_digit(1.0 / speed)),
        false => format!("{} ×", one_digit(speed)),
    }
}

fn one_digit(value: f64) -> String {
    if value < 9.95 { crate::mark::length(value) } else { crate::mark::length(value.round()) }
}

/// The notch nearest to a speed.
pub fn notch_near(wanted: f64) -> Notch {
    let far = |notch: &Notch| {
        let ratio = speed(*notch) / wanted;
        if ratio > 1.0 { ratio } else { 1.0 / ratio }
    };
    NOTCHES.min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notch_is_faster_than_the_one_before() {
        for notch in NOTCHES.skip(1) {
            assert!(speed(notch) > speed(notch - 1), "{notch}");
        }
        assert!((speed(*NOTCHES.start()) - 0.001).abs() < 1e-9);
        assert!((speed(NOTCHES.end() - 1) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn speeds_read_as_fractions_and_multiples() {
        for (notch, words) in [
            (-30, "1/1000 ×"),
            (-13, "1/20 ×"),
            (-3, "1/2 ×"),
            (0, "1 ×"),
            (20, "100 ×"),
            (21, "full speed"),
        ] {
            assert_eq!(speed_words(notch), words);
        }
        assert_eq!(notch_near(0.05), -13);
    }
}
