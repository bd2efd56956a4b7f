//! `scimlet serve` as a process, on the loopback address, with the embedded engine on a file: the table and its change log
//! then grow on the disk and not in memory. The engine keeps what it answered to each transaction of the last ten minutes,
//! as DynamoDB does, in the memory of its process; apart, it is seen by itself.

use scimlet::config::digest;
use scimlet::store::keys::hex;
use serde::Serialize;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// Labels and tokens. The first is Entra ID's, the second is everybody else's.
pub const TOKENS: [(&str, &str); 2] = [("entra", "soak-token-of-entra"), ("okta", "soak-token-of-okta")];
/// Lines of the log that are kept.
const KEPT: usize = 20;
/// A tick of `/proc/<pid>/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

pub struct Server {
    program: PathBuf,
    child: Child,
    folder: TempDir,
    engine: Option<Engine>,
    log: Option<JoinHandle<Log>>,
    pub address: SocketAddr,
}

/// What the server wrote to its log.
#[derive(Debug, Default, Serialize)]
pub struct Log {
    pub lines: u64,
    /// Of a request that the server itself failed.
    pub failures: u64,
    /// The first of those lines, and of lines that are none of requests.
    pub kept: Vec<String>,
}

/// What the process uses at one moment, as Linux tells it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Usage {
    pub rss_mb: f64,
    pub cpu_seconds: f64,
    pub files: usize,
    pub threads: usize,
    /// Of the engine, where it is a process of its own.
    pub engine_mb: Option<f64>,
    /// The engine's files.
    pub table_mb: f64,
}

impl Server {
    /// Starts it. The breaker is off: the traffic deletes every user there is, many times an hour.
    pub fn start(program: &Path, is_apart: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let engine = is_apart.then(|| Engine::start(folder.path()));
        let tokens = TOKENS.map(|(label, token)| format!("{label}:{}", hex(&digest(token)))).join(",");
        let mut child = on_table(program, "serve", folder.path(), engine.as_ref())
            .args(["--listen", "127.0.0.1:0"])
            .envs([("SCIM_TOKEN_SHA256", tokens.as_str()), ("SCIM_BREAKER_SHARE", "0")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let log = BufReader::new(child.stderr.take().unwrap());
        let log = std::thread::spawn(move || Log::read(log));
        let mut banner = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut banner).unwrap();
        let url = banner.split_whitespace().last().expect("the base URL");
        let address = url.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
        Self { program: program.to_owned(), child, folder, engine, log: Some(log), address }
    }

    pub fn usage(&self) -> Usage {
        let process = Process::read(self.child.id());
        let files = fs::read_dir(self.folder.path()).unwrap().flatten();
        let bytes: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        Usage {
            rss_mb: process.rss_mb,
            cpu_seconds: process.cpu_seconds,
            files: fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count),
            threads: process.threads,
            engine_mb: self.engine.as_ref().map(|engine| Process::read(engine.child.id()).rss_mb),
            table_mb: bytes as f64 / 1e6,
        }
    }

    /// Ends it as a user would, and has the table checked. What verify said, and whether it found nothing.
    pub fn stop_and_verify(mut self) -> (Log, String, bool) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut log = self.log.take().unwrap().join().unwrap();
        if !status.success() {
            log.kept.push(format!("the server ended with {status}"));
            log.failures += 1;
        }
        let verify = on_table(&self.program, "verify", self.folder.path(), self.engine.as_ref()).output().unwrap();
        let said = String::from_utf8_lossy(&verify.stdout).trim().to_owned();
        (log, said, verify.status.success())
    }
}

/// What Linux tells of a process.
struct Process {
    rss_mb: f64,
    cpu_seconds: f64,
    threads: usize,
}

impl Process {
    fn read(id: u32) -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
        let (status, stat) = (read("status"), read("stat"));
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default()
        };
        // User and system time: the 14th and 15th field, of which the second, a name in brackets, may hold spaces.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
        Self {
            rss_mb: of("VmRSS:") * 1024.0 / 1e6,
            cpu_seconds: ticks / TICKS_PER_SECOND,
            threads: of("Threads:") as usize,
        }
    }
}

/// A command of scimlet on the table, with an empty environment.
fn on_table(program: &Path, command: &str, folder: &Path, engine: Option<&Engine>) -> Command {
    let mut made = Command::new(program);
    made.arg(command).env_clear();
    match engine {
        None => made.arg("--data-dir").arg(folder),
        Some(engine) => made.env("DYNAMODB_ENDPOINT", &engine.endpoint),
    };
    made
}

/// What makes this program an engine: then its folder.
pub const ENGINE: &str = "engine";

/// The same engine in a process of its own.
struct Engine {
    child: Child,
    endpoint: String,
}

impl Engine {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(ENGINE).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim().to_owned() }
    }
}

/// Runs as that process, until its standard input ends.
pub fn run_engine(folder: &Path) {
    let engine = scimlet::local::engine::Engine::persistent(folder).unwrap();
    println!("{}", engine.endpoint());
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Log {
    fn read(log: impl std::io::BufRead) -> Self {
        let mut seen = Self::default();
        for line in log.lines().map_while(Result::ok) {
            seen.lines += 1;
            let is_failure = !line.contains("\"level\":\"INFO\"") || line.contains("\"error\":\"");
            seen.failures += u64::from(is_failure);
            if (is_failure || !line.contains("\"message\":\"request\"")) && seen.kept.len() < KEPT {
                seen.kept.push(line);
            }
        }
        seen
    }
}
