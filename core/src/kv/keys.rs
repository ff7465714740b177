//! The map of keys. A clone costs nothing, and while there is one neither pays much for changes.
//!
//! What changes while the table is shared with a clone is put beside it, and taken in when the table is
//! nobody else's any more. A tree whose parts are shared would copy each part that changes instead: after
//! a snapshot that is nearly all there is.

use crate::bytes::Bytes;
use crate::id::Index;
use crate::kv::key::Key;
use crate::kv::table::Table;
use imbl::OrdMap;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

/// How many of the changes beside the table each further change takes in.
const TAKEN_IN: usize = 2;

/// What there is of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) value: Bytes,
    /// The revision that created the key.
    pub(crate) created: Index,
    /// The revision that last set it.
    pub(crate) modified: Index,
}

/// Keys with their records, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    table: Arc<Table>,
    /// What is different from the table: a record, or none where the key was deleted.
    beside: OrdMap<Key, Option<Record>>,
    len: usize,
}

impl Keys {
    pub(crate) fn get(&self, key: &Key) -> Option<&Record> {
        match self.beside.get(key) {
            Some(change) => change.as_ref(),
            None => self.table.get(key),
        }
    }

    /// Sets the key; returns whether it was there.
    pub(crate) fn set(&mut self, key: Key, value: Bytes, index: Index) -> bool {
        let existed = if let Some(table) = self.table_for(&key) {
            if let Some(record) = table.get_mut(&key) {
                (record.value, record.modified) = (value, index);
                true
            } else {
                table.insert(key, Record { value, created: index, modified: index });
                false
            }
        } else {
            let created = self.get(&key).map(|record| record.created);
            let record = Record { value, created: created.unwrap_or(index), modified: index };
            self.beside.insert(key, Some(record));
            created.is_some()
        };
        self.len += usize::from(!existed);
        existed
    }

    /// Deletes the key; returns whether it was there.
    pub(crate) fn delete(&mut self, key: Key) -> bool {
        let existed = if let Some(table) = self.table_for(&key) {
            table.remove(&key)
        } else {
            let existed = self.get(&key).is_some();
            if self.table.get(&key).is_none() {
                // Nothing is left of keys that came and went, however many do.
                self.beside.remove(&key);
            } else if existed {
                self.beside.insert(key, None);
            }
            existed
        };
        self.len -= usize::from(existed);
        existed
    }

    /// The table, if a change of the key belongs there and not beside it. If the table is nobody else's,
    /// takes some of what is beside it in.
    fn table_for(&mut self, key: &Key) -> Option<&mut Table> {
        let table = Arc::get_mut(&mut self.table)?;
        for _ in 0..TAKEN_IN {
            let Some((first, _)) = self.beside.get_min() else { return Some(table) };
            let first = first.clone();
            match self.beside.remove(&first).expect("it is the first") {
                Some(record) => table.insert(first, record),
                None => drop(table.remove(&first)),
            }
        }
        (!self.beside.contains_key(key)).then_some(table)
    }

