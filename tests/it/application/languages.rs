//! The examples, each run on the table of an [`App`].

#![expect(clippy::print_stderr, reason = "what is skipped is said")]

use super::directory::Directory;
use crate::harness::App;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// What npm says when it cannot reach its registry.
const NO_NETWORK: [&str; 6] = ["ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ENOTCACHED"];

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Language {
    Rust,
    JavaScript,
    Python,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];

    /// The lines that the example prints, or `None` where the language is not at hand.
    pub async fn read(self, app: &App, arguments: &[&str]) -> Option<Vec<Value>> {
        let mut command = match self {
            Self::Rust => return Some(in_rust(app, arguments).await),
            Self::JavaScript => {
                let mut command = Command::new("node");
                command.arg(node_folder()?.join("read.mjs"));
                command
            }
            Self::Python => python(&["examples/read/read.py"])?,
        };
        let output = with_table(app, command.args(arguments)).output().unwrap();
        Some(lines(&said(output, &format!("{self:?} {arguments:?}"))))
    }
}

/// A reader of the tenant `default`.
pub fn directory(app: &App) -> Directory {
    Directory::new(app.store.client().clone(), app.store.table().to_owned(), "default".to_owned())
}

async fn in_rust(app: &App, arguments: &[&str]) -> Vec<Value> {
    let directory = directory(app);
    let found = match arguments[..] {
        ["users"] => directory.users().await,
        ["user", name] => directory.user_named(name).await.map(|user| user.into_iter().collect()),
        ["members", group] => directory.members(group).await,
        ["groups", member] => directory.groups(member).await,
        ["log"] => {
            let now = scimlet::ambient::now();
            directory.changes(now - jiff::SignedDuration::from_hours(24), now).await
        }
        _ => panic!("{arguments:?} is not read"),
    };
    found.unwrap()
}

/// The process reads the table of `app`, as it would one on AWS.
pub fn with_table<'a>(app: &App, command: &'a mut Command) -> &'a mut Command {
    let endpoint = app.config.table.endpoint.clone().unwrap();
    for name in ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "TENANT"] {
        command.env_remove(name);
    }
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .env("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TABLE_NAME", app.store.table())
}

/// What a process that ended well has printed.
#[track_caller]
pub fn said(output: Output, what: &str) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_there(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// `python3` with these arguments, if it has boto3.
pub fn python(arguments: &[&str]) -> Option<Command> {
    static WHY_NOT: OnceLock<Option<&str>> = OnceLock::new();
    let why_not = WHY_NOT.get_or_init(|| {
        let needs = "import sys; sys.exit(sys.version_info < (3, 10))";
        match () {
            () if !is_there("python3", &["-c", needs]) => Some("skipped: no python3 (3.10 or later)"),
            () if !is_there("python3", &["-c", "import boto3"]) => Some("skipped: python3 has no boto3"),
            () => None,
        }
    });
    if let Some(why_not) = why_not {
        eprintln!("{why_not}");
        return None;
    }
    let mut command = Command::new("python3");
    command.args(arguments);
    Some(command)
}

/// The JavaScript example beside the SDK that it needs.
fn node_folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOLDER.get_or_init(install) {
        Ok(folder) => Some(folder),
        Err(why_not) => {
            eprintln!("skipped: {why_not}");
            None
        }
    }
}

/// `npm ci` in the target folder, unless that was done before.
fn install() -> Result<PathBuf, String> {
    let version = "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)";
    if !is_there("node", &["-e", version]) || !is_there("npm", &["--version"]) {
        return Err("no node (20 or later, with npm)".to_owned());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("application");
    std::fs::create_dir_all(&folder).unwrap();
    let is_installed = !copy(&folder, &["package.json", "package-lock.json"]) && folder.join("installed").exists();
    copy(&folder, &["read.mjs"]);
    if is_installed {
        return Ok(folder);
    }
    let npm = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&npm.stderr).into_owned();
    if NO_NETWORK.iter().any(|code| errors.contains(code)) {
        return Err(format!("npm cannot reach its registry: {}", errors.lines().next().unwrap_or_default()));
    }
    assert!(npm.status.success(), "npm ci: {errors}");
    std::fs::write(folder.join("installed"), "").unwrap();
    Ok(folder)
}

/// Copies files of the example that are not there yet as they are; whether there was one.
fn copy(folder: &Path, names: &[&str]) -> bool {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/read");
    let mut any = false;
    for name in names {
        let wanted = std::fs::read(example.join(name)).unwrap();
        if std::fs::read(folder.join(name)).is_ok_and(|there| there == wanted) {
            continue;
        }
        std::fs::write(folder.join(name), wanted).unwrap();
        any = true;
    }
    any
}
