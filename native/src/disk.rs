//! The disk: one thread that carries out writes in order, syncs once for all that wait, and reports how
//! far the log is durable and whether the disk is full. Nothing else touches a file once the node runs.
//!
//! A full disk is waited out. Any other error ends the process: what a failed sync left behind is not
//! known, and a second try can lie.

mod spares;

use crate::background;
use crate::datadir::{DataDir, is_full};
use raft_core::id::{EntryId, WriteSeq};
use raft_core::raft::message::SnapshotMeta;
use raft_core::wal::snapshot::Encoder;
use raft_core::wal::{Op, SEGMENT_BYTES, Snapshot, Wal, Write};
use spares::{Spares, make_filled};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often to look after what goes on beside the writes. Also how long nothing must be written before
/// the log's end is marked.
const LOOK: Duration = Duration::from_millis(100);

/// How often a write that finds no room is tried again.
const ROOM_LOOK: Duration = Duration::from_secs(1);

/// When a snapshot of the node's own that found no room is tried again. The log is longer meanwhile.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(10);

/// How much of a snapshot is written between two syncs, in bytes: what a disk writes in some milliseconds.
const SNAPSHOT_PIECE_BYTES: usize = 4 << 20;

/// How far the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskState {
    /// Every write up to this one is durable.
    pub durable: WriteSeq,
    /// Whether only the reserve is left.
    pub is_full: bool,
}

/// The way to the disk thread.
#[derive(Debug)]
pub struct Disk {
    queue: SyncSender<Job>,
}

#[derive(Debug)]
enum Job {
    Write(Box<Write>),
    RemoveSetAside,
}

impl Disk {
    /// Hands a write over. Never waits: the core hands out no more writes than the queue holds.
    ///
    /// A snapshot of the node's own state only shortens the log. Until it is stored the log says the
    /// same, so the write counts as durable without it, and no other waits for it. A leader's snapshot
    /// says what the log does not, and is stored first.
    pub fn write(&self, write: Write) {
        let handed = self.queue.try_send(Job::Write(Box::new(write)));
        handed.expect("the disk thread lives, and the core keeps its bound on writes under way");
    }