    /// The keys behind a bound, in order.
    pub(crate) fn range(&self, start: Bound<&[u8]>) -> impl Iterator<Item = (&Key, &Record)> {
        let range = (start, Bound::Unbounded);
        let mut table = self.table.range(start).peekable();
        let mut beside = self.beside.range::<_, [u8]>(range).peekable();
        std::iter::from_fn(move || {
            loop {
                let order = match (beside.peek(), table.peek()) {
                    (Some((new, _)), Some((old, _))) => new.cmp(old),
                    (Some(_), None) => Ordering::Less,
                    (None, _) => Ordering::Greater,
                };
                let old = if order.is_ge() { table.next() } else { None };
                if order.is_gt() {
                    return old;
                }
                if let (key, Some(record)) = beside.next()? {
                    return Some((key, record));
                }
            }
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Record)> {
        self.range(Bound::Unbounded)
    }

    /// Adds the key that comes after all there are; `false` if `key` does not.
    pub(crate) fn push(&mut self, key: &[u8], record: Record) -> bool {
        let last = self.beside.get_max().map(|(last, _)| last).max(self.table.last());
        let follows = last.is_none_or(|last| last.as_bytes() < key);
        if follows {
            let key = Key::new(key);
            match self.table_for(&key) {
                Some(table) => table.insert(key, record),
                None => drop(self.beside.insert(key, Some(record))),
            }
            self.len += 1;
        }
        follows
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Keys {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_pcg::Pcg32;
    use std::collections::BTreeMap;

    fn name(number: u32) -> Vec<u8> {
        // Every other one is too long to lie in the table.
        let length = if number.is_multiple_of(2) { 4 } else { 30 };
        format!("{number:0length$}").into_bytes()
    }

    fn set(keys: &mut Keys, numbers: impl Iterator<Item = u32>, index: u64) {
        for number in numbers {
            keys.set(Key::new(&name(number)), "value".into(), Index(index));
        }
    }

    #[test]
    fn each_of_several_clones_changes_as_a_map_of_its_own_does() {
        type Plain = BTreeMap<Vec<u8>, Record>;
        let mut rng = Pcg32::seed_from_u64(7);
        let mut below = |end: u32| rng.next_u32() % end;
        let mut pairs = vec![(Keys::default(), Plain::new())];
        let mut most_beside = 0;
        for round in 0..30_000 {
            let at = below(pairs.len() as u32) as usize;
            match below(300) {
                0 if pairs.len() < 4 => pairs.push(pairs[at].clone()),
                // For long stretches one is alone.
                1 => pairs.truncate(1),
                _ => {}
            }
            let at = at.min(pairs.len() - 1);
            let (keys, plain) = &mut pairs[at];
            let (name, index) = (name(below(60)), Index(round));
            if below(3) == 0 {
                let existed = plain.remove(&name).is_some();
                assert_eq!(keys.delete(Key::new(&name)), existed);
            } else {
                let value = Bytes::from(round.to_string().into_bytes());
                let created = plain.get(&name).map(|record| record.created);
                let record = Record {
                    value: value.clone(),
                    created: created.unwrap_or(index),
                    modified: index,
                };
                plain.insert(name.clone(), record);
                assert_eq!(keys.set(Key::new(&name), value, index), created.is_some());
            }
            assert_eq!(keys.get(&Key::new(&name)), plain.get(&name));
            most_beside = most_beside.max(keys.beside.len());
            if round % 16 == 0 {
                for (keys, plain) in &pairs {
                    assert_eq!(keys.len(), plain.len());
                    let start = Bound::Excluded(&name[..]);
                    let found = keys.range(start).map(|(key, record)| (key.as_bytes(), record));
                    let expected = plain.range::<[u8], _>((start, Bound::Unbounded));
                    assert!(found.eq(expected.map(|(name, record)| (&name[..], record))));
                }
            }
        }
        assert!(most_beside > 10, "{most_beside}");
    }

    #[test]
    fn what_changes_while_a_clone_is_held_is_taken_in_when_it_is_gone() {
        let mut keys = Keys::default();
        set(&mut keys, 0..100, 1);
        assert_eq!(keys.beside.len(), 0);
        let clone = keys.clone();
        set(&mut keys, 0..100, 2);
        assert_eq!(keys.beside.len(), 100);
        assert!(clone.iter().all(|(_, record)| record.modified == Index(1)));
        drop(clone);
        set(&mut keys, 0..100, 3);
        assert_eq!((keys.beside.len(), keys.table.len()), (0, 100));
        assert!(keys.iter().all(|(_, record)| record.modified == Index(3)));
    }

    #[test]
    fn keys_that_come_and_go_while_a_clone_is_held_leave_nothing() {
        let mut keys = Keys::default();
        set(&mut keys, 0..10, 1);
        let clone = keys.clone();
        for number in 0..1_000 {
            set(&mut keys, number..number + 1, 2);
            assert!(keys.delete(Key::new(&name(number))));
        }
        assert_eq!((keys.len(), keys.beside.len(), clone.len()), (0, 10, 10));
    }

    #[test]
    fn maps_are_equal_if_their_keys_are_wherever_they_lie() {
        let (mut one, mut other) = (Keys::default(), Keys::default());
        set(&mut one, 0..20, 1);
        set(&mut other, 0..10, 1);
        let clone = other.clone();
        set(&mut other, 10..20, 1);
        assert!(one == other && one != clone && !other.beside.is_empty());
        assert!(other.delete(Key::new(&name(3))));
        assert!(one != other);
    }
}
