//! The first days of an administrator, from the commands alone. What they print is `docs/first-days.md`; with
//! `UPDATE_STORY=1` it is written anew.

use crate::serve::{Server, scimlet};
use regex_lite::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What Entra ID sends, as the flows have it.
const RECORDED: &str = include_str!("../flows/entra-default.json");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/first-days.md");

/// What is told, with what differs from run to run made the same.
struct Story {
    folder: tempfile::TempDir,
    text: String,
    known: BTreeMap<String, String>,
}

impl Story {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), text: String::new(), known: BTreeMap::new() }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn say(&mut self, text: &str) {
        let _infallible = writeln!(self.text, "{text}\n");
    }

    /// Runs a command and shows it. Standard input is empty.
    fn run(&mut self, shown: &str, variables: &[(&str, &str)]) -> String {
        self.run_with(shown, variables, true)
    }

    fn run_with(&mut self, shown: &str, variables: &[(&str, &str)], succeeds: bool) -> String {
        let arguments: Vec<String> = split(shown);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).skip(1).collect();
        let output = scimlet(&arguments, self.folder(), variables).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.success(), succeeds, "{shown}: {said}");
        let shown = self.same(shown);
        let same = self.same(&said);
        let _infallible = writeln!(self.text, "```\n$ {shown}\n{}\n```\n", same.trim_end());
        said
    }

    /// What a client got.
    fn answer(&mut self, request: &str, (status, body): &(u16, Value)) {
        let request = self.same(request);
        let detail = body["detail"].as_str().map(|detail| format!("\n{}", self.same(detail))).unwrap_or_default();
        let _infallible = writeln!(self.text, "```\n{request}  ->  {status}{detail}\n```\n");
    }

    /// Ids, times, digests, tokens and ports by what they are and in which order they came.
    fn same(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, name) in
            [(r"[0-9a-f]{64}", "HEX"), (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID")]
        {
            let all: Vec<String> =
                Regex::new(pattern).unwrap().find_iter(&text).map(|found| found.as_str().to_owned()).collect();
            for found in all {
                let number = self.known.values().filter(|known| known.starts_with(name)).count() + 1;
                let stands_for = self.known.entry(found.clone()).or_insert_with(|| format!("{name}-{number}"));
                let shown = match stands_for.strip_prefix("ID-") {
                    Some(number) => format!("00000000-0000-4000-8000-{number:0>12}"),
                    None => stands_for.clone(),
                };
                text = text.replace(&found, &shown);
            }
        }
        for (pattern, same) in [
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-11-24T12:00:00.000Z"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:8080"),
            (r"took \d+ ms", "took 15 ms"),
            (r"HEX-(\d+)", "DIGITS-$1"),
            // A counter for each beginning of an id that there was.
            (r"\d+ items, \d+ read units", "300 items, 19 read units"),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, same).into_owned();
        }
        text
    }
}

/// The words of a command line; quotes hold some together.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

fn made_token(said: &str) -> (String, String) {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    (lines[1].to_owned(), lines[3].to_owned())
}

fn now() -> String {
    // Nothing else is recorded in the same millisecond.
    std::thread::sleep(std::time::Duration::from_millis(5));
    let now = format!("{:.3}", scimlet::ambient::now());
    std::thread::sleep(std::time::Duration::from_millis(5));
    now
}

/// The body of the recorded request whose step has a name that begins so.
fn recorded(step: &str) -> Value {
    let flow: Value = serde_json::from_str(RECORDED).unwrap();
    let mut steps = flow["steps"].as_array().unwrap().iter();
    let found = steps.find(|known| known["name"].as_str().unwrap().starts_with(step)).unwrap();
    found["request"]["body"].clone()
}

