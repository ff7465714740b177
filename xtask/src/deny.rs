//! What the dependencies may be: licences, duplicates, sources and security advisories, as deny.toml says.

use crate::run::{self, Result};
use crate::tools;

/// `cargo xtask deny`: everything. The advisories come from their own database, which is fetched.
pub(crate) fn run() -> Result {
    check(&[])
}

/// What can be checked with nothing but the lock file, so that the tests of a change depend on the change
/// alone, and not on what was published about a dependency this morning.
pub(crate) fn without_advisories() -> Result {
    check(&["licenses", "bans", "sources"])
}

fn check(what: &[&str]) -> Result {
    tools::cargo_deny()?;
    run::run(tools::tool("cargo-deny", ["check", "--hide-inclusion-graph"])?.args(what))
}
