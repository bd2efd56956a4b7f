//! The commands as programs: what they print, what they end with, and what is in the table then.

use crate::serve::{Server, scimlet};
use aws_sdk_dynamodb::types::AttributeValue;
use scimlet::local::admin::{Admin, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn run(folder: &Path, arguments: &[&str], input: &str) -> (bool, String, String) {
    let mut command = scimlet(arguments, folder, &[]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[track_caller]
fn done(folder: &Path, arguments: &[&str]) -> String {
    let (is_done, text, errors) = run(folder, arguments, "");
    assert!(is_done, "{arguments:?}: {text}{errors}");
    text
}

/// One sentence on stderr, nothing on stdout, and not 0.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str], input: &str, expected: &str) {
    let (is_done, text, errors) = run(folder, arguments, input);
    assert!(!is_done && text.is_empty(), "{arguments:?}: {text}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    assert!(errors.starts_with("scimlet: ") && errors.contains(expected), "{expected:?} is not in {errors}");
}

/// A table in the folder, made by a server that is gone.
fn table(folder: &Path) {
    Server::start(folder, &[]).kill();
}

fn is_clean(folder: &Path) {
    assert!(done(folder, &["verify"]).contains("Nothing is wrong."));
}

/// What was exported, by name, without what a server gives: ids of members by the names they stand for.
fn contents(text: &str) -> BTreeMap<String, Value> {
    let mut resources: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let name =
        |resource: &Value| resource["userName"].as_str().or(resource["displayName"].as_str()).unwrap().to_owned();
    let names: BTreeMap<String, String> =
        resources.iter().map(|resource| (resource["id"].as_str().unwrap().to_owned(), name(resource))).collect();
    for resource in &mut resources {
        let object = resource.as_object_mut().unwrap();
        object.remove("id");
        object.remove("meta");
        for member in object.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
            member["value"] = names[member["value"].as_str().unwrap()].clone().into();
            member.as_object_mut().unwrap().remove("$ref");
        }
        if let Some(members) = object.get_mut("members").and_then(Value::as_array_mut) {
            members.sort_by_key(|member| member["value"].to_string());
        }
    }
    resources.into_iter().map(|resource| (name(&resource), resource)).collect()
}

#[test]
fn a_directory_moves_out_and_in_and_a_second_import_changes_nothing() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (from.path(), to.path());
    table(from);
    table(to);
    done(from, &["seed", "--users", "130", "--groups", "3", "--members", "5,120"]);
    let file = from.join("all.jsonl");
    done(from, &["export", "--out", file.to_str().unwrap()]);
    assert!(!from.join("all.jsonl.partial").exists());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, done(from, &["export"]));
    assert_eq!(text.lines().count(), 133);
    // The groups before their members, and one in another: the order of the lines does not matter.
    let mut lines: Vec<String> = text.lines().rev().map(str::to_owned).collect();
    let nested: Value = serde_json::from_str(&lines[0]).unwrap();
    lines.insert(0, json!({ "schemas": [GROUP], "displayName": "Outer", "members": [{ "value": nested["id"], "type": "Group" }, { "value": "nobody" }] }).to_string());
    let lines = lines.join("\n");

    let (is_done, said, errors) = run(to, &["import", "-", "--dry-run"], &lines);
    assert!(is_done && said.contains("Would create 134"), "{said}{errors}");
    assert!(done(to, &["users"]).contains("0 in all."));
    let (_, said, _) = run(to, &["import", "-"], &lines);
    assert!(said.starts_with("Created 134, updated 0, unchanged 0; 131 memberships. 1 member is neither"), "{said}");
    let (_, said, _) = run(to, &["import", "-"], &lines);
    assert!(said.starts_with("Created 0, updated 0, unchanged 134"), "{said}");
    let mut moved = contents(&done(to, &["export"]));
    assert_eq!(moved.remove("Outer").unwrap()["members"][0]["value"], nested["displayName"]);
    assert_eq!(moved, contents(&text));
    is_clean(to);

    // Half of it was there, one is different: what an interrupted import leaves.
    let half: String = text.lines().take(60).map(|line| format!("{line}\n")).collect();
    let third = tempfile::tempdir().unwrap();
    table(third.path());
    run(third.path(), &["import", "-"], &half);
    let changed = text.replacen("\"title\":\"", "\"title\":\"Chief ", 1);
    let (_, said, _) = run(third.path(), &["import", "-", "--json"], &changed);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["created"], &said["updated"], &said["unchanged"]), (&json!(73), &json!(1), &json!(59)));
    is_clean(third.path());
}

