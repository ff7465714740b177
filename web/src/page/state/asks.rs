//! What the visitor's client asks for.

use super::{Result, State};
use crate::controls::Action;
use raft_core::kv::command::Condition;
use raft_sim::Command;

impl State {
    /// A client asks for what the form says; after a write the form proposes the next value.
    pub(super) fn client_asks(&mut self, action: &Action) -> Result<()> {
        let (key, value) = (self.input("#key")?.value(), self.input("#value")?.value());
        if key.is_empty() {
            return self.complain("A key needs a name.");
        }
        let (key, new) = (key.into(), value.clone().into());
        let command = match action {
            Action::Read => Command::Read { key },
            Action::Delete => Command::Delete { key },
            Action::Swap => {
                let condition = match self.input("#old")?.value() {
                    none if none.is_empty() => Condition::Absent,
                    old => Condition::Value(old.into()),
                };
                Command::WriteIf { key, value: new, condition }
            }
            _ => Command::Write { key, value: new },
        };
        self.command(vec![command])?;
        if let (Action::Write, Ok(number)) = (action, value.parse::<u32>()) {
            self.input("#value")?.set_value(&number.saturating_add(1).to_string());
        }
        self.draw(true)
    }
}
