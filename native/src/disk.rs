//! The disk: one thread that carries out writes in order, syncs once for all that wait, and reports how
//! far the log is durable. Nothing else touches a file once the node runs.
//!
//! An error ends the process: what a failed sync left behind is not known, and a second try can lie.

mod spares;

use crate::datadir::DataDir;
use raft_core::id::{EntryId, WriteSeq};
use raft_core::raft::message::SnapshotMeta;
use raft_core::wal::{self, Op, SEGMENT_BYTES, Snapshot, Wal, Write};
use spares::{Spares, make_filled};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// How often to look whether a snapshot is stored while nothing is written.
const STORED_LOOK: Duration = Duration::from_millis(100);

/// The way to the disk thread.
#[derive(Debug)]
pub struct Disk {
    queue: SyncSender<Write>,
}

impl Disk {
    /// Hands a write over. Never waits: the core hands out no more writes than the queue holds.
    ///
    /// A snapshot of the node's own state only shortens the log. Until it is stored the log says the
    /// same, so the write counts as durable without it, and no other waits for it. A leader's snapshot
    /// says what the log does not, and is stored first.
    pub fn write(&self, write: Write) {
        let handed = self.queue.try_send(write);
        handed.expect("the disk thread lives, and the core keeps its bound on writes under way");
    }
}

/// Starts the thread. It takes at most `writes_max` writes that are not durable yet, and ends when the
/// returned [`Disk`] is dropped and all of them are.
pub fn start(
    dir: DataDir,
    wal: Wal,
    current: Option<u64>,
    spares: Vec<PathBuf>,
    writes_max: usize,
) -> io::Result<(Disk, watch::Receiver<WriteSeq>, JoinHandle<()>)> {
    let (queue, writes) = sync_channel(writes_max);
    let (durable, persisted) = watch::channel(WriteSeq::default());
    let open = |number| File::options().write(true).open(dir.segment(number));
    let writer = Writer {
        segments: current.zip(current.map(open).transpose()?).into_iter().collect(),
        spares: Spares::start(&dir, spares)?,
        dir: Arc::new(dir),
        wal,
        storing: None,
        has_new_names: false,
        retire: None,
    };
    let thread = thread::Builder::new().name("disk".to_owned()).spawn(move || {
        writer.run(&writes, &durable);
    })?;
    Ok((Disk { queue }, persisted, thread))
}

/// A thread that stores a snapshot. It returns what the log is then told.
type Storing = JoinHandle<Result<SnapshotMeta, Failure>>;

struct Writer {
    dir: Arc<DataDir>,
    wal: Wal,
    /// Open segments: the one that is written to, and until the next sync those before it.
    segments: BTreeMap<u64, File>,
    spares: Spares,
    /// A snapshot of the node's own that is being stored aside.
    storing: Option<Storing>,
    /// Whether the next sync has to make names durable, too.
    has_new_names: bool,
    /// To be done after the next sync: the first segment and the one snapshot still needed.
    retire: Option<(u64, Option<EntryId>)>,
}

impl Writer {
    fn run(mut self, writes: &Receiver<Write>, durable: &watch::Sender<WriteSeq>) {
        loop {
            let look = if self.storing.is_some() { STORED_LOOK } else { Duration::MAX };
            let (first, is_last) = match writes.recv_timeout(look) {
                Ok(write) => (Some(write), false),
                Err(RecvTimeoutError::Timeout) => (None, false),
                Err(RecvTimeoutError::Disconnected) => (None, true),
            };
            let stored = self.storing.take_if(|thread| is_last || thread.is_finished());
            match self.carry_out(stored, first.into_iter().chain(writes.try_iter())) {
                Ok(Some(seq)) => drop(durable.send_replace(seq)),
                Ok(None) => {}
                Err(failure) => failure.end_the_process(),
            }
            if is_last {
                return self.spares.stop();
            }
        }
    }

    /// Makes a batch durable, and what is known of a snapshot that was stored aside. Returns the number
    /// of the batch's last write.
    fn carry_out(
        &mut self,
        stored: Option<Storing>,
        batch: impl Iterator<Item = Write>,
    ) -> Result<Option<WriteSeq>, Failure> {
        let has_stored = stored.is_some();
        if let Some(thread) = stored {
            let meta = thread.join().expect("storing a snapshot does not panic")?;
            let ops = self.wal.append_stored(meta);
            self.perform(ops)?;
        }
        let mut last = None;
        for mut write in batch {
            last = Some(write.seq);
            if write.replaces_log {
                if let Some(thread) = self.storing.take() {
                    // It is older than the leader's, so the log is told nothing of it.
                    thread.join().expect("storing a snapshot does not panic")?;
                }
            } else if let Some(snapshot) = write.snapshot.take() {
                self.store_aside(snapshot)?;
            }
            let ops = self.wal.append(&write);
            self.perform(ops)?;
        }
        if has_stored || last.is_some() {
            self.sync()?;
        }
        Ok(last)
    }

