//! This program in other processes, and what a process has used: CPU time and memory, as Linux tells them. Elsewhere
//! they are left out.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// This program again, with other arguments. It ends with this value, and with this process.
pub struct OtherProcess {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl OtherProcess {
    pub fn start(arguments: &[String]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// What it prints next; `None` when it has ended.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.pop().map(|_newline| line)
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        // An engine ends when nobody holds the other end of its standard input.
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

/// CPU time of all threads so far.
pub fn cpu() -> Option<Duration> {
    // A running thread's time is written down when it stops running.
    std::thread::sleep(Duration::from_micros(100));
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        // A thread may end in between.
        let Ok(text) = std::fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}

/// Lets the peak of the resident memory begin anew.
pub fn forget_peak() {
    let _left_out_elsewhere = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak of the resident memory, in MB.
pub fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
