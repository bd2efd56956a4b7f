//! What fuzzing has collected, held to what `fuzz/src/checks` asserts of any input: the corpora, and in
//! `fuzz/regressions` each input that has once broken something.

use std::path::Path;

#[path = "../../fuzz/src/checks/mod.rs"]
mod checks;

#[track_caller]
fn replay(target: &str) {
    let (_, check) = checks::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut count = 0;
    for file in ["corpus", "regressions"].map(|kind| folder.join(kind).join(format!("{target}.jsonl"))) {
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            check(&serde_json::from_str::<String>(line).unwrap());
            count += 1;
        }
    }
    assert!(count > 5, "{count} inputs for {target}");
}

#[test]
fn filters() {
    replay("filter");
}

#[test]
fn paths() {
    replay("path");
}

#[test]
fn patch_bodies() {
    replay("patch");
}

#[test]
fn bulk_bodies() {
    replay("bulk");
}

#[test]
fn cursors() {
    replay("cursor");
}

#[test]
fn query_strings() {
    replay("query");
}

#[test]
fn events() {
    replay("event");
}

#[test]
fn every_target_has_its_program_dictionary_and_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |below: &str| -> Vec<String> {
        let files = std::fs::read_dir(folder.join(below)).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|file| file.is_file())
            .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let mut targets: Vec<&str> = checks::TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    for below in ["fuzz_targets", "dictionaries", "corpus"] {
        assert_eq!(names(below), targets, "fuzz/{below}");
    }
}
