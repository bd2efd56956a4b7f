//! The table, and the budgets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Variable that has budgets and table written.
const UPDATE: &str = "UPDATE_PERFORMANCE";
const BUDGETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/overhead/budgets.json");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const BEGIN: &str = "<!-- made by cargo bench --bench overhead -->\n";
const END: &str = "<!-- end of overhead -->";
/// How far an operation may be from its budget: the spread between two runs is below a hundredth.
const TOLERANCE: f64 = 0.05;

/// Of one request, or of its calls alone.
#[derive(Debug)]
pub struct Cost {
    pub instructions: u64,
    /// Between the least and the most of the runs, of the least.
    pub spread: f64,
    pub nanoseconds: u64,
}

#[derive(Debug)]
pub struct Row {
    pub operation: String,
    pub calls: usize,
    pub request: Cost,
    pub bare: Cost,
}

impl Cost {
    /// The median count, and the least time: what else the machine does only adds to it.
    pub fn new(mut counts: Vec<u64>, nanoseconds: u64) -> Self {
        counts.sort_unstable();
        let (least, most) = (counts[0] as f64, counts[counts.len() - 1] as f64);
        Self { instructions: counts[counts.len() / 2], spread: (most - least) / least, nanoseconds }
    }

    /// What this has more than `other`.
    pub fn less(&self, other: &Self) -> Self {
        Self {
            instructions: self.instructions.saturating_sub(other.instructions),
            spread: self.spread,
            nanoseconds: self.nanoseconds.saturating_sub(other.nanoseconds),
        }
    }
}

impl Row {
    fn overhead(&self) -> u64 {
        self.request.instructions.saturating_sub(self.bare.instructions)
    }

    fn overhead_ms(&self) -> f64 {
        self.request.nanoseconds.saturating_sub(self.bare.nanoseconds) as f64 / 1e6
    }

    /// The part of the request's time that its part of the instructions has.
    fn overhead_ms_by_instructions(&self) -> f64 {
        self.request.nanoseconds as f64 * self.overhead() as f64 / self.request.instructions as f64 / 1e6
    }
}

pub fn is_updated() -> bool {
    scimlet::ambient::variable(UPDATE).is_some()
}

/// Prints the table. Says whether every operation is within its budget.
pub fn report(rows: &[Row]) -> bool {
    let table = table(rows);
    println!("{table}");
    let overheads: BTreeMap<&str, u64> = rows.iter().map(|row| (row.operation.as_str(), row.overhead())).collect();
    if is_updated() {
        std::fs::write(BUDGETS, serde_json::to_string_pretty(&overheads).unwrap() + "\n").unwrap();
        let text = std::fs::read_to_string(FILE).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect(BEGIN);
        let (_, after) = rest.split_once(END).expect(END);
        std::fs::write(FILE, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
        return true;
    }
    let budgets: BTreeMap<String, u64> =
        serde_json::from_str(&std::fs::read_to_string(BUDGETS).unwrap()).expect("operation: instructions");
    let mut is_within = true;
    for (operation, overhead) in overheads {
        let budget = budgets[operation];
        let ratio = overhead as f64 / budget as f64;
        if ratio > 1.0 + TOLERANCE {
            is_within = false;
            eprintln!(
                "{operation} adds {overhead} instructions to its calls; benches/overhead/budgets.json gives it {budget}."
            );
        } else if ratio < 1.0 - TOLERANCE {
            eprintln!("{operation} adds {overhead} instructions; lower its budget of {budget} with {UPDATE}=1.");
        }
    }
    is_within
}

fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| operation | DynamoDB calls | instructions | of the calls alone | scimlet's | CPU | of the calls alone | the difference | scimlet's by instructions |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    for row in rows {
        let Row { operation, calls, request, bare } = row;
        writeln!(
            table,
            "| {operation} | {calls} | {} | {} | {} | {:.3} ms | {:.3} ms | {:.3} ms | {:.3} ms |",
            request.instructions,
            bare.instructions,
            row.overhead(),
            ms(request.nanoseconds),
            ms(bare.nanoseconds),
            row.overhead_ms(),
            row.overhead_ms_by_instructions(),
        )
        .unwrap();
    }
    let spread = rows.iter().flat_map(|row| [row.request.spread, row.bare.spread]).fold(0.0, f64::max);
    write!(table, "\nThe counts of two runs differ by at most {:.2} %.\n", spread * 100.0).unwrap();
    table
}
