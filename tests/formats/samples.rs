//! One sample of everything that travels, at least of every variant.

use raft_core::error::Error;
use raft_core::id::{
    ClientId, ClusterId, EntryId, Epoch, Incarnation, Index, NodeId, Round, Sequence, Start, Term,
    Ticket,
};
use raft_core::kv::command::{Command, Condition, Item, Read, Session, Write};
use raft_core::raft::event::{Event, RoleName, WhyFollower};
use raft_core::raft::membership::{Change, Configuration, Goal, Member, Refusal};
use raft_core::raft::message::{
    AppendResult, Body, Entry, Message, Payload, SnapshotMeta, VoteRefusal,
};
use raft_core::replica::{Envelope, PeerBody};
use raft_core::request::{
    Changed, Consistency, Copies, FollowerStatus, Reply, Request, Response, Status,
};
use raft_core::sighting::{Kind, Sent, Sighting};
use raft_core::time::{ClusterTime, Instant};
use raft_core::wire::{Frame, Hello, PeerId, Welcome};

/// Every sample frame with its name.
pub(crate) fn frames() -> Vec<(String, Frame)> {
    let mut frames = vec![("hello of a client".to_owned(), hello(None)), peer_hello(), welcome()];
    for error in errors() {
        frames.push((format!("goodbye {error:?}"), Frame::Goodbye(error)));
    }
    for (name, body) in peer_bodies() {
        let incarnation = Incarnation(0xa1b2_c3d4);
        let envelope = Envelope { from: NodeId(1), incarnation, to: NodeId(300), body };
        frames.push((format!("peer {name}"), Frame::Peer(vec![envelope])));
    }
    frames.push(("peer nothing".to_owned(), Frame::Peer(Vec::new())));
    for (name, request) in requests() {
        frames.push((format!("request {name}"), Frame::Request { id: 7, request }));
    }
    for (name, response) in responses() {
        frames.push((format!("response {name}"), Frame::Response { id: 7, response }));
    }
    frames.push(("watch".to_owned(), Frame::Watch));
    frames.push(("sighting".to_owned(), Frame::Sighting(Box::new(sighting()))));
    frames
}

fn hello(peer: Option<PeerId>) -> Frame {
    let cluster = peer.as_ref().map(|_| ClusterId(0x0123_4567_89ab_cdef));
    Frame::Hello(Hello { version: 1, cluster, peer })
}

fn peer_hello() -> (String, Frame) {
    let peer = PeerId {
        node: NodeId(1),
        to: NodeId(2),
        incarnation: Incarnation(0xa1b2_c3d4),
        start: Start::new(7, 0x1234),
        address: "h1:8000".to_owned(),
        bulk: true,
    };
    ("hello of a peer".to_owned(), hello(Some(peer)))
}

fn welcome() -> (String, Frame) {
    let welcome = Welcome {
        version: 1,
        cluster: ClusterId(0x0123_4567_89ab_cdef),
        node: NodeId(2),
        incarnation: Incarnation(0xa1b2_c3d4),
        term: Term(5),
        leader: Some(NodeId(1)),
        commit_index: Index(1000),
    };
    ("welcome".to_owned(), Frame::Welcome(welcome))
}

/// Every error.
pub(crate) fn errors() -> Vec<Error> {
    let mut errors = vec![
        Error::NotFound,
        Error::ConditionFailed { revision: Some(Index(9)) },
        Error::ConditionFailed { revision: None },
        Error::NoQuorum,
        Error::NotLeader { hint: Some(NodeId(3)) },
        Error::NotLeader { hint: None },
        Error::OutcomeUnknown,
        Error::SessionExpired,
        Error::SequencePassed,
        Error::TooLarge { limit: 4096, actual: 5000 },
        Error::Overloaded { retry_after_ms: 50 },
        Error::DiskFull,
        Error::Denied { reason: "read only".to_owned() },
        Error::Invalid { reason: "the key is empty".to_owned() },
        Error::ClusterMismatch { have: ClusterId(1), want: ClusterId(2) },
        Error::VersionMismatch { have: 1, want: 2 },
        Error::NodeTaken { node: NodeId(3) },
        Error::OlderCopy { node: NodeId(3) },
    ];
    errors.extend(refusals().into_iter().map(|why| Error::Refused { why }));
    errors
}

