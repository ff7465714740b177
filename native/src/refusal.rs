//! Why a node does not start.

use std::fmt;

/// Exit code for anything that has no code of its own.
pub const EXIT_OTHER: u8 = 1;

/// Exit code for an unknown flag or a bad value.
pub const EXIT_USAGE: u8 = 2;

/// Exit code for a wrong cluster, node identity or version.
pub const EXIT_IDENTITY: u8 = 9;

/// Why a node does not start: one sentence, and the exit code of its kind. A refused start has changed
/// nothing on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code of the process.
    pub exit: u8,
    /// What happened; what to do.
    pub sentence: String,
}

impl Refusal {
    /// A refusal with [`EXIT_OTHER`].
    pub fn other(sentence: String) -> Self {
        Self { exit: EXIT_OTHER, sentence }
    }

    /// A refusal with [`EXIT_USAGE`].
    pub fn usage(sentence: String) -> Self {
        Self { exit: EXIT_USAGE, sentence }
    }

    /// A refusal with [`EXIT_IDENTITY`].
    pub fn identity(sentence: String) -> Self {
        Self { exit: EXIT_IDENTITY, sentence }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Refusal {}
