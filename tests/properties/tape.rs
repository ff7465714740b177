//! A run of choices: whatever a test has to decide, it reads from here, so that bytes are a test case. A
//! fuzzer that changes the bytes changes the choices.

/// Bytes as choices. At the end of the tape every choice is the first.
#[derive(Clone, Debug)]
pub(crate) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left to choose by.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`, or zero if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = match end {
            0 | 1 => return 0,
            2..=256 => usize::from(self.byte()),
            _ => {
                usize::from(self.byte()) << 16
                    | usize::from(self.byte()) << 8
                    | usize::from(self.byte())
            }
        };
        number % end
    }

    /// One of `choices`, which are not empty.
    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }
}
