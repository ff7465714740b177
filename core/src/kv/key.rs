//! Keys as the store holds them.

use crate::bytes::Bytes;
use serde::{Serialize, Serializer};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The longest key in bytes that is kept in place: with its length and a tag, three words.
const SHORT_BYTES_MAX: usize = 22;

/// A key. A short one lies in the tree itself, so that the search for another touches no other memory.
#[derive(Clone)]
pub(crate) enum Key {
    Short { length: u8, bytes: [u8; SHORT_BYTES_MAX] },
    Long(Arc<[u8]>),
}

impl Key {
    /// A key of its own: it keeps nothing alive of what `key` is a part of.
    pub(crate) fn new(key: &[u8]) -> Self {
        if key.len() > SHORT_BYTES_MAX {
            return Self::Long(key.into());
        }
        let mut bytes = [0; SHORT_BYTES_MAX];
        bytes[..key.len()].copy_from_slice(key);
        Self::Short { length: key.len() as u8, bytes }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_lengths_are_what_they_were_and_in_order_of_their_bytes() {
        assert_eq!(size_of::<Key>(), 24);
        let of = |length: usize| vec![b'k'; length];
        for length in 0..=SHORT_BYTES_MAX + 2 {
            let (key, next) = (Key::new(&of(length)), Key::new(&of(length + 1)));
            assert_eq!((key.as_bytes(), key.to_bytes()), (&of(length)[..], of(length).into()));
            assert_eq!((key.cmp(&next), key == next), (Ordering::Less, false));
            let same = Key::new(&of(length));
            assert_eq!((key.cmp(&same), key == same), (Ordering::Equal, true));
        }
        assert!(Key::new(b"b") > Key::new(b"a zero at the end of a short key is not read\0"));
        assert_eq!(format!("{:?}", Key::new(b"a")), "[97]");
    }
}
