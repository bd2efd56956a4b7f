//! What each request costs: calls, the longest chain of them, and capacity units. The figures are exact; the table of
//! `docs/performance.md` is made here and compared with what stands there.

use crate::harness::{Answer, App, Cost};
use serde_json::{Value, json};

/// Variable that has the table written instead of compared.
const UPDATE: &str = "UPDATE_PERFORMANCE";
const BEGIN: &str = "<!-- made by tests/it/cost.rs -->\n";
const END: &str = "<!-- end -->";

/// One row: a request, what it cost, and what it may cost.
struct Row {
    request: &'static str,
    cost: Cost,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    /// Notes the cost of an answer and checks it against the budget: round trips, reads, writes.
    #[track_caller]
    fn note(&mut self, request: &'static str, answer: &Answer, budget: (u32, f64, f64)) {
        let cost = answer.cost();
        let (trips, reads, writes) = budget;
        assert!(
            cost.trips <= trips && cost.reads <= reads && cost.writes <= writes,
            "{request}: {cost:?}, not {budget:?}"
        );
        self.0.push(Row { request, cost });
    }

    fn markdown(&self) -> String {
        let mut text =
            "| request | calls | round trips | read units | write units |\n|---|--:|--:|--:|--:|\n".to_owned();
        for Row { request, cost } in &self.0 {
            let Cost { calls, trips, reads, writes } = cost;
            text.push_str(&format!("| {request} | {calls} | {trips} | {reads} | {writes} |\n"));
        }
        text
    }
}

fn query(filter: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish()
}

fn member(op: &str, id: &str) -> Value {
    match op {
        "add" => json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]),
        _ => json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]),
    }
}

async fn users(app: &App, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        ids.push(app.user(&format!("u{number:04}@example.com")).await);
    }
    ids
}

/// A group of these members, put together in requests of 30.
async fn group(app: &App, name: &str, members: &[String]) -> String {
    let id = app.group(name, &[]).await;
    for some in members.chunks(30) {
        let value: Vec<Value> = some.iter().map(|id| json!({ "value": id })).collect();
        app.operations(&format!("/Groups/{id}"), json!([{ "op": "add", "path": "members", "value": value }]))
            .await
            .expect(204);
    }
    id
}

