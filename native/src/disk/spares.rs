//! Files that are ready to become segments. They are made ahead of need, or were segments before, so that
//! opening one does not wait, and so that a full disk is known while there still is a reserve.

use crate::datadir::{DataDir, fill_with_zeros, is_full};
use raft_core::id::EntryId;
use raft_core::wal::SEGMENT_BYTES;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Spares that are wanted: one that becomes the next segment, and one for while the one after is made.
/// While there are fewer, and no room for another, the disk counts as full: what was handed out before
/// still fits into the one that is left, and terms and votes do.
pub(super) const SPARES_MAX: usize = 2;

/// Segments that are kept to be used again: about as many as fill up between two snapshots, so that a
/// busy log neither gives files away nor has new ones made.
pub(super) const SPARES_KEPT_MAX: usize = 8;

/// How long to wait before looking for room again.
const ROOM_LOOK: Duration = Duration::from_secs(1);

/// The spares, and the thread that makes them. Removing a large file takes as long as making one, so that
/// is done there, too.
pub(super) struct Spares {
    dir: Arc<DataDir>,
    ready: Vec<PathBuf>,
    /// What the thread has to do, one thing at a time.
    at_work: Option<Chore>,
    /// What is to be retired next.
    retirement: Option<Retirement>,
    /// Set while there is no room for another: when to look again.
    look_again: Option<Instant>,
    orders: SyncSender<Chore>,
    done: Receiver<io::Result<Vec<PathBuf>>>,
    thread: JoinHandle<()>,
}

/// Something for the thread to do, which may come to spares.
#[derive(Clone)]
enum Chore {
    Make(PathBuf),
    Retire(Retirement),
}

/// What the log needs no more: segments before the first that is needed, and snapshots before the one.
#[derive(Clone)]
struct Retirement {
    first_needed: u64,
    snapshot: Option<EntryId>,
    /// How many of the segments become spares.
    keep: usize,
}

impl Spares {
    /// Begins with the spares that are there, and orders what is missing.
    pub(super) fn start(dir: &Arc<DataDir>, ready: Vec<PathBuf>) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(1);
        let (report, done) = sync_channel(1);
        let folder = dir.clone();
        let thread = thread::Builder::new().name("spares".to_owned()).spawn(move || {
            for chore in ordered {
                if report.send(carry_out(&folder, chore)).is_err() {
                    return;
                }
            }
        })?;
        let (dir, at_work, retirement, look_again) = (dir.clone(), None, None, None);
        let mut spares = Self { dir, ready, at_work, retirement, look_again, orders, done, thread };
        spares.order();
        Ok(spares)
    }

    /// Takes in what was done, and orders what is missing.
    pub(super) fn look(&mut self) -> io::Result<()> {
        if self.at_work.is_some() {
            match self.done.try_recv() {
                Ok(done) => self.take_in(done)?,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(thread_is_gone()),
            }
        }
        self.order();
        Ok(())
    }

    /// A spare. Waits while another is made only if segments fill up faster than zeros can be written: the
    /// last one goes when it is known whether there is room for more, so that a full disk is known in time.
    /// Fails if there is none and no room for one.
    pub(super) fn take(&mut self) -> io::Result<PathBuf> {
        if self.ready.is_empty() {
            self.look_again = self.look_again.map(|_| Instant::now());
            self.order();
        }
        while self.ready.len() < SPARES_MAX && self.at_work.is_some() {
            let done = self.done.recv().map_err(|_| thread_is_gone())?;
            self.take_in(done)?;
            self.order();
        }
        let spare = self.ready.pop().ok_or(io::ErrorKind::StorageFull)?;
        self.order();
        Ok(spare)
    }

    /// Whether there is less than the reserve and no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.look_again.is_some()
    }

    /// Whether something may have changed in a moment.
    pub(super) fn want_a_look(&self) -> bool {
        self.at_work.is_some() || self.is_full()
    }

    /// Adds a file that was taken in vain.
    pub(super) fn add(&mut self, spare: PathBuf) {
        self.ready.push(spare);
        self.note_enough();
    }

    /// Has the segments before `first_needed` removed, or made spares, and the snapshots before `snapshot`
    /// removed. That nothing needs them must be durable.
    pub(super) fn retire(&mut self, first_needed: u64, snapshot: Option<EntryId>) {
        // One that still waits named no more than this one.
        self.retirement = Some(Retirement { first_needed, snapshot, keep: 0 });
        self.order();
    }

    /// Lets the thread end what was ordered.
    pub(super) fn stop(mut self) {
        while self.at_work.is_some()
            && let Ok(done) = self.done.recv()
        {
            self.at_work = None;
            // After the end nothing needs to be made.
            if let Some(retirement) = self.retirement.take().filter(|_| done.is_ok()) {
                self.begin(Chore::Retire(retirement));
            }
        }
        drop((self.orders, self.done));
        let _ = self.thread.join();
    }

    fn take_in(&mut self, done: io::Result<Vec<PathBuf>>) -> io::Result<()> {
        let is_making = matches!(self.at_work.take(), Some(Chore::Make(_)));
        match done {
            Ok(spares) => self.ready.extend(spares),
            Err(error) if is_making && is_full(&error) => {
                self.look_again = Some(Instant::now() + ROOM_LOOK);
            }
            Err(error) => return Err(error),
        }
        self.note_enough();
        Ok(())
    }

    fn note_enough(&mut self) {
        if self.ready.len() >= SPARES_MAX {
            self.look_again = None;
        }
    }

    fn begin(&mut self, chore: Chore) {
        if self.orders.try_send(chore.clone()).is_ok() {
            self.at_work = Some(chore);
        }
    }

    fn order(&mut self) {
        if self.at_work.is_some() {
            return;
        }
        if let Some(retirement) = self.retirement.take() {
            let keep = SPARES_KEPT_MAX.saturating_sub(self.ready.len());
            return self.begin(Chore::Retire(Retirement { keep, ..retirement }));
        }
        let is_due = self.look_again.is_none_or(|at| at <= Instant::now());
        if self.ready.len() >= SPARES_MAX || !is_due {
            return;
        }
        // Segments count from 1 and never come to the last number: no recycled one has these names.
        let path = [0, u64::MAX].map(|number| self.dir.spare(number));
        let free = path.into_iter().find(|path| !self.ready.contains(path));
        if let Some(path) = free {
            self.begin(Chore::Make(path));
        }
    }
}

