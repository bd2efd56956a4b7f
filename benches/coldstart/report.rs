//! The tables of what was measured.

use crate::cpu::Share;
use crate::measure::{Series, Start};
use crate::program::Program;
use crate::rie::UnderRie;

/// Variable that has the tables written instead of printed.
pub const UPDATE: &str = "UPDATE_PERFORMANCE";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const BEGIN: &str = "<!-- made by cargo bench --bench coldstart -->\n";
const END: &str = "<!-- end of coldstart -->";
/// What the columns are, and what they are not.
const MEANING: &str = "\
Each program answers the same event, GET of a user: token check, one `GetItem`, the user. What it answers is compared.
The table is the embedded engine behind a TLS proxy, with a certificate of a CA made for the run, on the same cores.

*Init* is from the start of the process until it asks for its first invocation, *first request* from the event to its
answer, which includes the first TLS connection; *total* is their sum. All are medians, times are wall time. *CPU ms* is
the CPU time of all threads until the first answer, *init CPU* its part before the first event. *Warm* is the median of
50 more requests of each start, *peak* the highest resident size by then.

Not measured: the microVM, the download of the code, the network. The programs' files are in the page cache. Node runs
without the runtime of Lambda, whose place a loop takes that does less.

A share of MB is a quota of MB / 1,769 of a core in periods of 20 ms, which begin at random. Lambda gives the init phase
more than the share, which AWS does not promise: *from the first request* is a whole core until then, *from the start*
is the share all the time.
";
const MEMORY_SIZES: &str = "
scimlet with other shares, from the first request, and 50 GETs and 50 POSTs of a user after each start. They follow each
other without a pause, so a small share runs out, and p99 is then the wait for the next period.

";
const UNDER_RIE: &str = "
Under aws-lambda-rie, which starts a function at its first request: from that request to its answer.

";
/// The least part of Node's total that scimlet may take.
const PART_OF_NODE: f64 = 12.0;
/// Most CPU time of scimlet until its first answer, in milliseconds.
const CPU_MS: f64 = 8.0;

/// All of it.
#[derive(Debug)]
pub struct Report {
    runs: usize,
    made_of: Vec<String>,
    pub starts: Vec<Series>,
    pub under_rie: Vec<UnderRie>,
    pub memory_sizes: Vec<Series>,
}

impl Report {
    pub fn new(runs: usize, programs: &[Program]) -> Self {
        let made_of = programs.iter().map(|program| format!("- {}: {}.\n", program.name, program.made_of)).collect();
        Self { runs, made_of, starts: Vec::new(), under_rie: Vec::new(), memory_sizes: Vec::new() }
    }

    pub fn markdown(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (runs, made_of) = (self.runs, self.made_of.concat());
        let mut text = format!(
            "Measured on {cores} cores ({}), {runs} starts of each program in turn.\n\n{made_of}\n{MEANING}\n\
             | program | CPU | init ms | first request ms | total ms | total p90 | init CPU ms | CPU ms | warm ms | peak MB |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            processor(),
        );
        text.extend(self.starts.iter().map(line_with_end));
        if !self.memory_sizes.is_empty() {
            text.push_str(MEMORY_SIZES);
            text.push_str(
                "| share of | total ms | total p90 | GET ms | GET p99 | POST ms | POST p99 |\n\
                 |---|--:|--:|--:|--:|--:|--:|\n",
            );
            text.extend(self.memory_sizes.iter().map(memory_size));
        }
        if !self.under_rie.is_empty() {
            text.push_str(UNDER_RIE);
            text.push_str("| program | total ms | total p90 |\n|---|--:|--:|\n");
            for UnderRie { program, totals } in &self.under_rie {
                let (median, p90) = (figure(rank(totals, 0.5)), figure(rank(totals, 0.9)));
                text.push_str(&format!("| {program} | {median} | {p90} |\n"));
            }
        }
        text.push_str(&self.verdicts());
        text
    }

    fn verdicts(&self) -> String {
        let all = |program: &str| {
            self.starts.iter().find(|series| series.program == program && series.share == Share::Whole).expect(program)
        };
        let (scimlet, node) = (all("scimlet"), all("Node"));
        let ratio = median(node, Start::total) / median(scimlet, Start::total);
        let cpu = median(scimlet, |start| start.cpu);
        let no = |holds: bool, figure: String| if holds { figure } else { format!("**{figure}: no**") };
        format!(
            "\n| what shall hold, medians at all cores | is | shall be |\n|---|--:|--:|\n\
             | total of Node against scimlet | {} | ≥ {PART_OF_NODE} |\n\
             | CPU ms of scimlet until its first answer | {} | ≤ {CPU_MS} |\n",
            no(ratio >= PART_OF_NODE, format!("{ratio:.1}")),
            no(cpu <= CPU_MS, format!("{cpu:.2}")),
        )
    }

    /// Writes it into the document.
    pub fn write(&self) {
        let text = std::fs::read_to_string(FILE).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect(BEGIN);
        let (_, after) = rest.split_once(END).expect(END);
        std::fs::write(FILE, format!("{before}{BEGIN}{}{END}{after}", self.markdown())).unwrap();
    }
}

/// A line of the first table.
pub fn line(series: &Series) -> String {
    let of = |of: fn(&Start) -> f64| figure(median(series, of));
    let share = match series.share {
        Share::Whole => "all".to_owned(),
        Share::OfRequests(memory) => format!("{memory} MB from the first request"),
        Share::OfAll(memory) => format!("{memory} MB from the start"),
    };
    let cells = [
        series.program.to_owned(),
        share,
        of(|start| start.init),
        of(|start| start.first),
        of(Start::total),
        figure(rank(&totals(series), 0.9)),
        of(|start| start.init_cpu),
        of(|start| start.cpu),
        figure(rank(&pooled(series, |start| &start.gets), 0.5)),
        of(|start| start.peak_mb),
    ];
    format!("| {} |", cells.join(" | "))
}

fn line_with_end(series: &Series) -> String {
    line(series) + "\n"
}

/// A line of the second table.
fn memory_size(series: &Series) -> String {
    let memory = series.share.of_requests().unwrap_or_default();
    let (totals, gets) = (totals(series), pooled(series, |start| &start.gets));
    let posts = pooled(series, |start| &start.posts);
    let cells = [(&totals, 0.5), (&totals, 0.9), (&gets, 0.5), (&gets, 0.99), (&posts, 0.5), (&posts, 0.99)];
    let cells = cells.map(|(values, part)| figure(rank(values, part)));
    format!("| {memory} MB | {} |\n", cells.join(" | "))
}

fn totals(series: &Series) -> Vec<f64> {
    series.starts.iter().map(Start::total).collect()
}

fn pooled(series: &Series, of: fn(&Start) -> &Vec<f64>) -> Vec<f64> {
    series.starts.iter().flat_map(of).copied().collect()
}

fn median(series: &Series, of: fn(&Start) -> f64) -> f64 {
    rank(&series.starts.iter().map(of).collect::<Vec<_>>(), 0.5)
}

/// The value that a part of all does not exceed.
fn rank(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let enough = part * sorted.len() as f64;
    let found = sorted.into_iter().enumerate().find(|(index, _)| (index + 1) as f64 >= enough);
    found.map_or(f64::NAN, |(_, value)| value)
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

/// Its name, as Linux tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