/// Looks for somebody who is not there and creates that user, as Entra ID does.
fn arrives(server: &Server, name: &str) -> String {
    let address = format!("{name}@example.com");
    let (status, found) = server.get(&format!("/Users?filter=userName+eq+%22{name}%40example.com%22"));
    assert_eq!((status, &found["totalResults"]), (200, &json!(0)));
    let mut user = recorded("create Cat");
    for (attribute, value) in [("userName", address.as_str()), ("externalId", name), ("displayName", name)] {
        user[attribute] = value.into();
    }
    user["emails"][0]["value"] = address.into();
    user.as_object_mut().unwrap().shift_remove("name");
    let (status, body) = server.send("POST", "/Users", Some(&user)).unwrap();
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

fn deactivate(server: &Server, id: &str) -> (u16, Value) {
    server.send("PATCH", &format!("/Users/{id}"), Some(&recorded("disable Ann"))).unwrap()
}

#[test]
fn the_first_days_of_an_administrator() {
    let mut story = Story::new();
    story.say(include_str!("story/beginning.md").trim_end());
    let (token, digest) = made_token(&story.run("scimlet token new entra", &[]));
    story.say(
        "Its digest goes into the configuration, the token into the identity provider: on this machine\n\n```sh\nexport \
         SCIM_TOKEN_SHA256=entra:DIGITS-2\nscimlet serve\n```\n\nand on AWS `sam deploy --parameter-overrides \
         ScimTokenSha256=entra:DIGITS-2`.",
    );
    let off = [("SCIM_TOKEN_SHA256", digest.as_str()), ("SCIM_ENABLED", "false")];
    let configured = [off[0]];

    story.say("## On\n\nWith `SCIM_ENABLED=false`, or `ScimEnabled=false` on AWS, nothing is provisioned yet.");
    let mut server = Server::start(story.folder(), &off);
    server.set_token(&token);
    story.answer("GET /Users", &server.get("/Users"));
    story.run("scimlet status", &off);
    server.kill();
    story.say("Without it, it is on. A round of what Entra ID does says whether everything is in its place. Its token, in `SCIM_TOKEN`, is\nof a tenant of its own: what it makes and deletes is not among your people.");
    let mut server = Server::start(story.folder(), &configured);
    let made = story.run("scimlet token create trial --tenant trial", &configured);
    let trial = made.lines().nth(1).unwrap().trim();
    story.run(&format!("scimlet check {} --as entra", server.url("")), &[("SCIM_TOKEN", trial)]);
    story.run("scimlet token revoke trial --tenant trial --yes", &configured);

    story.say("## People arrive\n\nThe identity provider has the URL and the token. It looks each of sixty people up, creates them and a group, and adds ten of\nthem to it, with the requests that Entra ID sends.");
    server.set_token(&token);
    let name = |number| if number == 0 { "ann".to_owned() } else { format!("user{number:02}") };
    let ids: Vec<String> = (0..60).map(|number| arrives(&server, &name(number))).collect();
    let mut group = recorded("create the group");
    group["displayName"] = json!("Engineering");
    let (status, group) = server.send("POST", "/Groups", Some(&group)).unwrap();
    assert_eq!(status, 201, "{group}");
    let mut add = recorded("add two members");
    add["Operations"][0]["value"] = ids.iter().take(10).map(|id| json!({ "value": id })).collect();
    let group = format!("/Groups/{}", group["id"].as_str().unwrap());
    assert_eq!(server.send("PATCH", &group, Some(&add)).unwrap().0, 204);
    story.run("scimlet status", &configured);
    story.run("scimlet users show ann@example.com", &configured);
    story.run("scimlet log --resource ann@example.com", &configured);

    story.say("## A mistake\n\nSomebody changes the scope filter, and the provider takes everybody's access away. The breaker lets a fifth of them through.");
    let before = now();
    let refused = ids.iter().map(|id| deactivate(&server, id)).find(|(status, _)| *status != 200).unwrap();
    assert_eq!(refused.0, 429, "{}", refused.1);
    story.answer("PATCH /Users/{id}  active: False", &refused);
    story.run("scimlet breaker status", &configured);
    story.run("scimlet users 'active eq false and userName eq \"ann@example.com\"'", &configured);
    story.say("Those who lost access get it back, one by one, as they were before. In a shell:\n\n```sh\nscimlet users 'active eq false' --limit 1000 --json | jq -r '.Resources[].id' |\n  while read -r id; do scimlet restore user \"$id\" --at 2026-11-24T12:00:00Z --yes; done\n```");
    let mut found = scimlet(&["users", "active eq false", "--limit", "1000", "--json"], story.folder(), &configured);
    let found: Value = serde_json::from_slice(&found.output().unwrap().stdout).unwrap();
    let text = |user: &Value, name: &str| user[name].as_str().unwrap().to_owned();
    let users = found["Resources"].as_array().unwrap().iter();
    // In the order of their names, which does not differ from run to run.
    let lost: BTreeMap<String, String> = users.map(|user| (text(user, "userName"), text(user, "id"))).collect();
    assert_eq!(lost.len(), 12);
    story.run(&format!("scimlet restore user ann@example.com --at {before} --yes"), &configured);
    for id in lost.values() {
        let mut restored = scimlet(&["restore", "user", id, "--at", &before, "--yes"], story.folder(), &configured);
        assert!(restored.output().unwrap().status.success());
    }
    story.run("scimlet status", &configured);

    story.say("## Meant this time\n\nHalf of the people do leave. The administrator says so, and the provider repeats what was refused.");
    story.run("scimlet breaker allow --for 1h", &configured);
    for id in ids.iter().skip(30) {
        assert_eq!(deactivate(&server, id).0, 200);
    }
    story.run("scimlet status", &configured);
    story.run("scimlet breaker guard", &configured);

    story.say("## A deleted group\n\nA group is deleted by mistake, and comes back with its id and its members.");
    let then = now();
    // Ten memberships are within the share.
    assert_eq!(server.send("DELETE", &group, None).unwrap().0, 204);
    story.run("scimlet groups", &configured);
    story.run(&format!("scimlet restore group Engineering --at {then} --yes"), &configured);
    story.run("scimlet groups", &configured);
    assert_eq!(server.get(&group).1["members"].as_array().unwrap().len(), 10);

    story.say("## A new token\n\nBoth tokens are valid until the identity provider has the new one. Then the old one is taken out of the configuration.");
    let (new, new_digest) = made_token(&story.run("scimlet token new entra-2027", &[]));
    server.kill();
    let both = format!("{digest},{new_digest}");
    let both = [("SCIM_TOKEN_SHA256", both.as_str())];
    let mut server = Server::start(story.folder(), &both);
    for token in [&token, &new] {
        server.set_token(token);
        assert_eq!(server.get("/Users?count=1").0, 200);
    }
    story.run("scimlet token list", &both);
    server.kill();
    let configured = [("SCIM_TOKEN_SHA256", new_digest.as_str())];
    let mut server = Server::start(story.folder(), &configured);
    server.set_token(&token);
    story.answer("GET /Users, with the old token", &server.get("/Users?count=1"));
    story.say("Where the configuration is not to change, a token of the table works and is revoked at once.");
    let made = story.run("scimlet token create auditor --read-only", &configured);
    server.set_token(made.lines().nth(1).unwrap().trim());
    assert_eq!(server.get("/Users?count=1").0, 200);
    let refused = server.send("POST", "/Users", Some(&json!({ "userName": "x" }))).unwrap();
    story.answer("POST /Users, with it", &refused);
    story.run("scimlet token revoke auditor --yes", &configured);
    assert_eq!(server.get("/Users?count=1").0, 401);

    story.say(
        "## The end\n\nEverything that the identity provider has put there is deleted. The log still tells what was.",
    );
    story.run_with("scimlet delete-users", &configured, false);
    story.run("scimlet delete-users --yes", &configured);
    story.run("scimlet delete-groups --yes", &configured);
    story.run("scimlet status", &configured);
    story.run("scimlet log --resource ann@example.com", &configured);
    story.run("scimlet verify", &configured);
    drop(server);

    let told = format!("{}\n", story.text.trim_end());
    if scimlet::ambient::variable("UPDATE_STORY").is_some() {
        std::fs::write(DOCUMENT, &told).unwrap();
    }
    let written = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(written == told, "docs/first-days.md is out of date: run this test with UPDATE_STORY=1.\n{told}");
}
