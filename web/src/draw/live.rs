//! How a cluster that is watched is, in HTML: what an operator looks for first.

use crate::live::Live;
use crate::mark::Mark;

/// Whether it is live, whether there is a quorum, who leads, how often that changed.
pub fn strip(live: &Live) -> Vec<Mark> {
    let (class, word) = match (live.is_recording(), live.follows()) {
        (true, _) => ("recorded", "Recorded"),
        (false, true) => ("on-air", "Live"),
        (false, false) => ("frozen", "Frozen"),
    };
    let mut marks = vec![Mark::of("li", class).key(0).with(Mark::new("b").text(word))];
    let quorum = if live.quorum().holds { "holds" } else { "lost" };
    marks.extend(live.state().into_iter().zip(1..).map(|(words, key)| {
        Mark::of("li", if key == 1 { quorum } else { "" }).key(key).text(words)
    }));
    marks
}
