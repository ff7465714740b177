//! A data directory: locked, looked at, and opened when a node starts. After that it belongs to the
//! [disk thread](crate::disk). [`look`] changes nothing, so that a start can still be refused.
//!
//! | name | content |
//! |---|---|
//! | `identity` | whose directory it is, see [`Identity`] |
//! | `segment-<number>.wal` | a segment of the log |
//! | `snapshot-<term>-<index>.snap` | a snapshot |
//! | `spare-<number>.wal` | a file that can become a segment |
//! | `damaged-*` | what an earlier life left, kept until this one votes |
//! | `*.tmp` | a file on its way to its name; of no worth after a crash |
//!
//! The lock is on the directory itself, so that a start that is refused leaves no trace.

mod listing;
mod memory;

pub use memory::Memory;

use crate::identity::{Identity, IdentityError};
use crate::refusal::Refusal;
use listing::Listing;
use memory::Unfit;
use raft_core::id::{ClusterId, EntryId, NodeId};
use raft_core::wal::{Durable, Replayed, SEGMENT_HEADER_BYTES, SegmentHeader};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const IDENTITY: &str = "identity";

/// What the names of files begin with that an earlier life left.
const SET_ASIDE: &str = "damaged-";

/// What is left to do about a directory that nobody may touch.
const RUN_ON: &str = "keep it for repair and run on the other nodes";

/// The directory: its path, and the open and locked folder itself.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    folder: File,
}

/// A directory that was looked at, and not changed.
#[derive(Debug)]
pub struct Found {
    path: PathBuf,
    /// `None` if there is no such directory yet.
    dir: Option<DataDir>,
    listing: Listing,
    /// What is in it.
    pub content: Content,
}

/// What a directory holds.
#[derive(Debug)]
pub enum Content {
    /// Nothing that a node has ever remembered.
    Nothing,
    /// All that a life has written.
    Whole(Box<Memory>),
    /// Less than that.
    Damaged {
        /// Who it was, as far as the files tell; at least one of them does, and all say the same.
        owner: (ClusterId, NodeId),
        /// What is damaged, for people.
        why: String,
    },
}

/// A directory that is ready, and what it holds.
#[derive(Debug)]
pub struct Opened {
    /// The directory.
    pub dir: DataDir,
    /// Whose it is, with this start counted.
    pub identity: Identity,
    /// What the node remembers.
    pub durable: Durable,
    /// Where the log goes on; the entries are in `durable`.
    pub replayed: Replayed,
    /// Files that can become segments.
    pub spares: Vec<PathBuf>,
    /// Whether files of an earlier life are there.
    pub has_set_aside: bool,
    /// What was repaired, as a sentence for the person who watches.
    pub repair: Option<String>,
}

/// Locks and reads a directory, and changes nothing.
pub fn look(path: &Path) -> Result<Found, Refusal> {
    let is_missing =
        path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let (dir, listing) = match is_missing {
        true => (None, Listing::default()),
        false => {
            let dir = DataDir::lock(path)?;
            let listing = Listing::read(path).map_err(|error| unusable("read", path, &error))?;
            (Some(dir), listing)
        }
    };
    let content = match &dir {
        Some(dir) => Content::read(dir, &listing)?,
        None => Content::Nothing,
    };
    Ok(Found { path: path.to_owned(), dir, listing, content })
}

impl Found {
    /// Refuses a directory that is not `node`'s, or not of `cluster` if that is known.
    pub fn check_owner(&self, node: NodeId, cluster: Option<ClusterId>) -> Result<(), Refusal> {
        let owner = match &self.content {
            Content::Nothing => return Ok(()),
            Content::Whole(memory) => (memory.identity.cluster, memory.identity.node),
            Content::Damaged { owner, .. } => *owner,
        };
        let path = self.path.display();
        if let Some(wanted) = cluster
            && owner.0 != wanted
        {
            let founders = match &self.content {
                Content::Whole(memory) => memory.identity.founders().map(|(_, at)| at).collect(),
                Content::Nothing | Content::Damaged { .. } => Vec::new(),
            };
            let cluster = match founders.is_empty() {
                true => owner.0.to_string(),
                false => founders.join(","),
            };
            return Err(Refusal::identity(format!(
                "data directory {path} belongs to the cluster {cluster}; check --cluster or choose another --data-dir"
            )));
        }
        if owner.1 != node {
            return Err(Refusal::identity(format!(
                "data directory {path} belongs to node {}, not node {node}; check --id or choose another --data-dir",
                owner.1
            )));
        }
        Ok(())
    }

