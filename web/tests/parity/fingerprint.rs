//! Fingerprints, made the same way here and in the browser.

use raft_web::run::Run;
use raft_web::session::Session;

/// The fingerprint of a session after so many steps; of a row of seeds, as `v1.seed=1-1000.run=swarm` is, that
/// of all together.
pub(crate) fn fingerprint(link: &str, steps: u64) -> u64 {
    let together = |all: u64, link: &String| all.rotate_left(1) ^ of_one(link, steps);
    links(link).iter().fold(0, together)
}

fn of_one(link: &str, steps: u64) -> u64 {
    let mut run = Run::new(Session::from_link(link).expect("a link that can be read"));
    run.seek(steps);
    run.sim().trace_hash()
}

fn links(link: &str) -> Vec<String> {
    let row = || {
        let (seeds, rest) = link.strip_prefix("v1.seed=")?.split_once('.')?;
        let (first, last) = seeds.split_once('-')?;
        let seeds = first.parse::<u64>().ok()?..=last.parse().ok()?;
        Some(seeds.map(|seed| format!("v1.seed={seed}.{rest}")).collect())
    };
    row().unwrap_or_else(|| vec![link.to_owned()])
}
