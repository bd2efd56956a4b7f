//! Identity providers' requests at a fixed rate, for as long as asked, against `scimlet serve` in a process of its own:
//! `cargo bench --bench soak -- --seconds 3600 --rate 200`. Each answer is compared with what it must be; at the end
//! everything is read once more, and `scimlet verify` looks at the table. It ends with 1 when anything was not as it must
//! be.
//!
//! A request is due at its time whether or not those before it are answered, as long as a connection is free, and its
//! latency counts from that time. `--at-once 500` opens so many connections together instead.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "whoever runs it reads the panic")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where a person reads")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its numbers are small")]

mod at_once;
mod connection;
mod groups;
mod options;
mod provider;
mod report;
mod server;
mod soak;
mod users;

use options::{Options, USAGE};
use server::Server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [server::ENGINE, folder] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        server::run_engine(folder.as_ref());
        return ExitCode::SUCCESS;
    }
    let Some(options) = Options::read(arguments.into_iter()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let server = Server::start(&options.server, options.is_apart);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut report = runtime.block_on(async {
        match options.at_once {
            Some(connections) => at_once::run(&options, connections, &server).await,
            None => soak::run(&options, &server).await,
        }
    });
    report.end(server.stop_and_verify());
    println!("{}", if options.json { report.json() } else { report.markdown() });
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