    /// Begins a life in a directory that holds nothing, or goes on with the one whose memory is whole.
    /// `identity` is that life's, with this start counted.
    pub fn open(self, identity: Identity) -> Result<Opened, Refusal> {
        let Self { path, dir, listing, content } = self;
        let cannot = |error: io::Error| unusable("write to", &path, &error);
        let dir = match dir {
            Some(dir) => dir,
            None => DataDir::make(&path)?,
        };
        let memory = match content {
            Content::Whole(memory) => Some(memory),
            Content::Nothing => None,
            Content::Damaged { why, .. } => return Err(damaged(&path, &why, RUN_ON)),
        };
        remove(&listing.temporary).map_err(cannot)?;
        let mut spares = listing.spares.clone();
        dir.identify(&identity, &mut spares).map_err(cannot)?;
        let mut opened = Opened {
            dir,
            identity,
            durable: Durable::default(),
            replayed: Replayed::default(),
            spares,
            has_set_aside: !listing.set_aside.is_empty(),
            repair: None,
        };
        if let Some(memory) = memory {
            memory.sync(&opened.dir, &listing).map_err(|error| unusable("sync", &path, &error))?;
            opened.repair = memory.repair(&opened.dir, &listing).map_err(cannot)?;
            (opened.durable, opened.replayed) = (memory.durable, memory.replayed);
        }
        Ok(opened)
    }

    /// Begins a new life that remembers nothing, and sets aside what is left of the one before. A crash
    /// in between leaves no identity, and the next start begins anew.
    pub fn open_anew(self, identity: Identity) -> Result<Opened, Refusal> {
        let Self { path, dir, listing, .. } = self;
        let cannot = |error: io::Error| unusable("write to", &path, &error);
        let dir = match dir {
            Some(dir) => dir,
            None => DataDir::make(&path)?,
        };
        if listing.identity.is_some() {
            // Of a life before the one that ends now. Without this they would pile up.
            remove(&listing.set_aside).map_err(cannot)?;
        }
        // What stands in a spare would be a record again at the same place of a log that begins anew.
        remove(&listing.spares).and_then(|()| remove(&listing.temporary)).map_err(cannot)?;
        for file in listing.of_this_life() {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let aside = path.join(format!("{SET_ASIDE}{name}"));
            // The identity's new name is durable before any other file goes.
            fs::rename(file, aside).and_then(|()| dir.sync()).map_err(cannot)?;
        }
        dir.identify(&identity, &mut Vec::new()).map_err(cannot)?;
        Ok(Opened {
            dir,
            identity,
            durable: Durable::default(),
            replayed: Replayed::default(),
            spares: Vec::new(),
            has_set_aside: true,
            repair: None,
        })
    }

