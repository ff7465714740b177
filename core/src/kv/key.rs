//! Keys as the store holds them.

use crate::bytes::Bytes;
use serde::{Serialize, Serializer};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The longest key in bytes that is kept in place: with its length and a tag, three words.
const SHORT_BYTES_MAX: usize = 22;

/// A key. A short one lies where it is listed, so that the search for another touches no other memory.
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
    /// As their bytes. Short keys, which the search of a tree compares many of, a few words at a time: what they
    /// are filled up with is the least there is, so that only of two that are equal so far the shorter comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        let (Self::Short { length, bytes }, Self::Short { length: others, bytes: theirs }) =
            (self, other)
        else {
            return self.as_bytes().cmp(other.as_bytes());
        };
        let [ours, theirs] = [bytes, theirs].map(|bytes| {
            let (first, last) = (bytes.first_chunk(), bytes.last_chunk());
            let first = u128::from_be_bytes(*first.expect("22 are more than 16"));
            (first, u64::from_be_bytes(*last.expect("22 are more than 8")))
        });
        (ours, length).cmp(&(theirs, others))
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
    fn short_keys_are_in_the_order_of_their_bytes_wherever_they_differ() {
        let mut keys: Vec<Vec<u8>> = vec![Vec::new()];
        for length in [1, 7, 8, 14, 15, 16, 17, SHORT_BYTES_MAX] {
            for place in 0..length {
                for byte in [0, 1, 127, 128, 255] {
                    let mut key = vec![128; length];
                    key[place] = byte;
                    keys.push(key);
                }
            }
        }
        for one in &keys {
            for other in &keys {
                assert_eq!(
                    Key::new(one).cmp(&Key::new(other)),
                    one.cmp(other),
                    "{one:?} {other:?}"
                );
            }
        }
    }

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