/// Does it, and returns the spares that came of it.
fn carry_out(dir: &DataDir, chore: Chore) -> io::Result<Vec<PathBuf>> {
    match chore {
        Chore::Make(path) => make_filled(&path, SEGMENT_BYTES).map(|()| vec![path]),
        Chore::Retire(retirement) => retire(dir, &retirement),
    }
}

/// Removes what is needed no more; some segments become spares. The names must be durable before a spare
/// is written to: an old name on new bytes would be damage.
fn retire(dir: &DataDir, retirement: &Retirement) -> io::Result<Vec<PathBuf>> {
    let needed = retirement.snapshot.map(|last| dir.snapshot(last));
    let mut old = Vec::new();
    for entry in fs::read_dir(dir.path())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("segment-").and_then(|name| name.strip_suffix(".wal"));
        let is_snapshot = name.starts_with("snapshot-") && name.ends_with(".snap");
        if let Some(number) = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            old.push(number);
        } else if is_snapshot && needed.as_ref().is_some_and(|needed| path < *needed) {
            // Names sort as entries do. A later one is being stored aside, to be named next.
            fs::remove_file(&path)?;
        }
    }
    old.retain(|number| *number < retirement.first_needed);
    // In rising order, so that a crash in between leaves no gap.
    old.sort_unstable();
    let mut spares = Vec::new();
    for number in old {
        if spares.len() < retirement.keep {
            fs::rename(dir.segment(number), dir.spare(number))?;
            spares.push(dir.spare(number));
        } else {
            fs::remove_file(dir.segment(number))?;
        }
    }
    dir.sync()?;
    Ok(spares)
}

/// Makes a file of zeros, durably but for its name. Leaves nothing behind if it fails.
pub(super) fn make_filled(path: &Path, bytes: u64) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let made = File::create(&temporary).and_then(|mut file| {
        reserve(&file, bytes)?;
        fill_with_zeros(&mut file, 0, bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if made.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    made
}

/// Takes all the room at once, or says that there is not enough, before anything is written. Not every
/// file system can.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        reserved => reserved.map_err(io::Error::from),
    }
}

fn thread_is_gone() -> io::Error {
    io::Error::other("the thread that makes spares is gone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datadir;
    use crate::identity::{Identity, Origin};
    use raft_core::id::{ClusterId, Incarnation, NodeId};

    /// If it went before, writes could use up the reserve of a disk that nobody knows to be full.
    #[test]
    fn the_last_spare_goes_when_it_is_known_whether_there_is_room_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let (node, incarnation, origin) = (NodeId(1), Incarnation(7), Origin::Joined);
        let identity = Identity { cluster: ClusterId(1), node, incarnation, starts: 1, origin };
        let opened = datadir::look(folder.path()).unwrap().open(identity).unwrap();
        let dir = Arc::new(opened.dir);
        make_filled(&dir.spare(1), SEGMENT_BYTES).unwrap();
        let mut spares = Spares::start(&dir, vec![dir.spare(1)]).unwrap();
        spares.take().unwrap();
        assert_eq!(spares.ready.len(), 1);
        spares.stop();
    }
}
