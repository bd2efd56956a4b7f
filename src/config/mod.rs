//! The configuration: read once, from the environment, into types that need no further check.

mod settings;
mod tokens;

pub use settings::{Breaker, Guards, Reprovision, Settings};
pub use tokens::{Scope, TokenOwner, Tokens, digest, is_day, is_label};

use crate::protocol::schema::{SchemaError, Schemas};

/// Tenant of a deployment that has one.
pub const DEFAULT_TENANT: &str = "default";

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// `SCIM_ENABLED`: when false every SCIM call is answered 403. Data and tokens stay.
    pub enabled: bool,
    /// `SCIM_TOKEN_SHA256` and `SCIM_TOKEN`.
    pub tokens: Tokens,
    /// `SCIM_TABLE_TOKENS`: whether tokens of the table are accepted too (`scimlet token create`).
    pub table_tokens: bool,
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
    /// What the service provider may do, and how much at once.
    pub settings: Settings,
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
        "SCIM_TOKEN_SHA256 has the entry '{entry}': {problem}. An entry is label:digest or tenant/label:digest, where digest is the SHA-256 of the token in 64 hexadecimal digits, then :read for a token that may only read and :until=2027-01-31 for its last day; entries are separated by commas."
    )]
    Token { entry: String, problem: &'static str },
    #[error(
        "SCIM_TOKEN holds white space or a character that a header cannot carry. Use letters, digits, '-' and '_'."
    )]
    UnusableToken,
    #[error(
        "No token is configured, and SCIM_TABLE_TOKENS is false. Set SCIM_TOKEN_SHA256 to label:digest, where digest is the SHA-256 of the token in hexadecimal digits."
    )]
    NoToken,
    #[error(
        "SCIM_BASE_URL is '{0}'. Set it to the URL that clients use, without a query, such as https://scim.example.com/scim/v2."
    )]
    BaseUrl(String),
    #[error("{name} is '{value}'. Set it to a whole number {from} to {to}.")]
    NotANumber { name: &'static str, value: String, from: u64, to: u64 },
    #[error("SCIM_REPROVISION is '{0}'. Set it to refuse, revive or new.")]
    Reprovision(String),
    #[error(
        "SCIM_PROTECTED_USERS names {asked} users; it may name {limit}. Protect the accounts that let you back in."
    )]
    TooManyProtected { asked: usize, limit: usize },
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
        let table_tokens = Self::takes_table_tokens(&variable)?;
        let base_url = variable("SCIM_BASE_URL").map(|url| url.trim_end_matches('/').to_owned());
        // RFC 7644 section 1.3: what is issued is made by adding to it, so it has no query.
        let is_base = |url: &str| {
            ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) && !url.contains(['?', '#'])
        };
        if let Some(url) = base_url.as_ref().filter(|url| !is_base(url)) {
            return Err(ConfigError::BaseUrl(url.clone()));
        }
        Ok(Self {
            enabled: Self::is_enabled(&variable)?,
            tokens: Tokens::read(&variable, table_tokens)?,
            table_tokens,
            base_url,
            server_timing: flag("SCIM_SERVER_TIMING", variable("SCIM_SERVER_TIMING"), false)?,
            schemas: read_schemas(&variable)?,
            quirks: Self::reads_quirks(&variable)?,
            settings: Settings::read(&variable)?,
            table: Table::read(&variable),
        })
    }

    /// `SCIM_ENABLED`, as [`Config::read`] reads it.
    ///
    /// # Errors
    ///
    /// When it is neither true nor false.
    pub fn is_enabled(variable: impl Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
        flag("SCIM_ENABLED", variable("SCIM_ENABLED"), true)
    }

    /// `SCIM_TABLE_TOKENS`, as [`Config::read`] reads it.
    ///
    /// # Errors
    ///
    /// When it is neither true nor false.
    pub fn takes_table_tokens(variable: impl Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
        flag("SCIM_TABLE_TOKENS", variable("SCIM_TABLE_TOKENS"), true)
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

/// Whether a tenant may have this name: 1 to 64 letters, digits, `.` and `-`.
#[must_use]
pub fn is_tenant(name: &str) -> bool {
    is_name(name, b".-")
}

/// Letters, digits and `others`: what may stand in a key of the table, where `#` separates, and in a log.
fn is_name(name: &str, others: &[u8]) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_error_names_the_variable_and_what_it_should_hold() {
        let cases = [
            (vec![("SCIM_TABLE_TOKENS", "false")], "SCIM_TOKEN_SHA256"),
            (vec![("SCIM_BREAKER_SHARE", "120")], "SCIM_BREAKER_SHARE is '120'. Set it to a whole number 0 to 100"),
            (vec![("SCIM_BREAKER_WINDOW", "0")], "SCIM_BREAKER_WINDOW"),
            (vec![("SCIM_LOG_DAYS", "never")], "SCIM_LOG_DAYS"),
            (vec![("SCIM_REPROVISION", "409")], "refuse, revive or new"),
            (
                vec![("SCIM_PROTECTED_USERS", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u")],
                "names 21 users; it may name 20",
            ),
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
