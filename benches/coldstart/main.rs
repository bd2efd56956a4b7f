//! From the start of a process to its first answer, which includes its first call of DynamoDB: `bootstrap` as it is
//! deployed, and the same GET as a Node and a Python function. `cargo bench --bench coldstart` prints tables; with
//! `UPDATE_PERFORMANCE=1` they are written to `docs/performance.md`.
//!
//! It wants `BOOTSTRAP`, the path of a release build of `bootstrap`, and what `benches/coldstart/setup.sh` makes.
//! `RIE`, the path of aws-lambda-rie, adds a table; `COLDSTART_RUNS` says how often each is started (25). CPU shares need
//! a user who may make cgroups, mostly root.
//!
//! This process is the embedded engine, TLS before it and Lambda's Runtime API, all on the loopback address.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "whoever runs it reads the panic")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where a person reads")]

mod cpu;
mod measure;
mod program;
mod report;
mod rie;
mod runtime_api;
mod table;
mod tls;

use cpu::Share;
use measure::{Series, Warm};
use program::{Place, Program};
use report::Report;
use std::process::ExitCode;
use table::Table;

/// MB of the functions of `template.yaml`.
const MEMORY_MB: u32 = 256;
/// MB whose shares the second table compares.
const MEMORY_SIZES: [u32; 5] = [128, 256, 512, 1024, 1769];

/// What went wrong, for who runs it.
pub type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    match run() {
        Ok(report) if scimlet::ambient::variable(report::UPDATE).is_none() => println!("{}", report.markdown()),
        Ok(report) => report.write(),
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run() -> Outcome<Report> {
    let runs = match scimlet::ambient::variable("COLDSTART_RUNS") {
        None => 25,
        Some(runs) => runs.parse().ok().filter(|&runs| runs > 0).ok_or("COLDSTART_RUNS is a whole number above 0.")?,
    };
    let programs = [Program::scimlet()?, Program::node()?, Program::python()?];
    let table = Table::fill();
    let proxy = tls::Proxy::start(table.address());
    let place = Place::new(&table, &proxy);
    let has_shares = cpu::has_shares();
    let shares: &[Share] = if has_shares {
        &[Share::Whole, Share::OfRequests(MEMORY_MB), Share::OfAll(MEMORY_MB)]
    } else {
        eprintln!("Rows of a CPU share are left out: no cgroup with a quota can be made here.");
        &[Share::Whole]
    };

    // Ahead of all, unmeasured: files come into the page cache.
    for program in &programs {
        measure::start(program, Share::Whole, &place, &table, Warm::NONE)?;
    }
    let mut report = Report::new(runs, &programs);
    let pairs = shares.iter().flat_map(|share| programs.iter().map(|program| (program, *share)));
    report.starts = measure::interleaved(runs, pairs, &place, &table, Warm::GETS)?;
    report.under_rie = match scimlet::ambient::variable("RIE") {
        Some(rie) => rie::interleaved(runs, &rie, &programs, &place, &table)?,
        None => {
            eprintln!("The table of aws-lambda-rie is left out: RIE, its path, is not set.");
            Vec::new()
        }
    };
    if has_shares {
        // Last, as its users grow the table.
        let pairs = MEMORY_SIZES.iter().map(|memory| (&programs[0], Share::OfRequests(*memory)));
        report.memory_sizes = measure::interleaved(runs, pairs, &place, &table, Warm::GETS_AND_POSTS)?;
    }
    Ok(report)
}

impl Series {
    /// Shows it to who is waiting.
    fn tell(&self) {
        eprintln!("{}", report::line(self));
    }
}
