//! What scimlet adds to its DynamoDB calls in a warm function: `cargo bench --no-default-features --features lambda
//! --bench overhead`. It fails when an operation needs more instructions than `budgets.json` gives it.
//!
//! An event goes through `lambda::answer` as in a function, and an HTTP client in this process gives the answers of
//! DynamoDB that `calls.json` holds. The overhead is that cost less the cost of the same calls, made with the SDK alone:
//! the same inputs, the same answers. They are made between requests, as in a request the caches of the processor hold
//! other code when a call begins. Instructions are counted by valgrind, twice with different numbers of requests, so that
//! the start does not count; time on the processor is the kernel's count for this process.
//!
//! With `UPDATE_PERFORMANCE=1`, budgets and table are written. With the feature `local` too, `calls.json` is: the
//! embedded engine answers once.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "whoever runs it reads the panic")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where a person reads")]

#[cfg(feature = "local")]
mod record;
mod replay;
mod report;

use lambda_http::{Context, LambdaEvent};
use replay::{Bare, Replay};
use report::{Cost, Row};
use scimlet::config::{Config, Table};
use scimlet::http::{Api, Route, log_to_stderr, router};
use scimlet::lambda::Event;
use scimlet::store::Store;
use scimlet::store::connect::connect;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// As in the functions' program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The token in `events/`.
const TOKEN: &str = "local-invoke-token";
const CALLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/overhead/calls.json");
/// Requests before those that count.
const WARM_UP: usize = 20;
/// Requests that valgrind counts, which is some fifty times slower than the processor.
const COUNTED: usize = 100;
/// Requests whose time is taken together: long against the clock, short against what else the machine does.
const BLOCK: usize = 50;
/// Blocks of each kind. The kinds take turns, as a machine may be slower for seconds.
const BLOCKS: usize = 200;
/// Runs under valgrind, whose count hardly differs.
const COUNTS: usize = 2;
const REQUEST: &str = "request";
/// A request, and its calls again with the SDK alone.
const TWICE: &str = "twice";
/// Blocks of both.
const TIME: &str = "time";

/// One operation, and what DynamoDB answers to its calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Recorded {
    /// What API Gateway sends.
    pub event: Value,
    /// The status that the client gets.
    pub status: u16,
    /// Bodies, in the order of the calls.
    pub answers: Vec<String>,
}

type Operations = BTreeMap<String, Recorded>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [operation, kind, count] => run(operation, kind, count.parse().unwrap()),
        _ => {
            #[cfg(feature = "local")]
            if report::is_updated() {
                record::record();
                return println!("Recorded. Now without the feature local, which the functions do not have.");
            }
            measure();
        }
    }
}

async fn answer(api: &Api, event: &str) -> Vec<u8> {
    let payload: Event = serde_json::from_str(event).unwrap();
    let functions = router(api, &[Route::Users]);
    let answer = scimlet::lambda::answer(functions, LambdaEvent::new(payload, Context::default())).await.unwrap();
    serde_json::to_vec(&answer).unwrap()
}

fn config(table: Table) -> Config {
    let mut config = Config::read(|name| match name {
        "SCIM_TOKEN" => Some(TOKEN.to_owned()),
        // Once a minute, and not by each request.
        "SCIM_TOKEN_LAST_USE" => Some("false".to_owned()),
        _ => None,
    })
    .unwrap();
    config.table = table;
    config
}

