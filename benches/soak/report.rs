//! What was measured, as a table and as JSON.

use crate::options::{Mix, Options};
use crate::provider::{Outcome, Shared};
use crate::server::{Log, Server, Usage};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Descriptions of unexpected answers that are kept.
const KEPT: usize = 20;
/// Rows of memory that the table has.
const ROWS: usize = 13;

/// Latencies of a kind of request, in µs.
type Latencies = Vec<u32>;

#[derive(Debug)]
pub struct Report {
    about: Value,
    kinds: BTreeMap<&'static str, Latencies>,
    /// From the time at which each request was due until it was sent.
    waits: Latencies,
    /// Due and not sent, because those before them were not answered.
    pub not_sent: u64,
    unexpected: u64,
    /// Refused in words: 503 with Retry-After.
    pub refused: u64,
    examples: Vec<String>,
    samples: Vec<Sample>,
    took: Duration,
    /// What reading everything once more has shown.
    pub compared: Option<Result<usize, String>>,
    end: Option<(Log, String, bool)>,
}

#[derive(Debug, Clone, Serialize)]
struct Sample {
    seconds: f64,
    users: usize,
    requests: usize,
    #[serde(flatten)]
    usage: Usage,
}

impl Report {
    pub fn begin(options: &Options) -> Self {
        let about = match options.at_once {
            Some(connections) => json!({ "atOnce": connections, "each": options.each }),
            None => json!({
                "seconds": options.seconds, "rate": options.rate, "connections": options.connections,
                "apart": options.is_apart, "mix": if options.mix == Mix::Mixed { "mixed" } else { "entra" }, "seed": options.seed,
            }),
        };
        Self {
            about,
            kinds: BTreeMap::new(),
            waits: Vec::new(),
            not_sent: 0,
            unexpected: 0,
            refused: 0,
            examples: Vec::new(),
            samples: Vec::new(),
            took: Duration::ZERO,
            compared: None,
            end: None,
        }
    }

    /// A request, sent and answered so long after it was due.
    pub fn add(&mut self, kind: &'static str, sent: Duration, answered: Duration, outcome: Outcome) {
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.kinds.entry(kind).or_default().push(micros(answered));
        self.waits.push(micros(sent));
        if let Err(problem) = outcome {
            self.unexpected += 1;
            if self.examples.len() < KEPT {
                eprintln!("unexpected: {problem}");
                self.examples.push(problem);
            }
        }
    }

    pub fn sample(&mut self, seconds: f64, server: &Server, shared: &Shared) {
        let users = shared.created.1.get() - shared.deleted.1.get();
        let sample = Sample { seconds, users, requests: self.waits.len(), usage: server.usage() };
        let Usage { rss_mb, cpu_seconds, files, table_mb, .. } = sample.usage;
        eprintln!(
            "{seconds:6.0} s  {:8} requests  {users} users  {rss_mb:6.1} MB  {cpu_seconds:7.1} s CPU  {files} files  \
             table {table_mb:.0} MB  {} unexpected",
            sample.requests, self.unexpected
        );
        self.samples.push(sample);
    }

    pub fn requests(&self) -> u64 {
        self.waits.len() as u64
    }

    pub fn took(&mut self, time: Duration) {
        self.took = time;
    }

    pub fn end(&mut self, (log, verify, is_clean): (Log, String, bool)) {
        self.end = Some((log, verify, is_clean));
    }

    /// Whether everything was as it must be.
    pub fn is_clean(&self) -> bool {
        let (failures, is_clean) = self.end.as_ref().map_or((1, false), |(log, _, is_clean)| (log.failures, *is_clean));
        let is_compared = self.compared.as_ref().is_none_or(Result::is_ok);
        self.unexpected == 0 && self.not_sent == 0 && is_compared && is_clean && failures <= self.refused
    }

