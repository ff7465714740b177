//! The book: everything clients asked and were told, key by key. A key is used for some hundred requests
//! and then given up for a new one, so that its history can be judged while the run goes on.

use raft_core::bytes::Bytes;
use raft_core::id::Index;
use raft_sim::linearizability::{self, Call, Operation, Outcome, Violation};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// Requests on one key. The search for an order is quick with so many, and long enough for faults to fall
/// into the middle of them.
const REQUESTS_MAX: u32 = 300;

/// Writes of unknown outcome on one key: each of them may be at any place in the order, or at none.
const UNKNOWN_MAX: u32 = 6;

/// What a key holds: its value and the revision that set it, or nothing.
pub(crate) type Held = Option<(Bytes, Index)>;

#[derive(Default)]
pub(crate) struct Book {
    /// Keys in use.
    pages: BTreeMap<Bytes, Page>,
    /// Keys that were given up, if the outcome of all their writes is known: what they must hold.
    settled: BTreeMap<Bytes, Held>,
    /// Keys that were given up with writes of unknown outcome.
    unsettled: BTreeMap<Bytes, Vec<Operation>>,
    judge: Judge,
    pub(crate) counts: Counts,
}

/// How many requests there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Carried out, with an answer.
    pub(crate) acknowledged: u64,
    /// Of these, writes that took effect.
    pub(crate) written: u64,
    /// Certainly not carried out.
    pub(crate) refused: u64,
    /// Writes that may have taken effect or not.
    pub(crate) unknown: u64,
}

#[derive(Default)]
struct Page {
    operations: Vec<Operation>,
    begun: u32,
    under_way: u32,
    unknown: u32,
    is_given_up: bool,
}

/// What is wrong with a history, and the history.
pub(crate) struct Finding {
    pub(crate) violation: Violation,
    pub(crate) history: Vec<Operation>,
}

/// What must be found in the end.
pub(crate) struct Balance {
    pub(crate) settled: BTreeMap<Bytes, Held>,
    pub(crate) unsettled: BTreeMap<Bytes, Vec<Operation>>,
    pub(crate) findings: Vec<Finding>,
}

impl Book {
    /// Notes that a request on a key is sent; `false` if the key has been given up, and it must not be.
    pub(crate) fn begin(&mut self, key: &Bytes) -> bool {
        let is_closed = self.settled.contains_key(key) || self.unsettled.contains_key(key);
        if is_closed || self.pages.get(key).is_some_and(|page| page.is_given_up) {
            return false;
        }
        let page = self.pages.entry(key.clone()).or_default();
        page.begun += 1;
        page.under_way += 1;
        true
    }

    /// Notes how a request that was begun went.
    pub(crate) fn end(&mut self, operation: Operation) {
        let key = operation.key.clone();
        let page = self.pages.get_mut(&key).expect("the request was begun");
        page.under_way -= 1;
        match (&operation.result, operation.returned) {
            (Some(outcome), _) => {
                self.counts.acknowledged += 1;
                self.counts.written += u64::from(matches!(outcome, Outcome::Written { .. }));
            }
            (None, None) if operation.call != Call::Get => {
                self.counts.unknown += 1;
                page.unknown += 1;
            }
            (None, _) => self.counts.refused += 1,
        }
        page.operations.push(operation);
        self.close(&key);
    }

    /// Whether a key has been used enough.
    pub(crate) fn is_full(&self, key: &Bytes) -> bool {
        let is_full = |page: &Page| page.begun >= REQUESTS_MAX || page.unknown >= UNKNOWN_MAX;
        self.pages.get(key).is_some_and(is_full)
    }

    /// Nobody begins another request on the key.
    pub(crate) fn give_up(&mut self, key: &Bytes) {
        if let Some(page) = self.pages.get_mut(key) {
            page.is_given_up = true;
        }
        self.close(key);
    }

    /// Gives up all keys and waits for the judgement. No request may be under way.
    pub(crate) fn balance(mut self) -> Balance {
        let keys: Vec<Bytes> = self.pages.keys().cloned().collect();
        keys.iter().for_each(|key| self.give_up(key));
        assert!(self.pages.is_empty(), "a request is under way");
        let (settled, unsettled) = (self.settled, self.unsettled);
        Balance { settled, unsettled, findings: self.judge.finish() }
    }

