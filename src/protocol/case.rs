//! Case rules: Unicode folding for values that are not `caseExact`, ASCII for names (RFC 7643 section 2.1).

use super::Object;
use serde_json::Value;
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;

/// The canonical caseless form of `text` (Unicode section 3.13, D145): what two values have in common when `caseExact`
/// is false. The keys of the table fold with this same function, so that an indexed lookup and a filter agree on every
/// value.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = UniCase::unicode(text.nfd().collect::<String>()).to_folded_case();
    folded.nfc().collect()
}

/// The member called `name`, in any case of ASCII letters.
#[must_use]
pub fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The spelling under which `object` holds the member called `name`.
#[must_use]
pub fn spelling(object: &Object, name: &str) -> Option<String> {
    if object.contains_key(name) {
        return Some(name.to_owned());
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

/// `text` without `prefix`, which may stand in any case of ASCII letters.
#[must_use]
pub fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_full_unicode_case_folding_of_the_canonical_form() {
        for (left, right) in [
            ("Ann@Example.com", "ann@EXAMPLE.COM"),
            ("Straße", "STRASSE"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Jos\u{e9}", "JOSE\u{301}"),
            ("\u{212b}ngstr\u{f6}m", "a\u{30a}ngstro\u{308}m"),
        ] {
            assert_eq!(fold(left), fold(right), "{left} and {right}");
        }
        assert_ne!(fold("résumé"), fold("resume"));
    }

    #[test]
    fn a_prefix_longer_than_the_text_is_no_prefix() {
        assert_eq!(strip_prefix("urn", "urn:x"), None);
        assert_eq!(strip_prefix("URN:x:y", "urn:x"), Some(":y"));
        assert_eq!(strip_prefix("é", "e"), None);
    }
}
