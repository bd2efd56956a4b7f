//! The configuration: read once, from the environment, into types that need no further check.

use crate::protocol::schema::{SchemaError, Schemas};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;

/// Tenant of a deployment that has one.
pub const DEFAULT_TENANT: &str = "default";

/// Resources that one query may read when `SCIM_MAX_WALK` is unset. At 1 KB each that is 25,000 read units.
const DEFAULT_MAX_WALK: u64 = 100_000;
/// Bytes of an answer when `SCIM_MAX_ANSWER_BYTES` is unset: the 6 MB that a Lambda function may send (Lambda quotas,
/// invocation payload), less 16 KB for status and headers.
const DEFAULT_MAX_ANSWER_BYTES: u64 = 6 * 1024 * 1024 - 16 * 1024;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// `SCIM_ENABLED`: when false every SCIM call is answered 403. Data and tokens stay.
    pub enabled: bool,
    /// `SCIM_TOKEN_SHA256` and `SCIM_TOKEN`.
    pub tokens: Tokens,
    /// `SCIM_BASE_URL`: what `meta.location` begins with. Unset, it is taken from each request.
    pub base_url: Option<String>,
    /// `SCIM_SERVER_TIMING`: the cost of each request in a `Server-Timing` header.
    pub server_timing: bool,
    /// The schemas: those that are compiled in, `SCIM_SCHEMAS` (files of the deployment's own),
    /// `SCIM_GROUP_NAME_UNIQUE` (whether two groups may not have one displayName) and `SCIM_STRICT` (whether attributes
    /// that no schema names are refused).
    pub schemas: Schemas,
    /// `SCIM_QUIRKS`: when false, what is not strict SCIM is refused.
    pub quirks: bool,
    /// `SCIM_MAX_WALK`: how many resources one query may read. Past it a filter needs an indexed attribute.
    pub max_walk: u64,
    /// `SCIM_MAX_ANSWER_BYTES`: what an answer may hold, in bytes as Lambda sends them.
    pub max_answer_bytes: usize,
    /// `TABLE_NAME` and `DYNAMODB_ENDPOINT`.
    pub table: Table,
}

/// Where the table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `TABLE_NAME`; `scimlet` when unset.
    pub name: String,
    /// `DYNAMODB_ENDPOINT`: an engine other than AWS.
    pub endpoint: Option<String>,
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum ConfigError {
    #[error("{name} is '{value}'. Set it to true or false.")]
    NotABoolean { name: &'static str, value: String },
    #[error(
        "SCIM_TOKEN_SHA256 has the entry '{entry}': {problem}. An entry is label:digest or tenant/label:digest, where digest is the SHA-256 of the token in 64 hexadecimal digits; entries are separated by commas."
    )]
    Token { entry: String, problem: &'static str },
    #[error(
        "SCIM_TOKEN holds white space or a character that a header cannot carry. Use letters, digits, '-' and '_'."
    )]
    UnusableToken,
    #[error(
        "No token is configured. Set SCIM_TOKEN_SHA256 to label:digest, where digest is the SHA-256 of the token in hexadecimal digits."
    )]
    NoToken,
    #[error(
        "SCIM_BASE_URL is '{0}'. Set it to the URL that clients use, without a query, such as https://scim.example.com/scim/v2."
    )]
    BaseUrl(String),
    #[error("{name} is '{value}'. Set it to a whole number above 0.")]
    NotANumber { name: &'static str, value: String },
    #[error(
        "SCIM_SCHEMAS names '{path}', which cannot be read: {source}. Name JSON files or folders of them, separated by commas."
    )]
    SchemaFile { path: String, source: std::io::Error },
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Config {
    /// Reads the variables through `variable`, which gives `None` for one that is unset or empty.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used, and what it should hold.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let flag = |name: &'static str, default: bool| flag(name, variable(name), default);
        let number = |name: &'static str, default: u64| match variable(name) {
            None => Ok(default),
            Some(value) => match value.parse().ok().filter(|&number| number > 0) {
                Some(number) => Ok(number),
                None => Err(ConfigError::NotANumber { name, value }),
            },
        };
        let base_url = variable("SCIM_BASE_URL").map(|url| url.trim_end_matches('/').to_owned());
        // RFC 7644 section 1.3: what is issued is made by adding to it, so it has no query.
        let is_base = |url: &str| {
            ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) && !url.contains(['?', '#'])
        };
        if let Some(url) = base_url.as_ref().filter(|url| !is_base(url)) {
            return Err(ConfigError::BaseUrl(url.clone()));
        }
        Ok(Self {
            enabled: flag("SCIM_ENABLED", true)?,
            tokens: Tokens::read(variable("SCIM_TOKEN_SHA256").as_deref(), variable("SCIM_TOKEN").as_deref())?,
            base_url,
            server_timing: flag("SCIM_SERVER_TIMING", false)?,
            schemas: read_schemas(&variable)?,
            quirks: Self::reads_quirks(&variable)?,
            max_walk: number("SCIM_MAX_WALK", DEFAULT_MAX_WALK)?,
            max_answer_bytes: number("SCIM_MAX_ANSWER_BYTES", DEFAULT_MAX_ANSWER_BYTES)?
                .try_into()
                .unwrap_or(usize::MAX),
            table: Table::read(&variable),
        })
    }

    /// `SCIM_QUIRKS`, as [`Config::read`] reads it.
    ///
    /// # Errors
    ///
    /// When it is neither true nor false.
    pub fn reads_quirks(variable: impl Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
        flag("SCIM_QUIRKS", variable("SCIM_QUIRKS"), true)
    }
}