    fn perform(&mut self, ops: Vec<Op>) -> Result<(), Failure> {
        for op in ops {
            match op {
                Op::StoreSnapshot { last, bytes } => store_snapshot(&self.dir, last, &bytes)?,
                Op::OpenSegment { number, bytes, header } => self.open(number, bytes, &header)?,
                Op::Write { number, offset, bytes } => {
                    let file =
                        self.segments.get(&number).expect("only an open segment is written to");
                    let written = file.write_all_at(&bytes, offset);
                    written.map_err(|error| Failure::new(&self.dir.segment(number), error))?;
                }
                Op::Retire { segment, snapshot } => self.retire = Some((segment, snapshot)),
            }
        }
        Ok(())
    }

    fn open(&mut self, number: u64, bytes: u64, header: &[u8]) -> Result<(), Failure> {
        let path = self.dir.segment(number);
        let mut open = || {
            match bytes <= SEGMENT_BYTES {
                true => fs::rename(self.spares.take()?, &path)?,
                false => make_filled(&path, bytes)?,
            }
            let file = File::options().write(true).open(&path)?;
            file.write_all_at(header, 0)?;
            Ok(file)
        };
        let file = open().map_err(|error| Failure::new(&path, error))?;
        self.segments.insert(number, file);
        self.has_new_names = true;
        Ok(())
    }

    /// Makes all that was performed durable; only then removes what it made needless.
    fn sync(&mut self) -> Result<(), Failure> {
        for (number, file) in &self.segments {
            file.sync_data().map_err(|error| Failure::new(&self.dir.segment(*number), error))?;
        }
        let folder = |error| Failure::new(self.dir.path(), error);
        if std::mem::take(&mut self.has_new_names) {
            self.dir.sync().map_err(folder)?;
        }
        self.wal.synced();
        while self.segments.len() > 1 {
            self.segments.pop_first();
        }
        match self.retire.take() {
            Some((segment, snapshot)) => {
                retire(&self.dir, &mut self.spares, segment, snapshot).map_err(folder)
            }
            None => Ok(()),
        }
    }

    /// Stores a snapshot in a thread of its own. While one is being stored the next is passed over: the
    /// log is shortened a little later.
    fn store_aside(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        if self.storing.is_some() {
            return Ok(());
        }
        let dir = self.dir.clone();
        let store = move || {
            let Snapshot { meta, store } = snapshot;
            store_snapshot(&dir, meta.last, &wal::snapshot::encode(&meta, &store)).map(|()| meta)
        };
        let thread = thread::Builder::new().name("snapshot".to_owned()).spawn(store);
        self.storing = Some(thread.map_err(|error| Failure::new(self.dir.path(), error))?);
        Ok(())
    }
}

fn store_snapshot(dir: &DataDir, last: EntryId, bytes: &[u8]) -> Result<(), Failure> {
    let path = dir.snapshot(last);
    dir.store(&path, bytes).map_err(|error| Failure::new(&path, error))
}

/// Removes what is needed no more; some segments become spares. The names must be durable before a spare
/// is written to: an old name on new bytes would be damage.
fn retire(
    dir: &DataDir,
    spares: &mut Spares,
    first_needed: u64,
    snapshot: Option<EntryId>,
) -> io::Result<()> {
    let needed = snapshot.map(|last| dir.snapshot(last));
    let mut old = Vec::new();
    for entry in fs::read_dir(dir.path())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("segment-").and_then(|name| name.strip_suffix(".wal"));
        if let Some(number) = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            old.push(number);
        } else if name.ends_with(".snap") && needed.as_ref().is_some_and(|needed| path < *needed) {
            // Names sort as entries do. A later one is being stored aside, to be named next.
            fs::remove_file(&path)?;
        }
    }
    old.retain(|number| *number < first_needed);
    // In rising order, so that a crash in between leaves no gap.
    old.sort_unstable();
    for number in old {
        match spares.has_room() {
            true => {
                fs::rename(dir.segment(number), dir.spare(number))?;
                spares.add(dir.spare(number));
            }
            false => fs::remove_file(dir.segment(number))?,
        }
    }
    dir.sync()
}

/// A write that failed.
struct Failure {
    path: PathBuf,
    error: io::Error,
}

impl Failure {
    fn new(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), error }
    }

    /// Says so in one sentence and ends the process.
    fn end_the_process(&self) -> ! {
        let Self { path, error } = self;
        let path = path.display();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                eprintln!(
                    "error: the disk is full at {path}; free some space, then start the node again"
                );
            }
            _ => eprintln!(
                "error: cannot write {path} ({error}); check the disk, then start the node again"
            ),
        }
        std::process::exit(1);
    }
}

#[cfg(test)]
mod tests;
