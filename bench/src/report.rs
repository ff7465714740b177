//! The table: medians, their spread, and the ratios.

use crate::cluster::{Programs, System};
use crate::curve::{self, Curve};
use crate::measure::{Point, Workload};
use raft_native::bench::Operation;
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where it was measured, and what.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    processors: usize,
    model: String,
    kernel: String,
    etcd: String,
}

/// A workload and what each repetition gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The workload.
    pub(crate) workload: Workload,
    ours: Vec<Point>,
    etcd: Vec<Point>,
}

/// A figure of a trial.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// What was measured, and its unit.
    pub(crate) name: &'static str,
    ours: Vec<f64>,
    etcd: Vec<f64>,
}

impl Machine {
    /// Looks around, and sees whether the programs run.
    pub(crate) fn look(programs: &Programs) -> Result<Self, String> {
        let version = |program: &Path| {
            let output = Command::new(program).arg("--version").output();
            let output = output.map_err(|error| {
                format!("cannot run {} ({error}); see `cargo xtask help bench`", program.display())
            })?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok::<String, String>(text.lines().next().unwrap_or_default().to_owned())
        };
        version(&programs.ours)?;
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            model: model
                .map_or("unknown", |name| name.trim_start_matches(['\t', ' ', ':']))
                .to_owned(),
            kernel: kernel.trim().to_owned(),
            etcd: version(&programs.etcd)?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processors, model, kernel, etcd } = self;
        write!(f, "{processors} processors ({model}), Linux {kernel}; beside {etcd}")
    }
}

impl Row {
    /// Nothing measured yet.
    pub(crate) fn new(workload: Workload) -> Self {
        Self { workload, ours: Vec::new(), etcd: Vec::new() }
    }

    /// One more repetition.
    pub(crate) fn add(&mut self, system: System, point: Point) {
        match system {
            System::Ours => self.ours.push(point),
            System::Etcd => self.etcd.push(point),
        }
    }

    fn line(&self) -> String {
        let mut line = format!("| {} |", self.workload.name());
        let figures: [(Figure, usize); 5] = [
            (|point| Some(point.ops_per_second), 0),
            (|point| Some(point.p50_ms), 2),
            (|point| Some(point.p99_ms), 2),
            (|point| Some(point.cpu_seconds_per_1000), 4),
            (|point| point.syncs_each, 3),
        ];
        for (figure, digits) in figures {
            let of = |points: &[Point]| points.iter().map(figure).collect();
            line.push_str(&compared(of(&self.ours), of(&self.etcd), digits));
        }
        line
    }
}

impl Finding {
    /// The first figure of its name.
    pub(crate) fn new(name: &'static str, system: System, figure: f64) -> Self {
        let mut finding = Self { name, ours: Vec::new(), etcd: Vec::new() };
        finding.add(system, figure);
        finding
    }

    /// One more.
    pub(crate) fn add(&mut self, system: System, figure: f64) {
        match system {
            System::Ours => self.ours.push(figure),
            System::Etcd => self.etcd.push(figure),
        }
    }

    fn line(&self) -> String {
        format!("| {} |", self.name)
            + &compared(Some(self.ours.clone()), Some(self.etcd.clone()), 2)
    }
}

/// Three cells of a table: ours, etcd's, and the ratio. `None` and nothing: not measured.
fn compared(ours: Option<Vec<f64>>, etcd: Option<Vec<f64>>, digits: usize) -> String {
    let (ours, etcd) = (ours.and_then(Spread::of), etcd.and_then(Spread::of));
    let shown = |spread: &Option<Spread>| match spread {
        Some(spread) => format!("{:.digits$}", spread.median),
        None => "-".to_owned(),
    };
    let ratio = match (&ours, &etcd) {
        // Nothing is no part of nothing: reads sync neither here nor there.
        (Some(ours), Some(etcd)) if etcd.least > 0.0 => {
            // The worst and the best that any two repetitions give.
            let (low, high) = (ours.least / etcd.most, ours.most / etcd.least);
            format!("**{:.2}x** ({low:.2}-{high:.2})", ours.median / etcd.median)
        }
        _ => "-".to_owned(),
    };
    format!(" {} | {} | {ratio} |", shown(&ours), shown(&etcd))
}

/// What of a point stands in a column; `None` if it was not measured.
type Figure = fn(&Point) -> Option<f64>;

/// A figure over all repetitions.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        Some(Self { least, median: figures[figures.len() / 2], most })
    }
}

/// Prints the table, and leaves it beside the raw figures in `dir`.
pub(crate) fn write(
    machine: &Machine,
    rows: &[Row],
    findings: &[Finding],
    dir: &Path,
) -> Result<(), String> {
    let mut table =
        format!("{machine}. Medians; in brackets what the repetitions lie between.\n\n");
    if !rows.is_empty() {
        add_rows(rows, &mut table);
    }
    if !findings.is_empty() {
        table.push_str("\n| what | raft-kv | etcd | ratio |\n|---|---|---|---|\n");
        for finding in findings {
            let _ = writeln!(table, "{}", finding.line());
        }
    }
    println!("\n{table}");
    fs::create_dir_all(dir).map_err(|error| format!("cannot make {} ({error})", dir.display()))?;
    let save = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("cannot write {} ({error})", path.display()))?;
        println!("written: {}", path.display());
        Ok::<(), String>(())
    };
    save("bench.md", &table)?;
    let curves = [
        Curve { name: "raft-kv", colour: "#b35c00", points: puts(rows, |row| &row.ours) },
        Curve { name: "etcd", colour: "#1f6fb2", points: puts(rows, |row| &row.etcd) },
    ];
    if curves[0].points.len() > 1 {
        save("puts.svg", &curve::draw(&curves))?;
    }
    let raw = serde_json::json!({ "machine": machine, "rows": rows, "findings": findings });
    save("bench.json", &format!("{raw:#}\n"))
}

/// The medians of the writes in the binary form, by clients.
fn puts(rows: &[Row], points: impl Fn(&Row) -> &[Point]) -> Vec<(usize, f64)> {
    rows.iter()
        .filter(|row| row.workload.operation == Operation::Put && !row.workload.json)
        .filter_map(|row| {
            let rates = points(row).iter().map(|point| point.ops_per_second).collect();
            Some((row.workload.clients, Spread::of(rates)?.median))
        })
        .collect()
}

fn add_rows(rows: &[Row], table: &mut String) {
    table.push_str("| workload |");
    let figures = ["ops/s", "p50 ms", "p99 ms", "CPU s per 1,000", "syncs each"];
    for figure in figures {
        let _ = write!(table, " {figure}: raft-kv | etcd | ratio |");
    }
    let _ = writeln!(table, "\n|---|{}", "---|".repeat(3 * figures.len()));
    for row in rows {
        let _ = writeln!(table, "{}", row.line());
    }
}