impl Table {
    /// Reads the variables that say where the table is, as [`Config::read`] does.
    #[must_use]
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            name: variable("TABLE_NAME").unwrap_or_else(|| "scimlet".into()),
            endpoint: variable("DYNAMODB_ENDPOINT"),
        }
    }
}

/// Reads the variables that say what the schemas are, as [`Config::read`] does.
///
/// # Errors
///
/// The first variable that cannot be used, and what it should hold.
pub fn read_schemas(variable: impl Fn(&str) -> Option<String>) -> Result<Schemas, ConfigError> {
    let flag = |name: &'static str, default: bool| flag(name, variable(name), default);
    let mut schemas = Schemas::load(flag("SCIM_GROUP_NAME_UNIQUE", true)?)?;
    for path in variable("SCIM_SCHEMAS").unwrap_or_default().split(',').map(str::trim).filter(|path| !path.is_empty()) {
        let files = schema_files(path).map_err(|source| ConfigError::SchemaFile { path: path.to_owned(), source })?;
        for (file, text) in files {
            schemas.add(&file, &text)?;
        }
    }
    Ok(if flag("SCIM_STRICT", false)? { schemas.strict() } else { schemas })
}

fn flag(name: &'static str, value: Option<String>, default: bool) -> Result<bool, ConfigError> {
    let Some(value) = value else { return Ok(default) };
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(ConfigError::NotABoolean { name, value }),
    }
}

/// The text of a file, or of the `.json` files in a folder in the order of their names.
fn schema_files(path: &str) -> std::io::Result<Vec<(String, String)>> {
    let mut files = vec![std::path::PathBuf::from(path)];
    if files[0].is_dir() {
        files = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
    }
    files.into_iter().map(|file| Ok((file.display().to_string(), std::fs::read_to_string(&file)?))).collect()
}

/// Who a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// Whose resources it may see.
    pub tenant: String,
    /// Its name in the change log.
    pub label: String,
    /// Digest of the token: cursors are sealed with it.
    pub digest: [u8; 32],
}

/// The digests of the tokens that are accepted. The tokens themselves are nowhere.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<TokenOwner>);

