//! Tokens that are made and revoked while the service runs, and when each token was last used. They are no tenant's: who
//! asks is not known before the token is.

use super::action::Refusal;
use super::calls::{Item, Range, key_of};
use super::error::StoreError;
use super::items::{Reader, item, s};
use super::keys::{self, Key};
use super::meter::Meter;
use super::{CommitError, Store, TenantStore};
use crate::config::{DEFAULT_TENANT, Scope};
use std::collections::BTreeMap;

/// A token of the table. The token itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableToken {
    /// SHA-256 of the token, in hexadecimal digits.
    pub digest: String,
    /// Whose resources it may see.
    pub tenant: String,
    /// Its name in the change log.
    pub label: String,
    /// What it allows.
    pub scope: Scope,
    /// Its last day in UTC, `yyyy-mm-dd`.
    pub until: Option<String>,
    /// When it was made, RFC 3339.
    pub created: String,
}

impl Store {
    /// Reads and writes what is no tenant's.
    fn of_all(&self, meter: &Meter) -> TenantStore {
        self.tenant(DEFAULT_TENANT, meter)
    }

    /// The token with this digest, in hexadecimal digits: `GetItem`.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn token(&self, digest: &str, meter: &Meter) -> Result<Option<TableToken>, StoreError> {
        let found = self.of_all(meter).get_item(&keys::token(digest)).await?;
        found.as_ref().map(read).transpose()
    }

    /// All tokens of the table, and when each token, of the table or not, was last used (RFC 3339, by digest): one
    /// `Query`.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn tokens(&self, meter: &Meter) -> Result<(Vec<TableToken>, BTreeMap<String, String>), StoreError> {
        let (mut tokens, mut uses) = (Vec::new(), BTreeMap::new());
        for item in self.of_all(meter).query(keys::TOKENS, &Range::default()).await? {
            match key_of(&item).sk.strip_prefix(keys::USE) {
                Some(digest) => {
                    uses.insert(digest.to_owned(), Reader(&item).text("lastUsed")?.to_owned());
                }
                None => tokens.push(read(&item)?),
            }
        }
        Ok((tokens, uses))
    }

    /// Makes a token known.
    ///
    /// # Errors
    ///
    /// What the table said; [`CommitError::Moved`] when it is known.
    pub async fn create_token(&self, token: &TableToken) -> Result<(), CommitError> {
        let store = self.of_all(&Meter::default());
        let mut transaction = store.transaction();
        let mut attributes =
            vec![("tenant", s(&token.tenant)), ("label", s(&token.label)), ("created", s(&token.created))];
        attributes.extend((token.scope == Scope::Read).then(|| ("scope", s(READ))));
        attributes.extend(token.until.as_ref().map(|until| ("until", s(until))));
        let item = item(&keys::token(&token.digest), attributes);
        transaction.put(item, Some("attribute_not_exists(PK)"), Refusal::Moved);
        transaction.commit().await
    }

    /// Forgets a token.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn delete_token(&self, digest: &str) -> Result<(), CommitError> {
        let store = self.of_all(&Meter::default());
        let mut transaction = store.transaction();
        for key in [keys::token(digest), keys::token_use(digest)] {
            transaction.delete(&key, None, Vec::new(), Refusal::Moved);
        }
        transaction.commit().await
    }

    /// Notes that a token was used at a time, unless that was noted since another; both RFC 3339.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn note_use(&self, digest: &str, at: &str, since: &str) -> Result<(), StoreError> {
        let key: Key = keys::token_use(digest);
        let condition = "attribute_not_exists(#lastUsed) OR #lastUsed < :since";
        let values = vec![("at", s(at)), ("since", s(since))];
        let store = self.of_all(&Meter::default());
        store.update_item(&key, "SET #lastUsed = :at", Some(condition), values).await.map(|_| ())
    }
}

/// How the item of a token says that it may only read.
const READ: &str = "read";

fn read(item: &Item) -> Result<TableToken, StoreError> {
    let reader = Reader(item);
    let text = |name| reader.text(name).map(str::to_owned);
    let scope = match reader.optional("scope") {
        None => Scope::Write,
        Some(READ) => Scope::Read,
        // Made by a version to come: not to be taken for one that allows everything.
        Some(_) => return Err(reader.corrupt("scope")),
    };
    Ok(TableToken {
        digest: text(keys::SK)?,
        tenant: text("tenant")?,
        label: text("label")?,
        scope,
        until: reader.optional("until").map(str::to_owned),
        created: text("created")?,
    })
}