#[tokio::test]
async fn every_request_costs_what_the_budget_says_at_any_size() {
    let app = App::start().await;
    let ids = users(&app, 400).await;
    let (small, big) = (group(&app, "Ten", &ids[..10]).await, group(&app, "Three hundred", &ids[..300]).await);
    let mut table = Table::default();

    let lone = &ids[399];
    table.note("GET user", &app.get(&format!("/Users/{lone}")).await.expect(200), (1, 1.0, 0.0));
    let in_two = app.get(&format!("/Users/{}", ids[0])).await.expect(200);
    assert_eq!(in_two.body["groups"].as_array().map(Vec::len), Some(2));
    table.note("GET user in 2 groups, shown by name", &in_two, (3, 4.0, 0.0));
    let without = app.get(&format!("/Users/{}?excludedAttributes=groups", ids[0])).await.expect(200);
    table.note("GET user in 2 groups, `excludedAttributes=groups`", &without, (1, 1.0, 0.0));
    for (request, id) in [
        ("GET group of 10, `excludedAttributes=members`", &small),
        ("GET group of 300, `excludedAttributes=members`", &big),
    ] {
        let answer = app.get(&format!("/Groups/{id}?excludedAttributes=members")).await.expect(200);
        table.note(request, &answer, (1, 1.0, 0.0));
    }
    let whole = app.get(&format!("/Groups/{small}")).await.expect(200);
    table.note("GET group of 10", &whole, (3, 3.0, 0.0));

    let rich = json!({
        "userName": "ann@example.com", "externalId": "00u1abc", "displayName": "Ann Lee",
        "emails": [{ "value": "ann@example.com", "type": "work", "primary": true }],
    });
    let minimal = app.post("/Users", json!({ "userName": "bob@example.com" })).await.expect(201);
    table.note("POST user with userName alone (4 items)", &minimal, (1, 0.0, 8.0));
    let ann = app.post("/Users", rich).await.expect(201);
    table.note("POST user with externalId and one e-mail (6 items)", &ann, (1, 0.0, 12.0));
    let ann = ann.id();

    for (request, endpoint, filter) in [
        ("filter `userName eq`", "/Users", "userName eq \"ANN@example.com\""),
        ("filter `externalId eq`", "/Users", "externalId eq \"00u1abc\""),
        (
            "filter `emails[type eq \"work\"].value eq`",
            "/Users",
            "emails[type eq \"work\"].value eq \"ann@example.com\"",
        ),
    ] {
        let answer = app.get(&format!("{endpoint}?{}", query(filter))).await.expect(200);
        assert_eq!(answer.ids(), [ann.clone()], "{filter}");
        table.note(request, &answer, (2, 2.0, 0.0));
    }
    let name = format!("/Groups?{}&excludedAttributes=members", query("displayName eq \"three hundred\""));
    table.note(
        "filter `displayName eq`, `excludedAttributes=members`",
        &app.get(&name).await.expect(200),
        (2, 2.0, 0.0),
    );
    let nobody = app.get(&format!("/Users?{}", query("userName eq \"nobody\""))).await.expect(200);
    table.note("filter `userName eq` that finds nobody", &nobody, (1, 1.0, 0.0));
    for (request, group) in
        [("filter `id eq and members eq`, group of 10", &small), ("filter `id eq and members eq`, group of 300", &big)]
    {
        let filter = query(&format!("id eq \"{group}\" and members eq \"{}\"", ids[3]));
        let answer = app.get(&format!("/Groups?{filter}&excludedAttributes=members")).await.expect(200);
        assert_eq!(answer.ids(), [group.clone()]);
        table.note(request, &answer, (1, 2.0, 0.0));
    }

    let path = format!("/Users/{ann}");
    let off = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    table.note("PATCH user, `active` (2 items)", &app.operations(&path, off.clone()).await.expect(200), (2, 1.0, 4.0));
    table.note("PATCH user that changes nothing", &app.operations(&path, off).await.expect(200), (1, 1.0, 0.0));
    let mut body = app.get(&path).await.expect(200).body;
    body["title"] = "Engineer".into();
    table.note("PUT user, one attribute (2 items)", &app.put(&path, body.clone()).await.expect(200), (2, 1.0, 4.0));
    body["userName"] = "ann.lee@example.com".into();
    table.note("PUT user, another userName (4 items)", &app.put(&path, body).await.expect(200), (2, 1.0, 8.0));

    for (add, remove, again, group) in [
        (
            "PATCH group of 10, add one member",
            "PATCH group of 11, remove one member",
            "PATCH group of 10, remove one who is no member",
            &small,
        ),
        (
            "PATCH group of 300, add one member",
            "PATCH group of 301, remove one member",
            "PATCH group of 300, remove one who is no member",
            &big,
        ),
    ] {
        let path = format!("/Groups/{group}");
        table.note(add, &app.operations(&path, member("add", lone)).await.expect(204), (2, 3.0, 10.0));
        table.note(remove, &app.operations(&path, member("remove", lone)).await.expect(204), (2, 3.0, 10.0));
        table.note(again, &app.operations(&path, member("remove", lone)).await.expect(204), (1, 3.0, 0.0));
    }

    // The page of 100 and the counters: at most 256 small items, 25 KB.
    for (request, start, trips) in [
        ("list 100 of 402 users, `startIndex=1`", 1, 1),
        ("list 100 of 402 users, `startIndex=101`", 101, 2),
        ("list 100 of 402 users, `startIndex=301`", 301, 2),
    ] {
        let path = format!("/Users?startIndex={start}&count=100&excludedAttributes=groups");
        let answer = app.get(&path).await.expect(200);
        assert_eq!((answer.ids().len(), answer.total()), (100, 402));
        table.note(request, &answer, (trips, 20.0, 0.0));
    }
    // The mirrors of each, and the groups of all in one call.
    let filter = form_urlencoded::Serializer::new(String::new())
        .append_pair("filter", &format!("groups.value eq \"{big}\""))
        .finish();
    for (request, more, budget) in [
        ("list 25 users of a group of 300", "&excludedAttributes=groups", (4, 29.0, 0.0)),
        ("list 25 users of a group of 300, with their `groups`", "", (6, 60.0, 0.0)),
    ] {
        let answer = app.get(&format!("/Users?{filter}&count=25{more}")).await.expect(200);
        assert_eq!((answer.ids().len(), answer.total()), (25, 300));
        table.note(request, &answer, budget);
    }
    table.note("`count=0`: the total alone", &app.get("/Users?count=0").await.expect(200), (1, 7.0, 0.0));
    table.note("DELETE user in no group (7 items)", &app.delete(&path).await.expect(204), (2, 1.0, 14.0));

    compare(&table.markdown());
}

/// The table as it stands in the document, or as it shall.
fn compare(table: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (stands, after) = rest.split_once(END).unwrap();
    if scimlet::ambient::variable(UPDATE).is_some() {
        std::fs::write(file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    // List costs follow the random ids: how many shards are filled, and how many items stand before the page.
    let exact =
        |text: &str| text.lines().filter(|line| !line.contains("| list ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(exact(stands), exact(table), "{UPDATE}=1 cargo test --test it cost writes the table anew");
}
