//! A list that grows at its end. Clones share what they have in common, so that a run can be kept at many
//! moments.

use std::ops::Index;
use std::sync::Arc;

/// How many items a piece holds: as many are copied, at most, when a clone grows or changes one.
const PIECE: usize = 64;

/// A list of items, in pieces which clones share. Every piece but the last is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces<T>(Vec<Arc<Vec<T>>>);

impl<T: Clone> Pieces<T> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * PIECE + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The item in this place.
    pub fn get(&self, place: usize) -> Option<&T> {
        self.0.get(place / PIECE)?.get(place % PIECE)
    }

    /// The item in this place, to be changed.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        Arc::make_mut(self.0.get_mut(place / PIECE)?).get_mut(place % PIECE)
    }

    /// One more item.
    pub fn push(&mut self, item: T) {
        match self.0.last_mut().filter(|last| last.len() < PIECE) {
            Some(last) => Arc::make_mut(last).push(item),
            None => self.0.push(Arc::new(vec![item])),
        }
    }

    /// All items, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.since(0)
    }

    /// The items from a place on.
    pub fn since(&self, first: usize) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        (first.min(self.len())..self.len()).map(|place| &self[place])
    }
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Index<usize> for Pieces<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        &self.0[place / PIECE][place % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_was_and_shares_what_stays() {
        let mut list = Pieces::default();
        (0..3 * PIECE + 5).for_each(|number| list.push(number));
        let before = list.clone();
        list.push(7);
        *list.get_mut(PIECE).expect("it is there") = 1_000;
        assert!(before.iter().copied().eq(0..3 * PIECE + 5));
        assert_eq!((before.len(), list.len()), (3 * PIECE + 5, 3 * PIECE + 6));
        assert_eq!((before[PIECE], list[PIECE], list.iter().next_back()), (PIECE, 1_000, Some(&7)));
        let shared: Vec<bool> =
            before.0.iter().zip(&list.0).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
        assert_eq!(shared, [true, false, true, false]);
        assert!(list.since(3 * PIECE + 5).eq(&[7]) && list.since(10_000).next().is_none());
        assert!(list.get(3 * PIECE + 6).is_none() && list.get_mut(10_000).is_none());
        assert!(Pieces::<u8>::default().is_empty());
    }
}
