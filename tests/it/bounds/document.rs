//! `docs/limits.md` has every bound of the sources with its value, and names tests that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What no client meets: pauses, and parts in which something is kept or done.
const INSIDE: [&str; 3] = ["MAX_PAUSE", "MAX_CLEARED", "MAX_INLINE_BYTES"];

fn files(folder: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(path.to_str().unwrap(), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn texts(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    folders.iter().for_each(|folder| files(folder, &mut found));
    found.into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// The value of `4 * 1024 * 1024 - 16`, in which the names of other bounds may stand.
fn value(expression: &str, bounds: &BTreeMap<String, String>) -> u64 {
    let expression = expression.trim();
    let inner = expression.strip_prefix("Duration::from_secs(").and_then(|rest| rest.strip_suffix(')'));
    let expression = inner.unwrap_or(expression);
    if let Some((left, right)) = expression.rsplit_once(" - ") {
        return value(left, bounds) - value(right, bounds);
    }
    if let Some((left, right)) = expression.rsplit_once(" * ") {
        return value(left, bounds) * value(right, bounds);
    }
    let name = expression.rsplit("::").next().unwrap();
    bounds.get(name).map_or_else(|| name.replace('_', "").parse().unwrap(), |named| value(named, bounds))
}

/// `4,194,304`.
fn written(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn the_document_has_every_bound_with_its_value_and_a_test() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md")).unwrap();
    let bound = regex_lite::Regex::new(
        r"const ((?:DEFAULT_)?MAX_[A-Z_]+|ANSWER_TIME|CURSOR_TIMEOUT_SECONDS): [A-Za-z0-9]+ =\s*([^;]+);",
    );
    let bound = bound.unwrap();
    let mut bounds = BTreeMap::new();
    for text in texts(&["src/protocol", "src/service", "src/store", "src/http", "src/config"]) {
        for found in bound.captures_iter(&text) {
            assert_eq!(bounds.insert(found[1].to_owned(), found[2].to_owned()), None, "two bounds are {}", &found[1]);
        }
    }
    assert!(bounds.len() > 25, "{bounds:?}");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    let row_of = |name: &str| rows.iter().find(|row| row.contains(&format!("`{name}`")));
    let wrong: Vec<String> = bounds
        .iter()
        .filter(|(name, _)| !INSIDE.contains(&name.as_str()))
        .map(|(name, expression)| (name, written(value(expression, &bounds))))
        .filter(|(name, value)| row_of(name).is_none_or(|row| !row.contains(value.as_str())))
        .map(|(name, value)| format!("`{name}` {value}"))
        .collect();
    assert!(wrong.is_empty(), "docs/limits.md has no row with {wrong:#?}");

    let sources = texts(&["src", "tests/it"]).concat();
    let is_constant = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let mut tests = BTreeSet::new();
    for row in &rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 6, "{row}");
        for name in cells[2].split(',').map(|name| name.trim().trim_matches('`')).filter(|name| is_constant(name)) {
            assert!(name.is_empty() || bounds.contains_key(name), "there is no bound {name}");
        }
        let test = cells[5].trim_matches('`');
        assert!(sources.contains(&format!("fn {}(", test.rsplit("::").next().unwrap())), "there is no test {test}");
        tests.insert(test);
    }
    assert!(tests.len() > 15, "{tests:?}");
}

#[test]
fn the_tests_that_the_pages_on_security_and_reliability_name_are_there() {
    let read = |page: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let page = read("docs/security.md") + &read("docs/reliability.md");
    let sources = texts(&["src", "tests/it"]).concat();
    let named = regex_lite::Regex::new("`([a-z0-9_]+(?:::[a-z0-9_]+)*)`").unwrap();
    let mut missing = Vec::new();
    let mut count = 0;
    for found in named.captures_iter(&page) {
        let name = found[1].rsplit("::").next().unwrap();
        let is_test = found[1].contains("::") || name.matches('_').count() > 3;
        count += usize::from(is_test);
        if is_test && !sources.contains(&format!("fn {name}(")) && !sources.contains(&format!("mod {name};")) {
            missing.push(found[1].to_owned());
        }
    }
    assert!(count > 8 && missing.is_empty(), "{count} {missing:?}");
}
