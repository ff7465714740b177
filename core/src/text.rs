//! Bytes in formats for people: JSON shows UTF-8 bytes as a string and all others as
//! `{"base16": "00ff"}`. Binary formats carry the bytes as they are.

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Utf8(String),
    Base16 { base16: String },
}

/// For `#[serde(with = "text")]` on a [`Bytes`].
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return bytes.serialize(serializer);
    }
    match std::str::from_utf8(bytes) {
        Ok(utf8) => serializer.serialize_str(utf8),
        Err(_) => Text::Base16 { base16: base16(bytes) }.serialize(serializer),
    }
}

/// For `#[serde(with = "text")]` on a [`Bytes`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    if !deserializer.is_human_readable() {
        return Bytes::deserialize(deserializer);
    }
    match Text::deserialize(deserializer)? {
        Text::Utf8(utf8) => Ok(utf8.into()),
        Text::Base16 { base16 } => {
            from_base16(&base16).ok_or_else(|| D::Error::custom("base16 wants pairs of 0-9 a-f"))
        }
    }
}

/// The same for an optional field.
pub mod option {
    use super::{Bytes, Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Wrapped(#[serde(with = "super")] Bytes);

    /// For `#[serde(with = "text::option")]` on an `Option<Bytes>`.
    pub fn serialize<S: Serializer>(
        bytes: &Option<Bytes>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.clone().map(Wrapped).serialize(serializer)
    }

    /// For `#[serde(with = "text::option")]` on an `Option<Bytes>`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Bytes>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
    }
}

/// Lower-case hexadecimal, two digits a byte.
pub fn base16(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The inverse of [`base16`]; `None` if `text` is not pairs of hexadecimal digits.
pub fn from_base16(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Bytes for a line of trace or a message to a person: UTF-8 as it is, anything else as hexadecimal.
pub fn display(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(utf8) => utf8.to_owned(),
        Err(_) => format!("0x{}", base16(bytes)),
    }
}
