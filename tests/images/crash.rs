//! Every image that a crash can leave of a recorded run: after each step, of what was not synced, any
//! part. Names reach the disk in their order, as every journaling file system has it; what is written
//! into files reaches it in any order, with or without the names, in any part.

use crate::folder::{FileId, Folder, Step};

/// Sectors smaller than any disk has: more ways to scatter a write.
const SECTOR_BYTES: usize = 64;

/// A write of so many sectors is there in every combination of them; a longer one in this many.
const SECTORS_MAX: usize = 6;

/// Of so many other writes that are not synced every combination is looked at; of more only all, none,
/// and each one missing.
const OTHERS_MAX: usize = 4;

/// What is synced, and what is not.
#[derive(Clone, Debug, Default)]
struct Disk {
    synced: Folder,
    names: Vec<Step>,
    data: Vec<(FileId, usize, Vec<u8>)>,
}

/// Calls `visit` on every image of a run that began on `folder`, with the number of steps before the crash.
pub(crate) fn images(folder: &Folder, steps: &[Step], mut visit: impl FnMut(usize, Folder)) {
    let mut disk = Disk { synced: folder.clone(), ..Disk::default() };
    for (place, step) in steps.iter().enumerate() {
        disk.take_in(step);
        let mut visit = |folder| visit(place + 1, folder);
        match step {
            // Fewer things are open than before: no image is new.
            Step::SyncFile { .. } | Step::SyncFolder => {}
            Step::Write { .. } => {
                let names_max = disk.names.len();
                (0..=names_max).for_each(|names| disk.torn(names, &mut visit));
            }
            Step::Create { .. } | Step::Rename { .. } | Step::Remove { .. } => {
                disk.combined(disk.names.len(), disk.data.len(), &mut visit);
            }
        }
    }
    visit(steps.len(), disk.synced);
}

impl Disk {
    fn take_in(&mut self, step: &Step) {
        match step {
            Step::Create { .. } | Step::Rename { .. } | Step::Remove { .. } => {
                if let Step::Create { file, length, .. } = step {
                    // The bytes are there; what they are called may be lost.
                    assert_eq!(*file, self.synced.files.len());
                    self.synced.files.push(vec![0; *length].into());
                }
                self.names.push(step.clone());
            }
            Step::Write { file, offset, bytes } => self.data.push((*file, *offset, bytes.clone())),
            Step::SyncFile { file } => {
                let (own, others) =
                    std::mem::take(&mut self.data).into_iter().partition(|(f, ..)| f == file);
                self.data = others;
                let own: Vec<(FileId, usize, Vec<u8>)> = own;
                own.iter()
                    .for_each(|(file, offset, bytes)| self.synced.write(*file, *offset, bytes));
            }
            Step::SyncFolder => self.names.drain(..).for_each(|step| self.synced.carry_out(&step)),
        }
    }

    /// The folder with the first `names` of the new names, and those writes for which `keeps` holds.
    fn folder(&self, names: usize, keeps: impl Fn(usize) -> bool) -> Folder {
        let mut folder = self.synced.clone();
        self.names[..names].iter().for_each(|step| folder.carry_out(step));
        for (_, (file, offset, bytes)) in self.data.iter().enumerate().filter(|(n, _)| keeps(*n)) {
            folder.write(*file, *offset, bytes);
        }
        folder
    }

    /// Whole writes in every combination, the first `open` of them.
    fn combined(&self, names: usize, open: usize, visit: &mut impl FnMut(Folder)) {
        for kept in combinations(open) {
            visit(self.folder(names, |n| n >= open || kept(n)));
        }
    }

    /// The newest write whole, torn and scattered; and those before it torn, as the newest came later.
    fn torn(&self, names: usize, visit: &mut impl FnMut(Folder)) {
        let newest = self.data.len() - 1;
        self.combined(names, newest, visit);
        for (place, (file, offset, bytes)) in self.data.iter().enumerate() {
            let others: &[bool] = if place == newest { &[true, false] } else { &[true] };
            for others in others {
                let without = self.folder(names, |n| n != place && *others);
                let mut part = |keeps: &dyn Fn(usize) -> bool| {
                    let mut folder = without.clone();
                    for (at, byte) in bytes.iter().enumerate().filter(|(at, _)| keeps(*at)) {
                        folder.write(*file, offset + at, &[*byte]);
                    }
                    visit(folder);
                };
                // A write can end too early at every byte.
                (1..bytes.len()).for_each(|cut| part(&|at| at < cut));
                scatterings(*offset, bytes.len()).for_each(|kept| part(&|at| kept(offset + at)));
            }
        }
    }
}

/// Which of `count` things are there.
fn combinations(count: usize) -> Vec<Box<dyn Fn(usize) -> bool>> {
    if count <= OTHERS_MAX {
        let every = (0..1_u32 << count)
            .map(|kept| -> Box<dyn Fn(usize) -> bool> { Box::new(move |n| kept >> n & 1 == 1) });
        return every.collect();
    }
    let mut some: Vec<Box<dyn Fn(usize) -> bool>> = vec![Box::new(|_| true), Box::new(|_| false)];
    for missing in 0..count {
        some.push(Box::new(move |n| n != missing));
    }
    some
}

/// Which places of a file are there, if some of the sectors of a write are.
fn scatterings(offset: usize, length: usize) -> impl Iterator<Item = impl Fn(usize) -> bool> {
    let first = offset / SECTOR_BYTES;
    let count = (offset + length).div_ceil(SECTOR_BYTES) - first;
    let ways = 1_u64 << count.min(SECTORS_MAX);
    // Without none and all, and what a tear is, too, but for the last of a long one.
    (1..ways - 1).map(move |way| {
        // For more sectors than the bits of `way`: mixed, so that neighbours differ.
        let kept =
            if count <= SECTORS_MAX { way } else { way.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8 };
        move |at: usize| kept >> ((at / SECTOR_BYTES - first) % 56) & 1 == 1
    })
}
