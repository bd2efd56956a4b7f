//! The command: what it prints and what it ends with.

use super::parts;
use crate::serve::{Server, scimlet};
use scimlet::config::Table;
use scimlet::local::engine::Engine;
use scimlet::store::connect::connect;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

fn run(arguments: &[&str], folder: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = scimlet(arguments, folder, variables).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Takes the mirror and the key of a user away, past the server.
async fn break_table(folder: &Path, user: &str, group: &str) {
    let engine = Engine::persistent(&folder.join(".scimlet")).unwrap();
    let table = Table { name: "scimlet".into(), endpoint: Some(engine.endpoint().to_owned()) };
    let store = connect(&table).await;
    for (pk, sk) in
        [(format!("T#default#MEMBEROF#{user}"), group), ("T#default#KEY#User.userName#secret-name".into(), "-")]
    {
        let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
        let delete = store.client().delete_item().table_name("scimlet").key("PK", text(&pk)).key("SK", text(sk));
        delete.send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_what_is_wrong_without_personal_data_and_ends_with_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(folder, &[]);
    let user =
        json!({ "userName": "secret-name", "externalId": "secret-id", "emails": [{ "value": "secret@example.com" }] });
    let user = server.send("POST", "/Users", Some(&user)).unwrap().1["id"].as_str().unwrap().to_owned();
    let group = json!({ "displayName": "secret-team", "members": [{ "value": user }] });
    let group = server.send("POST", "/Groups", Some(&group)).unwrap().1["id"].as_str().unwrap().to_owned();
    server.kill();

    let status = || run(&["status"], folder, &[]).1;
    assert!(status().contains("never checked; `scimlet verify` does"), "{}", status());
    let (code, text, errors) = run(&["verify"], folder, &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    assert!(status().contains("held when they were checked at 20"), "{}", status());
    assert!(text.contains("default: 1 users, 1 groups, 1 memberships, 4 keys, 2 changes\n"), "{text}");
    assert!(text.contains("Nothing is wrong."), "{text}");

    break_table(folder, &user, &group).await;
    let (code, text, errors) = run(&["verify"], folder, &[]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{text}");
    for expected in [
        "1 keyMissing: ".to_owned(),
        format!("  tenant default, attribute User.userName, id {user}\n"),
        "1 mirrorMissing: ".to_owned(),
        format!("  tenant default, group {group}, member {user}\n"),
        "2 wrong; --repair".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} is not in {text}");
    }
    assert!(!text.contains("secret"), "{text}");
    assert!(status().contains("2 did not hold at 20"), "{}", status());

    let (code, text, _) = run(&["verify", "--json"], folder, &[]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["clean"], &report["left"]), (Some(1), &json!(false), &json!(2)), "{text}");
    assert_eq!(parts(&report, "mirrorMissing"), json!({ "tenant": "default", "group": group, "member": user }));
    assert_eq!(report["tenants"]["default"]["users"], json!(1));
    assert!(!text.contains("secret"), "{text}");

    let (code, text, _) = run(&["verify", "--repair"], folder, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 repaired: mirror written") && text.contains("1 repaired: key written"), "{text}");
    assert!(text.contains("2 repaired, nothing is left.") && !text.contains("secret"), "{text}");
    let (code, text, _) = run(&["verify", "--data-dir", ".scimlet"], folder, &[]);
    assert_eq!(code, Some(0), "{text}");

    let server = Server::start(folder, &[]);
    let (_, found) = server.get("/Users?filter=userName+eq+%22secret-name%22");
    assert_eq!(found["Resources"][0]["groups"][0]["value"], json!(group));
}

#[test]
fn what_keeps_it_from_checking_is_one_sentence_and_another_code() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, variables, expected) in [
        (vec!["verify"], vec![], "There is no table in .scimlet."),
        (vec!["verify", "--data-dir", "nowhere"], vec![], "--data-dir"),
        (vec!["verify"], vec![("DYNAMODB_ENDPOINT", "http://127.0.0.1:9")], "No usable answer from DYNAMODB_ENDPOINT"),
        (vec!["verify"], vec![("SCIM_GROUP_NAME_UNIQUE", "maybe")], "SCIM_GROUP_NAME_UNIQUE is 'maybe'"),
    ] {
        let (code, text, errors) = run(&arguments, folder.path(), &variables);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{errors}");
        assert!(errors.contains(expected), "{errors}");
        assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    }
    assert!(!folder.path().join(".scimlet").exists(), "a look makes nothing");
}
