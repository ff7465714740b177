//! The checksum of everything on disk: CRC-32, as in gzip.

/// The checksum of some bytes and then `bytes`, where `before` is that of the first; 0 if there are none.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn crc32(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(target_arch = "wasm32")]
pub(crate) use small::crc32;

/// The same for browsers, where the tables of a fast one are a tenth of what is to be fetched.
#[cfg(any(test, target_arch = "wasm32"))]
mod small {
    /// What four bits add, which have come to the low end.
    const NIBBLES: [u32; 16] = nibbles();

    pub(crate) fn crc32(before: u32, bytes: &[u8]) -> u32 {
        let nibble = |crc: u32| (crc >> 4) ^ NIBBLES[(crc & 15) as usize];
        !bytes.iter().fold(!before, |crc, byte| nibble(nibble(crc ^ u32::from(*byte))))
    }

    const fn nibbles() -> [u32; 16] {
        const POLYNOMIAL: u32 = 0xEDB8_8320;
        let mut table = [0; 16];
        let mut nibble = 0;
        while nibble < table.len() {
            let (mut crc, mut bits) = (nibble as u32, 4);
            while bits > 0 {
                crc = (crc >> 1) ^ ((crc & 1) * POLYNOMIAL);
                bits -= 1;
            }
            table[nibble] = crc;
            nibble += 1;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_are_the_known_one_and_go_on_from_any_byte() {
        let bytes: Vec<u8> = (0..=255).chain(*b"123456789").collect();
        assert_eq!(small::crc32(0, &bytes[256..]), 0xCBF4_3926);
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(small::crc32(0, first), crc32(0, first), "{cut}");
            assert_eq!(small::crc32(crc32(0, first), second), crc32(0, &bytes), "{cut}");
        }
    }
}