    pub fn json(&self) -> String {
        let kinds = self.kinds.iter().map(|(name, latencies)| {
            let [median, p99, most] = ranks(latencies);
            json!({ "kind": name, "requests": latencies.len(), "p50Ms": median, "p99Ms": p99, "maxMs": most })
        });
        let [wait_median, wait_p99, wait_most] = ranks(&self.waits);
        let [median, p99, most] = ranks(&self.all());
        let compared = self.compared.as_ref().map(|compared| match compared {
            Ok(users) => json!({ "users": users }),
            Err(problem) => json!({ "problem": problem }),
        });
        let document = json!({
            "run": self.about, "took": self.took.as_secs_f64(), "requests": self.waits.len(),
            "notSent": self.not_sent, "unexpected": self.unexpected, "refused": self.refused, "examples": self.examples,
            "p50Ms": median, "p99Ms": p99, "maxMs": most,
            "sentLate": { "p50Ms": wait_median, "p99Ms": wait_p99, "maxMs": wait_most },
            "kinds": kinds.collect::<Vec<_>>(), "samples": self.samples, "readAgain": compared,
            "log": self.end.as_ref().map(|(log, ..)| log), "verify": self.end.as_ref().map(|(_, verify, _)| verify),
        });
        format!("{document:#}")
    }

    pub fn markdown(&self) -> String {
        let mut text =
            format!("{}\n\n| request | requests | p50 ms | p99 ms | max ms |\n|---|--:|--:|--:|--:|\n", self.about);
        let mut row = |name: &str, latencies: &[u32]| {
            let [median, p99, most] = ranks(latencies);
            text.push_str(&format!("| {name} | {} | {median:.1} | {p99:.1} | {most:.0} |\n", latencies.len()));
        };
        for (name, latencies) in &self.kinds {
            row(name, latencies);
        }
        row("all", &self.all());
        row("sent after it was due", &self.waits);
        let (took, not_sent, unexpected) = (self.took.as_secs_f64(), self.not_sent, self.unexpected);
        let rate = self.requests() as f64 / took;
        text.push_str(&format!(
            "\nTook {took:.1} s, {rate:.0} a second. Not sent: {not_sent}. Unexpected: {unexpected}. "
        ));
        text.push_str(&format!("Refused with 503 and Retry-After: {}.\n", self.refused));
        text.push_str(
            "\n| minute | requests | users | memory MB | engine MB | CPU s | open files | threads | table MB |\n",
        );
        text.push_str("|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        let step = self.samples.len().div_ceil(ROWS).max(1);
        let last = self.samples.len().saturating_sub(1);
        let shown = self.samples.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last || *at == 1);
        for (_, Sample { seconds, users, requests, usage }) in shown {
            let Usage { rss_mb, cpu_seconds, files, threads, engine_mb, table_mb } = usage;
            let engine = engine_mb.map_or_else(|| "inside".to_owned(), |megabytes| format!("{megabytes:.1}"));
            text.push_str(&format!(
                "| {:.1} | {requests} | {users} | {rss_mb:.1} | {engine} | {cpu_seconds:.1} | {files} | {threads} | {table_mb:.0} |\n",
                seconds / 60.0
            ));
        }
        match &self.compared {
            Some(Ok(users)) => {
                text.push_str(&format!("\nRead again at the end: {users} users and their groups, as they must be.\n"))
            }
            Some(Err(problem)) => text.push_str(&format!("\nRead again at the end: {problem}\n")),
            None => {}
        }
        if let Some((log, verify, _)) = &self.end {
            text.push_str(&format!("\nLog: {} lines, {} of failures.\n", log.lines, log.failures));
            text.extend(log.kept.iter().map(|line| format!("  {line}\n")));
            text.push_str(&format!("\n`scimlet verify`: {verify}\n"));
        }
        text.extend(self.examples.iter().map(|example| format!("\nunexpected: {example}\n")));
        text
    }

    fn all(&self) -> Latencies {
        self.kinds.values().flatten().copied().collect()
    }
}

/// The median, the 99th percentile and the maximum, in milliseconds.
fn ranks(latencies: &[u32]) -> [f64; 3] {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    [0.5, 0.99, 1.0].map(|part| {
        let at = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(at.saturating_sub(1)).map_or(0.0, |&micros| f64::from(micros) / 1000.0)
    })
}
