//! Keys in paths, and what stands behind the question mark.

use crate::socket::invalid;
use hyper::Uri;
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::id::Index;
use raft_core::kv::command::Condition;
use raft_core::request::Consistency;

/// The parameters of a request, in their order.
#[derive(Debug)]
pub struct Query(Vec<(String, Bytes)>);

impl Query {
    /// The parameters of an address.
    pub fn of(uri: &Uri) -> Result<Self, Error> {
        let parts = uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty());
        let parameter = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((name.to_owned(), unescape(value)?))
        };
        parts.map(parameter).collect::<Result<_, _>>().map(Self)
    }

    /// `consistency=linearizable`, which needs not be said, or `consistency=local`.
    pub fn consistency(&self) -> Result<Consistency, Error> {
        match self.single()? {
            None | Some(("consistency", b"linearizable")) => Ok(Consistency::Linearizable),
            Some(("consistency", b"local")) => Ok(Consistency::Local),
            Some(("consistency", _)) => {
                Err(invalid("consistency is linearizable or local; write one of them"))
            }
            Some((name, _)) => {
                Err(invalid(&format!("reads know no parameter {name}; use consistency=local")))
            }
        }
    }

    /// `if_absent`, `if_value=V` or `if_revision=R`.
    pub fn condition(&self) -> Result<Condition, Error> {
        match self.single()? {
            None => Ok(Condition::Any),
            Some(("if_absent", b"")) => Ok(Condition::Absent),
            Some(("if_value", value)) => Ok(Condition::Value(Bytes::copy_from_slice(value))),
            Some(("if_revision", revision)) => std::str::from_utf8(revision)
                .ok()
                .and_then(|text| text.parse().ok())
                .map(|revision| Condition::Revision(Index(revision)))
                .ok_or_else(|| invalid("if_revision is no number; give a revision, such as 17")),
            Some((name, _)) => Err(invalid(&format!(
                "writes know no parameter {name}; use if_absent, if_value=V or if_revision=R"
            ))),
        }
    }

    fn single(&self) -> Result<Option<(&str, &[u8])>, Error> {
        match self.0.as_slice() {
            [] => Ok(None),
            [(name, value)] => Ok(Some((name, value))),
            _ => Err(invalid("there is more than one parameter; give one")),
        }
    }
}

/// The bytes that percent-encoded text stands for (RFC 3986, §2.1). A plus is a plus.
pub fn unescape(text: &str) -> Result<Bytes, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
        } else if let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) {
            bytes.push((high << 4 | low) as u8);
        } else {
            return Err(invalid("a % stands before two hexadecimal digits; write % itself as %25"));
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, Error> {
        Query::of(&format!("/v1/kv/key?{text}").parse().unwrap())
    }

    #[test]
    fn escapes_stand_for_any_byte_and_plus_for_itself() {
        for (text, bytes) in [
            ("plain", &b"plain"[..]),
            ("a%2Fb/c", b"a/b/c"),
            ("%00%ff%C3%a9", b"\x00\xff\xc3\xa9"),
            ("a+b", b"a+b"),
            ("", b""),
        ] {
            assert_eq!(*unescape(text).unwrap(), *bytes, "{text}");
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "a%zz", "%+1", "%2%41"] {
            assert!(unescape(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_read_is_linearizable_unless_it_says_local() {
        let consistency = |text| query(text).and_then(|query| query.consistency());
        assert_eq!(consistency(""), Ok(Consistency::Linearizable));
        assert_eq!(consistency("consistency=linearizable"), Ok(Consistency::Linearizable));
        assert_eq!(consistency("consistency=local"), Ok(Consistency::Local));
        for text in ["consistency", "consistency=stale", "if_absent", "consistency=local&x=1"] {
            assert!(consistency(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_write_has_at_most_one_condition() {
        let condition = |text| query(text).and_then(|query| query.condition());
        assert_eq!(condition(""), Ok(Condition::Any));
        assert_eq!(condition("if_absent"), Ok(Condition::Absent));
        assert_eq!(condition("if_revision=17"), Ok(Condition::Revision(Index(17))));
        assert_eq!(condition("if_value=a%20b"), Ok(Condition::Value("a b".into())));
        assert_eq!(condition("if_value="), Ok(Condition::Value(Bytes::new())));
        for text in
            ["if_absent=no", "if_revision=", "if_revision=-1", "if_absent&if_revision=1", "ttl=5"]
        {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
