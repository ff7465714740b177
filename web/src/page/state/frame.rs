//! The page in a frame of another page, and in a theme that its address names.

use super::{Result, State};
use crate::embed::{Embed, Theme};
use crate::link::Link;
use wasm_bindgen::JsCast;
use web_sys::{CssMediaRule, CssStyleSheet, HtmlElement};

impl State {
    /// Shows the page as its address says.
    pub(super) fn put_in_frame(&self) -> Result<()> {
        let Embed { is_embedded, panels, theme, .. } = &self.embed;
        self.root.class_list().toggle_with_force("embedded", *is_embedded)?;
        self.root.set_attribute("data-panels", &panels.join(" "))?;
        let Some(theme) = theme else { return Ok(()) };
        let (name, dark_is) = match theme {
            Theme::Light => ("light", "not all"),
            Theme::Dark => ("dark", "all"),
        };
        let document = self.document()?;
        let html = document.document_element().and_then(|html| html.dyn_into::<HtmlElement>().ok());
        html.map_or(Ok(()), |html| html.style().set_property("color-scheme", name))?;
        // The style sheets say what is dark once, for those whose system prefers it.
        let sheets = document.style_sheets();
        let sheets = (0..sheets.length()).filter_map(|number| sheets.item(number));
        for sheet in sheets.filter_map(|sheet| sheet.dyn_into::<CssStyleSheet>().ok()) {
            let rules = sheet.css_rules()?;
            let rules = (0..rules.length()).filter_map(|number| rules.item(number));
            for rule in rules.filter_map(|rule| rule.dyn_into::<CssMediaRule>().ok()) {
                if rule.media().media_text().contains("prefers-color-scheme: dark") {
                    rule.media().set_media_text(dark_is);
                }
            }
        }
        Ok(())
    }

    /// Opens the whole page at this moment, beside the one that frames this one.
    pub(super) fn open_whole(&self) -> Result<()> {
        let link = Link::to(self.run(), self.lesson(), self.view.picked).print();
        let address = format!("{}#{link}", self.window.location().pathname()?);
        self.window.open_with_url_and_target(&address, "_blank").map(drop)
    }
}
