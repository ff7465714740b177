//! The curve of writes over clients, as a picture.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the numbers: left, right, above, below.
const MARGINS: [f64; 4] = [80.0, 110.0, 50.0, 60.0];

/// One line: who, and at how many clients how many writes a second.
pub(crate) struct Curve {
    /// Whose.
    pub(crate) name: &'static str,
    /// Its colour.
    pub(crate) colour: &'static str,
    /// Points from few clients to many.
    pub(crate) points: Vec<(usize, f64)>,
}

/// Both curves as SVG; clients in powers, writes as they are, so that twice as high is twice as many.
pub(crate) fn draw(curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let most_clients = points().map(|(clients, _)| *clients).max().unwrap_or(1).max(2) as f64;
    let step = step_of(points().map(|(_, rate)| *rate).fold(1.0, f64::max));
    let steps = (points().map(|(_, rate)| *rate).fold(0.0, f64::max) / step).ceil().max(1.0);
    let [left, right, above, below] = MARGINS;
    let (width, height) = (WIDTH - left - right, HEIGHT - above - below);
    let x = |clients: usize| left + (clients as f64).ln() / most_clients.ln() * width;
    let y = |rate: f64| above + height - rate / (step * steps) * height;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Writes per second by number of clients</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fffefa\"/>\n\
         <text x=\"{left}\" y=\"28\" font-size=\"16\" font-weight=\"bold\">Writes per second by number of clients</text>\n"
    );
    for line in 0..=steps as u32 {
        let rate = step * f64::from(line);
        let at = y(rate);
        let end = WIDTH - right;
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#ddd8cc\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\" fill=\"#555\">{rate:.0}</text>",
            left - 8.0,
            at + 4.0
        );
    }
    let mut counts: Vec<usize> = points().map(|(clients, _)| *clients).collect();
    counts.sort_unstable();
    counts.dedup();
    for clients in counts {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{clients}</text>",
            x(clients),
            HEIGHT - below + 22.0
        );
    }
    let middle = left + width / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">clients</text>",
        HEIGHT - 16.0
    );
    for Curve { name, colour, points } in curves {
        let line: Vec<String> = points
            .iter()
            .map(|(clients, rate)| format!("{:.1},{:.1}", x(*clients), y(*rate)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
            line.join(" ")
        );
        for (clients, rate) in points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"><title>{name}, {clients} clients: \
                 {rate:.0}</title></circle>",
                x(*clients),
                y(*rate)
            );
        }
        if let Some((clients, rate)) = points.last() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\" font-weight=\"bold\">{name}</text>",
                x(*clients) + 12.0,
                y(*rate) + 4.0
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A round number of which a few make up `most`: 1, 2 or 5 with zeros.
fn step_of(most: f64) -> f64 {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let round = [1.0, 2.0, 5.0].map(|digit| digit * power);
    round.into_iter().find(|step| most / step <= 6.0).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (most, step) in [(1.0, 0.2), (7.0, 2.0), (14_800.0, 5_000.0), (131_000.0, 50_000.0)] {
            assert_eq!(step_of(most), step, "{most}");
        }
    }

    #[test]
    fn twice_as_many_is_twice_as_high() {
        let points = vec![(1, 0.0), (10, 5_000.0), (100, 10_000.0)];
        let svg = draw(&[Curve { name: "one", colour: "#000", points }]);
        assert!(svg.contains("<polyline points=\"80.0,340.0 345.0,195.0 610.0,50.0\""), "{svg}");
    }
}
