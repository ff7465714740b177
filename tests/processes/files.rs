//! What nodes have on disk, looked at and harmed from outside.

use crate::harness::Cluster;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file and directory below, with its bytes.
pub(crate) fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// The files of a data directory whose names begin so, in order.
pub(crate) fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    found.sort();
    found
}

/// The log of a data directory.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    files(dir, "segment-")
}

/// Flips a bit in the middle of what is written in a file, with good bytes behind it: not of a zero, since
/// those between two records mean nothing.
pub(crate) fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let middle = bytes[..=written / 2].iter().rposition(|byte| *byte != 0).unwrap();
    bytes[middle] ^= 0x40;
    fs::write(file, bytes).unwrap();
}

/// Copies the files of a data directory, as a backup of it would.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, bytes) in contents(from) {
        fs::write(to.join(path.file_name().unwrap()), bytes.unwrap()).unwrap();
    }
}

/// Five writes that all running founders have.
pub(crate) fn write_a_little(cluster: &Cluster) {
    for number in 0..5 {
        let set = cluster.cli(["set", "key", &"x".repeat(1_000 + number)]);
        assert_eq!((set.code, set.stderr.as_str()), (0, ""), "{set:?}");
    }
}
