//! Large values under short names: the history notes the name, and the value follows from it.

use raft_core::bytes::Bytes;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a short name of a large value begins with.
const LARGE: u8 = b'#';

/// The largest value in bytes: with a few of these a second, a log of some minutes is shortened.
const BYTES_MAX: u64 = 32 << 10;

/// The short name of a large value.
pub(crate) fn large(name: &[u8]) -> Bytes {
    [&[LARGE], name].concat().into()
}

/// What is sent for a short name: the name itself, or the large value.
pub(crate) fn full(short: &Bytes) -> Bytes {
    if short.first() != Some(&LARGE) {
        return short.clone();
    }
    let mut hasher = DefaultHasher::new();
    short.hash(&mut hasher);
    let hash = hasher.finish();
    let mut value = short.to_vec();
    value.push(LARGE);
    let length = value.len() + (hash % BYTES_MAX) as usize;
    value.extend(hash.to_le_bytes().iter().cycle().take(length - value.len()));
    value.into()
}

/// The short name of what was received; `None` if it is not the value of any.
pub(crate) fn short(full_value: &Bytes) -> Option<Bytes> {
    if full_value.first() != Some(&LARGE) {
        return Some(full_value.clone());
    }
    let end = 1 + full_value[1..].iter().position(|byte| *byte == LARGE)?;
    let short = full_value.slice(0..end);
    (full(&short) == *full_value).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_name_it_was_made_from() {
        for name in [Bytes::from("value 3"), large(b"7.12"), large(b"16.99")] {
            assert_eq!(short(&full(&name)), Some(name));
        }
    }

    #[test]
    fn a_large_value_with_a_byte_changed_or_lost_has_none() {
        let value = full(&large(b"7.12")).to_vec();
        assert!(value.len() > 100);
        for place in [3, 50, value.len() - 1] {
            let mut changed = value.clone();
            changed[place] ^= 1;
            assert_eq!(short(&changed.into()), None, "{place}");
        }
        assert_eq!(short(&Bytes::from(value[..value.len() - 1].to_vec())), None);
    }
}