/// One operation, `count` times after the warm-up. As [`TIME`] it is `count` blocks of each kind, and prints the nanoseconds
/// that a request took on the processor in the quickest block of each.
fn run(operation: &str, kind: &str, count: usize) {
    log_to_stderr();
    let mut operations: Operations = serde_json::from_str(&std::fs::read_to_string(CALLS).unwrap()).unwrap();
    let recorded = operations.remove(operation).expect("an operation of calls.json");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let replay = Replay::new(&recorded.answers);
        let table = Table { name: "scimlet".into(), endpoint: Some("http://127.0.0.1:9".into()) };
        let settings = connect(&table).await.client().config().to_builder();
        let client = aws_sdk_dynamodb::Client::from_conf(replay.installed_in(settings));
        let api = Api::new(config(table), Store::new(client.clone(), "scimlet"));
        let event = recorded.event.to_string();
        // The first request is checked, and shows which calls it makes.
        let returned: Value = serde_json::from_slice(&answer(&api, &event).await).unwrap();
        assert_eq!(returned["statusCode"], recorded.status, "{operation}: {returned}");
        let bare = Bare::new(client, replay.inputs());
        assert_eq!(bare.len(), recorded.answers.len(), "{operation}");
        replay.stop_recording();
        // A router of one function is made once, at its start.
        let functions = router(&api, &[Route::Users]);
        let times = async |requests: usize, kind: &str| {
            for _ in 0..requests {
                let payload: Event = serde_json::from_str(&event).unwrap();
                let event = LambdaEvent::new(payload, Context::default());
                let answer = scimlet::lambda::answer(functions.clone(), event).await.unwrap();
                std::hint::black_box(serde_json::to_vec(&answer).unwrap());
                if kind == TWICE {
                    bare.send().await;
                }
            }
        };
        times(WARM_UP, kind).await;
        if kind != TIME {
            return times(count, kind).await;
        }
        let mut least = [u64::MAX; 2];
        for _ in 0..count {
            for (least, kind) in least.iter_mut().zip([REQUEST, TWICE]) {
                let before = nanoseconds_on_processor();
                times(BLOCK, kind).await;
                *least = (*least).min((nanoseconds_on_processor() - before) / BLOCK as u64);
            }
        }
        println!("{} {}", least[0], least[1]);
    });
}

/// Of this process, which has one thread. The kernel counts when a thread gives way.
fn nanoseconds_on_processor() -> u64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    text.split(' ').next().unwrap().parse().unwrap()
}

fn measure() {
    let operations: Operations = serde_json::from_str(&std::fs::read_to_string(CALLS).unwrap()).unwrap();
    let mut rows = Vec::new();
    for (operation, recorded) in &operations {
        let counts = |kind: &str| (0..COUNTS).map(|_| instructions(operation, kind)).collect();
        let (request, twice) = nanoseconds(operation);
        let request = Cost::new(counts(REQUEST), request);
        let bare = Cost::new(counts(TWICE), twice).less(&request);
        rows.push(Row { operation: operation.clone(), calls: recorded.answers.len(), request, bare });
    }
    if !report::report(&rows) {
        std::process::exit(1);
    }
}

fn this_program(arguments: &[&str]) -> Vec<String> {
    let program = std::env::current_exe().unwrap().display().to_string();
    std::iter::once(program).chain(arguments.iter().map(|&argument| argument.to_owned())).collect()
}

/// Of a request, and of one whose calls are made again.
fn nanoseconds(operation: &str) -> (u64, u64) {
    let command = this_program(&[operation, TIME, &BLOCKS.to_string()]);
    // The log goes where it costs the least, as on Lambda, where it is a pipe.
    let output = Command::new(&command[0]).args(&command[1..]).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{operation} fails: run `{}`", command.join(" "));
    let text = String::from_utf8(output.stdout).unwrap();
    let (request, twice) = text.trim().split_once(' ').unwrap();
    (request.parse().unwrap(), twice.parse().unwrap())
}

fn instructions(operation: &str, kind: &str) -> u64 {
    let [few, many] = [COUNTED, 2 * COUNTED].map(|count| {
        let log = std::env::temp_dir().join(format!("overhead-{}.log", std::process::id()));
        let output = Command::new("valgrind")
            .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
            .arg(format!("--log-file={}", log.display()))
            .args(this_program(&[operation, kind, &count.to_string()]))
            .stderr(Stdio::null())
            .output()
            .expect("valgrind counts the instructions: install the package valgrind");
        assert!(output.status.success(), "{operation} {kind} fails under valgrind");
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        let line = text.lines().find(|line| line.contains("I ") && line.contains("refs:")).expect("I refs");
        let digits: String = line.rsplit(':').next().unwrap().chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap()
    });
    (many - few) / COUNTED as u64
}
