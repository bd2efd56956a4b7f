//! One table, many tenants: what is sent with a token of one neither reads nor changes anything of another. Two services
//! get the same requests, one with a second tenant in its table and one without: they must answer the same.

use crate::harness::{Answer, App, digest};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Names of which one begins another, and the one that is there unnamed.
const TENANTS: [&str; 5] = ["acme", "acme.eu", "acme-2", "ACME", "default"];
const JSON: (&str, &str) = ("content-type", "application/scim+json");

fn token(tenant: &str) -> String {
    format!("token-of-tenant-{tenant}")
}

fn entries() -> String {
    TENANTS.map(|tenant| format!("{tenant}/idp:{}", digest(&token(tenant)))).join(",")
}

/// Something that a client may put where an id, a name or a value belongs.
#[derive(Debug, Clone, Copy)]
enum Word {
    /// An id, a name or a cursor of the other tenant.
    Theirs(usize),
    /// The id of something that this tenant has created.
    Own(usize),
    /// A part of a key of the table, with the other tenant's name and something of theirs in it.
    Key(usize, usize),
    /// A text of no meaning.
    Odd(usize),
}

const ODD: [&str; 12] = [
    "#",
    "/",
    "%23",
    "%2F",
    "..",
    "-",
    "é\u{301}",
    "USER#",
    "\u{0}",
    "🦀",
    "a\"] or userName pr or emails[value eq \"",
    "*",
];

fn key(shape: usize, tenant: &str, theirs: &str) -> String {
    match shape % 8 {
        0 => format!("T#{tenant}#USER"),
        1 => format!("T#{tenant}#USER#{theirs}"),
        2 => format!("#{tenant}#USER/{theirs}"),
        3 => format!("{theirs}#{tenant}"),
        4 => format!("T%23{tenant}%23USER%23{theirs}"),
        5 => format!("../../{tenant}/Users/{theirs}"),
        6 => format!("{tenant}/{theirs}"),
        _ => format!("T#{tenant}#KEY#User.userName#{theirs}"),
    }
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        4 => (0..8_usize).prop_map(Word::Theirs),
        3 => (0..6_usize).prop_map(Word::Own),
        2 => (0..8_usize, 0..8_usize).prop_map(|(shape, theirs)| Word::Key(shape, theirs)),
        1 => (0..ODD.len()).prop_map(Word::Odd),
    ]
}

/// A request: its kind, whether it is about groups, and what stands in it.
type Step = (usize, bool, [Word; 3]);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..KINDS, any::<bool>(), [word(), word(), word()]), 4..16)
}

/// One service, and what the tenant has made there.
struct World<'a> {
    app: App,
    token: &'a str,
    created: Vec<String>,
}

/// The other tenant.
struct Others<'a> {
    tenant: &'a str,
    /// Ids, names and a cursor: what is sent, and must not come back unless it was.
    words: Vec<String>,
    /// What nobody sends, and no answer may hold.
    secrets: Vec<String>,
}

