//! Those who watch the node: each is shown the same sightings, a few times a second, and one that is too slow
//! misses some. The loop never waits for any of them.

use raft_core::replica::Effects;
use raft_core::sighting::{Collected, Sighting};
use raft_core::time::Instant;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// The least time between two sightings: an eye sees no more, and a busy node has better things to do.
const SIGHTING_INTERVAL: Duration = Duration::from_millis(50);

/// The most time between two, however quiet the node is: who hears nothing takes it for dead.
const QUIET_MAX: Duration = Duration::from_millis(250);

/// Most watchers of a node; each is sent twenty sightings a second of one or two kilobytes.
const WATCHERS_MAX: usize = 16;

/// Most sightings that wait for a slow watcher: those of some seconds.
const SIGHTINGS_MAX: usize = 64;

/// Where watchers are shown the node.
#[derive(Debug)]
pub struct Watchers(Sender<Arc<Sighting>>);

/// What they are yet to be shown.
#[derive(Debug, Default)]
pub struct Shown {
    collected: Collected,
    /// When they were last shown something.
    at: Option<Instant>,
}

/// What one watcher is shown.
#[derive(Debug)]
pub struct Sightings {
    receiver: Receiver<Arc<Sighting>>,
    /// How many were lost since the last that was not.
    missed: u64,
}

impl Default for Watchers {
    fn default() -> Self {
        Self(channel(SIGHTINGS_MAX).0)
    }
}

impl Watchers {
    /// Shows what is new, if anybody watches and enough time has passed since the last time.
    pub fn show(
        &self,
        shown: &mut Shown,
        effects: &Effects,
        now: Instant,
        sight: impl FnOnce(&mut Collected) -> Sighting,
    ) {
        if self.0.receiver_count() == 0 {
            if shown.at.is_some() {
                *shown = Shown::default();
            }
            return;
        }
        shown.collected.add(effects);
        if shown.at.is_none_or(|at| now - at >= SIGHTING_INTERVAL) {
            shown.at = Some(now);
            // The last of them may have left a moment ago.
            let _ = self.0.send(Arc::new(sight(&mut shown.collected)));
        }
    }

    /// When something is to be shown even if nothing happens; never while nobody watches.
    pub fn due(&self, shown: &Shown) -> Instant {
        shown.at.map_or(Instant::MAX, |at| at + QUIET_MAX)
    }

    /// What is shown from now on; `None` if enough watch already.
    pub fn subscribe(&self) -> Option<Sightings> {
        let has_room = self.0.receiver_count() < WATCHERS_MAX;
        has_room.then(|| Sightings { receiver: self.0.subscribe(), missed: 0 })
    }
}

/// The next sighting, for whoever watches; for all others there is none.
pub async fn next(sightings: &mut Option<Sightings>) -> Sighting {
    loop {
        let Some(Sightings { receiver, missed }) = sightings else { return pending().await };
        match receiver.recv().await {
            Ok(sighting) => {
                let missed = std::mem::take(missed);
                return Sighting { missed, ..Sighting::clone(&sighting) };
            }
            Err(RecvError::Lagged(count)) => *missed += count,
            // The loop has ended, and the process with it.
            Err(RecvError::Closed) => *sightings = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::id::{Index, NodeId, Term};
    use raft_core::raft::event::RoleName;
    use raft_core::raft::membership::Configuration;
    use raft_core::request::Status;

    fn sighting(at: Instant) -> Sighting {
        let status = Status {
            node: NodeId(1),
            role: RoleName::Follower,
            term: Term(0),
            leader: None,
            last_index: Index(0),
            durable_index: Index(0),
            commit_index: Index(0),
            applied_index: Index(0),
            snapshot_index: Index(0),
            keys: 0,
            configuration: Configuration::default(),
            followers: Vec::new(),
        };
        let (events, sent, tail) = (Vec::new(), Vec::new(), Vec::new());
        Sighting { at, status, events, sent, tail, left_out: 0, missed: 0 }
    }

    #[tokio::test]
    async fn a_watcher_that_is_too_slow_misses_the_oldest_and_is_told_how_many() {
        let (watchers, mut shown) = (Watchers::default(), Shown::default());
        let mut slow = watchers.subscribe();
        let shows = SIGHTINGS_MAX as u64 + 7;
        for number in 0..shows {
            let now = Instant(0) + SIGHTING_INTERVAL * number as u32;
            // The second is too early to be shown.
            for now in [now, now + SIGHTING_INTERVAL / 2] {
                watchers.show(&mut shown, &Effects::default(), now, |_| sighting(now));
            }
        }
        let first = next(&mut slow).await;
        assert_eq!((first.missed, first.at), (7, Instant(0) + SIGHTING_INTERVAL * 7));
        assert_eq!(next(&mut slow).await.missed, 0);
    }

    #[test]
    fn a_quiet_node_is_shown_while_somebody_watches_and_not_else() {
        let (watchers, mut shown) = (Watchers::default(), Shown::default());
        let mut show = |now| {
            watchers.show(&mut shown, &Effects::default(), now, |_| sighting(now));
            watchers.due(&shown)
        };
        assert_eq!(show(Instant(1)), Instant::MAX);
        let watching = watchers.subscribe();
        assert_eq!(show(Instant(2)), Instant(2) + QUIET_MAX);
        drop(watching);
        assert_eq!(show(Instant(3)), Instant::MAX);
    }

    #[test]
    fn only_so_many_watch_at_a_time() {
        let watchers = Watchers::default();
        let mut watching: Vec<_> = (0..WATCHERS_MAX).map(|_| watchers.subscribe()).collect();
        assert!(watching.iter().all(Option::is_some) && watchers.subscribe().is_none());
        watching.pop();
        assert!(watchers.subscribe().is_some());
    }
}
