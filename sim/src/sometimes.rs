//! What a long batch of runs must have come through at least once. A fault that is never met proves
//! nothing, so a batch in which one of these points is never reached fails and names it.

use std::fmt;

macro_rules! points {
    ($($name:ident: $text:literal,)*) => {
        /// Something that happens in some runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $(#[doc = $text] $name,)*
        }

        impl Point {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The point as a sentence.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

points! {
    // Elections.
    ElectedAlone: "a lone node elected itself",
    ElectedInEvenCluster: "a leader was elected in a cluster of an even size",
    ElectedByLastQuorum: "a leader was elected while no further node could have been spared",
    ElectedAgain: "a leader was elected again, in a later term",
    ElectedAfterAnother: "leadership went from one node to another",
    ElectedBesideOldLeader: "a leader was elected while an older one still believed it led",
    ElectedWithShorterLog: "a leader's log was shorter than one that ends in an earlier term",
    ElectedWithUncommitted: "a leader was elected with entries that were not committed",
    ElectedAfterAllCrashed: "a leader was elected after every node had been down",
    ElectedWhileNodesAreDown: "a leader was elected while other nodes were down",
    ElectedWhileLinksAreCut: "a leader was elected while links were cut",
    ElectedWithSlowestClock: "a leader was elected whose clock is the slowest",
    ElectedWithFastestClock: "a leader was elected whose clock is the fastest",
    VotesBeforeOwnDisk: "a candidate had a quorum of votes before its own was durable",
    SplitVote: "two candidates stood in one term",
    StoodAgain: "a candidate stood again after an election nobody won",
    AskedAgain: "a node asked for pre-votes again after the first were not enough",
    PreVoteRefusedForLog: "a pre-vote was refused because the log is behind",
    PreVoteRefusedForLeader: "a pre-vote was refused because a leader is alive",
    PreVoteRefusedForTerm: "a pre-vote was refused because the term is stale",
    VoteRefusedForLog: "a vote was refused because the log is behind",
    VoteRefusedForLeader: "a vote was refused because a leader is alive",
    VoteRefusedForTerm: "a vote was refused because the term is stale",
    VoteRefusedAsGiven: "a vote was refused because another got it",
    VoteRepeated: "a vote was given to the same candidate a second time",
    LeaderHeardOfLaterTerm: "a leader stepped down because of a later term",
    LeaderLostQuorum: "a leader stepped down because no quorum answered",
    LeaderLostDisk: "a leader stepped down because its disk stalled",
    CandidateHeardOfLaterTerm: "a candidate gave up because of a later term",
    CandidateHeardLeader: "a candidate gave up because it heard the leader of its term",
    CrashedLeaderFollows: "a crashed leader came back and followed a later one",
    PausedLeaderDeposed: "a leader stood still so long that it was deposed",
    PausedLeaderLedOn: "a leader stood still for half an election timeout and led on",

    // Entries on their way.
    CommittedIndirectly: "entries of an older term were committed indirectly (figure 8)",
    CommittedTwoOlderTerms: "entries of two older terms were committed at once",
    CommittedMany: "more than thirty entries were committed at once",
    CommittedByOwnDisk: "the leader's own disk was the last of the quorum",
    CommittedBeforeOwnDisk: "an entry was committed before it was on its leader's disk",
    CommittedByOldLeader: "an old leader committed after a later one was elected",
    CommittedWhileLinksAreCut: "entries were committed while links were cut",
    CommitHeldBack: "a follower committed less than its leader, since no more was verified",
    CaughtUp: "a follower that was behind caught up",
    Truncated: "entries that contradict a leader's were removed",
    TruncatedMany: "ten or more entries were removed at once",
    TruncatedOwn: "entries were removed from the log of the very leader that made them",
    HintForShortLog: "a conflict hint said that the log is too short",
    HintSkippedEntries: "a conflict hint skipped several entries",
    HintSkippedTerms: "a conflict hint skipped more than one term",
    ProbedTwice: "a leader had to ask twice where the logs agree",
    AppendOfOldTerm: "entries of a deposed leader were refused",
    AppendOfKnown: "a late or doubled message brought entries that were there already",
    AppendBehindSnapshot: "entries arrived that the snapshot includes",
    AppendAfterRestart: "entries arrived that were sent before their receiver restarted",
    PipelinedAppends: "several messages with entries went to one follower at once",
    WindowFull: "a follower's window was full",
    WritesFull: "a write waited because too many were under way",

    // Snapshots.
    SnapshotTaken: "a snapshot was taken",
    SnapshotPostponed: "a snapshot was put off while one was being sent",
    SnapshotInstalled: "a leader's snapshot was installed",
    SnapshotOverConflict: "a snapshot took the place of a log that went further",
    SnapshotInPieces: "a snapshot arrived in several pieces",
    SnapshotNeedless: "a snapshot arrived that the log did not need any more",
    SnapshotOvertaken: "a newer snapshot took the place of one being sent",
    SnapshotCutOff: "a snapshot was cut off by a change of leader",
    SecondSnapshotUnderWay: "a second snapshot came before the first was durable",
    FellBehindLog: "a follower needed entries that were compacted away",
    StartedFromSnapshot: "a node started from a snapshot alone",
    StartedFromSnapshotAndLog: "a node started from a snapshot and the log behind it",

    SnapshotWentOn: "a snapshot that one leader began to send was gone on with by another",
    SnapshotBroughtMembers: "a snapshot brought another configuration",

    // Members.
    LearnerAdded: "a learner was added",
    LearnerPromoted: "a learner got its vote",
    VoterRemoved: "a voter was removed",
    LearnerRemoved: "a learner was removed",
    AddedAgain: "a node that had been removed was added again",
    ShrankToOne: "a cluster shrank to a single voter",
    GrewFromOne: "a single voter got a second",
    VotersOfFour: "a cluster had four voters that began with another number",
    JointEntered: "two sets of voters decided together",
    JointLeft: "a joint configuration was left",
    JointLeftByAnother: "a joint configuration was left by a later leader",
    ElectedInJoint: "a leader was elected while two sets of voters decide",
    CommittedInJoint: "entries were committed while two sets of voters decide",
    ElectedWithChange: "a leader was elected while a configuration was not committed",
    MembersRolledBack: "a configuration that was not committed went with its entry",
    RemovedLeaderGone: "a leader outside the configuration went when that was committed",
    RemovedIsTold: "a node was told that it does not belong to the cluster",
    ChangeWhileCut: "the members changed while links were cut",
    ChangeInProgress: "a change was refused because another was in progress",
    ChangeTooEarly: "a change was refused because the leader had committed nothing in its term",
    ChangeLosesQuorum: "a change was refused because it would lose the quorum",
    ChangeLagging: "a promotion was refused because the learner was behind",
    ChangeOfLast: "the removal of the last voter was refused",

    // Lives.
    FoundersKnown: "a leader wrote down whose lives the founding members have",
    MemberLost: "a member was found to have forgotten what it knew",
    MemberBack: "a member that had forgotten everything got its vote back",
    NewbornTurnedAway: "a node that took its cluster for new was told otherwise",
    VotelessAsked: "a node without a vote was asked for it",
    ElectedWithoutLost: "a leader was elected while a voter had forgotten everything",

    // Leadership handed over.
    TransferStarted: "a leader began to hand over",
    TransferWaited: "a leader waited for its target to have the whole log",
    TransferTimedOut: "a target did not take over in time, and its leader led on",
    ElectedAsTold: "a node was elected that had been told to stand",
    StoodInVain: "a node that had been told to stand was not elected",
    HandedOverBesideOldLeader: "a successor was elected, and the old leader did not know",
    WriteWhileHandingOver: "a write was refused because leadership was being handed over",

    // Disks.
    TornTail: "a torn tail was repaired",
    CrashBeforeVoteWasDurable: "a node crashed with a vote or a term on its way to the disk",
    CrashBeforeSnapshotWasDurable: "a node crashed with a snapshot on its way to the disk",
    CrashLostWrites: "a crash lost writes that were not synced",
    CrashKeptWrites: "a crash kept a write that was not synced",
    CrashKeptSome: "a crash kept one unsynced write and lost the next",
    CrashIdle: "a node crashed with nothing on its way to the disk",
    RestartedWithVote: "a node came back with the vote it had given",
    RestartedEmpty: "a node came back with nothing at all",
    DiskFilled: "a disk was full",
    DiskHadRoomAgain: "a disk had room again",
    FullFollower: "a leader heard that a follower's disk is full",
    FullLeaderHandedOver: "a leader whose disk was full handed over",
    WriteRefusedAsFull: "a write was refused because disks were full",
    SnapshotNotNamed: "a snapshot was on the disk that no record names",
    SegmentOpened: "a second log segment was opened",
    SegmentRecycled: "a log segment was recycled",
    SegmentRetired: "a log segment was retired",
    SegmentTooShort: "a record was longer than a segment",
    Marked: "a disk at rest marked its newest record",
    SyncFailed: "a sync failed, and its node ended",
    DamageFound: "a node found its disk damaged and began a new life",
    DamageWithoutEffect: "a node started from a damaged disk on which nothing was missing",
    FoundedAgain: "a founder came back without its data and took the cluster for new",
    CopyFoundAtStart: "a node was told that its disk is an older copy before it began",
    CopyFoundLater: "a node was told that its disk is an older copy after it had begun",
    CopyNotFound: "a node went on with an older copy of its disk",
    LossForbidden: "data was not destroyed, since too few others remember it",
    GroupCommit: "one sync made several writes durable",
    DiskStalled: "a sync took longer than an election timeout",

    // Reads and writes of clients.
    ReadAnswered: "a leader answered a read",
    ReadPassedOn: "a follower asked its leader how far to apply the log for a read",
    ReadByLease: "a leader answered a read without asking anybody, by its lease",
    ReadDespiteLease: "a leader that may have leases had to ask for a read",
    ReadByFollower: "a follower answered a read",
    ReadByLearner: "a learner answered a read",
    ReadAskedAgain: "a follower asked its leader again how far to apply the log",
    ReadLostFollowing: "a follower's read ended with its leader",
    VoteRefusedForLease: "a vote was refused because a lease might last",
    ReadBeforeFirstCommit: "a read came before the leader had committed in its term",
    ReadConfirmedAfterPause: "a read was confirmed after its leader had stood still",
    ReadLostLeader: "a read lost its leader",
    ReadsShareRound: "several reads were answered by one round",
    WritePassedOn: "a write was passed on to the leader",
    WriteLostLeader: "a write lost its leader, so that its outcome was unknown",
    UnknownHappened: "a write of unknown outcome took effect",
    UnknownNeverHappened: "a write of unknown outcome never took effect",
    RetryRemembered: "a write was in the log twice and took effect once",
    SequencePassed: "a late duplicate came after a newer write of its session",
    SessionExpired: "a session was forgotten",
    ConditionFailed: "a condition did not hold",
    Overloaded: "a node was too busy",
    NoLeaderKnown: "a node knew no leader",
    GaveUp: "a client gave up",
    AskedElsewhere: "a client asked another node for the same write",
    CopiesOnAll: "a write was counted on every disk",
    CopiesOnSome: "a write was counted on some disks only",

    // The network, and nodes that stand still.
    DeafNode: "a node of a cluster that was well did not hear its leader for a while",
    Duplicate: "a message arrived twice",
    Overtaken: "a message overtook another",
    SentBeforeCrash: "a message arrived that was sent before its sender crashed",
    CutUnderWay: "a link was cut while a message was under way",
    DownAtArrival: "a message arrived at a node that was down",
    OneWay: "a link was cut in one direction only",
    Piled: "a hundred messages had piled up when a node went on",
    TookPart: "a node took in only part of what waited",
}

/// How often each point was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sometimes {
    hits: [u64; Point::ALL.len()],
}

impl Default for Sometimes {
    fn default() -> Self {
        Self { hits: [0; Point::ALL.len()] }
    }
}

impl Sometimes {
    /// How often a point was reached.
    pub fn hits(&self, point: Point) -> u64 {
        self.hits[point as usize]
    }

    /// The points never reached.
    pub fn never(&self) -> impl Iterator<Item = Point> + '_ {
        Point::ALL.iter().copied().filter(|point| self.hits(*point) == 0)
    }

    /// Adds what was reached in another run.
    pub fn add(&mut self, other: &Self) {
        for (hits, more) in self.hits.iter_mut().zip(other.hits) {
            *hits += more;
        }
    }

    pub(crate) fn hit(&mut self, point: Point) {
        self.hits[point as usize] += 1;
    }

    pub(crate) fn hit_if(&mut self, condition: bool, point: Point) {
        self.hits[point as usize] += u64::from(condition);
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}
