//! The checks: the word in the head, and the sheet below it. And the mistakes that they are to catch.

use super::{Result, State};
use crate::controls::NOTCHES;
use crate::dom::Living;
use crate::draw;
use crate::look;
use crate::session::{Cluster, Session};
use crate::whatif::WhatIf;

/// The parts of the page that are about checks.
pub(super) struct Watch {
    checked: Living,
    mistakes: Living,
    mistaken: Living,
}

impl Watch {
    pub(super) fn new(living: impl Fn(&str) -> Result<Living>) -> Result<Self> {
        Ok(Self {
            checked: living("#checked")?,
            mistakes: living("#mistakes")?,
            mistaken: living("#mistaken")?,
        })
    }
}

impl State {
    pub(super) fn draw_checks(&mut self) -> Result<()> {
        let checks = look::checks::checks(self.run());
        let word = match &checks.broken {
            Some(broken) if !broken.is_ahead => format!("{} fails", broken.name),
            Some(_) => "A check will fail".to_owned(),
            None => "All checks hold".to_owned(),
        };
        self.write("#checks-word", &word)?;
        let made = self.run().session().what_if;
        self.root.class_list().toggle_with_force("wrong-code", made.is_some())?;
        let watch = &mut self.parts.watch;
        watch.checked.show(draw::checks::draw(&checks))?;
        watch.mistakes.show(draw::checks::mistakes(made))?;
        watch.mistaken.show(draw::checks::mistaken(made))
    }

    /// The same session from its beginning, with this mistake in the code or with none.
    pub(super) fn switch(&mut self, what_if: Option<&'static WhatIf>) -> Result<()> {
        self.begin(Session { what_if, ..self.run().session().clone() })
    }

    /// The session in which a mistake shows.
    pub(super) fn show_mistake(&mut self, what_if: &'static WhatIf) -> Result<()> {
        let shows = Session::from_link(&format!("v1.{}", what_if.shows))?;
        self.begin(Session { what_if: Some(what_if), ..shows })?;
        // A run of the tests has thousands of events, and the check that ends it comes last.
        if self.run().session().cluster == Cluster::Swarm {
            self.notch = *NOTCHES.end();
        }
        self.playing = true;
        Ok(())
    }
}
