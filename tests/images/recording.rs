//! What a driver does to its folder for the writes of a node, step by step, and what the node should
//! remember after each. The steps are those of `native/src/disk.rs`: a snapshot of the node's own is
//! stored aside and named by a record of its own later, a batch shares one sync, and old files go behind
//! it.

use crate::cluster::apply;
use crate::folder::{FileId, Folder, Name, Step};
use crate::tape::Tape;
use raft_core::id::{ClusterId, EntryId, Incarnation, NodeId};
use raft_core::wal::{Durable, Op, SEGMENT_HEADER_BYTES, Snapshot, Wal, Write, snapshot};
use std::collections::BTreeMap;

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);
pub(crate) const NODE: NodeId = NodeId(1);
pub(crate) const INCARNATION: Incarnation = Incarnation(0xa1);

/// Bytes before the body of a record, the first four of them its length.
const RECORD_HEADER_BYTES: usize = 32;

/// Most segments kept for recycling, as in native.
const SPARES_MAX: usize = 2;

/// Most writes in one batch: the core hands out no more ahead of the disk.
const BATCH_MAX: usize = 4;

/// A run of a driver, from one start to its end.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) steps: Vec<Step>,
    pub(crate) records: Vec<Record>,
    /// What the node should remember when so many records are on the disk.
    pub(crate) states: Vec<Durable>,
    /// After so many steps so many records are durable.
    durable: Vec<(usize, usize)>,
}

/// A record, and where it went.
#[derive(Debug)]
pub(crate) struct Record {
    segment: u64,
    pub(crate) file: FileId,
    pub(crate) offset: usize,
    /// Without what pads it.
    pub(crate) bytes: Vec<u8>,
    /// The header of its segment.
    header: Vec<u8>,
    /// The step that writes it.
    step: usize,
}

impl Recording {
    /// Records the writes of a node that starts on `folder`, in batches as `tape` has it.
    pub(crate) fn of(
        folder: &Folder,
        writes: &[Write],
        segment_bytes: u64,
        tape: &mut Tape,
    ) -> Self {
        let mut driver = Driver::start(folder, segment_bytes);
        let mut writes = writes.iter();
        while writes.len() > 0 {
            let stores = tape.below(3) > 0;
            let batch: Vec<&Write> = writes.by_ref().take(1 + tape.below(BATCH_MAX)).collect();
            driver.batch(stores, &batch);
            if tape.below(4) == 0 {
                driver.rest();
            }
        }
        driver.batch(true, &[]);
        driver.rest();
        driver.recording
    }

    /// How many records are on the disk if the folder looks so after `steps`: those that are durable, and
    /// those behind them of which every byte is there. Looks at the bytes alone.
    pub(crate) fn records_in(&self, folder: &Folder, steps: usize) -> usize {
        let before = self.durable.iter().rfind(|(at, _)| *at <= steps);
        let durable = before.map_or(0, |(_, records)| *records);
        let is_there = |record: &&Record| {
            let named = folder.names.get(&Name::Segment(record.segment));
            let named = named.filter(|file| record.step < steps && **file == record.file);
            let bytes = named.map(|file| &folder.files[*file]);
            bytes.is_some_and(|bytes| {
                bytes.starts_with(&record.header)
                    && bytes[record.offset..].starts_with(&record.bytes)
            })
        };
        durable + self.records[durable..].iter().take_while(is_there).count()
    }

    /// The moments at which everything was durable, as numbers of steps.
    pub(crate) fn rests(&self) -> impl Iterator<Item = usize> + '_ {
        self.durable.iter().map(|(steps, _)| *steps)
    }

    /// The folder after so many steps, if everything reaches the disk.
    pub(crate) fn folder_after(&self, steps: usize) -> Folder {
        let mut folder = Folder::default();
        self.steps[..steps].iter().for_each(|step| folder.carry_out(step));
        folder
    }
}

impl Record {
    /// Whether a byte of its file is one of its own. If it is the first in its segment it stands and
    /// falls with the header.
    pub(crate) fn covers(&self, byte: usize) -> bool {
        let header = SEGMENT_HEADER_BYTES as usize;
        let start = if self.offset == header { 0 } else { self.offset };
        (start..self.offset + self.bytes.len()).contains(&byte)
    }
}

/// A record as far as its own length says: what pads it to the next says nothing.
fn without_padding(mut record: Vec<u8>) -> Vec<u8> {
    let length = u32::from_le_bytes(record[..4].try_into().expect("four bytes"));
    record.truncate(RECORD_HEADER_BYTES + length as usize);
    record
}

/// Mirrors native's disk thread.
struct Driver {
    wal: Wal,
    recording: Recording,
    /// Every segment that is needed, with its length and header.
    segments: BTreeMap<u64, (FileId, usize, Vec<u8>)>,
    /// Those that were written to since the last sync, and the newest.
    open: Vec<u64>,
    /// Each with its length.
    spares: Vec<(Name, FileId, usize)>,
    snapshots: Vec<EntryId>,
    files: usize,
    storing: Option<Snapshot>,
    has_new_names: bool,
    retire: Option<(u64, Option<EntryId>)>,
}

