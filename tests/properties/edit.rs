//! Input that is nearly right.

use crate::tape::Tape;

/// Everything that is left on a tape.
pub(crate) fn rest(tape: &mut Tape) -> Vec<u8> {
    std::iter::from_fn(|| (!tape.is_empty()).then(|| tape.byte())).collect()
}

/// Changes one place of `bytes`: the changes that find most in numbers of varying length.
pub(crate) fn edit(bytes: &mut Vec<u8>, tape: &mut Tape) {
    let place = tape.below(bytes.len().max(1));
    let kind = tape.below(7);
    if kind == 6 || bytes.is_empty() {
        return bytes.insert(place, tape.byte());
    }
    match kind {
        0 => bytes[place] = bytes[place].wrapping_add(1),
        1 => bytes[place] = bytes[place].wrapping_sub(1),
        2 => bytes[place] ^= 1 << tape.below(8),
        3 => bytes[place] = tape.byte(),
        4 => drop(bytes.remove(place)),
        // The largest number there is.
        _ => drop(bytes.splice(place..=place, [[0xff; 9].as_slice(), &[1]].concat())),
    }
}
