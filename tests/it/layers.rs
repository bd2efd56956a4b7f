//! The arrow `protocol <- store <- service <- http <- (lambda, local, bin)`: a module uses what stands to its left. The
//! compiler does not check it within one crate, so this does, on the text of the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each module of the crate, and the other modules that it may use. `ambient` and `config` stand beside the arrow:
/// the clock, randomness and the environment, and what is read of it.
const MODULES: [(&str, &[&str]); 9] = [
    ("protocol", &[]),
    ("ambient", &[]),
    ("config", &["protocol"]),
    ("store", &["protocol", "ambient", "config"]),
    ("service", &["protocol", "ambient", "config", "store"]),
    ("http", &["protocol", "ambient", "config", "store", "service"]),
    ("lambda", &["http"]),
    ("local", &["protocol", "ambient", "config", "store", "service", "http"]),
    ("bin", &["protocol", "ambient", "config", "store", "service", "http", "lambda", "local"]),
];

/// What stands in the code of these modules and of no other.
const ONLY_IN: [(&str, &[&str]); 11] = [
    ("aws_sdk_dynamodb", &["store"]),
    ("aws_config", &["store"]),
    ("aws_smithy_http_client", &["store"]),
    ("axum", &["http", "lambda", "local"]),
    ("lambda_http", &["lambda", "bin"]),
    ("aws_lambda_events", &["lambda"]),
    ("dynoxide", &["local"]),
    ("clap", &["bin"]),
    ("indicatif", &["local"]),
    ("uuid", &["ambient"]),
    ("getrandom", &["ambient"]),
];

/// What makes arithmetic depend on something else.
const NOT_IN_PROTOCOL: [&str; 10] =
    ["SystemTime", "Instant", "tokio", "tracing", "futures_util", "async", "await", "env", "fs", "net"];

const VENDORS: [&str; 11] = [
    "entra",
    "azure",
    "microsoft",
    "okta",
    "onelogin",
    "authentik",
    "jumpcloud",
    "keycloak",
    "pingone",
    "sailpoint",
    "google",
];

/// A source file without its tests.
struct Source {
    /// Below `src`.
    path: String,
    /// `store`, `keys` for `src/store/keys.rs`.
    module: Vec<String>,
    /// With comments.
    text: String,
    /// Without.
    code: String,
}

impl Source {
    /// The module of the crate; empty for `lib.rs`.
    fn layer(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// The modules of the crate that its code names: through `crate`, `scimlet` or enough of `super`.
    fn uses(&self) -> BTreeSet<String> {
        let climb = "super::".repeat(self.module.len());
        let roots = ["crate::", "scimlet::", if climb.is_empty() { "self::" } else { &climb }];
        let mut uses = BTreeSet::new();
        for root in roots {
            for (at, _) in self.code.match_indices(root) {
                if self.code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                    continue;
                }
                let rest = &self.code[at + root.len()..];
                match rest.strip_prefix('{') {
                    None => uses.extend(first_word(rest)),
                    Some(group) => uses.extend(top_level(group).filter_map(first_word)),
                }
            }
        }
        uses
    }
}

/// What stands between the commas of `{a, b::{c, d}}`, of which `group` begins behind the brace.
fn top_level(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 1;
    let end = group.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let mut depth = 0;
    group[..end.unwrap_or(group.len())].split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    })
}

fn first_word(text: &str) -> Option<String> {
    words(text.trim_start()).next().filter(|word| !word.is_empty()).map(str::to_owned)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<Source> = files.iter().filter_map(|file| source(&root, file)).collect();
    assert!(sources.len() > 40, "the sources are not where this looks");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `None` for a file of tests.
fn source(root: &Path, file: &Path) -> Option<Source> {
    let below = file.strip_prefix(root).unwrap().with_extension("");
    let mut module: Vec<String> = below.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.iter().any(|part| part == "tests") {
        return None;
    }
    if module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        module.pop();
    }
    let text = std::fs::read_to_string(file).unwrap();
    // Tests stand at the end.
    let (text, tests) = text.split_once("\n#[cfg(test)]\nmod ").unwrap_or((&text, ""));
    let path = file.strip_prefix(root).unwrap().display().to_string();
    let ends = tests.is_empty() || tests == "tests;\n" || tests.find("\n}\n") == tests.len().checked_sub(3);
    assert!(ends, "{path}: code behind the tests");
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    Some(Source { path, module, text: text.to_owned(), code: code.join("\n") })
}

#[test]
fn a_module_uses_what_stands_to_its_left() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources() {
        let Some((layer, allowed)) = MODULES.iter().find(|(layer, _)| *layer == source.layer()) else {
            assert_eq!(source.path, "lib.rs", "a module that has no place in the arrow");
            continue;
        };
        for used in source.uses().into_iter().filter(|used| MODULES.iter().any(|(layer, _)| layer == used)) {
            if used != *layer && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", source.path));
            }
            seen.insert((*layer, used));
        }
    }
    assert_eq!(wrong, [""; 0]);
    // A reader that sees nothing finds nothing wrong.
    for (layer, used) in [("store", "protocol"), ("service", "store"), ("http", "service"), ("bin", "lambda")] {
        assert!(seen.contains(&(layer, used.to_owned())), "{layer} uses {used}");
    }
}

