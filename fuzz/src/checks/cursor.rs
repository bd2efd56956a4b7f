//! A cursor: it opens for the query that it was made for, as it was made, and in no other way.

use scimlet::protocol::error::ScimType;
use scimlet::protocol::sort::SortKey;
use scimlet::service::cursor::{Position, Sealer};

/// Bytes of a cursor that are altered, one after the other.
const ALTERED: usize = 48;

pub fn check(text: &str) {
    let sealer = Sealer::new(&[1; 32], &["default", "User", text, ""]);
    // Nobody makes a cursor without the secret.
    is_refused(&sealer, text);
    let position = serde_json::from_str(text).unwrap_or_else(|_| Position {
        id: text.chars().take(64).collect(),
        key: Some(SortKey::Text(text.chars().rev().take(64).collect())),
        count: text.len() % 101,
        issued: 1_800_000_000,
    });
    let nonce = [u8::try_from(text.len() % 251).unwrap_or_default(); 12];
    let cursor = sealer.seal(&position, nonce).expect("a cursor");
    assert_eq!(sealer.open(&cursor, position.count, position.issued).as_ref(), Ok(&position));
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");

    for other in [
        Sealer::new(&[2; 32], &["default", "User", text, ""]),
        Sealer::new(&[1; 32], &["acme", "User", text, ""]),
        Sealer::new(&[1; 32], &["default", "Group", text, ""]),
        Sealer::new(&[1; 32], &["default", "User", "", text, "x"]),
        Sealer::new(&[1; 32], &["default", "User", &format!("{text} "), ""]),
    ] {
        is_refused(&other, &cursor);
    }
    let step = (cursor.len() / ALTERED).max(1);
    for at in (text.len() % step..cursor.len()).step_by(step) {
        let (before, rest) = cursor.split_at(at);
        let other = if rest.starts_with('A') { 'B' } else { 'A' };
        is_refused(&sealer, &format!("{before}{other}{}", &rest[1..]));
        is_refused(&sealer, before);
        is_refused(&sealer, &format!("{before}{}", &rest[1..]));
    }
    is_refused(&sealer, &format!("{cursor}A"));
    is_refused(&sealer, &format!("{cursor}="));
    let another = sealer.open(&cursor, position.count.wrapping_add(1), position.issued);
    assert_eq!(another.map_err(|error| error.scim_type), Err(Some(ScimType::InvalidCount)));
}

#[track_caller]
fn is_refused(sealer: &Sealer, cursor: &str) {
    let opened = sealer.open(cursor, 10, 1_800_000_000);
    let scim_type = opened.map_err(|error| error.scim_type);
    assert_eq!(scim_type, Err(Some(ScimType::InvalidCursor)), "{cursor}");
}
