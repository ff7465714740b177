//! Maps and sets of few keys: a vector in the order of its keys.
//!
//! For a handful of keys a vector is found through, walked and copied as fast as a tree or faster, and the code
//! of a tree, made anew for each type that is kept in one, was a fifth of the page.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::ops::Index;

/// A map of few keys, or of keys that come in rising order: inserting below others, and removing, moves all
/// that is above. It goes from the lowest key to the highest. What is not described is as in
/// [`BTreeMap`](std::collections::BTreeMap).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VecMap<K, V>(Vec<(K, V)>);

/// A set of few keys: see [`VecMap`]. What is not described is as in [`BTreeSet`](std::collections::BTreeSet).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VecSet<K>(Vec<K>);

#[expect(missing_docs, reason = "as in BTreeMap")]
impl<K: Ord, V> VecMap<K, V> {
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(&self.0[place].1)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(&mut self.0[place].1)
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// The value of `key`, which is made now if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let place = match self.place(&key) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, (key, make()));
                place
            }
        };
        &mut self.0[place].1
    }

    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(self.0.remove(place).1)
    }

    /// The keys that are no less than `least`, and their values.
    pub fn at_least(&self, least: &K) -> &[(K, V)] {
        let (Ok(place) | Err(place)) = self.place(least);
        &self.0[place..]
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }
}

#[expect(missing_docs, reason = "as in BTreeMap")]
impl<K, V> VecMap<K, V> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, (K, V)> {
        self.0.iter()
    }

    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// The lowest key.
    pub fn first(&self) -> Option<&(K, V)> {
        self.0.first()
    }

    /// The highest key.
    pub fn last(&self) -> Option<&(K, V)> {
        self.0.last()
    }

    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[expect(missing_docs, reason = "as in BTreeSet")]
impl<K: Ord> VecSet<K> {
    pub fn contains(&self, key: &K) -> bool {
        self.0.binary_search(key).is_ok()
    }

    pub fn insert(&mut self, key: K) -> bool {
        let place = self.0.binary_search(&key);
        if let Err(place) = place {
            self.0.insert(place, key);
        }
        place.is_err()
    }

    pub fn remove(&mut self, key: &K) -> bool {
        let place = self.0.binary_search(key);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// What is in one or the other.
    pub fn union(&self, other: &Self) -> impl Iterator<Item = K>
    where
        K: Copy,
    {
        let mut these = self.0.iter().copied().peekable();
        let mut those = other.0.iter().copied().peekable();
        std::iter::from_fn(move || match (these.peek(), those.peek()) {
            (Some(this), Some(that)) if this == that => these.next().and(those.next()),
            (Some(this), Some(that)) if this > that => those.next(),
            (None, _) => those.next(),
            (Some(_), _) => these.next(),
        })
    }
}

#[expect(missing_docs, reason = "as in BTreeSet")]
impl<K> VecSet<K> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, K> {
        self.0.iter()
    }

    pub fn retain(&mut self, keep: impl FnMut(&K) -> bool) {
        self.0.retain(keep);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K, V> Default for VecMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Default for VecSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Debug, V: Debug> Debug for VecMap<K, V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (key, value))).finish()
    }
}

impl<K: Debug> Debug for VecSet<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Index<&K> for VecMap<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).expect("the key is in the map")
    }
}

impl<K: Ord, V> Extend<(K, V)> for VecMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord> Extend<K> for VecSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for VecMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord> FromIterator<K> for VecSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::new();
        set.extend(keys);
        set
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for VecMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord, const N: usize> From<[K; N]> for VecSet<K> {
    fn from(keys: [K; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<K, V> IntoIterator for VecMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a VecMap<K, V> {
    type Item = &'a (K, V);
    type IntoIter = std::slice::Iter<'a, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K> IntoIterator for VecSet<K> {
    type Item = K;
    type IntoIter = std::vec::IntoIter<K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K> IntoIterator for &'a VecSet<K> {
    type Item = &'a K;
    type IntoIter = std::slice::Iter<'a, K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for VecMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, value)))
    }
}

impl<K: Serialize> Serialize for VecSet<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// What whoever writes a map or a set keeps to, so that reading one takes no sorting.
const KEYS_RISE: &str = "the keys of a map or a set rise";

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for VecMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = VecMap<K, V>;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut map = Vec::new();
                while let Some((key, value)) = entries.next_entry()? {
                    if map.last().is_some_and(|(last, _)| *last >= key) {
                        return Err(Error::custom(KEYS_RISE));
                    }
                    map.push((key, value));
                }
                Ok(VecMap(map))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<'de, K: Ord + Deserialize<'de>> Deserialize<'de> for VecSet<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = Vec::deserialize(deserializer)?;
        match keys.is_sorted_by(|a, b| a < b) {
            true => Ok(Self(keys)),
            false => Err(Error::custom(KEYS_RISE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn after_the_same_insertions_and_removals_all_is_as_in_a_tree() {
        for steps in 0..8_u32.pow(5) {
            let (mut map, mut tree) = (VecMap::new(), BTreeMap::new());
            for step in 0..5 {
                let (key, value) = ((steps >> (3 * step)) & 3, step);
                match (steps >> (3 * step)) & 4 {
                    0 => assert_eq!(map.insert(key, value), tree.insert(key, value)),
                    _ => assert_eq!(map.remove(&key), tree.remove(&key)),
                }
                assert_eq!(map.get(&key), tree.get(&key));
            }
            assert!(map.iter().map(|(key, value)| (key, value)).eq(&tree));
            assert_eq!(map.first().map(|entry| entry.0), tree.first_key_value().map(|e| *e.0));
            assert_eq!(map.at_least(&2).len(), tree.range(2..).count());
            let bytes = postcard::to_allocvec(&map).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&tree).unwrap());
            assert_eq!(postcard::from_bytes(&bytes), Ok(map));
        }
    }

    #[test]
    fn a_union_is_that_of_trees() {
        let members = |bits: u8| (0..4_u8).rev().filter(move |bit| bits >> bit & 1 == 1);
        for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
            let (these, those): (VecSet<u8>, VecSet<u8>) =
                (members(a).collect(), members(b).collect());
            let trees: (BTreeSet<u8>, BTreeSet<u8>) = (members(a).collect(), members(b).collect());
            assert!(these.union(&those).eq(trees.0.union(&trees.1).copied()));
        }
    }

    #[test]
    fn keys_that_do_not_rise_are_refused() {
        for keys in [[1_u8, 1], [2, 1]] {
            let bytes = postcard::to_allocvec(&keys[..]).unwrap();
            assert!(postcard::from_bytes::<VecSet<u8>>(&bytes).is_err());
            let bytes = [2, keys[0], 0, keys[1], 0];
            assert!(postcard::from_bytes::<VecMap<u8, u8>>(&bytes).is_err());
        }
    }
}
