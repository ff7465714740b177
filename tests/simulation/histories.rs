//! Falsified histories: what both judges of linearizability must reject, and what both must accept.

use raft_sim::linearizability::certificate::{Effect, certify};
use raft_sim::linearizability::{Call, Operation, Outcome, check};
use raft_sim::{Options, Sim};

/// Enough for each lie to find many places where it can be told.
const SEEDS: u64 = 60;

#[test]
fn both_judges_accept_what_happened() {
    for (seed, history, effects) in histories() {
        assert_eq!(certify(&history, &effects).map(drop), Ok(()), "seed {seed}");
        assert_eq!(check(&history), Ok(()), "seed {seed}");
    }
}

#[test]
fn two_reads_in_exchange_are_rejected() {
    let is_read = |operation: &Operation| matches!(operation.result, Some(Outcome::Value { .. }));
    told(|history, at| {
        let later = (at + 1..history.len()).find(|later| {
            let (one, other) = (&history[at], &history[*later]);
            is_read(one)
                && is_read(other)
                && one.key == other.key
                && one.result != other.result
                && one.returned < Some(other.invoked)
        })?;
        let result = history[at].result.clone();
        history[at].result = std::mem::replace(&mut history[later].result, result);
        Some(())
    });
}

#[test]
fn a_write_that_nobody_made_is_rejected() {
    told(|history, at| {
        let Some(Outcome::Written { revision, .. }) = history[at].result else { return None };
        let is_seen = history.iter().any(
            |other| matches!(&other.result, Some(Outcome::Value { revision: seen, .. }) if *seen == revision),
        );
        // If another asked for the same, it could have been that one's doing.
        let call = |operation: &Operation| (operation.key.clone(), operation.call.clone());
        let is_only = history.iter().filter(|other| call(other) == call(&history[at])).count() == 1;
        (is_seen && is_only).then(|| drop(history.remove(at)))
    });
}

#[test]
fn a_stale_read_is_rejected() {
    told(|history, at| {
        let Some(Outcome::Value { revision, .. }) = history[at].result else { return None };
        let (key, invoked) = (history[at].key.clone(), history[at].invoked);
        let older = history.iter().filter(|other| other.key == key).find_map(|other| {
            match (&other.call, &other.result) {
                (Call::Set { value, .. }, Some(Outcome::Written { revision: old, .. }))
                    if *old < revision =>
                {
                    Some((value.clone(), *old))
                }
                _ => None,
            }
        });
        let is_known = history.iter().any(|other| {
            other.key == key && other.returned.is_some_and(|returned| returned < invoked)
                && matches!(other.result, Some(Outcome::Written { revision: new, .. }) if new == revision)
        });
        let (value, revision) = older.filter(|_| is_known)?;
        history[at].result = Some(Outcome::Value { value, revision });
        Some(())
    });
}

#[test]
fn a_lost_write_is_rejected() {
    told(|history, at| {
        let Some(Outcome::Value { .. }) = history[at].result else { return None };
        let key = history[at].key.clone();
        let mut others = history.iter().filter(|other| other.key == key);
        // Nothing was ever removed, and what was read had been acknowledged.
        let kept = others.clone().all(|other| !matches!(other.call, Call::Delete { .. }));
        let known = others.any(|other| {
            other.returned.is_some_and(|returned| returned < history[at].invoked)
                && matches!(other.result, Some(Outcome::Written { .. }))
        });
        (kept && known).then(|| history[at].result = Some(Outcome::NotFound))
    });
}

#[test]
fn a_write_that_is_acknowledged_twice_is_rejected() {
    told(|history, at| {
        let Some(Outcome::Written { .. }) = history[at].result else { return None };
        let again = history[at].clone();
        history.push(Operation { client: again.client + 1_000, ..again });
        Some(())
    });
}

#[test]
fn a_wrong_word_about_what_was_there_before_is_rejected() {
    told(|history, at| {
        // With a write of unknown outcome in between, either word could be right for all a client knows.
        let (key, all_known) = (&history[at].key, |other: &Operation| other.result.is_some());
        if !history.iter().filter(|other| other.key == *key).all(all_known) {
            return None;
        }
        let Some(Outcome::Written { existed, .. }) = &mut history[at].result else { return None };
        *existed = !*existed;
        Some(())
    });
}

#[test]
fn a_write_that_nobody_asked_for_is_rejected_by_the_log() {
    // The search cannot see this one: no client did.
    for (seed, history, mut effects) in histories() {
        let Some(last) = effects.last() else { continue };
        let asks =
            |o: &Operation| o.returned.is_none() && (&o.key, &o.call) == (&last.key, &last.call);
        if history.iter().any(asks) {
            // Of unknown outcome: it could have been that one.
            continue;
        }
        let again = Effect { index: last.index.next(), existed: true, ..last.clone() };
        effects.push(again);
        assert!(certify(&history, &effects).is_err(), "seed {seed}");
    }
}

/// What clients did in some runs, with what the log says.
fn histories() -> impl Iterator<Item = (u64, Vec<Operation>, Vec<Effect>)> {
    (0..SEEDS).map(|seed| {
        let mut sim = Sim::new(Options::swarm(seed));
        while sim.step() {}
        (seed, sim.history().iter().cloned().collect(), sim.effects().iter().cloned().collect())
    })
}

/// Tells `lie` wherever it can be told, a few times in each history; each time both judges must object.
fn told(lie: impl Fn(&mut Vec<Operation>, usize) -> Option<()>) {
    let mut lies = 0;
    for (seed, history, effects) in histories() {
        let places = (0..history.len()).filter_map(|at| {
            let mut falsified = history.clone();
            lie(&mut falsified, at).map(|()| (at, falsified))
        });
        for (at, falsified) in places.step_by(5).take(4) {
            let operation = &history[at];
            assert!(certify(&falsified, &effects).is_err(), "seed {seed}: {operation}");
            assert!(check(&falsified).is_err(), "seed {seed}: {operation}");
            lies += 1;
        }
    }
    assert!(lies > SEEDS / 2, "only {lies} lies were told");
}