impl Driver {
    /// A driver on a folder that was repaired.
    fn start(folder: &Folder, segment_bytes: u64) -> Self {
        let (durable, replayed) = folder.recover().expect("it was repaired");
        let mut driver = Self {
            wal: Wal::resume(CLUSTER, NODE, INCARNATION, segment_bytes, &replayed),
            recording: Recording { states: vec![durable], ..Recording::default() },
            segments: BTreeMap::new(),
            open: replayed.tail.segments.last().map(|(number, _)| *number).into_iter().collect(),
            spares: Vec::new(),
            snapshots: Vec::new(),
            files: folder.files.len(),
            storing: None,
            has_new_names: false,
            retire: None,
        };
        for (name, file) in &folder.names {
            let bytes = &folder.files[*file];
            match name {
                Name::Segment(number) => {
                    let header = bytes[..SEGMENT_HEADER_BYTES as usize].to_vec();
                    driver.segments.insert(*number, (*file, bytes.len(), header));
                }
                Name::Spare(_) => driver.spares.push((*name, *file, bytes.len())),
                Name::Snapshot(last) => driver.snapshots.push(*last),
                Name::Temporary(_) => {}
            }
        }
        driver
    }

    fn batch(&mut self, stores: bool, batch: &[&Write]) {
        if let Some(snapshot) = self.storing.take_if(|_| stores) {
            let ops = self.wal.append_stored(snapshot.meta.clone());
            self.perform(ops, &Write { snapshot: Some(snapshot), ..Write::default() });
        }
        for write in batch {
            let mut write = (*write).clone();
            if write.replaces_log {
                self.storing = None;
            } else if let Some(snapshot) = write.snapshot.take() {
                self.store_aside(snapshot);
            }
            let ops = self.wal.append(&write);
            self.perform(ops, &write);
        }
        self.sync();
    }

    /// Nothing is written for a while.
    fn rest(&mut self) {
        if let Some(ops) = self.wal.mark() {
            self.perform(ops, &Write::default());
            self.sync();
        }
    }

    fn perform(&mut self, ops: Vec<Op>, says: &Write) {
        for op in ops {
            match op {
                Op::StoreSnapshot { last, bytes } => self.store(last, bytes),
                Op::OpenSegment { number, bytes, header } => {
                    self.open(number, bytes as usize, header);
                }
                Op::Write { number, offset, bytes } => {
                    let (file, _, header) = self.segments[&number].clone();
                    let (offset, step) = (offset as usize, self.recording.steps.len());
                    self.step(Step::Write { file, offset, bytes: bytes.clone() });
                    let bytes = without_padding(bytes);
                    let record = Record { segment: number, file, offset, bytes, header, step };
                    self.recording.records.push(record);
                }
                Op::Retire { segment, snapshot } => self.retire = Some((segment, snapshot)),
            }
        }
        let mut state = self.recording.states.last().expect("the first is there").clone();
        apply(&mut state, says);
        self.recording.states.push(state);
    }

    fn open(&mut self, number: u64, length: usize, header: Vec<u8>) {
        let to = Name::Segment(number);
        let spare = self.spares.iter().rposition(|(_, _, spare)| *spare >= length);
        let (file, length) = match spare.map(|place| self.spares.remove(place)) {
            Some((from, file, length)) => {
                self.step(Step::Rename { from, to });
                (file, length)
            }
            None => (self.create(to, length), length),
        };
        self.step(Step::Write { file, offset: 0, bytes: header.clone() });
        self.segments.insert(number, (file, length, header));
        self.open.push(number);
        self.has_new_names = true;
    }

    fn sync(&mut self) {
        for place in 0..self.open.len() {
            let (file, ..) = self.segments[&self.open[place]];
            self.step(Step::SyncFile { file });
        }
        if std::mem::take(&mut self.has_new_names) {
            self.step(Step::SyncFolder);
        }
        self.wal.synced();
        self.recording.durable.push((self.recording.steps.len(), self.recording.records.len()));
        self.open.drain(..self.open.len().saturating_sub(1));
        if let Some((first_needed, snapshot)) = self.retire.take() {
            self.retire(first_needed, snapshot);
        }
    }

    fn retire(&mut self, first_needed: u64, snapshot: Option<EntryId>) {
        for last in self.snapshots.extract_if(.., |last| Some(*last) < snapshot).collect::<Vec<_>>()
        {
            self.step(Step::Remove { name: Name::Snapshot(last) });
        }
        let needed = self.segments.split_off(&first_needed);
        for (number, (file, length, _)) in std::mem::replace(&mut self.segments, needed) {
            let (from, to) = (Name::Segment(number), Name::Spare(number));
            match self.spares.len() < SPARES_MAX {
                true => {
                    self.step(Step::Rename { from, to });
                    self.spares.push((to, file, length));
                }
                false => self.step(Step::Remove { name: from }),
            }
        }
        self.step(Step::SyncFolder);
    }

    fn store_aside(&mut self, snapshot: Snapshot) {
        if self.storing.is_none() {
            self.store(snapshot.meta.last, snapshot::encode(&snapshot.meta, &snapshot.store));
            self.storing = Some(snapshot);
        }
    }

    fn store(&mut self, last: EntryId, bytes: Vec<u8>) {
        let (from, to) = (Name::Temporary(last), Name::Snapshot(last));
        let file = self.create(from, 0);
        self.step(Step::Write { file, offset: 0, bytes });
        self.step(Step::SyncFile { file });
        self.step(Step::Rename { from, to });
        self.step(Step::SyncFolder);
        self.snapshots.push(last);
    }

    fn create(&mut self, name: Name, length: usize) -> FileId {
        let file = self.files;
        self.files += 1;
        self.step(Step::Create { name, file, length });
        file
    }

    fn step(&mut self, step: Step) {
        self.recording.steps.push(step);
    }
}