#[test]
fn a_line_that_is_no_resource_keeps_the_whole_file_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    table(folder);
    let good = json!({ "schemas": [USER], "userName": "ann@example.com" }).to_string();
    fails(folder, &["import", "-"], &format!("{good}\n{{\n"), "line 2: it is not JSON");
    fails(folder, &["import", "-"], &format!("{good}\n{good}\n"), "line 2: line 1 has the same name");
    fails(folder, &["import", "nowhere.jsonl"], "", "nowhere.jsonl cannot be read");
    fails(folder, &["import", "-", "--data-dir", "elsewhere"], &good, "There is no table in elsewhere");
    assert!(done(folder, &["users"]).contains("0 in all."));
}

#[test]
fn everything_of_the_identity_provider_is_deleted_and_nothing_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    table(folder);
    done(folder, &["seed", "--users", "40", "--groups", "2", "--members", "30"]);
    let own = json!({ "schemas": [USER], "userName": "owner@example.com" }).to_string();
    let (is_done, ..) = run(folder, &["import", "--unmanaged", "-"], &own);
    assert!(is_done);
    assert!(done(folder, &["delete-users", "--dry-run"]).contains("Would delete 40 users"));
    fails(folder, &["delete-users"], "", "--yes");
    fails(folder, &["delete-users"], "y\n", "--yes");
    assert!(done(folder, &["users"]).contains("41 in all."));
    let said: Value = serde_json::from_str(&done(folder, &["delete-users", "--yes", "--json"])).unwrap();
    assert_eq!((&said["deleted"], &said["stay"], &said["left"]), (&json!(40), &json!(1), &json!(0)));
    assert!(done(folder, &["delete-users", "--yes"]).contains("nothing to delete; 1 stay"));
    let said: Value = serde_json::from_str(&done(folder, &["delete-users", "--yes", "--json"])).unwrap();
    assert_eq!((&said["deleted"], &said["stay"]), (&json!(0), &json!(1)));
    assert!(done(folder, &["delete-groups", "--yes"]).contains("Deleted 2 groups."));
    assert!(done(folder, &["users"]).contains("owner@example.com"));
    assert!(done(folder, &["users", "show", "owner@example.com"]).ends_with("provisioning does not change it.\n"));
    let log = done(folder, &["log", "--json", "--actor", "command-line"]);
    let of =
        |operation: &str| log.lines().filter(|line| line.contains(&format!("\"operation\":\"{operation}\""))).count();
    assert_eq!((of("delete"), of("delete all"), of("create")), (42, 2, 1), "one record each, and a summary");
    is_clean(folder);
}

#[test]
fn what_cannot_be_found_or_read_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fails(folder, &["status"], "", "There is no table in .scimlet");
    fails(folder, &["log"], "", "There is no table in .scimlet");
    table(folder);
    fails(folder, &["users", "userName"], "", "The filter <userName> is wrong");
    fails(
        folder,
        &["users", "show", "nobody"],
        "",
        "no User with the id or userName 'nobody', and none was deleted that had it",
    );
    fails(folder, &["groups", "show", "nothing"], "", "no Group with the id or displayName 'nothing'");
    fails(folder, &["log", "--since", "soon"], "", "'soon' is no time");
    fails(folder, &["log", "--resource", "nobody"], "", "nobody");
    fails(folder, &["status", "--tenant", "a b"], "", "'a b' is no tenant");
    fails(folder, &["breaker", "allow", "--for", "long"], "", "'long' is no duration");
    fails(folder, &["restore", "user", "nobody", "--at", "1h"], "", "log of the tenant 'default' is empty");
    fails(folder, &["token", "create", "two words"], "", "'two words' is no label");
    fails(folder, &["token", "create", "x", "--until", "soon"], "", "'soon' is no day");
    fails(folder, &["token", "create", "x", "--until", "2999-02-31"], "", "'2999-02-31' is no day");
    fails(folder, &["token", "create", "x", "--until", "2020-01-31"], "", "'2020-01-31' is over");
    fails(folder, &["token", "revoke", "x", "--yes"], "", "no token 'x'");
    fails(folder, &["token", "check"], "a-token\n", "No token that is configured here");
    fails(folder, &["token", "check"], "\n", "Paste the token");
    fails(folder, &["export", "--out", "no/such/folder/x"], "", "cannot be written");
    done(folder, &["token", "create", "x"]);
    fails(folder, &["token", "create", "x"], "", "has a token 'x'");
}

