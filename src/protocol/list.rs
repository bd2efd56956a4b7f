//! Paging and the `ListResponse` message (RFC 7644 sections 3.4.2 and 3.4.2.4).

use super::error::ScimError;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

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

/// A `ListResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListResponse<T> {
    /// How many resources the query has found.
    pub total_results: usize,
    /// The index of the first on the page; none when it is paged by cursor.
    pub start_index: Option<usize>,
    /// The page.
    pub resources: Vec<T>,
    /// Where the next page begins, if there is one and it is paged by cursor.
    pub next_cursor: Option<String>,
}

impl<T> ListResponse<T> {
    /// All of a few resources.
    #[must_use]
    pub fn of_all(resources: Vec<T>) -> Self {
        Self { total_results: resources.len(), start_index: Some(1), resources, next_cursor: None }
    }
}

impl<T: Serialize> Serialize for ListResponse<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schemas", &[LIST_RESPONSE_URI])?;
        map.serialize_entry("totalResults", &self.total_results)?;
        if let Some(start_index) = self.start_index {
            map.serialize_entry("startIndex", &start_index)?;
        }
        map.serialize_entry("itemsPerPage", &self.resources.len())?;
        map.serialize_entry("Resources", &self.resources)?;
        if let Some(cursor) = &self.next_cursor {
            map.serialize_entry("nextCursor", cursor)?;
        }
        map.end()
    }
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
        for (start_index, count, expected) in [("1", "2", "ab"), ("2", "2", "bc"), ("3", "9", "c"), ("4", "1", "")] {
            let page = Page::parse(Some(start_index), Some(count)).unwrap();
            assert_eq!(String::from_iter(slice("abc".chars().collect(), page)), expected, "{start_index} {count}");
        }
        assert!(Page::parse(Some("one"), None).unwrap_err().detail.contains("'startIndex' expects an integer"));
    }
}
