//! Files that are ready to become segments. They are made ahead of need, so that opening one does not
//! wait, and so that a full disk is known while there still is a reserve.

use crate::datadir::{DataDir, fill_with_zeros, is_full};
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

/// How long to wait before looking for room again.
const ROOM_LOOK: Duration = Duration::from_secs(1);

/// The spares, and the thread that makes them.
pub(super) struct Spares {
    dir: Arc<DataDir>,
    ready: Vec<PathBuf>,
    /// The one that is being made.
    making: Option<PathBuf>,
    /// Set while there is no room for another: when to look again.
    look_again: Option<Instant>,
    orders: SyncSender<PathBuf>,
    made: Receiver<io::Result<()>>,
    thread: JoinHandle<()>,
}

impl Spares {
    /// Begins with the spares that are there, and orders what is missing.
    pub(super) fn start(dir: &Arc<DataDir>, ready: Vec<PathBuf>) -> io::Result<Self> {
        let (orders, ordered) = sync_channel::<PathBuf>(1);
        let (done, made) = sync_channel(1);
        let thread = thread::Builder::new().name("spares".to_owned()).spawn(move || {
            for path in ordered {
                if done.send(make_filled(&path, SEGMENT_BYTES)).is_err() {
                    return;
                }
            }
        })?;
        let dir = dir.clone();
        let mut spares = Self { dir, ready, making: None, look_again: None, orders, made, thread };
        spares.order();
        Ok(spares)
    }

    /// Takes in what was made, and orders what is missing.
    pub(super) fn look(&mut self) -> io::Result<()> {
        if self.making.is_some() {
            match self.made.try_recv() {
                Ok(made) => self.take_in(made)?,
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
        if self.ready.len() < SPARES_MAX && self.making.is_some() {
            let made = self.made.recv().map_err(|_| thread_is_gone())?;
            self.take_in(made)?;
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
        self.making.is_some() || self.is_full()
    }

    /// Whether another one is welcome.
    pub(super) fn has_room(&self) -> bool {
        self.ready.len() < SPARES_MAX
    }

    /// Adds a file that was a segment, or that was taken in vain.
    pub(super) fn add(&mut self, spare: PathBuf) {
        self.ready.push(spare);
        self.note_enough();
    }

    /// Lets a file that is being made get its name.
    pub(super) fn stop(self) {
        drop((self.orders, self.made));
        let _ = self.thread.join();
    }

    fn take_in(&mut self, made: io::Result<()>) -> io::Result<()> {
        let path = self.making.take();
        match made {
            Ok(()) => self.ready.extend(path),
            Err(error) if is_full(&error) => self.look_again = Some(Instant::now() + ROOM_LOOK),
            Err(error) => return Err(error),
        }
        self.note_enough();
        Ok(())
    }

    fn note_enough(&mut self) {
        if !self.has_room() {
            self.look_again = None;
        }
    }

    fn order(&mut self) {
        let is_due = self.look_again.is_none_or(|at| at <= Instant::now());
        if self.making.is_some() || !self.has_room() || !is_due {
            return;
        }
        // Segments count from 1 and never come to the last number: no recycled one has these names.
        let path = [0, u64::MAX].map(|number| self.dir.spare(number));
        let free = path.into_iter().find(|path| !self.ready.contains(path));
        if let Some(path) = free
            && self.orders.try_send(path.clone()).is_ok()
        {
            self.making = Some(path);
        }
    }
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
