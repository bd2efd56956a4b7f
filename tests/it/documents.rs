//! The documents name what there is: each parameter, alarm and output of the template, each variable that is read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of the entries of a section of the template.
fn entries<'t>(template: &'t str, section: &str) -> Vec<(&'t str, &'t str)> {
    let body = template.split_once(&format!("\n{section}:\n")).expect("a section").1;
    let lines: Vec<&str> = body.lines().take_while(|line| line.is_empty() || line.starts_with(' ')).collect();
    let is_name = |line: &&&str| line.starts_with("  ") && !line.starts_with("   ") && !line.trim().starts_with('#');
    let named = lines.iter().filter(is_name).map(|line| line.trim().split(':').next().unwrap());
    named
        .map(|name| {
            let at = lines.iter().position(|line| line.starts_with(&format!("  {name}:"))).unwrap();
            (name, lines.get(at + 1).map_or("", |line| line.trim()))
        })
        .collect()
}

#[track_caller]
fn all_stand_in(document: &str, names: &[String]) {
    let text = read(document);
    let missing: Vec<&String> = names.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(!names.is_empty() && missing.is_empty(), "{document} does not name {missing:?}");
}

#[test]
fn the_guide_to_deployment_names_every_parameter_alarm_output_and_function() {
    let template = read("template.yaml");
    let names = |section| entries(&template, section).into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    all_stand_in("docs/deploy.md", &names("Parameters"));
    all_stand_in("docs/deploy.md", &names("Outputs"));
    let resources = entries(&template, "Resources");
    let alarms = resources.iter().filter(|(_, kind)| *kind == "Type: AWS::CloudWatch::Alarm");
    let alarms: Vec<String> = alarms.map(|(name, _)| name.strip_suffix("Alarm").unwrap().to_owned()).collect();
    all_stand_in("docs/deploy.md", &alarms);
    let functions: Vec<String> = crate::template::TEMPLATE.functions.keys().cloned().collect();
    all_stand_in("docs/deploy.md", &functions);
}

/// Every file of Rust below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_readme_names_every_variable_that_is_read_and_every_one_that_a_function_is_given() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let is_name = regex_lite::Regex::new("\"(SCIM_[A-Z0-9_]+|TABLE_NAME|DYNAMODB_ENDPOINT)\"").unwrap();
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        names.extend(is_name.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    assert!(names.len() > 20, "{names:?}");
    all_stand_in("README.md", &names.iter().cloned().collect::<Vec<_>>());
    let template = read("template.yaml");
    let given = template.split_once("      Variables:\n").unwrap().1;
    let given = given.lines().take_while(|line| line.starts_with("        "));
    let given = given.filter_map(|line| line.trim().split_once(": ").filter(|_| !line.trim().starts_with('#')));
    let given: Vec<String> = given.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with("AWS_")).collect();
    all_stand_in("README.md", &given);
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/connect"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let link = regex_lite::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut broken = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for found in link.captures_iter(&text).filter(|found| !found[1].starts_with("http")) {
            let (path, heading) = found[1].split_once('#').unwrap_or((&found[1], ""));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let is_there = match std::fs::read_to_string(&target) {
                _ if heading.is_empty() => target.exists(),
                Ok(text) => text.lines().any(|line| line.starts_with('#') && anchor(line) == heading),
                Err(_) => false,
            };
            if !is_there {
                broken.push(format!("{}: {}", file.display(), &found[1]));
            }
        }
    }
    assert!(files.len() > 15 && broken.is_empty(), "{broken:#?}");
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
