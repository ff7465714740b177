//! Files: what can be saved of what is on the screen. Nothing leaves the browser but into them.

use super::{Result, State, find};
use crate::controls::File;
use crate::trace;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::{Array, encode_uri_component};
use web_sys::{
    Blob, BlobPropertyBag, CanvasRenderingContext2d, CssConditionRule, CssGroupingRule,
    CssRuleList, CssStyleRule, CssStyleSheet, Document, Element, HtmlAnchorElement,
    HtmlCanvasElement, HtmlImageElement, Url, XmlSerializer,
};

/// How many pixels of a photo there are to one of the stage: sharp on a slide.
const PIXELS: f64 = 2.0;

const SVG: &str = "http://www.w3.org/2000/svg";

impl State {
    /// Saves what is before the visitor as a file.
    pub(super) fn save(&mut self, file: File) -> Result<()> {
        let document = self.document()?;
        match file {
            File::Stage => save_text(&document, file, &self.picture("#stage")?)?,
            File::Timeline => save_text(&document, file, &self.picture("#timeline")?)?,
            File::Photo => return photograph(&document, &self.picture("#stage")?),
            File::Trace => {
                let run = self.run();
                let (text, is_whole) = trace::print(run.session(), run.record().steps());
                save_text(&document, file, &text)?;
                if !is_whole {
                    let most = trace::BYTES_MAX >> 20;
                    let says =
                        format!("The run goes on, but the file ends here: it has {most} MiB.");
                    return self.complain(&says);
                }
            }
        }
        self.complain(&format!("Saved as {}.", file.name()))
    }

    /// A picture of the page as a file of its own, with the styles that it has on the screen.
    fn picture(&self, id: &str) -> Result<String> {
        let svg = find(&self.root, id)?;
        let mut styles = String::new();
        let sheets = self.document()?.style_sheets();
        for number in 0..sheets.length() {
            let sheet =
                sheets.item(number).and_then(|sheet| sheet.dyn_into::<CssStyleSheet>().ok());
            if let Some(sheet) = sheet {
                self.collect_styles(&sheet.css_rules()?, &svg, &mut styles)?;
            }
        }
        let view_box = svg.get_attribute("viewBox").unwrap_or_default();
        let sides: Vec<&str> = view_box.split(' ').collect();
        let &[_, _, width, height] = &*sides else { return Err("a picture has a size".into()) };
        let picture: Element = svg.clone_node_with_deep(true)?.unchecked_into();
        picture.set_attribute("width", width)?;
        picture.set_attribute("height", height)?;
        let style = self.document()?.create_element_ns(Some(SVG), "style")?;
        // A file has no page behind it: the background is a part of the picture.
        styles.push_str("svg { position: static !important; background: var(--card); }");
        style.set_text_content(Some(&styles));
        picture.prepend_with_node_1(&style)?;
        XmlSerializer::new()?.serialize_to_string(&picture)
    }

    /// Adds the rules that say how the picture looks now: those of its parts, and of the theme.
    fn collect_styles(
        &self,
        rules: &CssRuleList,
        svg: &Element,
        styles: &mut String,
    ) -> Result<()> {
        for number in 0..rules.length() {
            let Some(rule) = rules.item(number) else { continue };
            if let Some(rule) = rule.dyn_ref::<CssStyleRule>() {
                let selector = rule.selector_text();
                if selector.contains(":root")
                    || svg.matches(&selector)?
                    || svg.query_selector(&selector)?.is_some()
                {
                    styles.push_str(&rule.css_text());
                }
            } else if let Some(condition) = rule.dyn_ref::<CssConditionRule>() {
                let media = self.window.match_media(&condition.condition_text());
                let holds = media.ok().flatten().is_some_and(|media| media.matches());
                if let (true, Some(group)) = (holds, rule.dyn_ref::<CssGroupingRule>()) {
                    self.collect_styles(&group.css_rules(), svg, styles)?;
                }
            }
        }
        Ok(())
    }
}

fn save_text(document: &Document, file: File, text: &str) -> Result<()> {
    let kind = BlobPropertyBag::new();
    kind.set_type(if file == File::Trace { "application/jsonl" } else { "image/svg+xml" });
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&text.into()), &kind)?;
    let address = Url::create_object_url_with_blob(&blob)?;
    download(document, file, &address)?;
    Url::revoke_object_url(&address)
}

fn download(document: &Document, file: File, address: &str) -> Result<()> {
    let link: HtmlAnchorElement = document.create_element("a")?.dyn_into()?;
    link.set_href(address);
    link.set_download(file.name());
    link.click();
    Ok(())
}

/// Saves a picture as PNG, as soon as the browser has drawn it.
fn photograph(document: &Document, svg: &str) -> Result<()> {
    let image = HtmlImageElement::new()?;
    let (document, drawn) = (document.clone(), image.clone());
    let on_load = Closure::once_into_js(move || super::super::report(develop(&document, &drawn)));
    image.set_onload(Some(on_load.unchecked_ref()));
    let text: String = encode_uri_component(svg).into();
    image.set_src(&format!("data:image/svg+xml,{text}"));
    Ok(())
}

fn develop(document: &Document, image: &HtmlImageElement) -> Result<()> {
    let canvas: HtmlCanvasElement = document.create_element("canvas")?.dyn_into()?;
    let (width, height) = (f64::from(image.width()) * PIXELS, f64::from(image.height()) * PIXELS);
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let context: CanvasRenderingContext2d =
        canvas.get_context("2d")?.ok_or(JsValue::from("no canvas"))?.unchecked_into();
    context.draw_image_with_html_image_element_and_dw_and_dh(image, 0.0, 0.0, width, height)?;
    download(document, File::Photo, &canvas.to_data_url_with_type("image/png")?)
}
