//! The one lexer, for filters and for PATCH paths (RFC 7644 figures 1 and 7).

use super::error::{ScimError, ScimType};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A name, an operator, a number or a literal: everything up to white space, a bracket or a quote.
    Word(String),
    /// A JSON string, unescaped.
    Text(String),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
}

/// A token and the byte where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Byte offset in the text.
    pub offset: usize,
}

impl Token {
    /// The token in words, for an error.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            TokenKind::Word(word) => format!("'{word}'"),
            TokenKind::Text(_) => "a quoted string".into(),
            TokenKind::Open => "'('".into(),
            TokenKind::Close => "')'".into(),
            TokenKind::OpenBracket => "'['".into(),
            TokenKind::CloseBracket => "']'".into(),
        }
    }
}

/// The text that is read: what its errors show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'a> {
    /// A `filter`.
    Filter(&'a str),
    /// The `path` of a PATCH operation.
    Path(&'a str),
}

/// Characters of the text that an error repeats.
const SHOWN_CHARS: usize = 120;

impl<'a> Text<'a> {
    /// The text itself.
    #[must_use]
    pub const fn source(self) -> &'a str {
        match self {
            Self::Filter(source) | Self::Path(source) => source,
        }
    }

    /// The 400 for this text: the text, where it went wrong, what was expected and what stands there.
    #[must_use]
    pub fn error(self, offset: usize, expected: &str, found: &str) -> ScimError {
        let (scim_type, name) = match self {
            Self::Filter(_) => (ScimType::InvalidFilter, "filter"),
            Self::Path(_) => (ScimType::InvalidPath, "path"),
        };
        let shown: String = self.source().chars().take(SHOWN_CHARS).collect();
        let more = if shown.len() < self.source().len() { "…" } else { "" };
        ScimError::bad_request(
            scim_type,
            format!("The {name} <{shown}{more}> is wrong at offset {offset}: expected {expected}, found {found}."),
        )
    }
}

/// Splits a text into tokens.
///
/// # Errors
///
/// `invalidFilter` or `invalidPath` for a string that is not closed or not a JSON string.
pub fn tokens(text: Text<'_>) -> Result<Vec<Token>, ScimError> {
    let source = text.source();
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let offset = at;
        let kind = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'(' => TokenKind::Open,
            b')' => TokenKind::Close,
            b'[' => TokenKind::OpenBracket,
            b']' => TokenKind::CloseBracket,
            b'"' => {
                at = string_end(bytes, offset)
                    .ok_or_else(|| text.error(offset, "a string that ends with '\"'", "no closing quote"))?;
                let string = serde_json::from_str(&source[offset..at]).map_err(|_| {
                    text.error(offset, "a JSON string", "an escape or control character that JSON does not have")
                })?;
                tokens.push(Token { kind: TokenKind::Text(string), offset });
                continue;
            }
            _ => {
                while at < bytes.len() && !bytes[at].is_ascii_whitespace() && !b"()[]\"".contains(&bytes[at]) {
                    at += 1;
                }
                tokens.push(Token { kind: TokenKind::Word(source[offset..at].to_owned()), offset });
                continue;
            }
        };
        tokens.push(Token { kind, offset });
        at += 1;
    }
    Ok(tokens)
}

/// The byte after the quote that closes the string which opens at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}
