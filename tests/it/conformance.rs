//! `docs/conformance.md`: every requirement of the RFCs and of the identity providers, and the test that holds it. The
//! lists are in `conformance/`; here it is checked that the tests they name exist, and the document is made.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Variable that has the document written instead of compared.
const UPDATE: &str = "UPDATE_CONFORMANCE";
/// The last of the client requirements, which are numbered from 1.
const LAST_CLIENT_REQUIREMENT: usize = 178;

/// One requirement, and one of three answers to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    section: String,
    level: Option<String>,
    text: String,
    /// The tests that fail when it is not met.
    held_by: Option<Vec<String>>,
    /// Why it is not met.
    no: Option<String>,
    /// Why it is not asked of this service provider.
    not_ours: Option<String>,
}

/// One list of requirements.
struct List {
    title: &'static str,
    /// Where its sections are.
    url: Option<&'static str>,
    requirements: Vec<Requirement>,
}

fn lists() -> [List; 4] {
    let list = |title, url, text| List { title, url, requirements: serde_json::from_str(text).expect(title) };
    [
        list(
            "RFC 7643, core schema",
            Some("https://www.rfc-editor.org/rfc/rfc7643#section-"),
            include_str!("conformance/rfc7643.json"),
        ),
        list(
            "RFC 7644, protocol",
            Some("https://www.rfc-editor.org/rfc/rfc7644#section-"),
            include_str!("conformance/rfc7644.json"),
        ),
        list(
            "RFC 9865, cursor-based pagination",
            Some("https://www.rfc-editor.org/rfc/rfc9865#section-"),
            include_str!("conformance/rfc9865.json"),
        ),
        list("Clients", None, include_str!("conformance/clients.json")),
    ]
}

/// The names of the tests that are compiled: `it::lists::a_page_holds_…`, `scimlet::protocol::path::tests::…`.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    read_module("scimlet", &root.join("src/lib.rs"), &root.join("src"), &mut tests);
    read_module("it", &root.join("tests/it/main.rs"), &root.join("tests/it"), &mut tests);
    tests
}

/// Reads a file and those that it declares with `mod name;`, which lie in `folder`. A `#[path]` leads to an example,
/// which has no tests.
fn read_module(module: &str, file: &Path, folder: &Path, tests: &mut BTreeSet<String>) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    scan(module, &text, tests);
    let mut elsewhere = false;
    for line in text.lines().map(str::trim) {
        if std::mem::replace(&mut elsewhere, line.starts_with("#[path")) {
            continue;
        }
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else { continue };
        let inside = folder.join(name);
        let files = [folder.join(format!("{name}.rs")), inside.join("mod.rs")];
        let file = files.iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no file of {module}::{name}"));
        read_module(&format!("{module}::{name}"), file, &inside, tests);
    }
}

/// Reads a formatted file line by line: a module ends at the brace in the column where it began, and the function after
/// `#[test]` or `#[tokio::test]` is a test. A module that a macro names (`mod $module`) is there once for each
/// `name = "…";` of the file.
fn scan(file_module: &str, text: &str, tests: &mut BTreeSet<String>) {
    let mut modules: Vec<(usize, &str)> = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if code == "}" {
            modules.retain(|(at, _)| *at < indent);
        }
        let code = code.strip_prefix("pub ").unwrap_or(code);
        if let Some(name) = code.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            modules.push((indent, name));
        }
        is_test |= code == "#[test]" || code.starts_with("#[tokio::test");
        let Some(name) = code.strip_prefix("async ").unwrap_or(code).strip_prefix("fn ") else { continue };
        if std::mem::take(&mut is_test) {
            let name = name.split('(').next().unwrap_or_default();
            let modules: Vec<&str> = modules.iter().map(|(_, module)| *module).collect();
            for modules in expanded(&modules, text) {
                tests.insert([file_module, modules.join("::").as_str(), name].join("::").replace("::::", "::"));
            }
        }
    }
}

fn expanded<'a>(modules: &[&'a str], text: &'a str) -> Vec<Vec<&'a str>> {
    let Some(at) = modules.iter().position(|module| module.starts_with('$')) else { return vec![modules.to_vec()] };
    let names = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(" = ")?;
        (value.starts_with('"') && value.ends_with("\";") && !name.contains(' ')).then_some(name)
    });
    let with = |name| {
        let mut modules = modules.to_vec();
        modules[at] = name;
        modules
    };
    names.map(with).collect()
}

#[test]
fn the_scanner_finds_tests_in_files_in_modules_and_under_macros() {
    let tests = tests();
    for name in [
        "it::conformance::the_scanner_finds_tests_in_files_in_modules_and_under_macros",
        "it::requirements::lists::a_page_holds_at_most_count_resources",
        "it::flows::onelogin::the_whole_flow_twice_ends_as_once",
        "scimlet::protocol::list::tests::rfc7644_section_3_4_2_4_bounds_are_applied_not_refused",
    ] {
        assert!(tests.contains(name), "{name} is not among the {} tests", tests.len());
    }
    assert!(!tests.iter().any(|name| name.contains("tests::tests") || name.ends_with("::lists")));
}

