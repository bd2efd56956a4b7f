//! Commands that end early: by Ctrl-C, by a terminal that is closed, by a reader who has seen enough.

use crate::serve::{Server, scimlet};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use scimlet::local::admin::{Admin, Options};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const PEOPLE: u64 = 400;

fn run(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = scimlet(arguments, folder, &[]).output().unwrap();
    said(output)
}

fn said(output: Output) -> (bool, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn started(folder: &Path, arguments: &[&str]) -> Child {
    scimlet(arguments, folder, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn people(admin: &Admin) -> u64 {
    let store = &admin.table.store;
    let users =
        store.client().query().table_name(store.table()).select(Select::Count).key_condition_expression("PK = :pk");
    let users =
        users.expression_attribute_values(":pk", AttributeValue::S("T#default#USER".into())).send().await.unwrap();
    assert!(users.last_evaluated_key.is_none());
    u64::try_from(users.count).unwrap()
}

/// As under `nohup`: then the program leaves it alone, too.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim();
    u64::from_str_radix(ignored, 16).unwrap() & 1 == 1
}

/// Sends a signal to a deletion of everybody when it has begun. What it says, and how many are left.
async fn ended_by(signal: &str, admin: &Admin, folder: &Path) -> ((bool, String, String), u64) {
    let before = people(admin).await;
    let deletion = started(folder, &["delete-users", "--yes", "--json"]);
    while people(admin).await == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let kill = format!("kill {signal} {}", deletion.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let said = said(deletion.wait_with_output().unwrap());
    (said, people(admin).await)
}

#[tokio::test]
async fn a_deletion_of_everybody_that_is_ended_early_says_how_far_it_came_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Server::start(folder, &[]).kill();
    run(folder, &["seed", "--users", &PEOPLE.to_string(), "--groups", "1", "--members", "100"]);
    let options = Options { data_dir: folder.join(".scimlet"), ..Options::default() };
    let admin = Admin::open(&options, |_| None).await.unwrap();
    let mut before = PEOPLE;
    for signal in ["-INT", if is_hangup_ignored() { "-TERM" } else { "-HUP" }] {
        let ((is_done, text, errors), left) = ended_by(signal, &admin, folder).await;
        assert!(!is_done && errors.contains("run the command again to go on"), "{signal}: {text}{errors}");
        assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["isStopped"], true);
        assert!(left > 0, "{signal} came too late");
        assert_eq!(report["deleted"].as_u64().unwrap(), before - left);
        before = left;
    }
    assert!(run(folder, &["delete-users", "--yes"]).0);
    let (_, log, _) = run(folder, &["log", "--json"]);
    let summaries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_each = summaries.filter(|record| record["operation"] == "delete all");
    let deleted: Vec<u64> = of_each.map(|record| record["changes"]["after"]["deleted"].as_u64().unwrap()).collect();
    assert_eq!((deleted.len(), deleted.iter().sum::<u64>()), (3, PEOPLE), "a summary of each");
    assert!(run(folder, &["verify"]).0);
}

#[test]
fn a_reader_who_has_seen_enough_ends_a_command_without_an_error() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &[]).kill();
    run(folder.path(), &["seed", "--users", "20", "--groups", "1", "--members", "5"]);
    for arguments in [&["export"][..], &["log"], &["users"], &["users", "--json"], &["status"], &["verify"]] {
        let mut command = started(folder.path(), arguments);
        drop(command.stdout.take());
        let (is_done, _, errors) = said(command.wait_with_output().unwrap());
        assert!(is_done && errors.is_empty(), "{arguments:?}: {errors}");
    }
}