/// Every reason not to change the members, or not to hand over.
fn refusals() -> Vec<Refusal> {
    let node = NodeId(3);
    vec![
        Refusal::InProgress,
        Refusal::TermNotCommitted,
        Refusal::AlreadyAMember(node),
        Refusal::AddressTaken { by: node },
        Refusal::NotAMember(node),
        Refusal::AlreadyAVoter(node),
        Refusal::NotAVoter(node),
        Refusal::Silent(node),
        Refusal::Lagging { node, entries: 5000 },
        Refusal::LosesQuorum { voters: 4, up: 2 },
        Refusal::LastVoter,
        Refusal::Full,
        Refusal::NobodyElse,
        Refusal::AlreadyLeads(node),
        Refusal::TransferInProgress,
        Refusal::TransferTimedOut(node),
    ]
}

fn peer_bodies() -> Vec<(String, PeerBody)> {
    let raft = |(name, body): (&str, Body)| {
        let message = Message { term: Term(5), body };
        (name.to_owned(), PeerBody::Raft(message))
    };
    let mut bodies: Vec<(String, PeerBody)> = messages().into_iter().map(raft).collect();
    let request = write(set(Condition::Any), None);
    let forward = PeerBody::Forward { ticket: Ticket(12), request };
    bodies.push(("forward".to_owned(), forward));
    let forwarded = PeerBody::Forwarded { ticket: Ticket(12), response: Err(Error::NoQuorum) };
    bodies.push(("forwarded".to_owned(), forwarded));
    bodies
}

fn messages() -> Vec<(&'static str, Body)> {
    let (campaign, last) = (Term(6), EntryId::new(5, 900));
    let (epoch, round) = (Epoch(1), Round(77));
    let request = |pre_vote, transfer| Body::RequestVote { campaign, pre_vote, transfer, last };
    let life = Incarnation(7);
    let reply = |pre_vote, refused| Body::RequestVoteReply { campaign, pre_vote, life, refused };
    let appended = |result| Body::AppendEntriesReply { epoch, round, result };
    let candidate = NodeId(2);
    let data = "piece".into();
    vec![
        ("RequestVote", request(false, false)),
        ("RequestVote as a question", request(true, false)),
        ("RequestVote told by the leader", request(false, true)),
        ("RequestVoteReply granted", reply(false, None)),
        ("RequestVoteReply stale term", reply(true, Some(VoteRefusal::StaleTerm))),
        ("RequestVoteReply voted", reply(false, Some(VoteRefusal::AlreadyVoted { candidate }))),
        ("RequestVoteReply log", reply(true, Some(VoteRefusal::LogBehind { voter_last: last }))),
        (
            "RequestVoteReply leader",
            reply(true, Some(VoteRefusal::LeaderAlive { leader: candidate })),
        ),
        (
            "RequestVoteReply not admitted",
            reply(true, Some(VoteRefusal::NotAdmitted { configuration: Index(890) })),
        ),
        ("RequestVoteReply lease", reply(true, Some(VoteRefusal::LeaseMayLast))),
        ("RequestVoteReply no voter", reply(false, Some(VoteRefusal::NotAVoter))),
        (
            "AppendEntries heartbeat",
            Body::AppendEntries {
                epoch,
                round,
                prev: last,
                commit: Index(899),
                entries: Vec::new(),
            },
        ),
        (
            "AppendEntries",
            Body::AppendEntries {
                epoch,
                round,
                prev: last,
                commit: Index(899),
                entries: entries(),
            },
        ),
        ("AppendEntriesReply matched", appended(AppendResult::Matched { match_index: Index(903) })),
        (
            "AppendEntriesReply mismatch",
            appended(AppendResult::Mismatch { refused: Index(900), hint: EntryId::new(3, 800) }),
        ),
        ("AppendEntriesReply stale term", appended(AppendResult::StaleTerm)),
        ("AppendEntriesReply full", appended(AppendResult::Full { match_index: Index(903) })),
        (
            "InstallSnapshot",
            Body::InstallSnapshot { epoch, round, meta: meta(), offset: 512, data, done: true },
        ),
        (
            "InstallSnapshotReply",
            Body::InstallSnapshotReply { epoch, round, last, next_offset: 517 },
        ),
        ("TimeoutNow", Body::TimeoutNow),
        ("ReadIndex", Body::ReadIndex { number: 1000 }),
        ("ReadIndexReply", Body::ReadIndexReply { number: 1000, index: Index(903) }),
    ]
}

