//! What each read of the example costs; the table of docs/application.md is made here and compared with what stands
//! there.

use super::directory::Directory;
use super::languages::directory;
use crate::harness::App;
use serde_json::json;

/// Variable that has the table written instead of compared.
const UPDATE: &str = "UPDATE_APPLICATION";
const BEGIN: &str = "<!-- made by tests/it/application/cost.rs -->\n";
const END: &str = "<!-- end -->";

async fn cost<T>(reader: &Directory, read: impl Future<Output = T>) -> f64 {
    let before = reader.units.get();
    read.await;
    reader.units.get() - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_read_costs_what_the_document_says() {
    let app = App::start().await;
    let mut ids = Vec::new();
    for number in 0..100 {
        let name = format!("u{number:03}@example.com");
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true,
            "name": { "givenName": "Given", "familyName": "Family" }, "emails": [{ "value": name, "primary": true }],
        });
        ids.push(app.post("/Users", user).await.expect(201).id());
    }
    let members: Vec<&str> = ids[..10].iter().map(String::as_str).collect();
    let ten = app.group("Ten", &members).await;
    app.group("Other", &[&ids[0]]).await;
    let reader = directory(&app);
    let hour = jiff::SignedDuration::from_hours(1);
    let now = scimlet::ambient::now();
    let rows = [
        ("`users`: 100 users", cost(&reader, reader.users()).await),
        ("`user`: by userName", cost(&reader, reader.user_named("U001@example.com")).await),
        ("`user`: nobody has the name", cost(&reader, reader.user_named("nobody")).await),
        ("`members`: a group of 10", cost(&reader, reader.members(&ten)).await),
        ("`groups`: of a user in 2 groups", cost(&reader, reader.groups(&ids[0])).await),
        ("`groups`: of a user in none", cost(&reader, reader.groups(&ids[50])).await),
        // Of an hour, so that midnight adds one empty day at most; 102 records.
        ("`log`: 102 records", cost(&reader, reader.changes(now - hour, now + hour)).await),
    ];
    let mut table = "| read | read units |\n|---|--:|\n".to_owned();
    rows.iter().for_each(|(read, units)| table.push_str(&format!("| {read} | {units} |\n")));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/application.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (stands, after) = rest.split_once(END).unwrap();
    if scimlet::ambient::variable(UPDATE).is_some() {
        std::fs::write(file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    // The log may lie on two days, whose pages are rounded up each.
    let exact = |text: &str| text.lines().filter(|line| !line.contains("`log`")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(exact(stands), exact(&table), "{UPDATE}=1 cargo test --test it application writes the table anew");
}
