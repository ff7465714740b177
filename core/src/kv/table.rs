//! Keys with their records: each is found by its hash, and all are listed in their order.
//!
//! The hashes are for speed alone. A search in an ordered tree of 100,000 keys waits for memory at every
//! level; by its hash a key is found in one place of a small index, and its record in another. Nothing
//! that is seen depends on a hash, so a seed that differs from process to process does no harm, and
//! nobody can choose keys that collide.

use crate::kv::key::Key;
use crate::kv::keys::Record;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;

/// How many records lie in one piece of memory. A table grows by a piece, and never moves what it has.
const CHUNK_SLOTS: usize = 256;

/// How many parts the index has. Each grows by itself, in a moment: all of a large index at once would
/// keep clients waiting.
const PARTS: usize = 64;

/// A map from keys to records.
#[derive(Debug)]
pub(crate) struct Table {
    order: BTreeMap<Key, u32>,
    index: Box<[HashTable<Place>; PARTS]>,
    hasher: DefaultHashBuilder,
    chunks: Vec<Vec<Slot>>,
    /// Slots that deleted keys left.
    free: Vec<u32>,
}

/// Where the record of a key is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Kept, so that the index grows without a look at the keys.
    hash: u32,
    slot: u32,
}

type Slot = Option<(Key, Record)>;

impl Default for Table {
    fn default() -> Self {
        Self {
            order: BTreeMap::new(),
            index: Box::new(std::array::from_fn(|_| HashTable::new())),
            hasher: DefaultHashBuilder::default(),
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl Table {
    pub(crate) fn get(&self, key: &Key) -> Option<&Record> {
        let (hash, chunks) = (self.hash(key), &self.chunks);
        let place =
            self.index[part(hash)].find(spread(hash), |place| is_at(chunks, place, hash, key))?;
        self.record(place.slot)
    }

    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut Record> {
        let (hash, chunks) = (self.hash(key), &mut self.chunks);
        let place =
            self.index[part(hash)].find(spread(hash), |place| is_at(chunks, place, hash, key))?;
        let slot =
            &mut chunks[place.slot as usize / CHUNK_SLOTS][place.slot as usize % CHUNK_SLOTS];
        slot.as_mut().map(|(_, record)| record)
    }

    /// Sets the record of a key, whether it is there or not.
    pub(crate) fn insert(&mut self, key: Key, record: Record) {
        if let Some(old) = self.get_mut(&key) {
            *old = record;
            return;
        }
        let hash = self.hash(&key);
        let content = Some((key.clone(), record));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.chunks[slot as usize / CHUNK_SLOTS][slot as usize % CHUNK_SLOTS] = content;
                slot
            }
            None => self.add_slot(content),
        };
        let place = Place { hash, slot };
        self.index[part(hash)].insert_unique(spread(hash), place, |place| spread(place.hash));
        self.order.insert(key, slot);
    }

    fn add_slot(&mut self, content: Slot) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_SLOTS) {
            // The first grows with what is in it: many tables are small.
            let slots = if self.chunks.is_empty() { 0 } else { CHUNK_SLOTS };
            self.chunks.push(Vec::with_capacity(slots));
        }
        let before = (self.chunks.len() - 1) * CHUNK_SLOTS;
        let last = self.chunks.last_mut().expect("one was added if there was none");
        last.push(content);
        u32::try_from(before + last.len() - 1).expect("four billion keys do not fit into memory")
    }

    /// Removes a key; returns whether it was there.
    pub(crate) fn remove(&mut self, key: &Key) -> bool {
        let Some(slot) = self.order.remove(key) else { return false };
        let hash = self.hash(key);
        let entry = self.index[part(hash)].find_entry(spread(hash), |place| place.slot == slot);
        entry.expect("a key in order is in the index").remove();
        self.chunks[slot as usize / CHUNK_SLOTS][slot as usize % CHUNK_SLOTS] = None;
        self.free.push(slot);
        true
    }

    /// The keys behind a bound, in order.
    pub(crate) fn range(&self, start: Bound<&[u8]>) -> impl Iterator<Item = (&Key, &Record)> {
        let keys = self.order.range::<[u8], _>((start, Bound::Unbounded));
        keys.filter_map(|(key, slot)| Some((key, self.record(*slot)?)))
    }

    pub(crate) fn last(&self) -> Option<&Key> {
        self.order.last_key_value().map(|(key, _)| key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn hash(&self, key: &Key) -> u32 {
        self.hasher.hash_one(key.as_bytes()) as u32
    }

    fn record(&self, slot: u32) -> Option<&Record> {
        let slot = &self.chunks[slot as usize / CHUNK_SLOTS][slot as usize % CHUNK_SLOTS];
        slot.as_ref().map(|(_, record)| record)
    }
}

/// Whether the place is that of the key.
fn is_at(chunks: &[Vec<Slot>], place: &Place, hash: u32, key: &Key) -> bool {
    let slot = &chunks[place.slot as usize / CHUNK_SLOTS][place.slot as usize % CHUNK_SLOTS];
    place.hash == hash && slot.as_ref().is_some_and(|(there, _)| there == key)
}

/// The part of the index for a hash.
fn part(hash: u32) -> usize {
    hash as usize / (u32::MAX as usize / PARTS + 1)
}

/// A hash as a part of the index wants it, which looks at the low bits and at the highest. The product's
/// highest bits come of all of the hash: those of the hash itself are the same all over the part.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;
    use crate::id::Index;
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_pcg::Pcg32;

    fn record(number: u32) -> Record {
        let value = Bytes::from(number.to_string());
        Record { value, created: Index(1), modified: Index(u64::from(number)) }
    }

    fn key(number: u32) -> Key {
        // Every other one is too long to lie in its slot.
        let length = if number.is_multiple_of(2) { 4 } else { 30 };
        Key::new(format!("{number:0length$}").as_bytes())
    }

    #[test]
    fn a_table_changes_as_a_map_does_and_uses_slots_again() {
        let mut rng = Pcg32::seed_from_u64(7);
        let (mut table, mut plain) = (Table::default(), BTreeMap::new());
        for round in 0..40_000 {
            // Grows beyond several chunks, and shrinks to nearly nothing.
            let keys = if round / 10_000 % 2 == 0 { 2_000 } else { 20 };
            let (number, deletes) = (rng.next_u32() % 2_000, rng.next_u32() % 2_000 >= keys);
            let key = key(number);
            if deletes {
                assert_eq!(table.remove(&key), plain.remove(&key).is_some());
            } else {
                table.insert(key.clone(), record(round));
                plain.insert(key.clone(), record(round));
            }
            assert_eq!(table.get(&key), plain.get(&key));
            assert_eq!(table.get_mut(&key).map(|record| &*record), plain.get(&key));
            if round % 1_000 == 0 {
                let start = Bound::Excluded(key.as_bytes());
                assert!(table.range(start).eq(plain.range::<[u8], _>((start, Bound::Unbounded))));
                assert_eq!((table.len(), table.last()), (plain.len(), plain.keys().next_back()));
            }
        }
        assert!(plain.len() < 200, "{} are left", plain.len());
        let slots: usize = table.chunks.iter().map(Vec::len).sum();
        assert!(slots <= 2_000 && table.free.len() + plain.len() == slots, "{slots} slots");
    }

    #[test]
    fn a_slot_is_as_long_as_a_line_of_the_cache() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
