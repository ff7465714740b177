//! Bytes that are shared and never change: keys, values, commands as they stand in the log.
//!
//! A store holds a million of them, so the counter lies beside the content: one allocation for each, and
//! one place in memory to touch. (The `bytes` crate keeps its counter in a second one.)

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::repeat_n;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of some bytes, or all of them. A clone shares them. At most 4 GiB.
#[derive(Clone, Default)]
pub struct Bytes {
    whole: Arc<[u8]>,
    start: u32,
    end: u32,
}

impl Bytes {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of `bytes`, which keeps nothing else alive.
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        Self::from(Arc::from(bytes))
    }

    /// So many bytes, as `fill` leaves them.
    pub fn filled(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut whole: Arc<[u8]> = repeat_n(0, length).collect();
        fill(Arc::get_mut(&mut whole).expect("nobody else has it yet"));
        Self::from(whole)
    }

    /// A part of these bytes, which it shares. Panics if there is no such part.
    pub fn slice(&self, part: Range<usize>) -> Self {
        assert!(part.start <= part.end && part.end <= self.len(), "a part lies inside");
        let at = |place: usize| self.start + place as u32;
        Self { whole: self.whole.clone(), start: at(part.start), end: at(part.end) }
    }

    /// `part`, which lies in these bytes, as a part that shares them. Panics if it does not.
    pub fn slice_ref(&self, part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(self.as_ptr() as usize);
        self.slice(start..start.wrapping_add(part.len()))
    }
}

impl From<Arc<[u8]>> for Bytes {
    fn from(whole: Arc<[u8]>) -> Self {
        let end = u32::try_from(whole.len()).expect("what is read or made is below 4 GiB");
        Self { whole, start: 0, end }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::copy_from_slice(&bytes)
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Self::copy_from_slice(text.as_bytes())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self::copy_from_slice(text.as_bytes())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.start as usize..self.end as usize]
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Bytes {
    /// As a string literal of bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Content)
    }
}

/// Reads bytes in whatever way a format gives them.
struct Content;

impl<'de> Visitor<'de> for Content {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    /// JSON has no bytes of its own, and lists their numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_part_shares_the_bytes_and_is_compared_by_content() {
        let whole = Bytes::from("0123456789");
        let part = whole.slice(2..8);
        assert_eq!((&part[..], &part.slice(1..3)[..]), (&b"234567"[..], &b"34"[..]));
        assert_eq!(part.slice_ref(&part[2..]), Bytes::from("4567"));
        assert!(whole.as_ptr_range().contains(&part.slice_ref(&part[2..]).as_ptr()));
        assert!(part.slice(6..6).is_empty() && part.slice_ref(&part[..0]) == Bytes::new());
        assert_eq!(part.cmp(&Bytes::from("23456")), Ordering::Greater);
        assert_eq!(Bytes::filled(3, |room| room[1] = b'-'), Bytes::from("\0-\0"));
        assert_eq!(format!("{:?}", Bytes::from("a\"\0")), "b\"a\\\"\\x00\"");
    }

    #[test]
    fn there_are_no_parts_outside() {
        let (bytes, other) = (Bytes::from("0123456789"), Bytes::from("0123456789"));
        let part = bytes.slice(2..8);
        let panics = |attempt: &dyn Fn() -> Bytes| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).is_err()
        };
        assert!(panics(&|| part.slice(0..7)));
        assert!(panics(&|| part.slice_ref(&bytes[1..3])), "before it");
        assert!(panics(&|| part.slice_ref(&bytes[7..9])), "beyond it");
        assert!(panics(&|| part.slice_ref(&other[3..4])), "elsewhere");
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        let bytes = Bytes::from(vec![0, 127, 255]);
        let binary = postcard::to_allocvec(&bytes).unwrap();
        assert_eq!(binary, [3, 0, 127, 255]);
        assert_eq!(postcard::from_bytes(&binary), Ok(bytes));
    }
}
