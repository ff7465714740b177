//! A data directory: opened, locked, checked and repaired when a node starts. After that it belongs to
//! the [disk thread](crate::disk).
//!
//! | name | content |
//! |---|---|
//! | `identity` | whose directory it is, see [`Identity`] |
//! | `segment-<number>.wal` | a segment of the log |
//! | `snapshot-<term>-<index>.snap` | a snapshot |
//! | `spare-<number>.wal` | a file that can become a segment |
//! | `*.tmp` | a file on its way to its name; of no worth after a crash |
//!
//! The lock is on the directory itself, so that a start that is refused leaves no trace.

use crate::identity::{Identity, IdentityError};
use crate::refusal::Refusal;
use raft_core::id::{EntryId, Incarnation};
use raft_core::wal::{self, Durable, Replayed, SEGMENT_BYTES, SegmentHeader, Snapshot};
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const IDENTITY: &str = "identity";

/// The directory: its path, and the open and locked folder itself.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    folder: File,
}

/// A directory that is ready, and what it holds.
#[derive(Debug)]
pub struct Opened {
    /// The directory.
    pub dir: DataDir,
    /// The life of the directory.
    pub incarnation: Incarnation,
    /// What the node remembers.
    pub durable: Durable,
    /// Where the log goes on; the entries are in `durable`.
    pub replayed: Replayed,
    /// Files that can become segments.
    pub spares: Vec<PathBuf>,
    /// What was repaired, as a sentence for the person who watches.
    pub repair: Option<String>,
}

/// Opens the directory of the node that `wanted` describes, and makes it if it is missing: then the
/// incarnation is the wanted one. Every check comes before the first change.
pub fn open(path: &Path, wanted: &Identity) -> Result<Opened, Refusal> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, wanted),
        _ => {
            let dir = DataDir::lock(path)?;
            let listing = Listing::read(path).map_err(|error| unusable("read", path, &error))?;
            match listing.has_identity {
                true => reopen(dir, listing, wanted),
                false => found(dir, listing, wanted),
            }
        }
    }
}

impl DataDir {
    /// The path of a segment.
    pub fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("segment-{number:016x}.wal"))
    }

    /// The path of a snapshot.
    pub fn snapshot(&self, last: EntryId) -> PathBuf {
        self.path.join(format!("snapshot-{:016x}-{:016x}.snap", last.term.0, last.index.0))
    }

    /// The path of a spare.
    pub fn spare(&self, number: u64) -> PathBuf {
        self.path.join(format!("spare-{number:016x}.wal"))
    }

    /// The path itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes names durable: files made, renamed and removed so far.
    pub fn sync(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    /// Stores a whole file or nothing, durably.
    pub fn store(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = path.with_added_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        self.sync()
    }

    fn lock(path: &Path) -> Result<Self, Refusal> {
        let folder = File::open(path).map_err(|error| unusable("open", path, &error))?;
        if !path.is_dir() {
            return Err(Refusal::other(format!(
                "{} is no directory; choose another --data-dir",
                path.display()
            )));
        }
        match folder.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), folder }),
            Err(TryLockError::WouldBlock) => Err(Refusal::other(format!(
                "data directory {} is in use by another process; stop that one or choose another --data-dir",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(unusable("lock", path, &error)),
        }
    }
}

/// Writes zeros into a file from `from` to `to`: a file that has its blocks, and whose length does not
/// change, can be synced without its metadata.
pub fn fill_with_zeros(file: &mut File, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    file.seek(SeekFrom::Start(from))?;
    let mut left = to.saturating_sub(from);
    while left > 0 {
        let piece = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..piece as usize])?;
        left -= piece;
    }
    Ok(())
}

/// A directory that is missing: made with all that lead to it, durably.
fn create(path: &Path, wanted: &Identity) -> Result<Opened, Refusal> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    let cannot = |error: io::Error| unusable("create", path, &error);
    fs::create_dir_all(path).map_err(cannot)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = File::open(parent.unwrap_or(Path::new("."))).map_err(cannot)?;
        parent.sync_all().map_err(cannot)?;
    }
    found(DataDir::lock(path)?, Listing::default(), wanted)
}

