//! The nouns that are numbers, each as its own type so that a term is never taken for an index.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one. Saturates, so that a number from outside cannot overflow.
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The number before this one; zero stays zero.
            pub fn prev(self) -> Self {
                Self(self.0.saturating_sub(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// A name that is too large for the numbers of JSON in some languages: there it is 16 hexadecimal digits.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => serializer.collect_str(self),
                    false => self.0.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return u64::deserialize(deserializer).map(Self);
                }
                let digits = String::deserialize(deserializer)?;
                let name = u64::from_str_radix(&digits, 16);
                name.map(Self).map_err(|_| D::Error::custom("expected up to 16 hexadecimal digits"))
            }
        }
    };
}

number! {
    /// A server of the cluster: its place, from 1, in the list the cluster was founded with.
    NodeId
}
number! {
    /// A period with at most one leader (§5.1). Zero is before the first election.
    Term
}
number! {
    /// A position in the log, from 1 (§5.3); zero is before the first entry. Also a key's revision.
    Index
}
number! {
    /// The number of one durable write of one node. Grows by one for each write since the node started.
    WriteSeq
}
number! {
    /// One broadcast of a leader. Followers echo it; a quorum of echoes shows that the leader still led
    /// when the round began (thesis §6.4). Serves reads and CheckQuorum.
    Round
}
number! {
    /// One unbroken stream of AppendEntries from a leader to a follower. A reply that carries another
    /// epoch is from before the stream was reset, and says nothing about today's log.
    Epoch
}
name! {
    /// The life of one data directory. A directory made anew gets a new one, so that a node that has
    /// forgotten its votes cannot pass for the node that cast them.
    Incarnation
}
name! {
    /// A process among those that were started in one data directory: the upper half counts the starts, the
    /// lower is random. A count that was seen before, from another process, shows an older copy.
    Start
}
name! {
    /// The cluster, derived from its founding list of addresses. See [`ClusterId::of`].
    ClusterId
}
name! {
    /// A client session's random name. See [`crate::kv::session`].
    ClientId
}
number! {
    /// The number of a write within its session, growing by at least one from write to write.
    Sequence
}
number! {
    /// A driver's own name for a waiting client request; it comes back with the reply.
    Ticket
}

impl Incarnation {
    /// Not known: matches every incarnation.
    pub const UNKNOWN: Self = Self(0);
}

impl Start {
    /// The process `random` of the `count`-th start, from 1.
    pub fn new(count: u32, random: u32) -> Self {
        Self(u64::from(count) << 32 | u64::from(random))
    }

    /// Which start it is, from 1.
    pub fn count(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl ClusterId {
    /// The id that every node started with the same list of addresses arrives at: FNV-1a, 64 bits, of
    /// the addresses joined by commas.
    pub fn of<S: AsRef<str>>(addresses: &[S]) -> Self {
        let joined = addresses.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(",");
        Self(joined.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }
}

/// The identity of a log entry: equal ids mean equal entries and equal logs before them (§5.3, the Log
/// Matching Property). Ordered as §5.4.1 compares logs: by term, then by index.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EntryId {
    /// The term of the leader that created the entry.
    pub term: Term,
    /// The entry's position in the log.
    pub index: Index,
}

impl EntryId {
    /// `term` and `index` as plain numbers, for tests and tables.
    pub const fn new(term: u64, index: u64) -> Self {
        Self { term: Term(term), index: Index(index) }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@t{}", self.index, self.term)
    }
}