#[test]
fn a_table_on_aws_without_region_or_credentials_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut command = scimlet(&["status"], folder.path(), variables);
        for name in
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION"]
        {
            command.env_remove(name);
        }
        command.env("HOME", folder.path());
        if !variables.iter().any(|(name, _)| name.starts_with("AWS_EC2")) {
            command.env("AWS_EC2_METADATA_DISABLED", "true");
        }
        let output = command.output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let no_region = run(&[("TABLE_NAME", "people")]);
    assert!(no_region.contains("AWS_REGION is not set") && no_region.contains("'people'"), "{no_region}");
    let no_credentials = run(&[("TABLE_NAME", "people"), ("AWS_REGION", "eu-central-1")]);
    assert!(no_credentials.contains("There are no AWS credentials"), "{no_credentials}");
    // A machine on EC2 without a role, or a proxy in its place: the metadata service refuses.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metadata = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _gone =
                stream.unwrap().write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let refused = run(&[
        ("TABLE_NAME", "people"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
    ]);
    assert!(refused.contains("There are no AWS credentials"), "{refused}");
    assert!([no_region, no_credentials, refused].iter().all(|text| text.trim_end().lines().count() == 1));
}

#[test]
fn a_setting_that_a_server_refuses_is_refused_by_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path());
    let mine = format!("mine:{}", crate::harness::digest("mine"));
    let over = format!("over:{}:until=2020-01-31", crate::harness::digest("mine"));
    for (arguments, variable, expected) in [
        (&["status"][..], ("SCIM_ENABLED", "maybe"), "SCIM_ENABLED is 'maybe'"),
        (&["token", "create", "x"], ("SCIM_TABLE_TOKENS", "false"), "SCIM_TABLE_TOKENS is false"),
        (&["token", "create", "mine"], ("SCIM_TOKEN_SHA256", &mine), "The configuration has a token 'mine'"),
        (&["token", "check"], ("SCIM_TOKEN_SHA256", &over), "valid until 2020-01-31: it is refused"),
    ] {
        let mut command = scimlet(arguments, folder.path(), &[variable]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _unread = child.stdin.take().unwrap().write_all(b"mine\n");
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty() && errors.contains(expected), "{errors}");
    }
}

#[test]
fn what_the_breaker_is_told_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path());
    let allowed: Value = serde_json::from_str(&done(folder.path(), &["breaker", "allow", "--json"])).unwrap();
    assert!(done(folder.path(), &["breaker", "status"]).contains("lets everything through until"));
    done(folder.path(), &["breaker", "guard"]);
    assert!(done(folder.path(), &["breaker", "status"]).starts_with("on; "));
    let log = done(folder.path(), &["log", "--json"]);
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<&str> = records.iter().map(|record| record["operation"].as_str().unwrap()).collect();
    assert_eq!(told, ["allow", "guard"]);
    assert_eq!(records[0]["changes"]["after"]["until"], allowed["allowedUntil"]);
    assert_eq!((&records[0]["actor"], &records[0]["resourceType"]), (&json!("command-line"), &json!("Tenant")));
}