#[test]
fn the_reader_sees_a_module_however_it_is_named() {
    let named = |path: &[&str], code: &str| {
        let module = path.iter().map(|&part| part.to_owned()).collect();
        let source = Source { path: String::new(), module, text: String::new(), code: code.to_owned() };
        source.uses().into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named(&["store", "keys"], "use crate::http::Api;"), "http");
    assert_eq!(named(&["store", "keys"], "use crate::{ambient, http::{self, Api}, store};"), "ambient http store");
    assert_eq!(named(&["store", "keys"], "let x = crate::service::Service::new();"), "service");
    assert_eq!(named(&["store", "keys"], "use super::super::http;\nuse super::calls;"), "http");
    assert_eq!(named(&["store"], "use super::http::Api;"), "http");
    assert_eq!(named(&["bin", "bootstrap"], "use scimlet::{ambient, lambda};"), "ambient lambda");
}

#[test]
fn each_dependency_has_its_module() {
    let mut wrong = Vec::new();
    for source in sources() {
        let words: BTreeSet<&str> = words(&source.code).collect();
        for (name, modules) in ONLY_IN {
            if words.contains(name) && !modules.contains(&source.layer()) {
                wrong.push(format!("{} has {name}", source.path));
            }
        }
        if source.layer() == "protocol" {
            let found = NOT_IN_PROTOCOL.into_iter().chain(["axum", "http"]).filter(|name| words.contains(name));
            wrong.extend(found.map(|name| format!("{} has {name}", source.path)));
        }
        let is_of_sdk = |word: &&str| word.starts_with("aws_") && *word != "aws_lambda_events";
        if words.iter().any(is_of_sdk) && source.layer() != "store" {
            wrong.push(format!("{} names a crate of the AWS SDK", source.path));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn keys_are_written_in_one_file() {
    let files: Vec<String> =
        sources().into_iter().filter(|source| source.code.contains("\"T#")).map(|source| source.path).collect();
    assert_eq!(files, ["store/keys.rs"]);
}

/// The unit test beside the code counts comparisons; that each takes the same time whatever it finds is the code's.
#[test]
fn a_digest_is_compared_in_constant_time_alone() {
    let mut compared = Vec::new();
    for source in sources() {
        let lines =
            source.code.lines().filter(|line| line.contains("digest") && (line.contains("==") || line.contains("!=")));
        // What an administrator types names a token by its label or its digest.
        let lines = lines.filter(|line| !line.contains("token.digest == label"));
        compared.extend(lines.map(|line| format!("{}: {}", source.path, line.trim())));
        if source.path != "config/tokens.rs" {
            continue;
        }
        let search = source.code.split_once("pub fn owner(&self").unwrap().1.split_once("\npub fn digest(").unwrap().0;
        for needed in ["known.ct_eq(sent)", "found.conditional_assign(&at, is_same(&owner.digest, digest))"] {
            assert!(search.contains(needed), "no {needed} in {search}");
        }
        for early in
            ["==", "!=", "return", "break", "find", "position", "any(", "if ", "match ", "bool::from", "unwrap_u8"]
        {
            assert!(!search.contains(early), "{early} in {search}");
        }
    }
    assert_eq!(compared, [""; 0]);
}

#[test]
fn the_strict_path_mentions_no_vendor() {
    let mut wrong = Vec::new();
    for source in sources() {
        let is_strict = ["protocol", "store", "service"].contains(&source.layer());
        if !is_strict || source.path == "protocol/quirks.rs" {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            let mut names = line.split(|c: char| !c.is_alphanumeric()).map(str::to_ascii_lowercase);
            if names.any(|name| VENDORS.contains(&name.as_str())) {
                wrong.push(format!("src/{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    assert_eq!(wrong, [""; 0], "a vendor's name belongs in protocol/quirks.rs");
}

#[test]
fn a_quirk_fires_its_own_name_and_has_a_test() {
    let mut names = BTreeSet::new();
    for source in sources() {
        if source.path != "protocol/quirks.rs" {
            assert!(!source.code.contains(".fire("), "{} fires a quirk that is no function of quirks.rs", source.path);
            continue;
        }
        // Each piece begins with the name of a function.
        for function in source.code.split("\npub fn ").skip(1) {
            let name = words(function).next().unwrap();
            let fired: Vec<&str> =
                function.split(".fire(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            let takes_quirks = function.split('{').next().unwrap().contains("quirks: &mut Quirks");
            assert_eq!(fired.len(), usize::from(takes_quirks), "{name} fires {fired:?}");
            assert!(fired.iter().all(|fired| *fired == name), "{name} fires {fired:?}");
            names.extend(fired.iter().map(|&name| name.to_owned()));
        }
    }
    assert!(names.len() > 10, "{names:?}");
    let tests = tests_of_the_protocol();
    let tested: BTreeSet<&str> = words(&tests).collect();
    let untested: Vec<&String> = names.iter().filter(|name| !tested.contains(name.as_str())).collect();
    assert_eq!(untested, [""; 0], "quirks that no test of src/protocol names");
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/quirks.md")).unwrap();
    let undocumented: Vec<&String> = names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert_eq!(undocumented, [""; 0], "quirks that docs/quirks.md does not explain");
}

fn tests_of_the_protocol() -> String {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol"), &mut files);
    let texts = files.iter().map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        let is_all_tests = file.file_stem().is_some_and(|name| name == "tests");
        let tests = text.split_once("\n#[cfg(test)]\n").map_or("", |(_, tests)| tests);
        if is_all_tests { text } else { tests.to_owned() }
    });
    texts.collect()
}
