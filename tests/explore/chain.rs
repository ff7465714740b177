//! Histories: an entry and all before it, as one number. Equal numbers mean equal logs.

use crate::form::{Naming, Origin, form, pair};
use raft_core::raft::message::Entry;
use std::collections::HashMap;

/// A history; zero is the empty one.
pub(crate) type ChainId = u32;

/// Every history that was met.
#[derive(Debug)]
pub(crate) struct Chains {
    namings: Vec<Naming>,
    known: HashMap<(ChainId, u64), ChainId>,
    /// For each history its forms, one for each naming.
    forms: Vec<u64>,
}

impl Chains {
    pub(crate) fn new(namings: Vec<Naming>) -> Self {
        Self { forms: vec![0; namings.len()], known: HashMap::new(), namings }
    }

    /// The history that `entry` makes of `before`.
    pub(crate) fn after(&mut self, before: ChainId, entry: &Entry) -> ChainId {
        let text = format!("{entry:?}");
        let own = form(&text, &Origin::default(), &self.namings[0]);
        let Self { namings, known, forms } = self;
        *known.entry((before, own)).or_insert_with(|| {
            let count = namings.len();
            let id = forms.len() / count;
            for (place, naming) in namings.iter().enumerate() {
                let of_before = forms[before as usize * count + place];
                forms.push(pair(of_before, form(&text, &Origin::default(), naming)));
            }
            id as ChainId
        })
    }

    /// The form of a history under one naming.
    pub(crate) fn form(&self, chain: ChainId, naming: usize) -> u64 {
        self.forms[chain as usize * self.namings.len() + naming]
    }
}
