//! The CPU time of a process and its share of a core: by cgroups of either version, and where none can be made, by what
//! Linux tells of each thread.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// MB at which a Lambda function has one whole core ("Configure Lambda function memory").
const MB_OF_A_CORE: u32 = 1769;
/// In which a cgroup's share is counted, in µs. Linux's own is 100 ms; a shorter one is nearer to an even pace.
const PERIOD: u32 = 20_000;

/// What a process may use of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All cores.
    Whole,
    /// What a function of so many MB has while it answers requests. Before the first it has all, as Lambda's init phase.
    OfRequests(u32),
    /// The same from its start.
    OfAll(u32),
}

impl Share {
    /// From its start.
    pub fn at_start(self) -> Option<u32> {
        if let Self::OfAll(memory) = self { Some(memory) } else { None }
    }

    /// From the first request on.
    pub fn of_requests(self) -> Option<u32> {
        if let Self::OfRequests(memory) | Self::OfAll(memory) = self { Some(memory) } else { None }
    }
}

/// Whether a share of a core can be given here.
pub fn has_shares() -> bool {
    Group::new().limits().is_some()
}

/// A cgroup of one process. Without the right to make one it is empty, and counts by threads.
#[derive(Debug)]
pub struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("coldstart-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Version 1 has a folder for each controller, version 2 one for all.
        let root = Path::new("/sys/fs/cgroup");
        let parents: &[&str] = if root.join("cpu").exists() { &["cpu", "cpuacct"] } else { &["."] };
        let folders: Vec<PathBuf> = parents.iter().map(|parent| root.join(parent).join(&name)).collect();
        // The second one may be the first by another name.
        let is_made = folders.iter().all(|folder| fs::create_dir(folder).is_ok() || folder.exists());
        let group = Self { folders };
        if is_made { group } else { Self { folders: Vec::new() } }
    }

    /// Files that a process writes its id to, to be in it.
    pub fn doors(&self) -> Vec<String> {
        self.folders.iter().map(|folder| folder.join("cgroup.procs").display().to_string()).collect()
    }

    /// Gives it what a function of so many MB has of a core.
    pub fn give(&self, memory: u32) {
        let quota = PERIOD * memory / MB_OF_A_CORE;
        match self.limits().expect("a cgroup with shares") {
            Limits::One(folder) => {
                fs::write(folder.join("cpu.cfs_period_us"), PERIOD.to_string()).unwrap();
                fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string()).unwrap();
            }
            Limits::Two(file) => fs::write(file, format!("{quota} {PERIOD}")).unwrap(),
        }
    }

    fn limits(&self) -> Option<Limits> {
        let folder = self.folders.first()?;
        let (one, two) = (folder.join("cpu.cfs_quota_us"), folder.join("cpu.max"));
        if one.exists() {
            return Some(Limits::One(folder.clone()));
        }
        two.exists().then_some(Limits::Two(two))
    }

    /// CPU time that the process has used, its children too.
    pub fn used(&self, process: u32) -> Duration {
        // A running thread's time is written down when it stops running.
        std::thread::sleep(Duration::from_micros(200));
        self.counted().or_else(|| of_threads(process)).expect("Linux counts CPU time")
    }

    fn counted(&self) -> Option<Duration> {
        let folder = self.folders.last()?;
        if let Ok(text) = fs::read_to_string(folder.join("cpuacct.usage")) {
            return Some(Duration::from_nanos(text.trim().parse().ok()?));
        }
        let text = fs::read_to_string(folder.join("cpu.stat")).ok()?;
        let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        Some(Duration::from_micros(micros.parse().ok()?))
    }
}

enum Limits {
    /// The folder of cgroup version 1.
    One(PathBuf),
    /// The file of version 2.
    Two(PathBuf),
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            // A process that has ended leaves its cgroup a little later.
            for _attempt in 0..100 {
                if fs::remove_dir(folder).is_ok() || !folder.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

fn of_threads(process: u32) -> Option<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        // A thread may end in between.
        let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}

/// The peak of the resident memory of a process, in MB.
pub fn peak_mb(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