    /// What the judge has found so far.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.judge.findings.try_iter().collect()
    }

    fn close(&mut self, key: &Bytes) {
        let is_done = |page: &Page| page.is_given_up && page.under_way == 0;
        if !self.pages.get(key).is_some_and(is_done) {
            return;
        }
        let page = self.pages.remove(key).unwrap_or_default();
        match page.unknown {
            0 => drop(self.settled.insert(key.clone(), last_write(&page.operations))),
            _ => drop(self.unsettled.insert(key.clone(), page.operations.clone())),
        }
        self.judge.submit(page.operations);
    }
}

/// What a key holds after these operations, of which all outcomes are known: revisions rise.
fn last_write(operations: &[Operation]) -> Held {
    let writes = operations.iter().filter_map(|operation| match &operation.result {
        Some(Outcome::Written { revision, .. }) => Some((*revision, &operation.call)),
        _ => None,
    });
    match writes.max_by_key(|(revision, _)| *revision)? {
        (revision, Call::Set { value, .. }) => Some((value.clone(), revision)),
        _ => None,
    }
}

/// A thread that judges histories, so that the clients need not wait for it.
struct Judge {
    histories: Sender<Vec<Operation>>,
    findings: Receiver<Finding>,
    thread: JoinHandle<()>,
}

impl Judge {
    fn submit(&self, history: Vec<Operation>) {
        self.histories.send(history).expect("the judge lives");
    }

    fn finish(self) -> Vec<Finding> {
        drop(self.histories);
        self.thread.join().expect("the judge does not panic");
        self.findings.iter().collect()
    }
}

impl Default for Judge {
    fn default() -> Self {
        let (histories, submitted) = channel::<Vec<Operation>>();
        let (finding, findings) = channel();
        let thread = thread::spawn(move || {
            for history in submitted {
                if let Some(found) = judge(history) {
                    let _ = finding.send(found);
                }
            }
        });
        Self { histories, findings, thread }
    }
}

/// Whether a history is linearizable. One that cannot be decided is a finding as well.
pub(crate) fn judge(mut history: Vec<Operation>) -> Option<Finding> {
    let violation = linearizability::check(&history).err()?;
    history.sort_by_key(|operation| operation.invoked);
    Some(Finding { violation, history })
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::kv::command::Condition;

    fn operation(time: u64, call: Call, result: Option<Outcome>) -> Operation {
        let returned = result.is_some().then_some(time + 1);
        Operation { client: 1, key: "key".into(), call, invoked: time, returned, result }
    }

    fn set(time: u64, value: &'static str, revision: Option<u64>) -> Operation {
        let call = Call::Set { value: value.into(), condition: Condition::Any };
        let written = |revision| Outcome::Written { revision: Index(revision), existed: time > 0 };
        operation(time, call, revision.map(written))
    }

    fn get(time: u64, value: &'static str, revision: u64) -> Operation {
        let outcome = Outcome::Value { value: value.into(), revision: Index(revision) };
        operation(time, Call::Get, Some(outcome))
    }

    fn balance(operations: Vec<Operation>) -> Balance {
        let mut book = Book::default();
        assert!(operations.iter().all(|operation| book.begin(&operation.key)));
        operations.into_iter().for_each(|operation| book.end(operation));
        book.balance()
    }

    #[test]
    fn a_key_whose_writes_are_all_known_must_hold_the_last() {
        let balance = balance(vec![set(4, "b", Some(7)), set(0, "a", Some(3)), get(8, "b", 7)]);
        assert!(balance.findings.is_empty());
        assert_eq!(balance.settled[&"key".into()], Some(("b".into(), Index(7))));
    }

    #[test]
    fn a_key_with_a_write_of_unknown_outcome_is_left_to_the_search() {
        let balance = balance(vec![set(0, "a", Some(3)), set(4, "b", None)]);
        assert!(balance.findings.is_empty() && balance.settled.is_empty());
        assert_eq!(balance.unsettled[&"key".into()].len(), 2);
    }

    #[test]
    fn a_stale_read_is_found() {
        let history = vec![set(0, "a", Some(3)), set(2, "b", Some(4)), get(4, "a", 3)];
        assert_eq!(balance(history).findings.len(), 1);
    }

    #[test]
    fn a_key_is_judged_once_the_last_request_on_it_has_ended() {
        let mut book = Book::default();
        let key = Bytes::from("key");
        assert!(book.begin(&key) && book.begin(&key));
        book.end(set(0, "a", Some(3)));
        book.give_up(&key);
        assert!(book.settled.is_empty());
        assert!(!book.begin(&key), "it is given up");
        book.end(set(2, "b", Some(4)));
        assert_eq!(book.settled[&key], Some(("b".into(), Index(4))));
        assert!(!book.begin(&key), "it is judged");
    }
}
