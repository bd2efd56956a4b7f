//! A table that was filled by `scimlet seed`, seen by requests and item by item.

use crate::guarantees::is_intact;
use crate::harness::App;
use scimlet::local::population::Population;
use scimlet::local::seed::{SeedError, Seeded, seed, write_units};
use scimlet::protocol::schema::Schemas;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::process::{Command, Output};

/// Users and groups to be made, with as many members as `members` has in turn.
pub fn population(users: usize, groups: usize, members: &[usize]) -> Population {
    Population { users, groups, members: members.to_vec(), ..Population::default() }
}

/// Makes them.
pub async fn fill(app: &App, population: &Population) -> Result<Seeded, SeedError> {
    seed(&app.store, &Schemas::load(true).unwrap(), "default", population, |_| ()).await
}

#[tokio::test]
async fn a_seeded_table_is_as_requests_would_have_left_it() {
    let app = App::start().await;
    let population = population(300, 6, &[0, 1, 40, 1000]);
    let written = Cell::new(0);
    let count = |more| written.set(written.get() + more);
    let done = seed(&app.store, &Schemas::load(true).unwrap(), "default", &population, count).await.unwrap();
    assert_eq!((done.users, done.groups, done.memberships), (300, 6, 342));
    assert_eq!(written.get(), 648);
    is_intact(&app).await;

    let listed = app.get("/Users?startIndex=201&count=100").await.expect(200);
    assert_eq!((listed.total(), listed.ids().len()), (300, 100));
    assert_eq!(app.get("/Groups?excludedAttributes=members").await.expect(200).total(), 6);
    let (name, id) = (population.user_name(123), population.user_id(123));
    let found = app.find("/Users", &format!("userName eq \"{}\"", name.to_uppercase())).await.expect(200);
    assert_eq!(found.ids(), [id.clone()]);
    let user = app.get(&format!("/Users/{id}")).await.expect(200).body;
    let sent = population.user(123);
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(&user[name], value, "{name}");
    }
    assert_eq!(user["groups"].as_array().map_or(0, Vec::len), groups_of(&population, 123));
    let group = app.get(&format!("/Groups/{}", population.group_id(2))).await.expect(200).body;
    let members: BTreeSet<&str> =
        group["members"].as_array().unwrap().iter().map(|member| member["value"].as_str().unwrap()).collect();
    let expected: Vec<String> = population.members(2).map(|number| population.user_id(number)).collect();
    assert_eq!(members, expected.iter().map(String::as_str).collect());
    let by_name = format!("displayName eq \"{}\"", group["displayName"].as_str().unwrap());
    assert_eq!(app.find("/Groups", &by_name).await.expect(200).ids(), [population.group_id(2)]);

    // And it goes on from there.
    let path = format!("/Groups/{}", population.group_id(0));
    app.operations(&path, json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }])).await.expect(204);
    app.delete(&format!("/Users/{id}")).await.expect(204);
    is_intact(&app).await;
}

fn groups_of(population: &Population, user: usize) -> usize {
    (0..population.groups).filter(|&group| population.members(group).any(|member| member == user)).count()
}

/// The items without what is each time another: ids, times, who wrote.
async fn shape(app: &App, population: &Population, ids: [&str; 2]) -> Value {
    let mut text = Value::from_iter(app.dump().await.into_values().map(|mut item| {
        for name in ["created", "lastModified", "added", "at", "expiresAt", "requestId", "actor"] {
            if let Some(value) = item.get_mut(name) {
                *value = "*".into();
            }
        }
        if item["PK"].as_str().unwrap().contains("#LOG#") {
            item["PK"] = "log".into();
            item["SK"] = item["resourceType"].clone();
        } else if item["PK"].as_str().unwrap().contains("#COUNT#") {
            item = item["n"].clone();
        }
        item
    }))
    .to_string();
    for (number, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("id {number}"));
    }
    for (number, id) in [population.user_id(0), population.group_id(0)].iter().enumerate() {
        text = text.replace(id, &format!("id {number}"));
    }
    let mut items: Vec<Value> = serde_json::from_str(&text).unwrap();
    items.sort_by_key(|item| format!("{} {}", item["PK"], item["SK"]));
    items.into()
}

#[tokio::test]
async fn seeded_items_are_those_that_requests_write() {
    let (seeded, requested) = (App::start().await, App::start().await);
    let population = population(1, 1, &[1]);
    fill(&seeded, &population).await.unwrap();
    let user = requested.post("/Users", population.user(0)).await.expect(201).id();
    let mut group = population.group(0);
    group["members"] = json!([{ "value": user }]);
    let group = requested.post("/Groups", group).await.expect(201).id();
    let [seeded, requested] =
        [shape(&seeded, &population, [&user, &group]).await, shape(&requested, &population, [&user, &group]).await];
    assert_eq!(seeded, requested);
}

#[tokio::test]
async fn other_names_add_to_a_filled_table_and_the_same_names_change_nothing() {
    let app = App::start().await;
    let first = population(60, 2, &[10]);
    fill(&app, &first).await.unwrap();
    app.user("ann@example.com").await;
    let second = Population { domain: "second.example".into(), ..population(40, 2, &[10]) };
    fill(&app, &second).await.unwrap();
    assert_eq!(app.get("/Users?count=0").await.expect(200).total(), 101);
    is_intact(&app).await;

    let before = app.dump().await;
    // The same ids; other ids, the same names; groups alone.
    for again in [first.clone(), Population { seed: 2, ..first.clone() }, Population { users: 0, ..second }] {
        let error = fill(&app, &again).await.unwrap_err();
        assert!(matches!(error, SeedError::Exists(_)), "{error}");
        assert!(error.to_string().starts_with("409: "), "{error}");
    }
    assert_eq!(app.dump().await, before);
    // A name that is found in use on the way there: what was written until then stands, and is whole.
    app.user(&Population { domain: "third.example".into(), ..first.clone() }.user_name(50)).await;
    let error = fill(&app, &Population { domain: "third.example".into(), ..first }).await.unwrap_err();
    assert!(error.to_string().contains("u0000050@third.example exists"), "{error}");
    is_intact(&app).await;
}

#[tokio::test]
async fn the_cost_of_seeding_is_told_before() {
    let app = App::start().await;
    let population = population(400, 4, &[30, 0, 300]);
    let told = write_units(&population) as f64;
    let spent = fill(&app, &population).await.unwrap().write_units;
    assert!((told / spent - 1.0).abs() < 0.1, "{told} told, {spent} spent");
}

fn run(arguments: &[&str], folder: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scimlet"));
    for name in ["DYNAMODB_ENDPOINT", "TABLE_NAME", "SCIM_SCHEMAS", "SCIM_STRICT", "SCIM_GROUP_NAME_UNIQUE"] {
        command.env_remove(name);
    }
    command.arg("seed").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn the_seed_command_fills_the_folder_and_says_what_stands_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(&["--users", "1200", "--groups", "2", "--members", "5,10"], folder.path());
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.starts_with("Wrote 1,200 users, 2 groups and 15 memberships to .scimlet/table.db"), "{text}");
    let again = run(&["--users", "1"], folder.path());
    let text = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && text.contains("u0000000@bench.example exists already"), "{text}");
    let tenant = run(&["--tenant", "a#b"], folder.path());
    assert!(String::from_utf8(tenant.stderr).unwrap().contains("no tenant"));
}