/// An entry of every kind.
pub(crate) fn entries() -> Vec<Entry> {
    let entry = |payload| Entry { term: Term(5), time: ClusterTime(1_000_000), payload };
    let command = Command { session: Some(session()), write: set(Condition::Absent) };
    let command = postcard::to_allocvec(&command).expect("commands encode");
    vec![
        entry(Payload::Noop),
        entry(Payload::Command(command.into())),
        entry(Payload::Configuration(Box::new(configuration()))),
    ]
}

/// What is known of a snapshot.
pub(crate) fn meta() -> SnapshotMeta {
    let (last, time) = (EntryId::new(5, 900), ClusterTime(2_000_000));
    SnapshotMeta { last, time, configuration: configuration() }
}

/// A joint configuration with every field in use, and a learner for every goal.
pub(crate) fn configuration() -> Configuration {
    let node = |id: u64| (NodeId(id), member(id));
    let goals = [Goal::Stay, Goal::Vote, Goal::Replace(NodeId(2))];
    Configuration {
        voters: [NodeId(1), NodeId(2)].into(),
        outgoing: [NodeId(1)].into(),
        learners: (3..).map(NodeId).zip(goals).collect(),
        members: [1, 2, 3, 4, 5].map(node).into(),
    }
}

fn member(id: u64) -> Member {
    Member { id: NodeId(id), address: format!("h{id}:8000"), incarnation: Incarnation(id) }
}

fn session() -> Session {
    Session { client: ClientId(0xdead_beef), opened: Index(800), sequence: Sequence(3) }
}

fn set(condition: Condition) -> Write {
    Write::Set { key: "name".into(), value: "Alice".into(), condition }
}

fn write(write: Write, session: Option<Session>) -> Request {
    Request::Write { session, write, count_copies: false }
}

/// Every kind of request.
pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    let read = |read| Request::Read { read, consistency: Consistency::Linearizable };
    let list = |after, keys_only| Read::List { prefix: "n".into(), after, limit: 10, keys_only };
    let delete = Write::Delete { key: vec![0xff, 0].into(), condition: Condition::Any };
    let change = |change| Request::Change { change, dry_run: false };
    let node = NodeId(4);
    vec![
        ("set", write(set(Condition::Any), None)),
        ("set if absent, in a session", write(set(Condition::Absent), Some(session()))),
        ("set if value", write(set(Condition::Value("Bob".into())), None)),
        ("set if revision", write(set(Condition::Revision(Index(5))), None)),
        (
            "delete, and count copies",
            Request::Write { session: None, write: delete, count_copies: true },
        ),
        ("get", read(Read::Get { key: "name".into() })),
        (
            "get locally",
            Request::Read {
                read: Read::Get { key: "name".into() },
                consistency: Consistency::Local,
            },
        ),
        ("list", read(list(None, false))),
        ("list on, keys only", read(list(Some("name".into()), true))),
        ("status", Request::Status),
        ("add", change(Change::Add { member: member(4), goal: Goal::Vote })),
        ("add a learner", change(Change::Add { member: member(4), goal: Goal::Stay })),
        ("promote", change(Change::Promote(node))),
        ("remove", change(Change::Remove(node))),
        ("replace", change(Change::Replace { node: NodeId(2), by: member(4) })),
        ("remove, only looking", Request::Change { change: Change::Remove(node), dry_run: true }),
        ("transfer", Request::Transfer { to: None }),
        ("transfer to a node", Request::Transfer { to: Some(node) }),
    ]
}