#[test]
fn every_requirement_has_one_answer_and_every_test_it_names_exists() {
    let tests = tests();
    let mut ids = BTreeSet::new();
    let mut problems = Vec::new();
    let lists = lists();
    for requirement in lists.iter().flat_map(|list| &list.requirements) {
        let Requirement { id, level, held_by, no, not_ours, text, .. } = requirement;
        let answers = [held_by.is_some(), no.is_some(), not_ours.is_some()];
        if answers.into_iter().filter(|given| *given).count() != 1 {
            problems.push(format!("{id} must have one of held_by, no and not_ours"));
        }
        if text.is_empty() || held_by.as_ref().is_some_and(Vec::is_empty) {
            problems.push(format!("{id} says nothing"));
        }
        if level.is_none() != id.starts_with("client-") {
            problems.push(format!("{id}: an RFC's requirement has a level, a client's has none"));
        }
        if !ids.insert(id.clone()) {
            problems.push(format!("{id} is there twice"));
        }
        for test in held_by.iter().flatten().filter(|test| !tests.contains(*test)) {
            problems.push(format!("{id} is held by {test}, which is no test"));
        }
    }
    let clients: BTreeSet<String> = lists[3].requirements.iter().map(|requirement| requirement.id.clone()).collect();
    let expected = (1..=LAST_CLIENT_REQUIREMENT).map(|number| format!("client-{number}")).collect();
    assert_eq!(clients, expected, "the client requirements");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_document_says_what_the_lists_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let made = document(&lists());
    if scimlet::ambient::variable(UPDATE).is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "docs/conformance.md is out of date: run the tests with {UPDATE}=1 and commit it");
}

fn document(lists: &[List]) -> String {
    let mut text = "\
# Conformance

Every MUST, SHALL, SHOULD and REQUIRED of the SCIM RFCs that speaks of a service provider, and every requirement that
the traffic and the documentation of identity providers put on one (the client requirements), with the tests that hold
it. *No* is where scimlet differs, and why. *Not ours* is what the sentence asks of somebody else: the client, or who
runs a feature that `/ServiceProviderConfig` says is not there. What an RFC says twice is here once.

`tests/it/conformance.rs` makes this page from `tests/it/conformance/*.json` and fails when a test named here does not
exist. The examples of the RFCs are sent as they stand from `tests/it/rfc/fixtures/`. `cargo test NAME` runs a test.

| | held | no | not ours |
|---|--:|--:|--:|
"
    .to_owned();
    for List { title, requirements, .. } in lists {
        let count = |claim: &dyn Fn(&Requirement) -> bool| requirements.iter().filter(|each| claim(each)).count();
        let (held, no) = (count(&|each| each.held_by.is_some()), count(&|each| each.no.is_some()));
        let not_ours = count(&|each| each.not_ours.is_some());
        let anchor: String = title.chars().filter(|c| *c != ',').collect();
        let anchor = anchor.to_lowercase().replace(' ', "-");
        writeln!(text, "| [{title}](#{anchor}) | {held} | {no} | {not_ours} |").unwrap();
    }
    text.push_str("\n## Where scimlet differs\n\n| | | requirement | why |\n|---|---|---|---|\n");
    for requirement in lists.iter().flat_map(|list| &list.requirements) {
        if let Requirement { id, level, text: asked, no: Some(why), .. } = requirement {
            writeln!(text, "| {id} | {} | {asked} | {why} |", level.as_deref().unwrap_or_default()).unwrap();
        }
    }
    let titles: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(include_str!("conformance/sections.json")).expect("sections.json");
    for List { title, url, requirements } in lists {
        writeln!(text, "\n## {title}").unwrap();
        let mut section = "";
        for requirement in requirements {
            if requirement.section != section {
                section = &requirement.section;
                heading(&mut text, *url, section, titles.get(*title).and_then(|titles| titles.get(section)));
            }
            row(&mut text, requirement);
        }
    }
    text
}

fn heading(text: &mut String, url: Option<&str>, section: &str, title: Option<&String>) {
    match url {
        Some(url) => {
            let title = title.map(|title| format!(" {title}")).unwrap_or_default();
            writeln!(
                text,
                "\n### [{section}]({url}{section}){title}\n\n| | | requirement | held by |\n|---|---|---|---|"
            )
            .unwrap();
        }
        None => writeln!(text, "\n### {section}\n\n| | requirement | held by |\n|--:|---|---|").unwrap(),
    }
}

fn row(text: &mut String, requirement: &Requirement) {
    let Requirement { id, level, text: asked, held_by, no, not_ours, .. } = requirement;
    let tests = |tests: &Vec<String>| tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>");
    let answer = match (held_by, no, not_ours) {
        (Some(held_by), ..) => tests(held_by),
        (_, Some(no), _) => format!("**No.** {no}"),
        (_, _, not_ours) => format!("*Not ours.* {}", not_ours.as_deref().unwrap_or_default()),
    };
    match level {
        Some(level) => writeln!(text, "| {id} | {level} | {asked} | {answer} |").unwrap(),
        None => writeln!(text, "| {} | {asked} | {answer} |", id.trim_start_matches("client-")).unwrap(),
    }
}
