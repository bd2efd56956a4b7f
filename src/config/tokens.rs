//! Tokens: who may ask, for whom, and until when.

use super::{ConfigError, DEFAULT_TENANT, is_name, is_tenant};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Every request.
    #[default]
    Write,
    /// What changes nothing: GET and searches.
    Read,
}

/// Who a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// Whose resources it may see.
    pub tenant: String,
    /// Its name in the change log.
    pub label: String,
    /// What it allows.
    pub scope: Scope,
    /// Its last day in UTC, `yyyy-mm-dd`; none for a token that does not expire.
    pub until: Option<String>,
    /// Digest of the token: cursors are sealed with it.
    pub digest: [u8; 32],
}

impl TokenOwner {
    /// Whether its last day is over. `today` is `yyyy-mm-dd`.
    #[must_use]
    pub fn is_expired(&self, today: &str) -> bool {
        self.until.as_deref().is_some_and(|until| until < today)
    }
}

/// The digests of the tokens that are accepted. The tokens themselves are nowhere.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<TokenOwner>);

impl Tokens {
    /// Reads the variables, as [`super::Config::read`] does. `may_be_none` says whether there may be tokens elsewhere.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used, and what it should hold.
    pub fn read(variable: impl Fn(&str) -> Option<String>, may_be_none: bool) -> Result<Self, ConfigError> {
        let mut tokens = Vec::new();
        for entry in variable("SCIM_TOKEN_SHA256")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            tokens.push(owner(entry).map_err(|problem| ConfigError::Token { entry: entry.to_owned(), problem })?);
        }
        if let Some(plain) = variable("SCIM_TOKEN") {
            if !plain.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ConfigError::UnusableToken);
            }
            tokens.push(TokenOwner {
                tenant: DEFAULT_TENANT.into(),
                label: "plain".into(),
                scope: Scope::Write,
                until: None,
                digest: Sha256::digest(plain).into(),
            });
        }
        if tokens.is_empty() && !may_be_none {
            return Err(ConfigError::NoToken);
        }
        Ok(Self(tokens))
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &TokenOwner> {
        self.0.iter()
    }

    /// The tenants that have a token, each once.
    #[must_use]
    pub fn tenants(&self) -> BTreeSet<&str> {
        self.0.iter().map(|owner| owner.tenant.as_str()).collect()
    }

    /// The owner of a token. Every digest is compared, each in constant time.
    #[must_use]
    pub fn owner(&self, token: &str) -> Option<&TokenOwner> {
        self.matching(&digest(token), |known, sent| known.ct_eq(sent))
    }

    /// No early end and no branch on what `is_same` says: the time must not tell which one it was, or whether it was any.
    fn matching(&self, digest: &[u8; 32], is_same: impl Fn(&[u8; 32], &[u8; 32]) -> Choice) -> Option<&TokenOwner> {
        let mut found = u64::MAX;
        for (at, owner) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&at, is_same(&owner.digest, digest));
        }
        self.0.get(usize::try_from(found).ok()?)
    }
}

/// SHA-256 of a token.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The owner that an entry names: `[tenant/]label:digest[:read][:until=yyyy-mm-dd]`.
fn owner(entry: &str) -> Result<TokenOwner, &'static str> {
    let mut parts = entry.split(':').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let digest = parts.next().ok_or("there is no ':'")?;
    let (tenant, label) = name.split_once('/').unwrap_or((DEFAULT_TENANT, name));
    if !is_tenant(tenant) {
        return Err("a tenant has 1 to 64 letters, digits, '.' and '-'");
    }
    if !is_label(label) {
        return Err("a label has 1 to 64 letters, digits, '.', '_' and '-'");
    }
    let digest = digest_bytes(digest).ok_or("the digest is not 64 hexadecimal digits")?;
    let (mut scope, mut until) = (Scope::Write, None);
    for option in parts {
        match option.strip_prefix("until=") {
            None if option == "read" => scope = Scope::Read,
            Some(day) if is_day(day) => until = Some(day.to_owned()),
            Some(_) => return Err("until is no day, such as until=2027-01-31"),
            None => return Err("after the digest stand only read and until=2027-01-31"),
        }
    }
    Ok(TokenOwner { tenant: tenant.into(), label: label.into(), scope, until, digest })
}

/// Whether a token may have this label: 1 to 64 letters, digits, `.`, `_` and `-`.
#[must_use]
pub fn is_label(label: &str) -> bool {
    is_name(label, b"._-")
}

/// Whether this is a day of the calendar as it is written in a token's entry: `2027-01-31`.
#[must_use]
pub fn is_day(text: &str) -> bool {
    let is_written = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    is_written && text.parse::<jiff::civil::Date>().is_ok()
}

fn digest_bytes(digits: &str) -> Option<[u8; 32]> {
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

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"; // of "test"

    fn read(digests: &str) -> Result<Tokens, ConfigError> {
        Tokens::read(|name| (name == "SCIM_TOKEN_SHA256").then(|| digests.to_owned()), false)
    }

    #[test]
    fn a_token_names_its_tenant_its_label_what_it_allows_and_its_last_day() {
        let other: String = Sha256::digest("other").iter().map(|byte| format!("{byte:02x}")).collect();
        let tokens = read(&format!("entra:{DIGEST}, acme/okta:{other}:read:until=2027-01-31")).unwrap();
        let owner = |token: &str| tokens.owner(token).cloned();
        let entra = owner("test").unwrap();
        assert_eq!((entra.tenant.as_str(), entra.label.as_str(), entra.scope), ("default", "entra", Scope::Write));
        assert!(!entra.is_expired("9999-12-31"));
        let okta = owner("other").unwrap();
        assert_eq!((okta.tenant.as_str(), okta.label.as_str(), okta.scope), ("acme", "okta", Scope::Read));
        assert!(!okta.is_expired("2027-01-31"));
        assert!(okta.is_expired("2027-02-01"));
        assert_eq!(owner("Test"), None);
        assert_eq!(owner(""), None);
    }

    #[test]
    fn every_digest_is_compared_whichever_it_is() {
        let texts = ["a", "b", "c", "d", "e"];
        let entries = texts.map(|token| format!("{token}:{}", crate::store::keys::hex(&digest(token))));
        let tokens = read(&entries.join(",")).unwrap();
        for sent in ["a", "c", "e", "none of them", ""] {
            let compared = std::cell::RefCell::new(Vec::new());
            let found = tokens.matching(&digest(sent), |known, sent| {
                compared.borrow_mut().push(*known);
                known.ct_eq(sent)
            });
            assert_eq!(found.map(|owner| owner.label.as_str()), texts.contains(&sent).then_some(sent));
            assert_eq!(found, tokens.owner(sent));
            assert_eq!(compared.into_inner(), texts.map(digest), "{sent:?}");
        }
    }

    #[test]
    fn an_entry_that_is_none_says_what_it_lacks() {
        let cases = [
            ("entra".to_owned(), "there is no ':'"),
            ("entra:abc".to_owned(), "64 hexadecimal digits"),
            (format!("ac_me/entra:{DIGEST}"), "a tenant has"),
            (format!("a b:{DIGEST}"), "a label has"),
            (format!("entra:{DIGEST}:write"), "stand only read and until"),
            (format!("entra:{DIGEST}:until=tomorrow"), "until is no day"),
            (format!("entra:{DIGEST}:until=2027-13-01"), "until is no day"),
            (format!("entra:{DIGEST}:until=2027-02-31"), "until is no day"),
            (format!("entra:{DIGEST}:until=20270131"), "until is no day"),
        ];
        for (entry, expected) in cases {
            let error = read(&entry).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