    /// Removes what an earlier life left. To be called once.
    pub fn remove_set_aside(&self) {
        self.queue.try_send(Job::RemoveSetAside).expect("the queue has a place for this");
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
) -> io::Result<(Disk, watch::Receiver<DiskState>, JoinHandle<()>)> {
    let (queue, jobs) = sync_channel(writes_max + 1);
    let (report, state) = watch::channel(DiskState::default());
    let dir = Arc::new(dir);
    let open = |number| File::options().write(true).open(dir.segment(number));
    let writer = Writer {
        segments: current.zip(current.map(open).transpose()?).into_iter().collect(),
        spares: Spares::start(&dir, spares)?,
        dir,
        wal,
        jobs,
        waiting: VecDeque::new(),
        report,
        aside: Aside::Nothing,
        is_marked: false,
        has_unsynced: false,
        has_new_names: false,
        retire: None,
    };
    let thread = thread::Builder::new().name("disk".to_owned()).spawn(move || writer.run())?;
    Ok((Disk { queue }, state, thread))
}

struct Writer {
    dir: Arc<DataDir>,
    wal: Wal,
    jobs: Receiver<Job>,
    /// Jobs that arrived while one found no room.
    waiting: VecDeque<Job>,
    report: watch::Sender<DiskState>,
    /// Open segments: the one that is written to, and until the next sync those before it.
    segments: BTreeMap<u64, File>,
    spares: Spares,
    aside: Aside,
    /// Whether the last record is marked as durable, so that damage to it can be told from a torn tail.
    is_marked: bool,
    /// Whether something was written since the last sync.
    has_unsynced: bool,
    /// Whether the next sync has to make names durable, too.
    has_new_names: bool,
    /// To be done after the next sync: the first segment and the one snapshot still needed.
    retire: Option<(u64, Option<EntryId>)>,
}

/// A snapshot of the node's own, which no write waits for.
enum Aside {
    Nothing,
    /// A thread stores it.
    Storing(JoinHandle<Stored>),
    /// It found no room, and is tried again at this time.
    NoRoom(Box<Snapshot>, Instant),
}

/// What came of storing a snapshot.
type Stored = Result<SnapshotMeta, Box<(Snapshot, Failure)>>;

impl Writer {
    fn run(mut self) {
        loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) | Err(Failure::Ended) => return self.spares.stop(),
                Err(Failure::Disk { path, error }) => end_the_process(&path, &error),
            }
        }
    }

    /// Waits for something to do, and does it. `false` when that was the last.
    fn turn(&mut self) -> Result<bool, Failure> {
        let (first, is_last, is_idle) = self.next_job();
        self.spares.look().map_err(|error| Failure::new(self.dir.path(), error))?;
        self.look_after_snapshot(is_last)?;
        let mut jobs: Vec<Job> = first.into_iter().chain(self.waiting.drain(..)).collect();
        jobs.extend(self.jobs.try_iter());
        let mut durable = None;
        for job in jobs {
            match job {
                Job::Write(write) => {
                    durable = Some(write.seq);
                    self.carry_out(*write)?;
                }
                Job::RemoveSetAside => {
                    let removed = self.dir.remove_set_aside();
                    removed.map_err(|error| Failure::new(self.dir.path(), error))?;
                }
            }
        }
        self.sync()?;
        // The reserve is not for marks.
        if (is_idle || is_last) && !self.is_marked && !self.spares.is_full() {
            let ops = self.wal.mark().unwrap_or_default();
            self.perform(ops)?;
            self.sync()?;
            self.is_marked = true;
        }
        self.tell(durable, self.spares.is_full());
        Ok(!is_last)
    }

    /// The next job; whether it is the last; and whether there was none for a while.
    fn next_job(&mut self) -> (Option<Job>, bool, bool) {
        if let Some(job) = self.waiting.pop_front() {
            return (Some(job), false, false);
        }
        let has_more = self.spares.want_a_look()
            || !matches!(self.aside, Aside::Nothing)
            || (!self.is_marked && !self.spares.is_full());
        match self.jobs.recv_timeout(if has_more { LOOK } else { Duration::MAX }) {
            Ok(job) => (Some(job), false, false),
            Err(RecvTimeoutError::Timeout) => (None, false, true),
            Err(RecvTimeoutError::Disconnected) => (None, true, false),
        }
    }

    fn carry_out(&mut self, mut write: Write) -> Result<(), Failure> {
        if write.replaces_log {
            // What is stored aside is older than the leader's, so the log is told nothing of it.
            if let Aside::Storing(thread) = std::mem::replace(&mut self.aside, Aside::Nothing)
                && let Err((_, failure)) = stored(thread).map_err(|failed| *failed)
            {
                failure.unless_full()?;
            }
        } else if let Some(snapshot) = write.snapshot.take() {
            self.store_aside(snapshot)?;
        }
        let ops = self.wal.append(&write);
        self.perform(ops)
    }

    fn perform(&mut self, ops: Vec<Op>) -> Result<(), Failure> {
        for op in ops {
            match op {
                Op::StoreSnapshot { last, bytes } => {
                    let dir = self.dir.clone();
                    self.once_there_is_room(|_| {
                        store_snapshot(&dir, last, |file| file.write_all(&bytes))
                    })?;
                }
                Op::OpenSegment { number, bytes, header } => {
                    self.once_there_is_room(|writer| writer.open(number, bytes, &header))?;
                }
                Op::Write { number, offset, bytes } => {
                    let file =
                        self.segments.get(&number).expect("only an open segment is written to");
                    let written = file.write_all_at(&bytes, offset);
                    written.map_err(|error| Failure::new(&self.dir.segment(number), error))?;
                    (self.has_unsynced, self.is_marked) = (true, false);
                }
                Op::Retire { segment, snapshot } => self.retire = Some((segment, snapshot)),
            }
        }
        Ok(())
    }

    /// Does something, again and again while the disk is full. Nobody was promised anything yet.
    fn once_there_is_room(
        &mut self,
        mut act: impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            match act(self) {
                Err(failure) if failure.is_full() => {
                    self.tell(None, true);
                    match self.jobs.recv_timeout(ROOM_LOOK) {
                        Ok(job) => self.waiting.push_back(job),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return Err(Failure::Ended),
                    }
                }
                done => return done,
            }
        }
    }

    fn open(&mut self, number: u64, bytes: u64, header: &[u8]) -> Result<(), Failure> {
        let path = self.dir.segment(number);
        let mut open = || {
            if bytes <= SEGMENT_BYTES {
                let spare = self.spares.take()?;
                fs::rename(&spare, &path).inspect_err(|_| self.spares.add(spare))?;
            } else {
                make_filled(&path, bytes)?;
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
        if !std::mem::take(&mut self.has_unsynced) {
            return Ok(());
        }
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
        if let Some((segment, snapshot)) = self.retire.take() {
            self.spares.retire(segment, snapshot);
        }
        Ok(())
    }

    fn tell(&self, durable: Option<WriteSeq>, is_full: bool) {
        self.report.send_if_modified(|state| {
            let before = *state;
            *state = DiskState { durable: durable.unwrap_or(before.durable), is_full };
            *state != before
        });
    }

    /// Stores a snapshot in a thread of its own. While one is being stored the next is passed over: the
    /// log is shortened a little later.
    fn store_aside(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        if matches!(self.aside, Aside::Storing(_)) {
            return Ok(());
        }
        let dir = self.dir.clone();
        let store = move || {
            let last = snapshot.meta.last;
            match store_snapshot(&dir, last, |file| write_snapshot(&snapshot, file)) {
                // Large, and freed here, where nothing waits for it.
                Ok(()) => Ok(snapshot.meta),
                Err(failure) => Err(Box::new((snapshot, failure))),
            }
        };
        let thread = background::spawn("snapshot", store);
        self.aside = Aside::Storing(thread.map_err(|error| Failure::new(self.dir.path(), error))?);
        Ok(())
    }

    /// Names a snapshot that was stored aside, or tries again. At the end it is waited for.
    fn look_after_snapshot(&mut self, is_last: bool) -> Result<(), Failure> {
        match std::mem::replace(&mut self.aside, Aside::Nothing) {
            Aside::Storing(thread) if is_last || thread.is_finished() => {
                match stored(thread).map_err(|failed| *failed) {
                    Ok(meta) => {
                        let ops = self.wal.append_stored(meta);
                        self.perform(ops)
                    }
                    Err((snapshot, failure)) if failure.is_full() => {
                        self.aside =
                            Aside::NoRoom(Box::new(snapshot), Instant::now() + SNAPSHOT_RETRY);
                        Ok(())
                    }
                    Err((_, failure)) => Err(failure),
                }
            }
            Aside::NoRoom(snapshot, at) if at <= Instant::now() && !is_last => {
                self.store_aside(*snapshot)
            }
            aside => {
                self.aside = aside;
                Ok(())
            }
        }
    }
}

fn stored(thread: JoinHandle<Stored>) -> Stored {
    thread.join().expect("storing a snapshot does not panic")
}

fn store_snapshot(
    dir: &DataDir,
    last: EntryId,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Failure> {
    let path = dir.snapshot(last);
    dir.store(&path, write).map_err(|error| Failure::new(&path, error))
}

/// Writes a snapshot a piece at a time, and syncs each: a large one is never all in memory, and a
/// sync of the log, which clients wait for, waits for one piece at most.
fn write_snapshot(snapshot: &Snapshot, file: &mut File) -> io::Result<()> {
    let mut encoder = Encoder::new(snapshot.clone(), SNAPSHOT_PIECE_BYTES);
    let mut offset = 0;
    loop {
        let (piece, is_last) = encoder.piece(offset).expect("pieces in a row come at once");
        file.write_all(&piece)?;
        file.sync_data()?;
        offset += piece.len() as u64;
        if is_last {
            return Ok(());
        }
    }
}

/// Why the thread does not go on.
#[derive(Debug)]
enum Failure {
    /// Something could not be done on the disk.
    Disk { path: PathBuf, error: io::Error },
    /// The node ended while a write waited for room.
    Ended,
}

impl Failure {
    fn new(path: &Path, error: io::Error) -> Self {
        Self::Disk { path: path.to_owned(), error }
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Disk { error, .. } if is_full(error))
    }

    fn unless_full(self) -> Result<(), Self> {
        if self.is_full() { Ok(()) } else { Err(self) }
    }
}

/// Says why in one sentence and ends the process.
fn end_the_process(path: &Path, error: &io::Error) -> ! {
    let path = path.display();
    eprintln!("error: cannot write {path} ({error}); check the disk, then start the node again");
    std::process::exit(1);
}

#[cfg(test)]
mod tests;
