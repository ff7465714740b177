//! Files that are ready to become segments.

use crate::datadir::{DataDir, fill_with_zeros};
use raft_core::wal::SEGMENT_BYTES;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Most spares kept: one that becomes the next segment, and one for while the one after is filled.
pub(super) const SPARES_MAX: usize = 2;

/// The spares, and the thread that fills new ones with zeros, so that opening a segment does not wait
/// for that.
pub(super) struct Spares {
    ready: Vec<PathBuf>,
    is_filling: bool,
    order: SyncSender<()>,
    filled: Receiver<io::Result<PathBuf>>,
    thread: JoinHandle<()>,
}

impl Spares {
    /// Begins with the spares that are there, and orders one if there is none.
    pub(super) fn start(dir: &DataDir, ready: Vec<PathBuf>) -> io::Result<Self> {
        let (order, orders) = sync_channel(1);
        let (done, filled) = sync_channel(1);
        // Segments count from 1, so no recycled one has this name.
        let path = dir.spare(0);
        let thread = thread::Builder::new().name("spares".to_owned()).spawn(move || {
            for () in orders {
                if done.send(make_filled(&path, SEGMENT_BYTES).map(|()| path.clone())).is_err() {
                    return;
                }
            }
        })?;
        let mut spares = Self { ready, is_filling: false, order, filled, thread };
        spares.order_if_none();
        Ok(spares)
    }

    /// A spare; waits for one only if segments fill up faster than zeros can be written.
    pub(super) fn take(&mut self) -> io::Result<PathBuf> {
        if self.ready.is_empty() {
            let filled = self.filled.recv().map_err(io::Error::other)?;
            self.is_filling = false;
            self.ready.push(filled?);
        }
        let spare = self.ready.pop().expect("there is one by now");
        self.order_if_none();
        Ok(spare)
    }

    /// Whether another one is welcome.
    pub(super) fn has_room(&self) -> bool {
        self.ready.len() < SPARES_MAX
    }

    /// Adds a file that was a segment.
    pub(super) fn add(&mut self, spare: PathBuf) {
        self.ready.push(spare);
    }

    /// Lets a file that is being filled get its name.
    pub(super) fn stop(self) {
        drop((self.order, self.filled));
        let _ = self.thread.join();
    }

    fn order_if_none(&mut self) {
        if self.ready.is_empty() && !self.is_filling {
            self.is_filling = self.order.try_send(()).is_ok();
        }
    }
}

/// Makes a file of zeros, durably but for its name.
pub(super) fn make_filled(path: &Path, bytes: u64) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let mut file = File::create(&temporary)?;
    fill_with_zeros(&mut file, 0, bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
