//! What `raft-cli` prints, as text and as JSON.

use super::exit_code;
use crate::client::Failure;
use raft_core::id::{Index, NodeId};
use raft_core::kv::command::Item;
use raft_core::request::Copies;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::process::ExitCode;

/// How to print.
pub(super) struct Output {
    pub(super) json: bool,
    pub(super) raw: bool,
}

/// Writes to standard output, which a closed pipe must not turn into a panic.
pub(super) fn print(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out)?;
    out.flush()
}

impl Output {
    /// One object on one line.
    pub(super) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        print(|out| {
            serde_json::to_writer(&mut *out, value)?;
            writeln!(out)
        })
    }

    pub(super) fn written(
        &self,
        revision: Index,
        existed: bool,
        copies: Option<Copies>,
        is_delete: bool,
    ) -> io::Result<()> {
        if self.json {
            return self
                .json(&json!({ "revision": revision, "existed": existed, "copies": copies }));
        }
        print(|out| match copies {
            _ if is_delete && !existed => writeln!(out, "OK (key did not exist)"),
            Some(Copies { have, of }) => writeln!(out, "OK (committed to {have}/{of} nodes)"),
            None => writeln!(out, "OK (committed)"),
        })
    }

    /// A value, and who answered if it was not the first node of the list. The value alone goes to
    /// standard output; on a terminal both still share a line.
    pub(super) fn item(&self, item: &Item, answered_by: Option<(usize, NodeId)>) -> io::Result<()> {
        if self.json {
            let node = answered_by.map(|(_, node)| node);
            return self.json(&ItemFrom { item, node });
        }
        let value = item.value.as_deref().unwrap_or_default();
        if self.raw {
            return print(|out| out.write_all(value));
        }
        let from = match answered_by {
            Some((place, node)) if place > 0 => format!(" (from node {node})"),
            _ => String::new(),
        };
        let one_line = io::stdout().is_terminal() && io::stderr().is_terminal();
        if !from.is_empty() && one_line {
            print(|out| out.write_all(value))?;
            let _ = write!(io::stderr(), "{from}");
            return print(|out| writeln!(out));
        }
        print(|out| {
            out.write_all(value)?;
            writeln!(out)
        })?;
        if !from.is_empty() {
            let _ = writeln!(io::stderr(), "{from}");
        }
        Ok(())
    }

    /// One line for each item.
    pub(super) fn page(&self, items: &[Item]) -> io::Result<()> {
        print(|out| {
            for item in items {
                if self.json {
                    serde_json::to_writer(&mut *out, item)?;
                } else {
                    out.write_all(escape(&item.key).as_bytes())?;
                    if let Some(value) = &item.value {
                        write!(out, "\t{}", escape(value))?;
                    }
                }
                writeln!(out)?;
            }
            Ok(())
        })
    }

    /// Something for a person beside the answer.
    pub(super) fn remark(&self, line: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Says what failed and what to do, and returns the exit code.
    pub(super) fn failure(&self, failure: &Failure) -> ExitCode {
        let code = exit_code(failure);
        if !self.json {
            return self.error(failure.code(), &failure.to_string(), code);
        }
        // The fields of the error, such as the revision that a failed condition met.
        let mut object = match failure {
            Failure::Refused(error) => match serde_json::to_value(error) {
                Ok(Value::Object(tagged)) => tagged.into_iter().next().map(|(_, fields)| fields),
                _ => None,
            },
            Failure::Unreachable { .. } => None,
        }
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
        object["code"] = failure.code().into();
        object["message"] = failure.to_string().into();
        let _ = writeln!(io::stderr(), "{object}");
        ExitCode::from(code)
    }

    /// The same for what is not a failed request.
    pub(super) fn error(&self, code: &str, message: &str, exit_code: u8) -> ExitCode {
        let _ = match self.json {
            true => writeln!(io::stderr(), "{}", json!({ "code": code, "message": message })),
            false => writeln!(io::stderr(), "error: {message}"),
        };
        ExitCode::from(exit_code)
    }
}

#[derive(Serialize)]
struct ItemFrom<'a> {
    #[serde(flatten)]
    item: &'a Item,
    node: Option<NodeId>,
}

/// Bytes on one line, without a tab, and so that they can be told from each other.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                control if control.is_ascii_control() => {
                    let _ = write!(text, "\\x{:02X}", u32::from(control));
                }
                other => text.push(other),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn escaped_bytes_stay_on_one_line_and_can_be_told_apart() {
        assert_eq!(escape("Zoë".as_bytes()), "Zoë");
        assert_eq!(escape(b"a\tb\nc\rd\\t"), "a\\tb\\nc\\rd\\\\t");
        assert_eq!(escape(b"\x00\x1b[31m\xff\xfeok"), "\\x00\\x1B[31m\\xFF\\xFEok");
    }
}