/// A directory without an identity: fit for a new node if nothing of worth is in it.
fn found(dir: DataDir, listing: Listing, wanted: &Identity) -> Result<Opened, Refusal> {
    if let Some(name) = listing.foreign.first() {
        return Err(Refusal::other(format!(
            "{} is not empty and no data directory of raft-kv ({} is in it); choose another --data-dir",
            dir.path.display(),
            name.display()
        )));
    }
    if !listing.segments.is_empty() || !listing.snapshots.is_empty() {
        return Err(damaged(&dir.path, "its identity file is missing"));
    }
    remove(&listing.temporary)
        .and_then(|()| dir.store(&dir.path.join(IDENTITY), wanted.encode().as_bytes()))
        .map_err(|error| unusable("write to", &dir.path, &error))?;
    Ok(Opened {
        incarnation: wanted.incarnation,
        durable: Durable::default(),
        replayed: Replayed::default(),
        spares: listing.spares,
        repair: None,
        dir,
    })
}

/// A directory with an identity: the wanted node's, unharmed, and writable, or refused unchanged.
fn reopen(dir: DataDir, listing: Listing, wanted: &Identity) -> Result<Opened, Refusal> {
    let path = &dir.path;
    let read = |error: io::Error| unusable("read", path, &error);
    let identity = check_identity(path, wanted)?;

    let mut segments = Vec::new();
    for (number, file) in &listing.segments {
        let bytes = fs::read(file).map_err(read)?;
        let header = SegmentHeader::decode(&bytes);
        let is_own = |header: &SegmentHeader| {
            (header.cluster, header.node, header.incarnation)
                == (identity.cluster, identity.node, identity.incarnation)
        };
        if header.is_some_and(|header| !is_own(&header)) {
            return Err(Refusal::identity(format!(
                "{} belongs to another data directory; put back the one that was in its place",
                file.display()
            )));
        }
        segments.push((*number, bytes));
    }
    let borrowed: Vec<(u64, &[u8])> =
        segments.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
    let mut replayed =
        wal::replay(&borrowed).map_err(|damage| damaged(path, &damage.to_string()))?;
    let snapshot = match &replayed.snapshot {
        Some(meta) => {
            let name = dir.snapshot(meta.last);
            let wrong = |why: String| damaged(path, &format!("{} is {why}", name.display()));
            let bytes = fs::read(&name).map_err(|error| wrong(format!("unreadable ({error})")))?;
            let snapshot =
                wal::snapshot::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
            match snapshot.meta == *meta {
                true => Some(snapshot),
                false => return Err(wrong("the snapshot of another entry".to_owned())),
            }
        }
        None => None,
    };
    check_writable(path).map_err(|error| unusable("write to", path, &error))?;

    sync_what_was_read(&dir, &listing, snapshot.as_ref())
        .map_err(|error| unusable("sync", path, &error))?;
    let repair = repair(&dir, &listing, &replayed, snapshot.as_ref())
        .map_err(|error| unusable("write to", path, &error))?;
    let entries = std::mem::take(&mut replayed.entries);
    Ok(Opened {
        incarnation: identity.incarnation,
        durable: Durable { hard_state: replayed.hard_state, snapshot, entries },
        replayed,
        spares: listing.spares,
        repair,
        dir,
    })
}

fn check_identity(path: &Path, wanted: &Identity) -> Result<Identity, Refusal> {
    let file = path.join(IDENTITY);
    let bytes = fs::read(&file).map_err(|error| unusable("read", &file, &error))?;
    let identity = std::str::from_utf8(&bytes)
        .map_err(|_| IdentityError::Damaged)
        .and_then(Identity::decode)
        .map_err(|error| match error {
            IdentityError::Damaged => damaged(path, "its identity file is not what was written"),
            IdentityError::Version(version) => Refusal::identity(format!(
                "data directory {} has format {version}; start it with the raft-kv that made it, or a newer one",
                path.display()
            )),
        })?;
    if identity.cluster != wanted.cluster {
        return Err(Refusal::identity(format!(
            "data directory {} belongs to the cluster {}; check --cluster or choose another --data-dir",
            path.display(),
            identity.founded_by.join(",")
        )));
    }
    if identity.node != wanted.node {
        return Err(Refusal::identity(format!(
            "data directory {} belongs to node {}, not node {}; check --id or choose another --data-dir",
            path.display(),
            identity.node,
            wanted.node
        )));
    }
    Ok(identity)
}

