//! Reads a line of JSON into a type that says what it wants. The fields of a type are looked up by their names, one
//! after the other: each type then has the same little code as for reading bytes, where a reader that takes
//! fields in any order has ten times as much, a twentieth of the page.

use serde::de::value::U32Deserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected,
    IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

/// The value that a line is.
///
/// # Errors
/// What is wrong, and in which column.
pub(super) fn read<'de, T: Deserialize<'de>>(line: &'de str) -> Result<T, String> {
    let mut reader = Reader { text: line, at: 0 };
    let value = T::deserialize(&mut reader).and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err(Error::custom("expected the end of the line")),
    });
    value.map_err(|Error(what)| format!("{what} in column {}", reader.at + 1))
}

/// Reads on from `at`. What nobody asks for is passed over, and not judged.
struct Reader<'de> {
    text: &'de str,
    at: usize,
}

#[derive(Debug)]
struct Error(String);

type Result<T, E = Error> = std::result::Result<T, E>;

impl<'de> Reader<'de> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat_if(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn eat(&mut self, byte: u8) -> Result<()> {
        match self.eat_if(byte) {
            true => Ok(()),
            false => Err(Error(format!("expected `{}`", char::from(byte)))),
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        self.peek();
        let is_it = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if is_it { word.len() } else { 0 };
        is_it
    }

    /// A number without sign and fraction. As the key of a map it is in quotes.
    fn number(&mut self) -> Result<u64> {
        let is_key = self.eat_if(b'"');
        let rest = &self.text[self.at..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse();
        let number = number.map_err(|_| Error::custom("expected a number"))?;
        self.at += digits;
        if is_key {
            self.eat(b'"')?;
        }
        Ok(number)
    }

    fn string(&mut self) -> Result<Cow<'de, str>> {
        self.eat(b'"')?;
        let start = self.at;
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(Error::custom("expected `\"`")),
            }
        }
        let inside = self.text.get(start..self.at);
        self.at += 1;
        let inside = inside.ok_or_else(|| Error::custom("expected an escape"))?;
        if !inside.contains('\\') {
            return Ok(Cow::Borrowed(inside));
        }
        unescaped(inside).map(Cow::Owned).ok_or_else(|| Error::custom("expected an escape"))
    }

    /// Passes over a value.
    fn skip(&mut self) -> Result<()> {
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'"') => drop(self.string()?),
                Some(b'{' | b'[') => (depth, self.at) = (depth + 1, self.at + 1),
                Some(b'}' | b']') if depth > 0 => (depth, self.at) = (depth - 1, self.at + 1),
                Some(b',' | b':') if depth > 0 => self.at += 1,
                _ => {
                    let rest = self.text[self.at..].bytes();
                    let word = rest.take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
                    self.at += match word.count() {
                        0 => return Err(Error::custom("expected a value")),
                        length => length,
                    };
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Goes on to the value of the next field that has this name, or behind the end of the object.
    fn find(&mut self, name: Option<&str>) -> Result<bool> {
        while !self.eat_if(b'}') {
            let own = self.string()?;
            self.eat(b':')?;
            if Some(&*own) == name {
                return Ok(true);
            }
            self.skip()?;
            self.comma(b'}')?;
        }
        Ok(false)
    }

    /// What stands between values, or ends them.
    fn comma(&mut self, end: u8) -> Result<()> {
        match self.peek() == Some(end) {
            true => Ok(()),
            false => self.eat(b','),
        }
    }
}

