//! Cursors (RFC 9865): where a page ended, sealed so that a client can neither read nor change it, and bound to what was
//! asked for.

use crate::protocol::discovery::CURSOR_TIMEOUT_SECONDS;
use crate::protocol::error::{ScimError, ScimType};
use crate::protocol::sort::SortKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The last resource of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Its id.
    pub id: String,
    /// What it was sorted by, when the query is sorted.
    pub key: Option<SortKey>,
    /// `count` of the first page.
    pub count: usize,
    /// When the cursor was made, in seconds since 1970.
    pub issued: i64,
}

/// Seals and opens the cursors of one query by one token.
#[derive(Debug)]
pub struct Sealer {
    key: [u8; 32],
    /// What the cursor is bound to.
    query: Vec<u8>,
}

impl Sealer {
    /// `secret` is the digest of the caller's token: with the token the cursors go. `query` is everything that has to
    /// be the same on every page: tenant, type, filter, sort.
    #[must_use]
    pub fn new(secret: &[u8; 32], query: &[&str]) -> Self {
        let key = Sha256::new().chain_update(b"scimlet cursor").chain_update(secret).finalize().into();
        // Lengths before texts, so that no two queries look alike.
        let query =
            query.iter().flat_map(|part| [part.len().to_string().as_bytes(), b":", part.as_bytes()].concat()).collect();
        Self { key, query }
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.key).ok().map(LessSafeKey::new)
    }

    /// The cursor for what follows `position`. `nonce` must be fresh. `None` if sealing fails.
    #[must_use]
    pub fn seal(&self, position: &Position, nonce: [u8; NONCE_LEN]) -> Option<String> {
        let mut text = serde_json::to_vec(position).ok()?;
        let aad = Aad::from(self.query.as_slice());
        self.cipher()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), text.as_slice()].concat()))
    }

    /// Where the page before ended.
    ///
    /// # Errors
    ///
    /// 400 `invalidCursor` for a cursor that this query did not get, 400 `expiredCursor` past
    /// [`CURSOR_TIMEOUT_SECONDS`], 400 `invalidCount` for another `count`.
    pub fn open(&self, cursor: &str, count: usize, now: i64) -> Result<Position, ScimError> {
        let position = self.unseal(cursor).ok_or_else(|| {
            ScimError::bad_request(
                ScimType::InvalidCursor,
                "The cursor is not one that this server gave for this query. Begin with an empty cursor and keep every other parameter the same.",
            )
        })?;
        if now - position.issued > CURSOR_TIMEOUT_SECONDS {
            return Err(ScimError::bad_request(
                ScimType::ExpiredCursor,
                format!("The cursor is older than {CURSOR_TIMEOUT_SECONDS} seconds. Begin again with an empty cursor."),
            ));
        }
        if position.count != count {
            return Err(ScimError::bad_request(
                ScimType::InvalidCount,
                format!("'count' was {} on the first page and is {count} now. It must stay the same.", position.count),
            ));
        }
        Ok(position)
    }

    fn unseal(&self, cursor: &str) -> Option<Position> {
        let mut sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.cipher()?.open_in_place(nonce, Aad::from(self.query.as_slice()), text).ok()?;
        serde_json::from_slice(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position { id: "2819c223".into(), key: Some(SortKey::Text("ann".into())), count: 10, issued: 1000 }
    }

    fn scim_type(result: Result<Position, ScimError>) -> Option<ScimType> {
        result.unwrap_err().scim_type
    }

    #[test]
    fn rfc9865_a_cursor_opens_for_its_own_query_and_no_other() {
        let sealer = Sealer::new(&[1; 32], &["default", "User", "userName sw \"a\"", ""]);
        let cursor = sealer.seal(&position(), [7; NONCE_LEN]).unwrap();
        assert!(
            cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
            "unreserved characters"
        );
        assert_eq!(sealer.open(&cursor, 10, 1000).unwrap(), position());

        for other in [
            Sealer::new(&[2; 32], &["default", "User", "userName sw \"a\"", ""]),
            Sealer::new(&[1; 32], &["acme", "User", "userName sw \"a\"", ""]),
            Sealer::new(&[1; 32], &["default", "Group", "userName sw \"a\"", ""]),
            Sealer::new(&[1; 32], &["default", "User", "", "userName sw \"a\""]),
        ] {
            assert_eq!(scim_type(other.open(&cursor, 10, 1000)), Some(ScimType::InvalidCursor));
        }
    }

    #[test]
    fn rfc9865_section_2_1_edited_old_and_recounted_cursors() {
        let sealer = Sealer::new(&[1; 32], &["default"]);
        let cursor = sealer.seal(&position(), [7; NONCE_LEN]).unwrap();
        for at in [0, cursor.len() / 2, cursor.len() - 2] {
            let mut edited = cursor.clone().into_bytes();
            edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
            let edited = String::from_utf8(edited).unwrap();
            assert_eq!(scim_type(sealer.open(&edited, 10, 1000)), Some(ScimType::InvalidCursor));
        }
        for short in ["x", "", "AAAA"] {
            assert_eq!(scim_type(sealer.open(short, 10, 1000)), Some(ScimType::InvalidCursor));
        }
        assert_eq!(
            scim_type(sealer.open(&cursor, 10, 1000 + CURSOR_TIMEOUT_SECONDS + 1)),
            Some(ScimType::ExpiredCursor)
        );
        assert_eq!(scim_type(sealer.open(&cursor, 20, 1000)), Some(ScimType::InvalidCount));
    }
}
