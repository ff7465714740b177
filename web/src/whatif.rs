//! What if the code were wrong: classic mistakes that a visitor can switch on, one at a time. They are the
//! core's seeded mistakes, which only a build that no node can be part of can make.

use raft_core::seeded::Bug;

/// A mistake to switch on.
#[derive(Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// Its name in a link.
    pub name: &'static str,
    /// The core's name for it.
    pub bug: Bug,
    /// What the code does then, in a sentence.
    pub mistake: &'static str,
    /// The rule it breaks, and where that is from.
    pub rule: &'static str,
    /// A session in which a check turns red, as in a link; without its mistake all is well in it.
    pub shows: &'static str,
}

/// Every mistake to choose from.
pub const ALL: &[WhatIf] = &[
    WhatIf {
        name: "half",
        bug: Bug::HalfIsMajority,
        mistake: "Half of the nodes count as a majority.",
        rule: "Two majorities always share a node; two halves need not (§5.2).",
        shows: "seed=42.nodes=4.do=6000000-split-3-4",
    },
    WhatIf {
        name: "forgets-vote",
        bug: Bug::ForgetsVote,
        mistake: "A node forgets its vote when it restarts.",
        rule: "Who votes, crashes and votes again has two votes in one term (§5.2).",
        shows: "seed=19.nodes=4.do=3371123-crash-3~4519000-restartall",
    },
    WhatIf {
        name: "votes-early",
        bug: Bug::VotesBeforeDurable,
        mistake: "A vote is sent before it is on disk.",
        rule: "A promise that a crash can undo is none (§5.1).",
        shows: "seed=15.nodes=3",
    },
    WhatIf {
        name: "acknowledges-early",
        bug: Bug::AcknowledgesBeforeDurable,
        mistake: "A follower acknowledges entries before they are on its disk.",
        rule: "The leader counts disks, not intentions (§5.3).",
        shows: "seed=15.nodes=3",
    },
    WhatIf {
        name: "leader-does-not-wait",
        bug: Bug::LeaderDoesNotWait,
        mistake: "The leader counts its own copy before it is on disk.",
        rule: "Its own disk is one of the majority, and no better than the others (thesis §10.2.1).",
        shows: "seed=8.nodes=3.do=3231000-slowdisk-1-3000000",
    },
    WhatIf {
        name: "counts-old-terms",
        bug: Bug::CommitsOldTermsByCounting,
        mistake: "A leader commits entries of earlier terms by counting copies.",
        rule: "They can still be overwritten; an entry of its own term makes them safe (§5.4.2).",
        shows: "seed=12.nodes=3.do=4834000-crash-3",
    },
    WhatIf {
        name: "reads-early",
        bug: Bug::ReadsBeforeOwnCommit,
        mistake: "A new leader answers reads before it has committed anything.",
        rule: "Until its first entry is committed it does not know what is (§8).",
        shows: "seed=46.nodes=5.do=4268000-remove-4~5722000-get-x",
    },
    WhatIf {
        name: "reads-locally",
        bug: Bug::ReadsLocally,
        mistake: "A leader answers reads from its own store, without asking whether it still leads.",
        rule: "One that is cut off does not know of its successor: it has to hear from a majority first (§8).",
        shows: "seed=43.nodes=3.do=4000000-set-x-1~6000000-split-3~6000000-clock-3-250000\
                ~9500000-set-x-2~10200000-get-x",
    },
    WhatIf {
        name: "no-pre-vote",
        bug: Bug::NoPreVote,
        mistake: "A node stands for election without asking first whether it would win.",
        rule: "One that was away comes back in a later term, and a leader who works has to step down (thesis §9.6).",
        shows: "seed=293.run=swarm",
    },
    WhatIf {
        name: "applies-twice",
        bug: Bug::AppliesTwice,
        mistake: "A write that comes again is carried out again.",
        rule: "Clients send again what was not answered; it must count once (thesis §6.3).",
        shows: "seed=25.nodes=5.do=3083021-set-x-0~3763000-crash-1",
    },
    WhatIf {
        name: "two-changes",
        bug: Bug::ConcurrentChanges,
        mistake: "The members are changed while another change is not committed.",
        rule: "One change at a time, so that majorities overlap (thesis §4.1).",
        shows: "seed=49.nodes=5.do=4032728-remove-3~4047000-add-6",
    },
    WhatIf {
        name: "one-step",
        bug: Bug::OneStepExchange,
        mistake: "One voter takes another’s place in a single step.",
        rule: "Majorities before and after need not share a node; so both decide in between (§6).",
        shows: "seed=33.nodes=3.do=4235000-restart-5~5026000-replace-1-5",
    },
];

/// Whether this build can make mistakes.
pub const CAN: bool = cfg!(seeded_bugs);

/// The mistake of this name.
pub fn named(name: &str) -> Option<&'static WhatIf> {
    ALL.iter().find(|what_if| what_if.name == name)
}

/// Makes this mistake from now on, or none. Without `--cfg seeded_bugs` the code has none to make.
pub fn make(what_if: Option<&WhatIf>) {
    #[cfg(seeded_bugs)]
    raft_core::seeded::make(what_if.map(|what_if| what_if.bug));
    #[cfg(not(seeded_bugs))]
    let _ = what_if;
}