#[tokio::test]
async fn of_one_resource_the_log_tells_all_that_is_kept_and_says_when_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let user = json!({ "schemas": [USER], "userName": "ann@example.com" });
    let (_, ann) = server.send("POST", "/Users", Some(&user)).unwrap();
    server.kill();
    // As if it had been five days ago.
    let options = Options { data_dir: folder.path().join(".scimlet"), ..Options::default() };
    let admin = Admin::open(&options, |_| None).await.unwrap();
    let (client, name) = (admin.table.store.client(), admin.table.store.table());
    let now = scimlet::ambient::now();
    let then = now - jiff::SignedDuration::from_hours(5 * 24);
    let day = |time: jiff::Timestamp| AttributeValue::S(format!("T#default#LOG#{}", &time.to_string()[..10]));
    let all = client.query().table_name(name).key_condition_expression("PK = :pk");
    let mut record = all.expression_attribute_values(":pk", day(now)).send().await.unwrap().items.unwrap().remove(0);
    let (today, id) = (record["PK"].clone(), record["SK"].clone());
    client.delete_item().table_name(name).key("PK", today).key("SK", id).send().await.unwrap();
    record.insert("PK".into(), day(then));
    record.insert("at".into(), AttributeValue::S(format!("{then:.3}")));
    client.put_item().table_name(name).set_item(Some(record)).send().await.unwrap();
    drop(admin);

    let (_, text, errors) = run(folder.path(), &["log"], "");
    assert!(text.is_empty() && errors.contains("--since looks further back"), "{text}{errors}");
    assert_eq!(run(folder.path(), &["log", "--json"], ""), (true, String::new(), String::new()));
    for name in ["ann@example.com", ann["id"].as_str().unwrap()] {
        assert!(done(folder.path(), &["log", "--resource", name]).contains("create    user     ann@example.com"));
    }
    fails(
        folder.path(),
        &["restore", "user", "ann@example.com", "--at", "30d", "--yes"],
        "",
        "The change log begins on",
    );
    let shown = done(folder.path(), &["log", "--since", "6d"]);
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[test]
fn the_log_is_followed_while_it_grows_and_ends_quietly_with_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let create = |name: &str| {
        let user = json!({ "schemas": [USER], "userName": name });
        assert_eq!(server.send("POST", "/Users", Some(&user)).unwrap().0, 201);
    };
    create("one@example.com");
    let mut command = scimlet(&["log", "--follow", "--json"], folder.path(), &[]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        line["changes"]["after"]["userName"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(), "one@example.com");
    for name in ["two@example.com", "three@example.com", "four@example.com"] {
        create(name);
        assert_eq!(next(), name, "none is missed, none comes twice");
    }
    drop(lines);
    create("five@example.com");
    assert!(follower.wait().unwrap().success());
    let other = done(folder.path(), &["log", "--since", "2020-01-01", "--until", "2020-01-03"]);
    assert_eq!(other, "");
}

#[test]
fn a_token_made_for_a_running_server_works_at_once_and_one_that_is_revoked_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let made = done(folder.path(), &["token", "create", "okta", "--tenant", "acme", "--until", "2999-12-31"]);
    let token = made.lines().nth(1).unwrap().trim().to_owned();
    server.set_token(&token);
    assert_eq!(server.get("/Users").0, 200);
    let listed: Value = serde_json::from_str(&done(folder.path(), &["token", "list", "--json"])).unwrap();
    assert_eq!(
        (&listed[0]["label"], &listed[0]["tenant"], &listed[0]["until"]),
        (&json!("okta"), &json!("acme"), &json!("2999-12-31"))
    );
    assert!(listed[0]["lastUsed"].is_string() && !listed.to_string().contains(&token));
    let (is_known, said, _) = run(folder.path(), &["token", "check"], &token);
    assert!(is_known && said.contains("'okta' of the tenant 'acme'"), "{said}");
    fails(folder.path(), &["token", "revoke", "okta", "--tenant", "acme"], "", "--yes");
    done(folder.path(), &["token", "revoke", "okta", "--tenant", "acme", "--yes"]);
    assert_eq!(server.get("/Users").0, 401);
}
