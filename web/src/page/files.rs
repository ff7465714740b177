//! Files that come in: a trace that is chosen, or dropped on the page.

use super::{Page, Result, report};
use crate::trace;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{DragEvent, Event, File, FileList, FileReader};

impl Page {
    /// A file was chosen in the form.
    pub(super) fn on_chosen_file(&self) -> Result<()> {
        let input = self.state.borrow().input("#trace")?;
        let files = input.files();
        self.open_first(files)?;
        // The same file again is another choice.
        input.set_value("");
        Ok(())
    }

    /// A file is over the page, or let go of.
    pub(super) fn on_drop(&self, event: Event) -> Result<()> {
        let Some(dragged) = event.dyn_ref::<DragEvent>() else { return Ok(()) };
        // The browser would leave the page for the file.
        event.prevent_default();
        let is_over = event.type_() == "dragover";
        self.state.borrow().root.class_list().toggle_with_force("dropping", is_over)?;
        match &*event.type_() {
            "drop" => self.open_first(dragged.data_transfer().and_then(|drop| drop.files())),
            _ => Ok(()),
        }
    }

    fn open_first(&self, files: Option<FileList>) -> Result<()> {
        match files.and_then(|files| files.get(0)) {
            Some(file) => self.open_trace(&file),
            None => self.state.borrow_mut().complain("Only a file can be opened: drop a trace."),
        }
    }

    /// Reads a trace, and shows it.
    fn open_trace(&self, file: &File) -> Result<()> {
        if file.size() > trace::BYTES_MAX as f64 {
            return self.state.borrow_mut().complain(&trace::too_long());
        }
        let reader = FileReader::new()?;
        let (page, read) = (self.clone(), reader.clone());
        let on_end = Closure::once_into_js(move || {
            let text = read.result().ok().and_then(|text| text.as_string());
            let mut state = page.state.borrow_mut();
            report(match text {
                Some(text) => state.close_sheets(None).and_then(|_| state.show_trace(&text)),
                None => state.complain("The browser cannot read this file."),
            });
        });
        reader.set_onloadend(Some(on_end.unchecked_ref()));
        reader.read_as_text(file)
    }
}
