//! Paging and the `ListResponse` message (RFC 7644 sections 3.4.2 and 3.4.2.4).

use super::Object;
use super::error::ScimError;
use serde_json::{Value, json};

/// Schema URI of a `ListResponse`.
pub const LIST_RESPONSE_URI: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// Resources on a page when the client does not say `count`, and at most. 100 is what clients ask for.
pub const MAX_COUNT: usize = 100;
/// Bytes of resources on a page: past them the page ends early. A Lambda answer holds 6 MB.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which part of a result the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// 1-based index of the first resource.
    pub start_index: usize,
    /// Most resources on the page, 0 to [`MAX_COUNT`].
    pub count: usize,
}

impl Page {
    /// Reads `startIndex` and `count`. A `startIndex` below 1 is 1, a negative `count` is 0, a `count` over
    /// [`MAX_COUNT`] is [`MAX_COUNT`].
    ///
    /// # Errors
    ///
    /// 400 `invalidValue` for text that is not an integer.
    pub fn parse(start_index: Option<&str>, count: Option<&str>) -> Result<Self, ScimError> {
        let number = |name: &str, text: Option<&str>| match text.map(str::trim).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => text.parse::<i64>().map(|number| Some(usize::try_from(number).unwrap_or(0))).map_err(|_| {
                ScimError::invalid_value(format!("'{name}' expects an integer; the request has '{text}'."))
            }),
        };
        Ok(Self {
            start_index: number("startIndex", start_index)?.unwrap_or(1).max(1),
            count: number("count", count)?.unwrap_or(MAX_COUNT).min(MAX_COUNT),
        })
    }
}

/// The part of `all` that `page` asks for.
#[must_use]
pub fn slice<T>(all: Vec<T>, page: Page) -> Vec<T> {
    all.into_iter().skip(page.start_index - 1).take(page.count).collect()
}

/// A `ListResponse`; without `startIndex` when it is paged by cursor.
#[must_use]
pub fn list_response(total_results: usize, start_index: Option<usize>, resources: Vec<Object>) -> Object {
    let mut body = Object::new();
    body.insert("schemas".into(), json!([LIST_RESPONSE_URI]));
    body.insert("totalResults".into(), total_results.into());
    body.extend(start_index.map(|index| ("startIndex".to_owned(), index.into())));
    body.insert("itemsPerPage".into(), resources.len().into());
    body.insert("Resources".into(), resources.into_iter().map(Value::Object).collect());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7644_section_3_4_2_4_bounds_are_applied_not_refused() {
        let cases = [
            (None, None, 1, MAX_COUNT),
            (Some("0"), Some("-1"), 1, 0),
            (Some("-5"), Some("0"), 1, 0),
            (Some("101"), Some("100000"), 101, MAX_COUNT),
            (Some(""), Some("2"), 1, 2),
        ];
        for (start_index, count, expected_start, expected_count) in cases {
            let page = Page::parse(start_index, count).unwrap();
            assert_eq!((page.start_index, page.count), (expected_start, expected_count), "{start_index:?} {count:?}");
        }
        assert!(Page::parse(Some("one"), None).unwrap_err().detail.contains("'startIndex' expects an integer"));
    }
}
