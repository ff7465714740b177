//! The table: medians, their spread, and the ratios.

use crate::cluster::{Programs, System};
use crate::measure::{Point, Workload};
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
            let (ours, etcd) = (Spread::of(&self.ours, figure), Spread::of(&self.etcd, figure));
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
            let _ = write!(line, " {} | {} | {ratio} |", shown(&ours), shown(&etcd));
        }
        line
    }
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
    fn of(points: &[Point], figure: impl Fn(&Point) -> Option<f64>) -> Option<Self> {
        let mut figures: Vec<f64> = points.iter().map(figure).collect::<Option<_>>()?;
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        Some(Self { least, median: figures[figures.len() / 2], most })
    }
}

/// Prints the table, and leaves it beside the raw figures in `dir`.
pub(crate) fn write(machine: &Machine, rows: &[Row], dir: &Path) -> Result<(), String> {
    let mut table =
        format!("{machine}. Medians; in brackets what the repetitions lie between.\n\n");
    table.push_str("| workload |");
    let figures = ["ops/s", "p50 ms", "p99 ms", "CPU s per 1,000", "syncs each"];
    for figure in figures {
        let _ = write!(table, " {figure}: raft-kv | etcd | ratio |");
    }
    let _ = writeln!(table, "\n|---|{}", "---|".repeat(3 * figures.len()));
    for row in rows {
        let _ = writeln!(table, "{}", row.line());
    }
    println!("\n{table}");
    let save = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("cannot write {} ({error})", path.display()))?;
        println!("written: {}", path.display());
        Ok::<(), String>(())
    };
    save("bench.md", &table)?;
    let raw = serde_json::json!({ "machine": machine, "rows": rows });
    save("bench.json", &format!("{raw:#}\n"))
}
