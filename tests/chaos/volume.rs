//! Where a node keeps its data: a file system of its own where the machine allows it, so that it can be
//! full and can lose power without the others.

use crate::machine::run;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::ioctl;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The size of a volume in bytes: the log of a run between two snapshots, two snapshots, and the segments
/// held ready, several times over. Only what is used of it takes up space.
const VOLUME_BYTES: u64 = 1 << 30;

/// What a data directory stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// ext4 in a file.
    Image,
    /// tmpfs.
    Memory,
    /// A folder like any other.
    Folder,
}

#[derive(Clone, Debug)]
pub(crate) struct Volume {
    kind: Kind,
    /// The mount point, or the folder.
    path: PathBuf,
    image: PathBuf,
}

impl Volume {
    /// An empty volume with this name in `dir`, mounted.
    pub(crate) fn create(dir: &Path, name: &str, kind: Kind) -> Result<Self, String> {
        let (path, image) = (dir.join(name), dir.join(format!("{name}.img")));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let volume = Self { kind, path, image };
        match kind {
            Kind::Image => {
                let file = File::create(&volume.image).and_then(|file| file.set_len(VOLUME_BYTES));
                file.map_err(|error| format!("{}: {error}", volume.image.display()))?;
                run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&volume.image))?;
                volume.power_up()?;
            }
            Kind::Memory => {
                let size = format!("size={VOLUME_BYTES}");
                let mut mount = Command::new("mount");
                run(mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&volume.path))?;
            }
            Kind::Folder => {}
        }
        Ok(volume)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts the power: what is not on the disk at this moment never will be, and all later writes fail.
    pub(crate) fn cut_power(&self) -> Result<(), String> {
        let file = File::open(&self.path).map_err(|error| format!("open: {error}"))?;
        shut_down(&file).map_err(|error| format!("shutdown: {error}"))
    }

    /// Mounts the image; after a power cut nobody may use it any more when this is called.
    pub(crate) fn power_up(&self) -> Result<(), String> {
        if self.is_mounted() {
            run(Command::new("umount").arg(&self.path))?;
        }
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.path))
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let path = self.path.to_string_lossy();
        mounts.lines().any(|line| line.split(' ').nth(1) == Some(&path))
    }

    /// Takes all space but `left` bytes.
    pub(crate) fn fill(&self, left: u64) -> Result<(), String> {
        let space = statvfs(&self.path).map_err(|error| format!("statvfs: {error}"))?;
        let mut bytes = (space.f_bavail * space.f_frsize).saturating_sub(left);
        let file = File::create(self.ballast()).map_err(|error| format!("ballast: {error}"))?;
        // The file system needs some of its space to say where the rest is.
        while bytes > 0 && fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
            bytes = bytes.saturating_sub(64 << 10);
        }
        Ok(())
    }

    /// Gives the space back.
    pub(crate) fn empty(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Unmounts it and removes what was in it.
    pub(crate) fn remove(&self) {
        if self.kind != Kind::Folder {
            let _ = run(Command::new("umount").arg(&self.path));
        }
        let _ = fs::remove_file(&self.image);
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The ioctl `EXT4_IOC_SHUTDOWN` of Linux with the flag `NOLOGFLUSH`: the file system stops at once, and
/// what is in memory only is thrown away, its journal included.
#[expect(unsafe_code, reason = "an ioctl has no safe form; this one reads an integer")]
fn shut_down(file: &File) -> rustix::io::Result<()> {
    const EXT4_IOC_SHUTDOWN: ioctl::Opcode = ioctl::opcode::read::<u32>(b'X', 125);
    const NOLOGFLUSH: u32 = 2;
    // SAFETY: the call takes a pointer to a u32 and only reads it.
    unsafe { ioctl::ioctl(file, ioctl::Setter::<EXT4_IOC_SHUTDOWN, u32>::new(NOLOGFLUSH)) }
}
