//! A picture as a value: elements, attributes, text. Nothing here knows a browser, so a picture can be
//! made, tested and printed anywhere; `dom` turns it into elements that live on.

/// One element of a picture, with what is inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The name of the element in SVG or HTML.
    pub tag: &'static str,
    /// Names the element among its siblings, so that it stays the same element, and keeps the focus,
    /// when others come and go. Siblings have either all a key or none.
    pub key: Option<u64>,
    /// The attributes, each name once.
    pub attributes: Vec<(&'static str, String)>,
    /// The text inside; an element has text or children, not both.
    pub text: String,
    /// The elements inside.
    pub children: Vec<Self>,
}

impl Mark {
    /// An element with nothing in it.
    pub fn new(tag: &'static str) -> Self {
        Self { tag, ..Self::default() }
    }

    /// The same, with a `class`, which is all most elements have.
    pub fn of(tag: &'static str, class: impl Into<String>) -> Self {
        Self::new(tag).set("class", class)
    }

    /// The element under a key.
    pub fn key(mut self, key: u64) -> Self {
        self.key = Some(key);
        self
    }

    /// The element with one more attribute.
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// The element with this class, if it has none yet.
    pub fn class(self, class: &str) -> Self {
        self.set("class", class)
    }

    /// The element with an attribute for each length, in units of the picture.
    pub fn place<const N: usize>(mut self, lengths: [(&'static str, f64); N]) -> Self {
        self.attributes.extend(lengths.map(|(name, value)| (name, length(value))));
        self
    }

    /// The element with this text in it.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The element with one more child.
    pub fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The element with more children.
    pub fn with_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The element as SVG or HTML text.
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.print_to(&mut out);
        out
    }

    fn print_to(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.tag);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        out.push('>');
        escape(&self.text, out);
        self.children.iter().for_each(|child| child.print_to(out));
        out.push_str("</");
        out.push_str(self.tag);
        out.push('>');
    }
}

/// A length with one decimal, enough for a screen.
pub fn length(value: f64) -> String {
    decimal(value, 1)
}

/// A number with so many decimals, and no more than it needs. Written by hand because formatting floats
/// in general costs more bytes of page than everything in this file.
pub fn decimal(value: f64, places: u32) -> String {
    let one = 10_i64.pow(places);
    let rounded = (value * one as f64).round() as i64;
    let (sign, whole, rest) =
        (if rounded < 0 { "-" } else { "" }, rounded.abs() / one, rounded.abs() % one);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{:0width$}", rest, width = places as usize);
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_more_decimals_than_they_need() {
        for (value, text) in [(0.0, "0"), (3.0, "3"), (2.26, "2.3"), (-0.04, "0"), (-7.5, "-7.5")] {
            assert_eq!(length(value), text);
        }
        for (value, text) in [(0.5, "0.5"), (-0.0312, "-0.031"), (0.999_9, "1"), (12.02, "12.02")] {
            assert_eq!(decimal(value, 3), text);
        }
    }

    #[test]
    fn text_and_attributes_cannot_break_out_of_the_picture() {
        let mark = Mark::of("text", "a\"b").text("<script>&");
        assert_eq!(mark.print(), "<text class=\"a&quot;b\">&lt;script&gt;&amp;</text>");
    }
}