/// The text of a string. Of characters that take two escapes nobody makes addresses.
fn unescaped(inside: &str) -> Option<String> {
    let (mut text, mut chars) = (String::new(), inside.chars());
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => match chars.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits = chars.as_str().get(..4)?;
                    chars = chars.as_str()[4..].chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                itself @ ('"' | '\\' | '/') => itself,
                _ => return None,
            },
            char => char,
        });
    }
    Some(text)
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
        Err(Error::custom("nothing that is shown is of any type"))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match (self.eat_word("true"), self.eat_word("false")) {
            (false, false) => Err(Error::custom("expected true or false")),
            (is_true, _) => visitor.visit_bool(is_true),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_str(&self.string()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.eat_word("null") {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.eat(b'[')?;
        let value = visitor.visit_seq(Items(self))?;
        self.eat(b']').map(|()| value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.eat(b'{')?;
        let value = visitor.visit_map(Items(self))?;
        self.eat(b'}').map(|()| value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.eat(b'{')?;
        let (first, end) = (self.at, self.at);
        let mut fields = Fields { names: names.iter(), first, end, reader: self };
        let value = visitor.visit_seq(&mut fields)?;
        let Fields { reader, end, .. } = fields;
        reader.at = end;
        reader.comma(b'}')?;
        reader.find(None).map(|_| value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let has_content = self.eat_if(b'{');
        let name = self.string()?;
        let place = names.iter().position(|own| *own == name);
        let place = place.ok_or_else(|| Error(format!("unknown name `{name}`")))?;
        if has_content {
            self.eat(b':')?;
        }
        let value =
            visitor.visit_enum(Variant { place: place as u32, has_content, reader: self })?;
        match has_content {
            true => self.eat(b'}').map(|()| value),
            false => Ok(value),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 u32 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// The fields of a type, in its order and wherever in the object they are.
struct Fields<'a, 'de> {
    names: std::slice::Iter<'static, &'static str>,
    first: usize,
    /// Behind the last of those that were found.
    end: usize,
    reader: &'a mut Reader<'de>,
}

impl<'de> SeqAccess<'de> for &mut Fields<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.reader.at = self.first;
        if !self.reader.find(Some(name))? {
            return Err(Error::missing_field(name));
        }
        let value = seed.deserialize(&mut *self.reader)?;
        self.end = self.end.max(self.reader.at);
        Ok(Some(value))
    }
}

/// The items of a list, or the entries of a map.
struct Items<'a, 'de>(&'a mut Reader<'de>);

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.0.peek() == Some(b']') {
            return Ok(None);
        }
        let value = seed.deserialize(&mut *self.0)?;
        self.0.comma(b']').map(|()| Some(value))
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.0.peek() == Some(b'}') {
            return Ok(None);
        }
        seed.deserialize(&mut *self.0).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        self.0.eat(b':')?;
        let value = seed.deserialize(&mut *self.0)?;
        self.0.comma(b'}').map(|()| value)
    }
}

/// A variant by its number, as in bytes.
struct Variant<'a, 'de> {
    place: u32,
    has_content: bool,
    reader: &'a mut Reader<'de>,
}

impl<'a, 'de> Variant<'a, 'de> {
    fn content(self) -> Result<&'a mut Reader<'de>> {
        match self.has_content {
            true => Ok(self.reader),
            false => Err(Error::custom("expected `{` before the name")),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        let place: U32Deserializer<Error> = self.place.into_deserializer();
        Ok((seed.deserialize(place)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.has_content {
            true => self.reader.skip(),
            false => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.content()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.content()?.deserialize_struct("", names, visitor)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }

    // What was found instead may be a fraction, and printing those takes more code than all of this.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::sighting::Kind;
    use raft_core::vec_map::VecMap;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Example {
        text: String,
        maybe: Option<u64>,
        map: VecMap<u64, bool>,
        kinds: Vec<Kind>,
    }

    fn example() -> Example {
        Example {
            text: "a \"b\" \\ \u{1} ü\n".to_owned(),
            maybe: None,
            map: VecMap::from([(1, true), (20, false)]),
            kinds: vec![Kind::Vote, Kind::Entries { count: u64::MAX }, Kind::Granted],
        }
    }

    #[test]
    fn what_is_printed_is_read_in_any_order_and_spacing() {
        let line = serde_json::to_string(&example()).unwrap();
        assert_eq!(read(&line), Ok(example()));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let mut fields: Vec<_> = value.as_object().unwrap().into_iter().collect();
        fields.reverse();
        let fields = fields.iter().map(|(name, value)| format!(" \"{name}\" : {value:#} "));
        let other = r#""other": [{"a": "]}", "b": -1.5e3}, null], "#;
        let line = format!("{{ {other}{} }}", fields.collect::<Vec<_>>().join(","));
        assert_eq!(read(&line), Ok(example()));
    }

    #[test]
    fn what_is_cut_off_is_refused_wherever_it_ends() {
        let line = serde_json::to_string(&example()).unwrap();
        for (end, _) in line.char_indices() {
            assert!(read::<Example>(&line[..end]).is_err(), "{}", &line[..end]);
        }
    }

    #[test]
    fn refusals_say_what_and_where() {
        let kinds = |line: &str| read::<Vec<Kind>>(line).unwrap_err();
        assert_eq!(kinds("[x"), "expected `\"` in column 2");
        assert_eq!(kinds(r#"["vote" "vote"]"#), "expected `,` in column 9");
        assert_eq!(kinds(r#"["walk"]"#), "unknown name `walk` in column 8");
        assert_eq!(kinds(r#"["entries"]"#), "expected `{` before the name in column 11");
        assert_eq!(kinds(r#"[{"entries":{"c":1}}]"#), "missing field `count` in column 20");
        assert_eq!(kinds(r#"[{"entries":{"count":1.5}}]"#), "expected `,` in column 23");
        assert_eq!(kinds("[]]"), "expected the end of the line in column 3");
        assert!(read::<u64>("18446744073709551616").is_err());
    }
}