/// Every kind of reply.
pub(crate) fn responses() -> Vec<(&'static str, Response)> {
    let (revision, existed) = (Index(901), true);
    let item =
        |value| Item { key: "name".into(), value, created: Index(800), modified: Index(901) };
    let page = |items, next| Ok(Reply::Page { items, next });
    vec![
        ("written", Ok(Reply::Written { revision, existed, copies: None })),
        (
            "written, with copies",
            Ok(Reply::Written { revision, existed, copies: Some(Copies { have: 2, of: 3 }) }),
        ),
        ("item", Ok(Reply::Item(item(Some("Alice".into()))))),
        ("page", page(vec![item(Some("Alice".into()))], None)),
        ("page of keys", page(vec![item(None)], Some("name".into()))),
        ("status", Ok(Reply::Status(Box::new(status())))),
        ("changed", Ok(Reply::Changed(Box::new(changed(Some(Index(904))))))),
        ("changed, only looked at", Ok(Reply::Changed(Box::new(changed(None))))),
        ("transferred", Ok(Reply::Transferred { leader: NodeId(2) })),
        ("error", Err(Error::NotFound)),
    ]
}

fn changed(index: Option<Index>) -> Changed {
    let (before, up) = (configuration(), vec![NodeId(1), NodeId(3)]);
    Changed { after: before.after_joint(), before, up, index }
}

fn sighting() -> Sighting {
    let (term, candidate, campaign) = (Term(5), NodeId(2), Term(6));
    let why = VoteRefusal::AlreadyVoted { candidate: NodeId(3) };
    let to = EntryId { term, index: Index(901) };
    let kinds = [
        Kind::PreVote,
        Kind::Vote,
        Kind::Granted,
        Kind::Refused,
        Kind::Heartbeat,
        Kind::Entries { count: 300 },
        Kind::Stored,
        Kind::Rejected,
        Kind::Snapshot,
        Kind::TimeoutNow,
        Kind::ReadIndex,
        Kind::Forwarded,
    ];
    Sighting {
        at: Instant(2_000_000),
        status: status(),
        events: vec![
            Event::PreVoteStarted { campaign },
            Event::ElectionStarted { term },
            Event::VoteGranted { candidate, campaign, pre_vote: true },
            Event::VoteRefused { candidate, campaign, pre_vote: false, why },
            Event::BecameLeader { term },
            Event::BecameFollower { term, why: WhyFollower::NoQuorum },
            Event::LeaderKnown { leader: candidate, term, behind: 7 },
            Event::Committed { to },
        ],
        sent: kinds.map(|kind| Sent { to: candidate, kind }).into(),
        tail: [4, 5, 5].map(Term).into(),
        left_out: 12,
        missed: 1,
    }
}

fn status() -> Status {
    Status {
        node: NodeId(1),
        role: RoleName::Leader,
        term: Term(5),
        leader: Some(NodeId(1)),
        last_index: Index(903),
        durable_index: Index(902),
        commit_index: Index(901),
        applied_index: Index(901),
        snapshot_index: Index(900),
        keys: 17,
        configuration: configuration(),
        followers: vec![FollowerStatus {
            node: NodeId(2),
            match_index: Index(901),
            silent_ms: Some(20),
        }],
    }
}
