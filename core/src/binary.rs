//! Values as bytes: the binary form of all that is sent and stored.

use crate::bytes::Bytes;
use serde::Serialize;

/// Room is made in multiples of this, in bytes, as allocators do: records are padded to it.
const WORD_BYTES: usize = 8;

/// `value` behind `prefix`, in a buffer that is made as long as it takes: one that grows on the way is copied
/// again and again, and ends longer than it need be.
pub(crate) fn encode(prefix: &[u8], value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((prefix.len() + length(value)).next_multiple_of(WORD_BYTES));
    bytes.extend_from_slice(prefix);
    postcard::to_extend(value, bytes).expect("our values always encode")
}

/// `value`, to be shared.
pub(crate) fn encode_shared(value: &impl Serialize) -> Bytes {
    Bytes::filled(length(value), |room| {
        postcard::to_slice(value, room).expect("there is as much room as it takes");
    })
}

fn length(value: &impl Serialize) -> usize {
    postcard::experimental::serialized_size(value).expect("our values always encode")
}
