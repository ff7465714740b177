//! Bytes in formats for people: JSON shows UTF-8 bytes as a string and all others as
//! `{"base16": "00ff"}`. Binary formats carry the bytes as they are.

use crate::bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Bytes that are no UTF-8.
#[derive(Serialize, Deserialize)]
struct Base16 {
    base16: String,
}

/// Either form. An untagged enum would do, and read everything twice.
struct Either;

/// For `#[serde(with = "text")]` on a [`Bytes`].
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return bytes.serialize(serializer);
    }
    match std::str::from_utf8(bytes) {
        Ok(utf8) => serializer.serialize_str(utf8),
        Err(_) => Base16 { base16: base16(bytes) }.serialize(serializer),
    }
}

/// For `#[serde(with = "text")]` on a [`Bytes`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    if !deserializer.is_human_readable() {
        return Bytes::deserialize(deserializer);
    }
    deserializer.deserialize_any(Either)
}

impl<'de> Visitor<'de> for Either {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string, or {{\"base16\": \"00ff\"}}")
    }

    fn visit_str<E: Error>(self, utf8: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(utf8.as_bytes()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Bytes, M::Error> {
        let Base16 { base16 } = Base16::deserialize(MapAccessDeserializer::new(map))?;
        from_base16(&base16).ok_or_else(|| M::Error::custom("base16 wants pairs of 0-9 a-f"))
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
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The inverse of [`base16`]; `None` if `text` is not pairs of hexadecimal digits.
pub fn from_base16(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(bytes.into())
}

/// Bytes for a line of trace or a message to a person: UTF-8 as it is, anything else as hexadecimal.
pub fn display(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(utf8) => utf8.to_owned(),
        Err(_) => format!("0x{}", base16(bytes)),
    }
}
