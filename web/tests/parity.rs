//! The same seed is the same run here and in the browser: both read `parity.txt`.
#![cfg(not(target_arch = "wasm32"))]

#[path = "parity/fingerprint.rs"]
mod fingerprint;

use fingerprint::fingerprint;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity.txt");

#[test]
fn native_runs_have_the_fingerprints_of_the_parity_file() {
    let file = std::fs::read_to_string(FILE).expect("parity.txt is there");
    let lines = file.lines().map(|line| {
        let [link, steps, _] = line.split(' ').collect::<Vec<&str>>()[..] else {
            panic!("a line is a link, a number of steps and a fingerprint: {line}")
        };
        let steps: u64 = steps.parse().expect("steps are a number");
        format!("{link} {steps} {:016x}\n", fingerprint(link, steps))
    });
    let now: String = lines.collect();
    if std::env::var_os("RAFT_REWRITE").is_some() {
        std::fs::write(FILE, &now).expect("parity.txt can be written");
        return;
    }
    assert_eq!(
        now, file,
        "runs have changed; if that is meant, RAFT_REWRITE=1 cargo test -p raft-web --test parity"
    );
}