impl World<'_> {
    async fn start(token: &str) -> World<'_> {
        World { app: App::start_with(&[("SCIM_TOKEN_SHA256", &entries())]).await, token, created: Vec::new() }
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        self.app.send(method, path, &[("authorization", &bearer), JSON], body.map(|body| body.to_string().into())).await
    }

    fn text(&self, word: Word, others: &Others<'_>) -> String {
        let theirs = |index: usize| others.words[index % others.words.len()].as_str();
        match word {
            Word::Theirs(index) => theirs(index).to_owned(),
            Word::Own(index) if self.created.is_empty() => format!("nothing-{index}"),
            Word::Own(index) => self.created[index % self.created.len()].clone(),
            Word::Key(shape, index) => key(shape, others.tenant, theirs(index)),
            Word::Odd(index) => ODD[index].to_owned(),
        }
    }

    /// The step's request: method, path, body.
    fn request(&self, (kind, groups, words): Step, others: &Others<'_>) -> (&'static str, String, Option<Value>) {
        let [a, b, c] = words.map(|word| self.text(word, others));
        let endpoint = if groups { "/Groups" } else { "/Users" };
        let name = if groups { "displayName" } else { "userName" };
        let one = format!("{endpoint}/{}", segment(&a));
        let find = |filter: String| format!("{endpoint}?filter={}", encoded(&filter));
        let operations = |operations: Value| Some(json!({ "Operations": operations }));
        let resource = json!({
            name: b, "externalId": c, "emails": [{ "value": c }], "members": if groups { json!([]) } else { Value::Null },
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": if groups { Value::Null } else { json!({ "manager": { "value": a } }) },
        });
        match kind {
            0 => ("GET", one, None),
            1 => ("PUT", one, Some(resource)),
            2 => ("PATCH", one, operations(json!([{ "op": "replace", "path": name, "value": b }]))),
            3 => ("DELETE", one, None),
            4 | 5 => ("POST", endpoint.to_owned(), Some(resource)),
            6 => (
                "POST",
                "/Groups".to_owned(),
                Some(json!({ "displayName": b, "members": [{ "value": a }, { "value": c }] })),
            ),
            7 => (
                "PATCH",
                format!("/Groups/{}", segment(&a)),
                operations(json!([
                    { "op": "add", "path": "members", "value": [{ "value": b }, { "value": c, "type": "Group" }] },
                ])),
            ),
            8 => (
                "PATCH",
                format!("/Groups/{}", segment(&a)),
                operations(json!([
                    { "op": "remove", "path": format!("members[value eq {}]", json!(b)) },
                    { "op": "replace", "path": "externalId", "value": c },
                ])),
            ),
            9 => ("GET", find(format!("{name} eq {}", json!(a))), None),
            10 => ("GET", find(format!("externalId eq {} or id eq {}", json!(a), json!(b))), None),
            11 => (
                "GET",
                find(format!("{} eq {}", if groups { "members.value" } else { "groups.value" }, json!(a))),
                None,
            ),
            12 => ("GET", format!("{endpoint}?count=1&cursor={}", encoded(&a)), None),
            // An id is a name when it begins with a letter, which no two runs agree on.
            13 => ("GET", format!("{endpoint}?sortBy={name}&attributes=x{}", encoded(&a)), None),
            14 => (
                "POST",
                "/.search".to_owned(),
                Some(json!({ "filter": format!("id pr or id eq {}", json!(a)), "count": 50 })),
            ),
            15 => (
                "POST",
                format!("{endpoint}/.search"),
                Some(json!({ "filter": format!("meta.location co {}", json!(a)), "cursor": b })),
            ),
            16 => (
                "POST",
                "/Bulk".to_owned(),
                Some(json!({ "Operations": [
                    { "method": "PATCH", "path": format!("{endpoint}/{a}"), "data": { "Operations": [{ "op": "add", "path": name, "value": b }] } },
                    { "method": "DELETE", "path": format!("https://x/scim/v2/{}/{endpoint}/{a}", others.tenant) },
                    { "method": "POST", "path": endpoint, "bulkId": c, "data": resource },
                ]})),
            ),
            17 => ("GET", format!("{endpoint}?filter={}", encoded(&a)), None),
            _ => ("GET", endpoint.to_owned(), None),
        }
    }
}

const KINDS: usize = 19;

/// A segment of a path: as it is where a path takes it, with its escapes.
fn segment(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) { text.to_owned() } else { encoded(text) }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Two users and a group with one of them, with a marked value in each attribute.
async fn populate(app: &App, tenant: &str) -> (Vec<String>, Vec<String>) {
    let token = token(tenant);
    let world = World { app: app.with(&[("SCIM_TOKEN_SHA256", &entries())]), token: &token, created: Vec::new() };
    let mut ids = Vec::new();
    for number in 0..2 {
        let user = json!({
            "userName": format!("theirs-{number}@example.com"), "externalId": format!("their-external-{number}"),
            "displayName": format!("hidden-display-{number}"), "title": format!("hidden-title-{number}"),
            "emails": [{ "value": format!("hidden-mail-{number}@example.com"), "type": "work" }],
        });
        ids.push(world.send("POST", "/Users", Some(&user)).await.expect(201).id());
    }
    let group = json!({ "displayName": "Their Group", "externalId": "hidden-group", "members": [{ "value": ids[0] }] });
    ids.push(world.send("POST", "/Groups", Some(&group)).await.expect(201).id());
    let page = world.send("GET", "/Users?count=1&cursor=", None).await.expect(200);
    let cursor = page.body["nextCursor"].as_str().unwrap().to_owned();
    let secrets = ["hidden-display", "hidden-title", "hidden-mail", "hidden-group"].map(str::to_owned).to_vec();
    ids.extend(["theirs-0@example.com", "their-external-0", "Their Group", "theirs-1@example.com"].map(str::to_owned));
    ids.push(cursor);
    (ids, secrets)
}

type Items = BTreeMap<(String, String), Value>;

