//! Whose data directory it is: a small file of lines that a person can read.

use raft_core::id::{ClusterId, Incarnation, NodeId};

/// The version of the whole directory's layout, on the first line.
const VERSION: &str = "1";

/// What the `identity` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The life of this directory.
    pub incarnation: Incarnation,
    /// The addresses the cluster was founded with, in the order of the nodes.
    pub founded_by: Vec<String>,
}

/// Why a file says nothing about whose directory it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// A layout of another version.
    Version(String),
    /// Not what was written.
    Damaged,
}

impl Identity {
    /// The founding members, each with its address.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &str)> {
        (1..).map(NodeId).zip(self.founded_by.iter().map(String::as_str))
    }

    /// The file's content.
    pub fn encode(&self) -> String {
        let lines = format!(
            "raft-kv {VERSION}\ncluster {:016x}\nnode {}\nincarnation {:016x}\nfounded-by {}\n",
            self.cluster.0,
            self.node,
            self.incarnation.0,
            self.founded_by.join(",")
        );
        format!("{lines}crc32 {:08x}\n", crc32fast::hash(lines.as_bytes()))
    }

    /// The inverse of [`Identity::encode`].
    pub fn decode(text: &str) -> Result<Self, IdentityError> {
        let damaged = IdentityError::Damaged;
        let first = text.lines().next().and_then(|line| line.strip_prefix("raft-kv "));
        match first {
            None => return Err(damaged),
            Some(VERSION) => {}
            Some(other) => return Err(IdentityError::Version(other.to_owned())),
        }
        let mut fields = text.lines().skip(1).map(|line| line.split_once(' ').unwrap_or_default());
        let mut field =
            |name: &str| fields.next().filter(|(key, _)| *key == name).map(|(_, value)| value);
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let mut read = || {
            Some(Self {
                cluster: ClusterId(hex(field("cluster")?)?),
                node: NodeId(field("node")?.parse().ok()?),
                incarnation: Incarnation(hex(field("incarnation")?)?),
                founded_by: field("founded-by")?.split(',').map(str::to_owned).collect(),
            })
        };
        // Whatever was read must be written the same way, checksum included.
        read().filter(|identity| identity.encode() == text).ok_or(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            cluster: ClusterId(0x0123_4567_89ab_cdef),
            node: NodeId(2),
            incarnation: Incarnation(42),
            founded_by: vec!["localhost:8001".to_owned(), "localhost:8002".to_owned()],
        }
    }

    #[test]
    fn identity_is_these_bytes() {
        let lines = "raft-kv 1\ncluster 0123456789abcdef\nnode 2\nincarnation 000000000000002a\n\
                     founded-by localhost:8001,localhost:8002\n";
        assert!(identity().encode().starts_with(lines), "{}", identity().encode());
        assert_eq!(Identity::decode(&identity().encode()), Ok(identity()));
    }

    #[test]
    fn every_flipped_bit_of_an_identity_is_noticed() {
        let bytes = identity().encode().into_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = String::from_utf8(flipped) {
                assert!(Identity::decode(&text).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn every_truncated_identity_is_noticed() {
        let text = identity().encode();
        for length in 0..text.len() {
            assert!(Identity::decode(&text[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let newer = identity().encode().replace("raft-kv 1", "raft-kv 2");
        assert_eq!(Identity::decode(&newer), Err(IdentityError::Version("2".to_owned())));
    }
}
