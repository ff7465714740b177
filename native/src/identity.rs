//! Whose data directory it is: a small file of lines that a person can read.

use raft_core::id::{ClusterId, Incarnation, NodeId};

/// The version of the whole directory's layout, on the first line.
const VERSION: &str = "2";

/// What the `identity` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The life of this directory.
    pub incarnation: Incarnation,
    /// How often a node was started in this life, the present time included.
    pub starts: u32,
    /// How this life came to the cluster.
    pub origin: Origin,
}

/// How the life of a directory came to its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With it: these are the addresses it was founded with, in the order of the nodes.
    Founded(Vec<String>),
    /// Later, or anew after the life before was lost. It waits for a leader to admit it.
    Joined,
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
    /// The members the cluster was founded with, each with its address; none for a life that joined.
    pub fn founders(&self) -> impl Iterator<Item = (NodeId, &str)> {
        let addresses = match &self.origin {
            Origin::Founded(addresses) => addresses.as_slice(),
            Origin::Joined => &[],
        };
        (1..).map(NodeId).zip(addresses.iter().map(String::as_str))
    }

    /// The same life, started once more.
    pub fn started(self) -> Self {
        Self { starts: self.starts.saturating_add(1), ..self }
    }

    /// The file's content.
    pub fn encode(&self) -> String {
        let Self { cluster, node, incarnation, starts, origin } = self;
        let origin = match origin {
            Origin::Founded(addresses) => format!("founded-by {}", addresses.join(",")),
            Origin::Joined => "joined".to_owned(),
        };
        let lines = format!(
            "raft-kv {VERSION}\ncluster {cluster}\nnode {node}\nincarnation {incarnation}\n\
             starts {starts}\n{origin}\n"
        );
        lines.clone() + &crc_line(&lines)
    }

    /// The inverse of [`Identity::encode`].
    pub fn decode(text: &str) -> Result<Self, IdentityError> {
        // Files of all versions end with their checksum, so damage is not taken for another version.
        let (lines, crc) = text
            .split_at_checked(text.len().saturating_sub(CRC_LINE_BYTES))
            .ok_or(IdentityError::Damaged)?;
        if crc != crc_line(lines) {
            return Err(IdentityError::Damaged);
        }
        match lines.lines().next().and_then(|line| line.strip_prefix("raft-kv ")) {
            Some(VERSION) => Self::read(lines).ok_or(IdentityError::Damaged),
            Some(other) => Err(IdentityError::Version(other.to_owned())),
            None => Err(IdentityError::Damaged),
        }
    }

    fn read(lines: &str) -> Option<Self> {
        let mut lines = lines.lines().skip(1);
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let cluster = ClusterId(hex(field("cluster")?)?);
        let node = NodeId(field("node")?.parse().ok()?);
        let incarnation = Incarnation(hex(field("incarnation")?)?);
        let starts = field("starts")?.parse().ok()?;
        let origin = match lines.next()? {
            "joined" => Origin::Joined,
            line => {
                let addresses = line.strip_prefix("founded-by ")?;
                Origin::Founded(addresses.split(',').map(str::to_owned).collect())
            }
        };
        Some(Self { cluster, node, incarnation, starts, origin })
    }
}

/// The length of the last line: `crc32`, a space, eight digits and the line's end.
const CRC_LINE_BYTES: usize = 15;

fn crc_line(lines: &str) -> String {
    format!("crc32 {:08x}\n", crc32fast::hash(lines.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let addresses = vec!["localhost:8001".to_owned(), "localhost:8002".to_owned()];
        Identity {
            cluster: ClusterId(0x0123_4567_89ab_cdef),
            node: NodeId(2),
            incarnation: Incarnation(42),
            starts: 7,
            origin: Origin::Founded(addresses),
        }
    }

    #[test]
    fn identity_is_these_bytes() {
        let joined = Identity { origin: Origin::Joined, ..identity() };
        for (identity, last) in
            [(identity(), "founded-by localhost:8001,localhost:8002"), (joined, "joined")]
        {
            let lines = format!(
                "raft-kv 2\ncluster 0123456789abcdef\nnode 2\nincarnation 000000000000002a\n\
                 starts 7\n{last}\ncrc32 "
            );
            assert!(identity.encode().starts_with(&lines), "{}", identity.encode());
            assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
        }
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
        let text = identity().encode().replace("raft-kv 2", "raft-kv 3");
        assert_eq!(Identity::decode(&text), Err(IdentityError::Damaged));
        let (lines, _) = text.split_at(text.len() - CRC_LINE_BYTES);
        let newer = lines.to_owned() + &crc_line(lines);
        assert_eq!(Identity::decode(&newer), Err(IdentityError::Version("3".to_owned())));
    }
}