impl Tokens {
    fn read(digests: Option<&str>, plain: Option<&str>) -> Result<Self, ConfigError> {
        let mut tokens = Vec::new();
        for entry in digests.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let problem = |problem| ConfigError::Token { entry: entry.to_owned(), problem };
            let (name, digest) = entry.rsplit_once(':').ok_or_else(|| problem("there is no ':'"))?;
            let (tenant, label) = name.split_once('/').unwrap_or((DEFAULT_TENANT, name));
            if !is_tenant(tenant) {
                return Err(problem("a tenant has 1 to 64 letters, digits, '.' and '-'"));
            }
            if !is_name(label, b"._-") {
                return Err(problem("a label has 1 to 64 letters, digits, '.', '_' and '-'"));
            }
            let digest = digest_bytes(digest).ok_or_else(|| problem("the digest is not 64 hexadecimal digits"))?;
            tokens.push(TokenOwner { tenant: tenant.into(), label: label.into(), digest });
        }
        if let Some(plain) = plain {
            if !plain.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ConfigError::UnusableToken);
            }
            let digest = Sha256::digest(plain).into();
            tokens.push(TokenOwner { tenant: DEFAULT_TENANT.into(), label: "plain".into(), digest });
        }
        if tokens.is_empty() {
            return Err(ConfigError::NoToken);
        }
        Ok(Self(tokens))
    }

    /// The tenants that have a token, each once.
    #[must_use]
    pub fn tenants(&self) -> BTreeSet<&str> {
        self.0.iter().map(|owner| owner.tenant.as_str()).collect()
    }

    /// The owner of a token. Every digest is compared, each in constant time.
    #[must_use]
    pub fn owner(&self, token: &str) -> Option<&TokenOwner> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for owner in &self.0 {
            // No early end: the time must not tell which one it was.
            if bool::from(owner.digest.ct_eq(&digest)) {
                found = Some(owner);
            }
        }
        found
    }
}

/// Whether a tenant may have this name: 1 to 64 letters, digits, `.` and `-`.
#[must_use]
pub fn is_tenant(name: &str) -> bool {
    is_name(name, b".-")
}

/// Letters, digits and `others`: what may stand in a key of the table, where `#` separates, and in a log.
fn is_name(name: &str, others: &[u8]) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn digest_bytes(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.trim();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0_u8; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"; // of "test"

    #[test]
    fn a_token_names_its_tenant_and_its_label() {
        let digests = format!("entra:{DIGEST}, acme/okta:{}", keys_hex("other"));
        let config = read(&[("SCIM_TOKEN_SHA256", &digests)]).unwrap();
        let owner = |token| config.tokens.owner(token).map(|owner| (owner.tenant.clone(), owner.label.clone()));
        assert_eq!(owner("test"), Some(("default".into(), "entra".into())));
        assert_eq!(owner("other"), Some(("acme".into(), "okta".into())));
        assert_eq!(owner("Test"), None);
        assert_eq!(owner(""), None);
    }

    fn keys_hex(token: &str) -> String {
        crate::store::keys::hex(&Sha256::digest(token))
    }

    #[test]
    fn an_error_names_the_variable_and_what_it_should_hold() {
        let cases = [
            (vec![], "SCIM_TOKEN_SHA256"),
            (vec![("SCIM_TOKEN", "two words")], "SCIM_TOKEN holds white space"),
            (vec![("SCIM_TOKEN_SHA256", "entra")], "there is no ':'"),
            (vec![("SCIM_TOKEN_SHA256", "entra:abc")], "64 hexadecimal digits"),
            (vec![("SCIM_TOKEN_SHA256", "ac_me/entra:abc")], "a tenant has"),
            (vec![("SCIM_TOKEN", "0123456789abcdef"), ("SCIM_ENABLED", "yes")], "SCIM_ENABLED is 'yes'"),
            (vec![("SCIM_TOKEN", "0123456789abcdef"), ("SCIM_BASE_URL", "scim.example.com")], "SCIM_BASE_URL"),
            (
                vec![("SCIM_TOKEN", "0123456789abcdef"), ("SCIM_BASE_URL", "https://scim.example.com/?x")],
                "without a query",
            ),
        ];
        for (variables, expected) in cases {
            let error = read(&variables).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
