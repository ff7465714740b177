//! Marks that live on in a page: each keeps its element and what was last written there, and a new
//! picture writes only what is different.

use crate::mark::Mark;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement};

/// The inside of one element of the page.
pub struct Living {
    parent: Element,
    document: Document,
    children: Vec<Live>,
}

struct Live {
    mark: Mark,
    element: Element,
    children: Vec<Self>,
}

impl Living {
    /// Takes an element over, and empties it.
    pub fn new(document: &Document, parent: Element) -> Self {
        parent.set_text_content(None);
        Self { parent, document: document.clone(), children: Vec::new() }
    }

    /// Shows these marks in the element, and nothing else.
    pub fn show(&mut self, marks: Vec<Mark>) -> Result<(), JsValue> {
        patch_all(&self.document, &self.parent, &mut self.children, marks)
    }
}

fn patch_all(
    document: &Document,
    parent: &Element,
    live: &mut Vec<Live>,
    marks: Vec<Mark>,
) -> Result<(), JsValue> {
    let moved = live.len() != marks.len()
        || live.iter().zip(&marks).any(|(live, mark)| live.mark.key != mark.key);
    if !moved {
        // The usual case by far: the same elements in the same order.
        for (live, mark) in live.iter_mut().zip(marks) {
            patch(document, parent, live, mark)?;
        }
        return Ok(());
    }
    let mut old = std::mem::take(live);
    for mark in marks {
        // A few hundred siblings at most, nearly all in their old order: the first is nearly always it.
        let known = old.iter().position(|live| live.mark.key == mark.key);
        live.push(match known {
            Some(place) => {
                let mut known = old.remove(place);
                patch(document, parent, &mut known, mark)?;
                known
            }
            None => {
                let new = create(document, parent, mark)?;
                parent.append_child(&new.element)?;
                new
            }
        });
    }
    let focused = document.active_element();
    let mut loses_focus = false;
    for Live { element, .. } in old {
        loses_focus |= element.contains(focused.as_deref());
        element.remove();
    }
    put_in_order(parent, live)?;
    if loses_focus { focus_near(parent) } else { Ok(()) }
}

/// Gives the focus of what is gone to what is nearest: a keyboard goes on from there.
fn focus_near(place: &Element) -> Result<(), JsValue> {
    let mut place = Some(place.clone());
    while let Some(here) = place {
        if let Some(next) = here.query_selector("button, [tabindex]")? {
            return next.unchecked_into::<HtmlElement>().focus();
        }
        place = here.parent_element();
    }
    Ok(())
}

/// Moves only elements that stand in the wrong place: moving one takes its focus away.
fn put_in_order(parent: &Element, live: &[Live]) -> Result<(), JsValue> {
    let mut next = parent.first_element_child();
    for child in live {
        match &next {
            Some(here) if *here == child.element => next = here.next_element_sibling(),
            here => {
                parent.insert_before(&child.element, here.as_deref())?;
            }
        }
    }
    Ok(())
}

fn patch(
    document: &Document,
    parent: &Element,
    live: &mut Live,
    mark: Mark,
) -> Result<(), JsValue> {
    if live.mark.tag != mark.tag {
        let new = create(document, parent, mark)?;
        let loses_focus = live.element.contains(document.active_element().as_deref());
        parent.replace_child(&new.element, &live.element)?;
        *live = new;
        return if loses_focus { focus_near(parent) } else { Ok(()) };
    }
    let element = &live.element;
    if live.mark.attributes != mark.attributes {
        for (name, value) in &mark.attributes {
            if !live.mark.attributes.iter().any(|old| old.0 == *name && old.1 == *value) {
                element.set_attribute(name, value)?;
            }
        }
        for (name, _) in &live.mark.attributes {
            if !mark.attributes.iter().any(|new| new.0 == *name) {
                element.remove_attribute(name)?;
            }
        }
    }
    if live.mark.text != mark.text {
        element.set_text_content(Some(&mark.text));
    }
    let Mark { tag, key, attributes, text, children } = mark;
    patch_all(document, element, &mut live.children, children)?;
    live.mark = Mark { tag, key, attributes, text, children: Vec::new() };
    Ok(())
}

fn create(document: &Document, parent: &Element, mark: Mark) -> Result<Live, JsValue> {
    const SVG: &str = "http://www.w3.org/2000/svg";
    let in_svg = mark.tag == "svg" || parent.namespace_uri().as_deref() == Some(SVG);
    let element = match in_svg {
        true => document.create_element_ns(Some(SVG), mark.tag)?,
        false => document.create_element(mark.tag)?,
    };
    for (name, value) in &mark.attributes {
        element.set_attribute(name, value)?;
    }
    if !mark.text.is_empty() {
        element.set_text_content(Some(&mark.text));
    }
    let Mark { tag, key, attributes, text, children } = mark;
    let mut live = Vec::with_capacity(children.len());
    for child in children {
        let child = create(document, &element, child)?;
        element.append_child(&child.element)?;
        live.push(child);
    }
    let mark = Mark { tag, key, attributes, text, children: Vec::new() };
    Ok(Live { mark, element, children: live })
}
