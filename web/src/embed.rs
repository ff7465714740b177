//! How the page is shown, if its address says so: in a frame of another page, in a theme.
//! `?embed=1&panels=logs,story&theme=dark&autoplay=1`

/// The panels that can be asked for.
const PANELS: [&str; 8] = ["top", "lesson", "do", "logs", "picked", "client", "story", "table"];

/// What an address says of the way the page is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embed {
    /// In a frame of another page: stage and time alone.
    pub is_embedded: bool,
    /// The panels that are shown there besides.
    pub panels: Vec<&'static str>,
    /// The theme, whatever the visitor's system prefers.
    pub theme: Option<Theme>,
    /// Time runs from the start; in a frame it does not if nothing says so.
    pub autoplay: bool,
}

/// A theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Ink on paper.
    Light,
    /// Paper on ink.
    Dark,
}

impl Embed {
    /// What a query says, with or without its question mark. What is not known is passed over, so that
    /// a page of another version shows something.
    pub fn read(query: &str) -> Self {
        let mut embed = Self::default();
        for field in query.trim_start_matches('?').split('&') {
            match field.split_once('=').unwrap_or((field, "")) {
                ("embed", value) => embed.is_embedded = value != "0",
                ("autoplay", value) => embed.autoplay = value != "0",
                ("theme", "dark") => embed.theme = Some(Theme::Dark),
                ("theme", "light") => embed.theme = Some(Theme::Light),
                ("panels", names) => {
                    let known = |name: &&'static str| {
                        // A comma may come as it is, or in the form that forms send.
                        names.replace("%2C", ",").split(',').any(|wanted| wanted == *name)
                    };
                    embed.panels = PANELS.into_iter().filter(known).collect();
                }
                _ => {}
            }
        }
        embed
    }

    /// Whether lessons have a place.
    pub fn shows_lessons(&self) -> bool {
        !self.is_embedded || self.panels.contains(&"lesson")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_says_how_the_page_is_shown() {
        assert_eq!(Embed::read(""), Embed::default());
        assert!(Embed::default().shows_lessons());
        let embed = Embed::read("?embed=1&panels=story%2Clogs,moon&theme=dark&autoplay=1&utm=x");
        let expected = Embed {
            is_embedded: true,
            panels: vec!["logs", "story"],
            theme: Some(Theme::Dark),
            autoplay: true,
        };
        assert_eq!(embed, expected);
        assert!(!embed.shows_lessons() && Embed::read("embed&panels=lesson").shows_lessons());
        assert_eq!(Embed::read("?embed=0&autoplay=0&theme=blue"), Embed::default());
    }
}
