//! What a disk does to bytes that were durable: bits that flip, blocks that are zeros, blocks of an earlier
//! moment or of another place.

use crate::folder::{FileId, Folder, Name};
use std::collections::BTreeSet;
use std::ops::Range;

/// Calls `visit` on every version of `folder` in which one bit of a file that is read is another.
pub(crate) fn flips(folder: &Folder, mut visit: impl FnMut(Name, usize, &Folder)) {
    for (name, file) in files_read(folder) {
        let mut damaged = folder.clone();
        for byte in 0..folder.files[file].len() {
            for bit in 0..8 {
                damaged.flip(file, byte, bit);
                visit(name, byte, &damaged);
                damaged.flip(file, byte, bit);
            }
        }
    }
}

/// A block that is not what was written there last.
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    pub(crate) file: FileId,
    pub(crate) place: Range<usize>,
}

/// Calls `visit` on every version of `folder` in which one block of a file that is read is zeros, or is
/// what it was at some moment of `history`, or what another block is.
pub(crate) fn blocks(
    folder: &Folder,
    history: &[Folder],
    size: usize,
    mut visit: impl FnMut(&Fault, &Folder),
) {
    let every: Vec<(FileId, Range<usize>)> = files_read(folder)
        .flat_map(|(_, file)| {
            let length = folder.files[file].len();
            (0..length).step_by(size).map(move |at| (file, at..length.min(at + size)))
        })
        .collect();
    for (file, place) in &every {
        let mut with = |what, bytes: &[u8]| {
            let mut damaged = folder.clone();
            damaged.write(*file, place.start, &bytes[..bytes.len().min(place.len())]);
            visit(&Fault { what, file: *file, place: place.clone() }, &damaged);
        };
        with("zeros", &vec![0; size]);
        let before =
            history.iter().filter_map(|folder| folder.files.get(*file)?.get(place.clone()));
        before.collect::<BTreeSet<&[u8]>>().into_iter().for_each(|bytes| with("stale", bytes));
        for (other, there) in &every {
            with("misdirected", &folder.files[*other][there.clone()]);
        }
    }
}

/// Segments and snapshots: nothing that the others hold is read.
fn files_read(folder: &Folder) -> impl Iterator<Item = (Name, FileId)> + '_ {
    let is_read = |(name, _): &(Name, FileId)| matches!(name, Name::Segment(_) | Name::Snapshot(_));
    folder.names.iter().map(|(name, file)| (*name, *file)).filter(is_read)
}
