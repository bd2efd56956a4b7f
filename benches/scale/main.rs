//! What a request costs as the table and its groups grow: `cargo bench`, or `cargo bench -- --quick` up to 10,000 users.
//! With `UPDATE_PERFORMANCE=1` the result is written to `docs/performance.md`, else printed.
//!
//! The embedded engine runs in another process, so that CPU time and memory are those of the service provider and the
//! client of DynamoDB; and each few rows in one more, so that none shows the memory of another. Requests go to the
//! router without a socket.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "whoever runs it reads the panic")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where a person reads")]

mod engine;
mod process;
mod report;
mod rows;
mod server;

use process::OtherProcess;
use report::{Report, Row};
use rows::Section;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [engine::ARGUMENT, users, sizes] => engine::run(users, sizes),
        [server::ARGUMENT, endpoint, users, sizes, section] => server::run(endpoint, users, sizes, section),
        _ => measure(arguments.contains(&"--quick")),
    }
}

fn measure(is_quick: bool) {
    let tables: &[usize] = if is_quick { &[1000, 10_000] } else { &[1000, 10_000, 100_000] };
    let mut report = Report::default();
    for &users in tables {
        let sections = if Some(&users) == tables.last() { Section::ALL } else { Section::OF_ANY_TABLE };
        let population = rows::population(users);
        let mut engine = OtherProcess::start(&engine::arguments(&population));
        let endpoint = engine.line().expect("the engine starts");
        for section in sections {
            let mut rows = OtherProcess::start(&server::arguments(&endpoint, &population, *section));
            while let Some(row) = rows.line() {
                report.add(Row::read(&row));
            }
        }
    }
    report.ratios = rows::ratios(tables);
    if is_quick || scimlet::ambient::variable(report::UPDATE).is_none() {
        println!("{}", report.markdown());
    } else {
        report.write();
    }
}