fn of_tenant(items: &Items, tenant: &str) -> Items {
    let prefix = format!("T#{tenant}#");
    items.iter().filter(|((pk, _), _)| pk.starts_with(&prefix)).map(|(key, item)| (key.clone(), item.clone())).collect()
}

/// What the client may see of an answer that does not depend on its own ids.
fn shape(answer: &Answer) -> String {
    let body = &answer.body;
    let statuses: Vec<&Value> =
        body["Operations"].as_array().into_iter().flatten().map(|done| &done["status"]).collect();
    format!("{} {} {} {} {statuses:?}", answer.status, body["scimType"], body["totalResults"], body["itemsPerPage"])
}

/// Sends the steps with the token of `sender`, of whom everyone thinks that it is `tenant`.
async fn play(tenant: &str, other: &str, sender: &str, steps: &[Step]) -> Result<(), String> {
    let (sender, nobody) = (token(sender), token(tenant));
    let (mut beside, mut alone) = (World::start(&sender).await, World::start(&nobody).await);
    let (words, secrets) = populate(&beside.app, other).await;
    let others = Others { tenant: other, words, secrets };
    let before = beside.app.dump().await;
    let mut sent = BTreeSet::new();
    for step in steps {
        let (method, path, body) = beside.request(*step, &others);
        let text = format!("{path} {}", body.clone().unwrap_or_default());
        sent.extend(
            others
                .words
                .iter()
                .filter(|word| step_holds(*step, &beside, &others, word) || text.contains(*word))
                .cloned(),
        );
        let answer = beside.send(method, &path, body.as_ref()).await;
        let (method, path, body) = alone.request(*step, &others);
        let expected = alone.send(method, &path, body.as_ref()).await;
        let label = format!("{method} {path} {}: {}", body.unwrap_or_default(), answer.text);
        if shape(&answer) != shape(&expected) {
            return Err(format!("without {other} the answer is {}\n{label}", expected.text));
        }
        let mut leaked = others.secrets.iter().chain(others.words.iter().filter(|word| !sent.contains(*word)));
        if let Some(leaked) = leaked.find(|word| answer.text.contains(*word)) {
            return Err(format!("the answer holds {leaked}\n{label}"));
        }
        for (world, answer) in [(&mut beside, answer), (&mut alone, expected)] {
            world.created.extend((answer.status == 201).then(|| answer.id()));
        }
    }
    let after = beside.app.dump().await;
    if of_tenant(&before, other) != of_tenant(&after, other) {
        return Err(format!("items of {other} have changed: {steps:?}"));
    }
    let own = format!("T#{tenant}#");
    match after.keys().find(|key| !before.contains_key(*key) && !key.0.starts_with(&own)) {
        Some(foreign) => Err(format!("{tenant} has written {foreign:?}: {steps:?}")),
        None => Ok(()),
    }
}

fn step_holds(step: Step, world: &World<'_>, others: &Others<'_>, word: &str) -> bool {
    step.2.iter().any(|held| world.text(*held, others).contains(word))
}

/// `PROPTEST_CASES` says how many sequences; each is of two tenants.
#[test]
fn no_request_of_one_tenant_reads_or_changes_anything_of_another() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = scimlet::ambient::variable("PROPTEST_CASES").map_or(24, |cases| cases.parse().unwrap());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let pair = (0..TENANTS.len(), 1..TENANTS.len());
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&(pair, steps()), |((tenant, distance), steps)| {
            let (tenant, other) = (TENANTS[tenant], TENANTS[(tenant + distance) % TENANTS.len()]);
            let done = runtime.block_on(play(tenant, other, tenant, &steps));
            prop_assert!(done.is_ok(), "{tenant} and {other}: {}", done.unwrap_err());
            Ok(())
        })
        .unwrap();
}

/// With the other tenant's own token each of these is a breach, and is seen as one.
#[tokio::test]
async fn a_breach_would_be_seen() {
    let [user, _, group, name] = [0, 1, 2, 3].map(Word::Theirs);
    for (step, seen) in [
        ((0, false, [user; 3]), "the answer is"),
        ((9, false, [name; 3]), "the answer is"),
        ((18, false, [user; 3]), "the answer is"),
        ((3, true, [group; 3]), "the answer is"),
        ((5, false, [user, Word::Odd(9), Word::Odd(9)]), "have changed"),
    ] {
        let done = play("acme", "acme.eu", "acme.eu", &[step]).await;
        assert!(done.as_ref().is_err_and(|why| why.contains(seen)), "{step:?}: {done:?}");
    }
}
