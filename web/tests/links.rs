//! Links are outside input: whatever they say, they are refused or played, and nothing stops.

#[path = "links/draw.rs"]
mod draw;

use draw::Draw;
use raft_core::id::NodeId;
use raft_sim::replay::Replay;
use raft_sim::{Command, Options, Property};
use raft_web::link::Link;
use raft_web::run::Run;
use raft_web::session::Session;
use std::time::Duration;

/// Links between them that use every verb, to be made wrong in all ways.
const GOOD: [&str; 4] = [
    "v1.seed=42.nodes=3.do=2000000-pause-1~2100000-resume-1~2200000-slowdisk-2-900000~2300000-full-2~2400000-room-2\
     ~2500000-clock-3-4000000~2600000-fire-3~2700000-snapshot-1~2800000-transfer-2~3000000-restart-4~3000000-add-4\
     ~4000000-promote-4~5000000-remove-1~5500000-replace-2-5~6000000-failsync-3~6500000-mend-2",
    "v1.seed=7.nodes=5.do=1000000-cut-1-2~1000000-slow-2-3-700000~1000000-lossy-3-4-500000~2000000-split-1-2\
     ~4000000-healall~5000000-heal-1-2~5000000-lose-300000~6000000-lose~7000000-wipe-3~7500000-restart-3\
     ~8000000-crash-1~8100000-restartall~8200000-resumeall~8300000-transfer",
    "v1.seed=1.nodes=3.do=4000000-hold-9~4000000-drop-10~4000000-delay-11-600000~4000000-double-12\
     ~4000000-deliver-13~9000000-release-9~9000000-learn-5~9000000-drop-40~9000000-double-41",
    "v1.seed=3.nodes=1.do=1000-set-k-1~2000-create-k-2~3000-swap-k-1-3~4000-delete-k~5000-get-k.at=40-0.pick=node-1",
];

/// As many links as take a few seconds.
const LINKS: u64 = 3_000;

/// How far each is played: long enough for what it says to happen.
const STEPS: u64 = 400;

#[test]
fn good_links_are_read_and_printed_as_they_were() {
    for link in GOOD {
        assert_eq!(
            Link::read(link).map(|read| read.print()),
            Ok(link.replace(".at=40-0", ".at=40-0000000000000000"))
        );
    }
}

#[test]
fn any_link_is_refused_in_a_sentence_or_can_be_played() {
    let draw = &mut Draw(1);
    let mut played = 0;
    for _ in 0..LINKS {
        let link = broken(draw);
        let session = match Session::from_link(&link) {
            Ok(session) => session,
            Err(why) => {
                assert!(why.ends_with('.') && why.len() < 300, "{why}");
                continue;
            }
        };
        assert_eq!(Session::from_link(&session.to_link()), Ok(session.clone()), "{link}");
        let mut run = Run::new(session);
        run.seek(STEPS);
        assert_eq!(run.sim().violation(), None, "{link}");
        played += 1;
    }
    assert!(played > LINKS / 10 && played < LINKS, "{played} of {LINKS} links were played");
}

#[test]
fn link_to_a_run_that_failed_opens_the_moment_at_which_it_failed() {
    // No cluster heals while its disks take an hour for a sync.
    let mut options = Options::swarm(11);
    options.faults.as_mut().expect("a swarm has faults").healing_max = Duration::from_secs(5);
    let mut replay = Replay::of(options);
    let end = replay.commands.iter().find(|(_, command)| *command == Command::EndFaults);
    let end = end.expect("faults end").0;
    replay.commands.retain(|(at, _)| *at <= end);
    for node in (1..=replay.options.nodes).map(NodeId) {
        let sync = Some(Duration::from_secs(3_600));
        replay.commands.push((end, Command::SlowDisk { node, sync }));
    }
    let link = Link::read(&replay.link()).expect("a good link");
    let (mut run, seen) = (Run::new(link.session), link.seen.expect("a moment"));
    assert_eq!(Link::go(&seen, &mut run), None);
    let broken = run.sim().violation().expect("it is the moment");
    assert_eq!((broken.property, run.next_at()), (Property::Liveness, None));
    // Of a run that goes well there is no such moment.
    assert_eq!(Link::read(&Replay::of_seed(1).link()).expect("a good link").seen, None);
}

/// A good link with a few letters changed, parts taken from elsewhere, or numbers that are not likely.
fn broken(draw: &mut Draw) -> String {
    let mut link = GOOD[draw.below(3)].to_owned();
    for _ in 0..=draw.below(3) {
        let commands: Vec<&str> = link.split('~').collect();
        let place = draw.below(commands.len());
        let other = GOOD[draw.below(GOOD.len())].split('~').collect::<Vec<_>>();
        let swapped = match draw.below(4) {
            0 => {
                let letter = draw.below(commands[place].len());
                let with = b"0123456789-~.=!az"[draw.below(17)];
                let mut bytes = commands[place].as_bytes().to_vec();
                bytes[letter] = with;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            // The same at the same moment, of something else.
            1 => {
                let time = commands[place].split('-').next().unwrap_or_default().to_owned();
                let verb =
                    other[draw.below(other.len())].split_once('-').map_or("", |(_, verb)| verb);
                format!("{time}-{verb}")
            }
            2 => {
                let number = ["0", "1", "9", "16", "17", "18446744073709551615"][draw.below(6)];
                let (front, _) = commands[place].rsplit_once('-').unwrap_or((commands[place], ""));
                format!("{front}-{number}")
            }
            _ => commands[place].replace("-1", &format!("-{}", 1 + draw.below(9))),
        };
        let mut commands: Vec<String> = commands.into_iter().map(str::to_owned).collect();
        // Where a session begins stays as it is more often than not.
        if place > 0 || draw.below(4) == 0 {
            commands[place] = swapped;
        }
        link = commands.join("~");
    }
    link
}
