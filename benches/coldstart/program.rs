//! What is started, and with which environment.

use crate::Outcome;
use crate::cpu::{Group, Share};
use crate::table::{TABLE, TOKEN_DIGEST, Table};
use crate::tls::Proxy;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What `setup.sh` makes.
const MADE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/coldstart");
/// Enters the cgroup, says so, and becomes the program when told: what a process costs before that is not the program's.
const WAITING: &str = r#"for door in $1; do echo $$ >"$door" || exit 1; done; shift; echo; read -r _; exec "$@" >&2"#;

/// A handler as Lambda would start it.
#[derive(Debug)]
pub struct Program {
    pub name: &'static str,
    /// Its versions.
    pub made_of: String,
    command: Vec<String>,
    /// Name of the handler (`_HANDLER`).
    pub handler: &'static str,
}

impl Program {
    pub fn scimlet() -> Outcome<Self> {
        let bootstrap = scimlet::ambient::variable("BOOTSTRAP").filter(|path| Path::new(path).is_file()).ok_or(
            "BOOTSTRAP is not the path of a file. Build it as it is deployed, and say where it is:\n\
             cargo build --release --locked --no-default-features --features lambda --bin bootstrap\n\
             BOOTSTRAP=$PWD/target/release/bootstrap cargo bench --bench coldstart",
        )?;
        let size = std::fs::metadata(&bootstrap).unwrap().len() as f64 / 1e6;
        let made_of = format!("scimlet {}, release build of {size:.1} MB", env!("CARGO_PKG_VERSION"));
        Ok(Self { name: "scimlet", made_of, command: vec![bootstrap], handler: "users" })
    }

    pub fn node() -> Outcome<Self> {
        let bundle = made("node/bundle.mjs")?;
        let package: serde_json::Value = serde_json::from_str(include_str!("node/package.json")).unwrap();
        let version = |kind: &str, name: &str| package[kind][name].as_str().unwrap().to_owned();
        let made_of = format!(
            "Node {}, @aws-sdk/client-dynamodb {}, bundled and minified by esbuild {}, a runtime loop of 25 lines",
            printed(&["node", "--version"])?,
            version("dependencies", "@aws-sdk/client-dynamodb"),
            version("devDependencies", "esbuild"),
        );
        Ok(Self { name: "Node", made_of, command: vec!["node".into(), bundle], handler: "bundle.handler" })
    }

    pub fn python() -> Outcome<Self> {
        let python = made("python/bin/python")?;
        let pinned = include_str!("python/requirements.txt").lines().filter_map(|line| line.split_once("=="));
        let pinned = pinned.filter(|(name, _)| ["boto3", "awslambdaric"].contains(name));
        let pinned: Vec<_> = pinned.map(|(name, version)| format!("{name} {version}")).collect();
        let made_of = format!("{}, {}", printed(&[&python, "--version"])?, pinned.join(", "));
        let handler = "handler.handler";
        let command = vec![python, "-m".into(), "awslambdaric".into(), handler.into()];
        Ok(Self { name: "Python", made_of, command, handler })
    }

    /// Prepares a process that becomes this program when told.
    pub fn prepare(&self, share: Share, place: &Place, runtime_api: &str) -> Outcome<Prepared> {
        let group = Group::new();
        if let Some(memory) = share.at_start() {
            group.give(memory);
        }
        let log = place.folder.path().join("log");
        let mut child = place
            .command("/bin/sh")
            .args(["-c", WAITING, "sh", &group.doors().join(" ")])
            .args(&self.command)
            .env("_HANDLER", self.handler)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .map_err(|error| format!("/bin/sh: {error}"))?;
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).map_err(|_| "The shell cannot enter its cgroup.")?;
        // It prints before it reads.
        std::thread::sleep(Duration::from_millis(1));
        let before = group.used(child.id());
        Ok(Prepared { child, group, log, before })
    }

    /// As aws-lambda-rie starts it: the last argument is the handler's name.
    pub fn arguments(&self) -> Vec<&str> {
        let arguments = self.command.iter().map(String::as_str);
        let handler = Some(self.handler).filter(|handler| self.command.last().map(String::as_str) != Some(handler));
        arguments.chain(handler).collect()
    }
}

fn made(path: &str) -> Outcome<String> {
    let path = format!("{MADE}/{path}");
    if Path::new(&path).exists() {
        return Ok(path);
    }
    Err("What it compares with is not there. Make it: benches/coldstart/setup.sh".into())
}

/// What a program prints as its version.
fn printed(command: &[&str]) -> Outcome<String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.map_err(|error| format!("{}: {error}", command[0]))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned())
}

/// A process that is about to be a program, or is. It ends with this value.
#[derive(Debug)]
pub struct Prepared {
    child: Child,
    pub group: Group,
    log: PathBuf,
    before: Duration,
}

impl Prepared {
    /// Lets it begin, and says when that was.
    pub fn begin(&mut self) -> Instant {
        let begun = scimlet::ambient::monotonic();
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        begun
    }

    /// CPU time since it began.
    pub fn cpu(&self) -> Duration {
        self.group.used(self.child.id()) - self.before
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Why it has ended, if it has.
    pub fn has_ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        Some(format!("{status}, {}", self.said()))
    }

    /// What it wrote.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The environment that all programs have.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    pub fn new(table: &Table, proxy: &Proxy) -> Self {
        let folder = TempDir::new().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        // As on Lambda: scimlet and boto3 read a bundle of some 140 CAs. Node has its own, and adds to them.
        let bundle = file("bundle.pem", &format!("{}\n{}", tls_bundle(), proxy.ca));
        let ca = file("ca.pem", &proxy.ca);
        let endpoint = format!("https://localhost:{}", proxy.port);
        let variables = [
            ("PATH", scimlet::ambient::variable("PATH").unwrap_or_default()),
            ("LANG", "en_US.UTF-8".into()),
            ("PYTHONPATH", format!("{MADE}/python")),
            ("SSL_CERT_FILE", bundle.clone()),
            ("AWS_CA_BUNDLE", bundle),
            ("NODE_EXTRA_CA_CERTS", ca),
            ("DYNAMODB_ENDPOINT", endpoint.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
            ("TABLE_NAME", TABLE.into()),
            ("SCIM_TOKEN_SHA256", format!("local:{TOKEN_DIGEST}")),
            ("AWS_REGION", table.region().into()),
            ("AWS_DEFAULT_REGION", table.region().into()),
            ("AWS_ACCESS_KEY_ID", "local".into()),
            ("AWS_SECRET_ACCESS_KEY", "local".into()),
            ("AWS_SESSION_TOKEN", "local".into()),
            ("AWS_LAMBDA_FUNCTION_NAME", "coldstart".into()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", crate::MEMORY_MB.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/coldstart".into()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "coldstart".into()),
            ("LAMBDA_TASK_ROOT", format!("{MADE}/python")),
        ];
        Self { folder, variables: variables.into() }
    }

    /// A command with these variables and no others.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(&self.folder);
        command
    }
}

/// The CAs of the system.
fn tls_bundle() -> String {
    let known = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    known.iter().find_map(|path| std::fs::read_to_string(path).ok()).expect("a bundle of CAs")
}