    /// The refusal of a directory that is damaged, or an older copy, of a node that knows of no other. Its
    /// cluster may have grown, but only what cannot be relied on could say so.
    pub fn lone_founder_lost(&self, why: &str) -> Refusal {
        damaged(
            &self.path,
            why,
            "if other nodes have joined, start it with --join and the address of one",
        )
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

    /// Stores what `write` writes as a whole file or not at all, durably.
    pub fn store(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let temporary = path.with_added_extension("tmp");
        let stored = File::create(&temporary).and_then(|mut file| {
            write(&mut file)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        });
        if stored.is_err() {
            // Half a file takes up the room that is missing.
            let _ = fs::remove_file(&temporary);
        }
        stored?;
        self.sync()
    }

    /// Removes what an earlier life left.
    pub fn remove_set_aside(&self) -> io::Result<()> {
        remove(&Listing::read(&self.path)?.set_aside)?;
        self.sync()
    }

    /// Stores the identity. On a full disk a spare makes room for it.
    fn identify(&self, identity: &Identity, spares: &mut Vec<PathBuf>) -> io::Result<()> {
        let (file, text) = (self.path.join(IDENTITY), identity.encode());
        match self.store(&file, |file| file.write_all(text.as_bytes())) {
            Err(error) if is_full(&error) => match spares.pop() {
                Some(spare) => {
                    fs::remove_file(spare)?;
                    self.store(&file, |file| file.write_all(text.as_bytes()))
                }
                None => Err(error),
            },
            stored => stored,
        }
    }

    /// Makes a directory that is missing, with all that lead to it, durably.
    fn make(path: &Path) -> Result<Self, Refusal> {
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
        Self::lock(path)
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

/// Whether an error says that there is no room.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
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

impl Content {
    fn read(dir: &DataDir, listing: &Listing) -> Result<Self, Refusal> {
        let path = &dir.path;
        if listing.holds_nothing() {
            return match listing.foreign.first() {
                Some(name) => Err(Refusal::other(format!(
                    "{} is not empty and no data directory of raft-kv ({} is in it); choose another --data-dir",
                    path.display(),
                    name.display()
                ))),
                None => Ok(Self::Nothing),
            };
        }
        let Some(file) = &listing.identity else {
            return Self::damaged(path, listing, "its identity file is missing");
        };
        match read_identity(file)? {
            Some(identity) => {
                let owner = (identity.cluster, identity.node);
                match Memory::read(dir, listing, identity) {
                    Ok(memory) => Ok(Self::Whole(Box::new(memory))),
                    Err(Unfit::Damaged(why)) => Ok(Self::Damaged { owner, why }),
                    Err(Unfit::Unreadable(file, error)) => Err(unusable("read", &file, &error)),
                    Err(Unfit::Foreign(file)) => Err(Refusal::identity(format!(
                        "{} belongs to another data directory; put back the one that was in its place",
                        file.display()
                    ))),
                }
            }
            None => Self::damaged(path, listing, "its identity file is not what was written"),
        }
    }

    /// A directory whose identity is lost: whose it was, its other files may tell.
    fn damaged(path: &Path, listing: &Listing, why: &str) -> Result<Self, Refusal> {
        let aside = listing.set_aside.iter();
        let mut owners = Vec::new();
        for file in listing.segments.iter().map(|(_, file)| file).chain(aside) {
            match file.ends_with(format!("{SET_ASIDE}{IDENTITY}")) {
                true => owners.extend(read_identity(file)?.map(|its| (its.cluster, its.node))),
                false => owners.extend(read_header(file).map(|its| (its.cluster, its.node))),
            }
        }
        owners.dedup();
        match owners[..] {
            [owner] => Ok(Self::Damaged { owner, why: why.to_owned() }),
            [] => {
                Err(damaged(path, &format!("{why}, and no other file tells whose it is"), RUN_ON))
            }
            _ => Err(damaged(
                path,
                &format!("{why}, and its other files are of several nodes"),
                RUN_ON,
            )),
        }
    }
}

/// What an identity file says; `None` if it is damaged.
fn read_identity(file: &Path) -> Result<Option<Identity>, Refusal> {
    let bytes = fs::read(file).map_err(|error| unusable("read", file, &error))?;
    match std::str::from_utf8(&bytes).map_err(|_| IdentityError::Damaged).and_then(Identity::decode)
    {
        Ok(identity) => Ok(Some(identity)),
        Err(IdentityError::Damaged) => Ok(None),
        Err(IdentityError::Version(version)) => Err(Refusal::identity(format!(
            "data directory {} has format {version}; start it with the raft-kv that made it, or a newer one",
            file.parent().unwrap_or(file).display()
        ))),
    }
}

/// The header of a segment, if the file begins with one.
fn read_header(file: &Path) -> Option<SegmentHeader> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
    File::open(file).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    SegmentHeader::decode(&bytes)
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

fn damaged(path: &Path, what: &str, way_out: &str) -> Refusal {
    Refusal::other(format!(
        "data directory {} is damaged: {what}; nothing was changed; {way_out}",
        path.display()
    ))
}

#[cfg(test)]
mod tests;
