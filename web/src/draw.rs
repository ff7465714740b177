//! From a scene to marks. Each channel has one meaning: hue and number are the term, the outline is the
//! role, the shape is the kind of message, the fill of a log cell is commitment. Hue means nothing else.

pub mod checks;
pub mod inside;
pub mod lesson;
pub mod live;
pub mod panels;
pub mod shapes;
pub mod stage;
pub mod timeline;

use raft_core::id::Term;

/// The classes that give an element its term's hue. There are seven hues that most people with any
/// colour vision tell apart (Okabe and Ito); every second lap through them is striped.
pub fn term_class(term: Term) -> String {
    match term.0 {
        0 => "term-0".to_owned(),
        term => {
            let lap = if (term - 1) / 7 % 2 == 1 { " lap" } else { "" };
            format!("term-{}{lap}", 1 + (term - 1) % 7)
        }
    }
}

/// Whether a term belongs to a striped lap through the hues.
pub fn is_striped(term: Term) -> bool {
    term.0 > 0 && (term.0 - 1) / 7 % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_terms_differ_in_hue_and_the_second_lap_in_stripes() {
        let classes: Vec<String> = (0..=14).map(|term| term_class(Term(term))).collect();
        for (n, class) in classes.iter().enumerate() {
            assert!(!classes[n + 1..].contains(class), "term {n} looks like another");
        }
        assert_eq!(term_class(Term(15)), "term-1");
        assert!(is_striped(Term(8)) && !is_striped(Term(7)) && !is_striped(Term(0)));
    }
}
