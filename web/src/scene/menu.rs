//! What one can do, as data: the same for a pointer, a finger, a key and a screen reader.

use raft_sim::Command;

/// What can be done with something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Menu {
    /// With what.
    pub title: String,
    /// One by one.
    pub items: Vec<Item>,
}

/// Something that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name in the page.
    pub act: String,
    /// What it does to the cluster.
    pub commands: Vec<Command>,
    /// In a word or two.
    pub words: String,
    /// What will come of it, in a sentence.
    pub means: &'static str,
    /// The key that does it; empty if there is none.
    pub key: &'static str,
    /// Whether it is so already, and doing it again takes it back.
    pub on: bool,
    /// Whether it makes sense now.
    pub enabled: bool,
}

impl Menu {
    /// What a key does, if it does something now.
    pub fn by_key(&self, key: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.key.eq_ignore_ascii_case(key) && item.enabled)
    }

    /// What has this name, if it makes sense now.
    pub fn by_act(&self, act: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.act == act && item.enabled)
    }
}