/// Shows that files can be made here, and leaves none.
fn check_writable(path: &Path) -> io::Result<()> {
    let probe = path.join("probe.tmp");
    File::create(&probe)?;
    fs::remove_file(&probe)
}

/// A process that was killed may have left what it wrote in the system's cache only. The node will vouch
/// for all that was read, and older snapshots go, so it must be on the disk first.
fn sync_what_was_read(
    dir: &DataDir,
    listing: &Listing,
    snapshot: Option<&Snapshot>,
) -> io::Result<()> {
    let snapshot = snapshot.map(|snapshot| dir.snapshot(snapshot.meta.last));
    for file in listing.segments.iter().map(|(_, file)| file).chain(&snapshot) {
        File::open(file)?.sync_all()?;
    }
    dir.sync()
}

/// Clears what crashes left: files that never got their name, snapshots that no record names, and bytes
/// behind the end of the log.
fn repair(
    dir: &DataDir,
    listing: &Listing,
    replayed: &Replayed,
    snapshot: Option<&Snapshot>,
) -> io::Result<Option<String>> {
    remove(&listing.temporary)?;
    let kept = snapshot.map(|snapshot| dir.snapshot(snapshot.meta.last));
    for file in listing.snapshots.iter().filter(|file| Some(*file) != kept.as_ref()) {
        fs::remove_file(file)?;
    }
    if !replayed.tail.torn {
        return Ok(None);
    }
    let last = replayed.tail.segments.last().map(|(number, _)| *number);
    if let Some(number) = last {
        let mut file = File::options().write(true).open(dir.segment(number))?;
        fill_with_zeros(&mut file, replayed.tail.offset, replayed.tail.length)?;
        file.sync_all()?;
    }
    // From the last to the first, so that a crash in between leaves no gap.
    let mut later = listing.segments.iter().filter(|(number, _)| Some(*number) > last).rev();
    later.try_for_each(|(_, file)| fs::remove_file(file))?;
    dir.sync()?;
    let (segment, offset) = (last.unwrap_or_default(), replayed.tail.offset);
    Ok(Some(format!(
        "cleared what stood behind the end of the log, at byte {offset} of segment {segment}"
    )))
}

fn remove(files: &[PathBuf]) -> io::Result<()> {
    files.iter().try_for_each(fs::remove_file)
}

fn unusable(verb: &str, path: &Path, error: &io::Error) -> Refusal {
    Refusal::other(format!(
        "cannot {verb} data directory {} ({error}); make it readable and writable or choose another --data-dir",
        path.display()
    ))
}

fn damaged(path: &Path, what: &str) -> Refusal {
    Refusal::other(format!(
        "data directory {} is damaged: {what}; nothing was changed, keep it for repair and run on the other nodes",
        path.display()
    ))
}

/// What is in a directory, by kind.
#[derive(Debug, Default)]
struct Listing {
    has_identity: bool,
    /// In rising order.
    segments: Vec<(u64, PathBuf)>,
    snapshots: Vec<PathBuf>,
    /// Whole ones; the others are temporary.
    spares: Vec<PathBuf>,
    temporary: Vec<PathBuf>,
    /// Nothing of ours.
    foreign: Vec<PathBuf>,
}

impl Listing {
    fn read(path: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        let is_own = |name: &str| {
            ["identity", "probe", "snapshot-", "spare-"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let (name, file) = (entry.file_name(), entry.path());
            let name = name.to_str().unwrap_or_default();
            let segment = name.strip_prefix("segment-").and_then(|name| name.strip_suffix(".wal"));
            if name == IDENTITY {
                listing.has_identity = true;
            } else if name.strip_suffix(".tmp").is_some_and(is_own) {
                listing.temporary.push(file);
            } else if let Some(number) = segment.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
                listing.segments.push((number, file));
            } else if name.starts_with("snapshot-") {
                listing.snapshots.push(file);
            } else if name.starts_with("spare-") {
                match entry.metadata()?.len() >= SEGMENT_BYTES {
                    true => listing.spares.push(file),
                    false => listing.temporary.push(file),
                }
            } else if name != "lost+found" {
                // Every ext4 file system has a lost+found, so a whole one can be a data directory.
                listing.foreign.push(file);
            }
        }
        listing.segments.sort();
        Ok(listing)
    }
}

#[cfg(test)]
mod tests;
