//! The table of what was measured.

use crate::rows::number;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Variable that has the table written instead of printed.
pub const UPDATE: &str = "UPDATE_PERFORMANCE";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const BEGIN: &str = "<!-- made by cargo bench -->\n";
const END: &str = "<!-- end of bench -->";
/// Most that a cost may grow where it shall not grow.
const FLAT: f64 = 1.5;
/// Memory of the smallest function.
const MEMORY_MB: f64 = 128.0;

/// What an answer's `Server-Timing` says.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    calls: f64,
    trips: f64,
    reads: f64,
    writes: f64,
}

impl Cost {
    pub fn read(header: &str) -> Self {
        let number = |name: &str| {
            let rest = header.split(&format!("{name}=")).nth(1).expect(name);
            rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or_default().parse().expect(name)
        };
        Self { calls: number("calls"), trips: number("trips"), reads: number("rcu"), writes: number("wcu") }
    }
}

/// What the requests of a row have used.
#[derive(Debug, Default)]
pub struct Figures {
    pub costs: Vec<Cost>,
    pub walls: Vec<Duration>,
    /// For a request, of each block.
    pub cpus: Vec<Duration>,
    /// In MB.
    pub peak: Option<f64>,
    /// The status that was an error.
    pub refused: Option<u16>,
}

impl Figures {
    pub fn add(&mut self, other: Self) {
        self.costs.extend(other.costs);
        self.walls.extend(other.walls);
        self.cpus.extend(other.cpus);
        self.peak = self.peak.into_iter().chain(other.peak).reduce(f64::max);
        self.refused = self.refused.or(other.refused);
    }

    pub fn row(&self, name: &str, users: usize) -> Row {
        let exact = |of: fn(&Cost) -> f64| {
            let least = self.costs.iter().map(of).fold(f64::INFINITY, f64::min);
            let most = self.costs.iter().map(of).fold(0.0, f64::max);
            if least < most { format!("{least}–{most}") } else { format!("{most}") }
        };
        Row {
            name: name.to_owned(),
            users,
            exact: [
                exact(|cost| cost.reads),
                exact(|cost| cost.writes),
                exact(|cost| cost.calls),
                exact(|cost| cost.trips),
            ],
            cpu_ms: rank(&self.cpus, 0.5),
            median_ms: rank(&self.walls, 0.5),
            p99_ms: rank(&self.walls, 0.99),
            peak_mb: self.peak,
            refused: self.refused,
        }
    }
}

/// The value that a part of all does not exceed, in milliseconds.
fn rank(values: &[Duration], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort();
    let enough = part * sorted.len() as f64;
    let found = sorted.into_iter().enumerate().find(|(index, _)| (index + 1) as f64 >= enough);
    found.map(|(_, value)| value.as_secs_f64() * 1e3)
}

/// A line of the table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    name: String,
    /// In the table.
    users: usize,
    /// Read and write units, calls, round trips.
    exact: [String; 4],
    cpu_ms: Option<f64>,
    median_ms: Option<f64>,
    p99_ms: Option<f64>,
    peak_mb: Option<f64>,
    refused: Option<u16>,
}

impl Row {
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap()
    }

    pub fn read(line: &str) -> Self {
        serde_json::from_str(line).unwrap()
    }

    fn is_measured(&self) -> bool {
        self.refused.is_none() && self.median_ms.is_some()
    }

    fn markdown(&self) -> String {
        let (name, users) = (&self.name, number(self.users));
        if !self.is_measured() {
            let why = self.refused.map_or_else(|| "not measured".into(), |status| format!("not answered ({status})"));
            return format!("| {name} | {users} | {why} | | | | | | | |\n");
        }
        let exact = self.exact.join(" | ");
        let of = |value: Option<f64>| value.map(figure).unwrap_or_default();
        let (cpu, median, p99) = (of(self.cpu_ms), of(self.median_ms), of(self.p99_ms));
        let peak = self.peak_mb.map(|peak| format!("{peak:.0}")).unwrap_or_default();
        format!("| {name} | {users} | {exact} | {cpu} | {median} | {p99} | {peak} |\n")
    }
}

/// Three digits of it.
fn figure(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Two rows whose CPU times shall not differ by more than [`FLAT`].
#[derive(Debug)]
pub struct Ratio {
    what: &'static str,
    more: (String, usize),
    less: (String, usize),
}

impl Ratio {
    /// Each row by its name and the users in the table.
    pub fn cpu(what: &'static str, more: (&str, usize), less: (&str, usize)) -> Self {
        Self { what, more: (more.0.to_owned(), more.1), less: (less.0.to_owned(), less.1) }
    }
}

/// All lines.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    pub ratios: Vec<Ratio>,
}

impl Report {
    /// Adds a line, and shows it to who is waiting.
    pub fn add(&mut self, row: Row) {
        eprint!("{}", row.markdown());
        self.rows.push(row);
    }

    pub fn markdown(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut text = format!(
            "Measured on {cores} cores.\n\n\
             | request | users | read units | write units | calls | round trips | CPU ms | median ms | p99 ms | peak MB |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        );
        text.extend(self.rows.iter().map(Row::markdown));
        text.push_str("\n| what must hold | is | must be |\n|---|--:|--:|\n");
        for Ratio { what, more, less } in &self.ratios {
            let is = self.cpu(more).zip(self.cpu(less)).map(|(more, less)| verdict(more / less, FLAT, 2));
            let is = is.unwrap_or_else(|| "not measured".into());
            let by = |(row, users): &(String, usize)| format!("{row} ({} users)", number(*users));
            text.push_str(&format!("| CPU time of {what}: {} against {} | {is} | ≤ {FLAT} |\n", by(more), by(less)));
        }
        let peak = self.rows.iter().filter(|row| row.is_measured()).filter_map(|row| row.peak_mb).reduce(f64::max);
        let is = peak.map_or_else(|| "not measured".into(), |peak| verdict(peak, MEMORY_MB, 0));
        text.push_str(&format!("| peak memory of any request, MB | {is} | < {MEMORY_MB} |\n"));
        text
    }

    /// Writes it into the document.
    pub fn write(&self) {
        let text = std::fs::read_to_string(FILE).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect(BEGIN);
        let (_, after) = rest.split_once(END).expect(END);
        std::fs::write(FILE, format!("{before}{BEGIN}{}{END}{after}", self.markdown())).unwrap();
    }

    fn cpu(&self, (name, users): &(String, usize)) -> Option<f64> {
        self.rows.iter().find(|row| row.name == *name && row.users == *users && row.is_measured())?.cpu_ms
    }
}

fn verdict(is: f64, limit: f64, digits: usize) -> String {
    if is <= limit { format!("{is:.digits$}") } else { format!("**{is:.digits$}: no**") }
}
