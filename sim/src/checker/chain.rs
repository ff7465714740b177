//! A hash for every log entry there ever was, and what the entry says.

use raft_core::id::{EntryId, Index, NodeId, Term};
use raft_core::raft::log::Log;
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{Entry, Payload};
use std::collections::VecDeque;

use crate::checker::violation::{Broken, Check, Property, ensure};
use crate::pieces::Pieces;
use crate::random::mix;

/// The hash of an entry and of all before it. Equal chains mean equal logs.
pub(super) type Chain = u64;

/// An entry that was in some log.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) chain: Chain,
    /// The entry with the configuration in force here; the default before the first.
    pub(super) configured_by: EntryId,
    pub(super) entry: Entry,
}

/// By index, then by term: each entry that was in any log.
#[derive(Clone, Debug, Default)]
pub(super) struct Chains(Pieces<Vec<Link>>);

/// The log of one node as it was last seen.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenLog {
    base: (EntryId, Chain),
    entries: VecDeque<(Term, Chain)>,
}

impl Chains {
    /// The entry of this name; `None` if it was in no log.
    pub(super) fn get(&self, id: EntryId) -> Option<&Link> {
        let known = self.0.get(usize::try_from(id.index.0.checked_sub(1)?).ok()?)?;
        known.iter().find(|link| link.entry.term == id.term)
    }

    /// The configuration of this entry, which is the founding one before the first, and all behind it.
    pub(super) fn configurations_from<'a>(
        &'a self,
        id: EntryId,
        founding: &'a Configuration,
    ) -> impl Iterator<Item = &'a Configuration> {
        let founding = (id == EntryId::default()).then_some(founding);
        let links = self.0.since((id.index.0 as usize).saturating_sub(1)).flatten();
        founding.into_iter().chain(links.filter_map(|link| match &link.entry.payload {
            Payload::Configuration(configuration) => Some(&**configuration),
            Payload::Noop | Payload::Command(_) => None,
        }))
    }

    fn chain(&self, id: EntryId) -> Option<Chain> {
        if id == EntryId::default() { Some(0) } else { self.get(id).map(|link| link.chain) }
    }

    /// The entry with the configuration in force at this one.
    pub(super) fn configured_by(&self, id: EntryId) -> EntryId {
        self.get(id).map(|link| link.configured_by).unwrap_or_default()
    }

    /// Log Matching: an index and a term name one entry, and one log before it.
    fn record(
        &mut self,
        node: NodeId,
        before: EntryId,
        id: EntryId,
        chain: Chain,
        entry: &Entry,
    ) -> Check {
        if let Some(known) = self.chain(id) {
            return ensure(known == chain, Property::LogMatching, || {
                format!("entry {id} of node {node}, or one before it, is not what it was elsewhere")
            });
        }
        let configured_by = match entry.payload {
            Payload::Configuration(_) => id,
            Payload::Noop | Payload::Command(_) => self.configured_by(before),
        };
        let place = id.index.0 as usize - 1;
        while self.0.len() <= place {
            self.0.push(Vec::new());
        }
        let link = Link { chain, configured_by, entry: entry.clone() };
        self.0.get_mut(place).expect("it is there now").push(link);
        Ok(())
    }
}

impl SeenLog {
    /// A log that begins anew: after a restart.
    pub(super) fn beginning_at(base: EntryId, chains: &Chains) -> Result<Self, Broken> {
        let Some(chain) = chains.chain(base) else {
            let facts = format!("a log begins after entry {base}, which was in no log");
            return Err(Broken { property: Property::LogMatching, facts });
        };
        Ok(Self { base: (base, chain), entries: VecDeque::new() })
    }

    pub(super) fn base(&self) -> EntryId {
        self.base.0
    }

    pub(super) fn last(&self) -> Index {
        Index(self.base.0.index.0 + self.entries.len() as u64)
    }

    /// The term and chain at `index`, if it is held or the base.
    pub(super) fn at(&self, index: Index) -> Option<(Term, Chain)> {
        match index.0.checked_sub(self.base.0.index.0)? {
            0 => Some((self.base.0.term, self.base.1)),
            place => self.entries.get(place as usize - 1).copied(),
        }
    }

    /// Looks at the log again. Returns the first index that changed or went. What was compacted away is
    /// remembered until [`SeenLog::forget`].
    pub(super) fn follow(
        &mut self,
        node: NodeId,
        log: &Log,
        chains: &mut Chains,
    ) -> Result<Index, Broken> {
        self.follow_base(log.base(), chains)?;
        let mut same = self.last().min(log.last().index);
        // An entry of the same index and term is the same entry: what is before it did not change.
        while same > log.base().index && self.at(same).map(|(term, _)| term) != log.term_at(same) {
            same = same.prev();
        }
        self.entries.truncate((same.0 - self.base().index.0) as usize);
        let (mut term, mut chain) = self.at(same).unwrap_or_default();
        for index in same.next().0..=log.last().index.0 {
            let index = Index(index);
            let entry = log.entry(index).expect("the log holds what it says it holds");
            let before = EntryId { term, index: index.prev() };
            (term, chain) = (entry.term, link(chain, entry));
            chains.record(node, before, EntryId { term, index }, chain, entry)?;
            self.entries.push_back((term, chain));
        }
        Ok(same.next())
    }

    fn follow_base(&mut self, base: EntryId, chains: &Chains) -> Check {
        if base == self.base.0 {
            return Ok(());
        }
        ensure(base.index > self.base.0.index, Property::Monotonicity, || {
            format!("the beginning of a log goes back from {} to {base}", self.base.0)
        })?;
        match self.at(base.index) {
            Some((term, _)) if term == base.term => {}
            _ => *self = Self::beginning_at(base, chains)?,
        }
        Ok(())
    }

    /// Forgets what the log has compacted away.
    pub(super) fn forget(&mut self, log: &Log) {
        let base = log.base();
        if let Some((_, chain)) = self.at(base.index) {
            self.entries.drain(..(base.index.0 - self.base.0.index.0) as usize);
            self.base = (base, chain);
        }
    }

    /// Looks at every entry again, also at those that cannot have changed.
    pub(super) fn check_whole(&self, node: NodeId, log: &Log) -> Check {
        let mut chain = self.base.1;
        for (place, (term, seen)) in self.entries.iter().enumerate() {
            let index = Index(self.base.0.index.0 + 1 + place as u64);
            chain = log.entry(index).map_or(!*seen, |entry| link(chain, entry));
            ensure(chain == *seen, Property::LogMatching, || {
                format!("entry {index} of term {term} in the log of node {node} changed in place")
            })?;
        }
        Ok(())
    }
}

fn link(before: Chain, entry: &Entry) -> Chain {
    let chain = mix(mix(before ^ entry.term.0) ^ entry.time.0);
    match &entry.payload {
        Payload::Noop => chain,
        Payload::Command(command) => hash(mix(chain), command),
        Payload::Configuration(configuration) => {
            let words = postcard::to_allocvec(configuration).expect("configurations always encode");
            hash(!mix(chain), &words)
        }
    }
}

fn hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(start, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word)).wrapping_add(chunk.len() as u64)
    })
}
