//! Attribute paths and the `path` of a PATCH operation (RFC 7644 sections 3.5.2 and 3.10), resolved against the
//! schemas once: past this module every known name has its canonical spelling.

use super::error::{ScimError, ScimType};
use super::filter::{self, Filter};
use super::lexer::{self, Text, TokenKind};
use super::quirks::{self, Quirks};
use super::schema::{Attribute, ResourceSchema};

/// Longest path in bytes. A value path holds one value of at most a few hundred bytes.
pub const MAX_PATH_BYTES: usize = 4096;

/// `attrPath` of the grammar: an attribute, perhaps of an extension, perhaps one of its sub-attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath {
    /// URI of the extension schema; `None` for core and common attributes.
    pub extension: Option<String>,
    /// Name of the attribute.
    pub attribute: String,
    /// Name of the sub-attribute.
    pub sub_attribute: Option<String>,
}

impl AttributePath {
    /// A core or common attribute.
    #[must_use]
    pub fn core(attribute: &str) -> Self {
        Self { extension: None, attribute: attribute.to_owned(), sub_attribute: None }
    }

    /// A name inside a value filter: it is relative to the element of the multi-valued attribute.
    #[must_use]
    pub fn sub_attribute_alone(name: &str) -> Self {
        Self::core(name)
    }

    /// The attribute's definition, if a schema has it.
    #[must_use]
    pub fn definition<'a>(&self, schema: &'a ResourceSchema) -> Option<&'a Attribute> {
        schema.attribute(self.extension.as_deref(), &self.attribute)
    }

    /// The definition of what the path ends at: the sub-attribute if it names one.
    #[must_use]
    pub fn target_definition<'a>(&self, schema: &'a ResourceSchema) -> Option<&'a Attribute> {
        let attribute = self.definition(schema)?;
        match &self.sub_attribute {
            Some(name) => attribute.sub_attribute(name),
            None => Some(attribute),
        }
    }

    /// Whether no schema has what the path ends at. Of an extension without a schema anything can be there.
    #[must_use]
    pub fn is_unknown(&self, schema: &ResourceSchema) -> bool {
        let is_open = match &self.extension {
            Some(uri) => schema.extension(uri).is_none(),
            None => schema.is_elsewhere(&self.attribute, self.sub_attribute.as_deref()),
        };
        !is_open && self.target_definition(schema).is_none()
    }

    /// Whether it is this core attribute, with or without a sub-attribute.
    #[must_use]
    pub fn is_core(&self, attribute: &str) -> bool {
        self.extension.is_none() && self.attribute == attribute
    }
}

impl std::fmt::Display for AttributePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(uri) = &self.extension {
            f.write_str(uri)?;
            f.write_str(":")?;
        }
        f.write_str(&self.attribute)?;
        if let Some(name) = &self.sub_attribute {
            f.write_str(".")?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// What a name can stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A schema URI alone: the object of an extension, or the core attributes.
    Schema(String),
    /// An attribute or sub-attribute.
    Attribute(AttributePath),
}

/// Where a PATCH operation acts.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The whole object of an extension.
    Extension(String),
    /// An attribute or sub-attribute.
    Attribute(AttributePath),
    /// The elements that a value filter chooses, or one sub-attribute of them.
    Value {
        /// The multi-valued attribute.
        path: AttributePath,
        /// Which elements.
        filter: Filter,
        /// Which of their sub-attributes.
        sub_attribute: Option<String>,
    },
}

impl Target {
    /// The attribute at its root; `None` for an extension object.
    #[must_use]
    pub fn attribute_path(&self) -> Option<&AttributePath> {
        match self {
            Self::Extension(_) => None,
            Self::Attribute(path) | Self::Value { path, .. } => Some(path),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Extension(uri) => f.write_str(uri),
            Self::Attribute(path) => path.fmt(f),
            Self::Value { path, filter, sub_attribute: None } => write!(f, "{path}[{filter}]"),
            Self::Value { path, filter, sub_attribute: Some(name) } => write!(f, "{path}[{filter}].{name}"),
        }
    }
}

/// Resolves one name, as it stands in a filter, a path, `attributes` or `excludedAttributes`. `None` when it is not a
/// name at all.
#[must_use]
pub fn resolve(raw: &str, schema: &ResourceSchema, quirks: &mut Quirks) -> Option<Name> {
    let schemas = std::iter::once(&schema.core).chain(&schema.extensions);
    for known in schemas {
        let Some(rest) = super::case::strip_prefix(raw, &known.id) else { continue };
        let extension = (known.id != schema.core.id).then(|| known.id.clone());
        if rest.is_empty() {
            return Some(Name::Schema(known.id.clone()));
        }
        let name = rest.strip_prefix(':').or_else(|| quirks::dot_after_schema_uri(rest, quirks));
        if let Some(name) = name {
            return attribute_path(extension, name, schema).map(Name::Attribute);
        }
    }
    if super::case::strip_prefix(raw, "urn:").is_some() {
        return unknown_uri(raw, schema, quirks);
    }
    let mut path = attribute_path(None, raw, schema)?;
    if path.definition(schema).is_none()
        && let Some(extension) = schema.extension_with(&path.attribute)
        && quirks::unqualified_extension_attribute(quirks)
    {
        path = attribute_path(Some(extension.id.clone()), raw, schema)?;
    }
    Some(Name::Attribute(path))
}

/// A name under a URI that no schema has. The URI of a resource's extension ends in a version and a resource type
/// (`…:2.0:User`), so a name whose last part follows a version is the URI alone.
fn unknown_uri(raw: &str, schema: &ResourceSchema, quirks: &mut Quirks) -> Option<Name> {
    if let Some(uri) = quirks::misspelt_schema_uri(raw, quirks) {
        return Some(Name::Schema(uri.to_owned()));
    }
    let (uri, name) = raw.rsplit_once(':')?;
    if let Some(known) = quirks::misspelt_schema_uri(uri, quirks) {
        return attribute_path(Some(known.to_owned()), name, schema).map(Name::Attribute);
    }
    let (_, version) = uri.rsplit_once(':')?;
    let is_version = version.contains('.') && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_version && is_name(name) {
        return Some(Name::Schema(raw.to_owned()));
    }
    attribute_path(Some(uri.to_owned()), name, schema).map(Name::Attribute)
}

fn attribute_path(extension: Option<String>, name: &str, schema: &ResourceSchema) -> Option<AttributePath> {
    let (attribute, sub_attribute) = match name.split_once('.') {
        Some((attribute, sub_attribute)) => (attribute, Some(sub_attribute)),
        None => (name, None),
    };
    if !is_name(attribute) || !sub_attribute.is_none_or(is_name) {
        return None;
    }
    let definition = schema.attribute(extension.as_deref(), attribute);
    Some(AttributePath {
        attribute: definition.map_or(attribute, |found| &found.name).to_owned(),
        sub_attribute: sub_attribute.map(|name| {
            definition.and_then(|found| found.sub_attribute(name)).map_or(name, |found| &found.name).to_owned()
        }),
        extension,
    })
}

/// `ATTRNAME` of RFC 7643 section 2.1, and `$ref`.
pub(super) fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix('$').unwrap_or(name);
    rest.starts_with(|first: char| first.is_ascii_alphabetic())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Parses the `path` of a PATCH operation.
///
/// # Errors
///
/// 400 `invalidPath`: a malformed path, or an attribute that no schema has. An attribute under an unknown extension
/// URI is not an error, but in strict mode.
pub fn parse(source: &str, schema: &ResourceSchema, quirks: &mut Quirks) -> Result<Target, ScimError> {
    let text = Text::Path(source);
    let error = |offset, expected: &str, found: &str| text.error(offset, expected, found);
    if source.len() > MAX_PATH_BYTES {
        return Err(error(MAX_PATH_BYTES, "a path of at most 4096 bytes", "more"));
    }
    let tokens = lexer::tokens(text)?;
    let (Some(first), rest) = (tokens.first(), tokens.get(1..).unwrap_or_default()) else {
        return Err(error(0, "an attribute path", "nothing"));
    };
    let TokenKind::Word(word) = &first.kind else {
        return Err(error(first.offset, "an attribute path", &first.describe()));
    };
    let Some(name) = resolve(word, schema, quirks) else {
        return Err(error(first.offset, "an attribute path", &first.describe()));
    };
    let path = match name {
        Name::Attribute(path) => path,
        Name::Schema(uri) if rest.is_empty() && schema.is_strict && schema.extension(&uri).is_none() => {
            return Err(error(
                first.offset,
                "an attribute path",
                &format!("the schema URI '{uri}', which is not known"),
            ));
        }
        Name::Schema(uri) if rest.is_empty() && uri != schema.core.id => return Ok(Target::Extension(uri)),
        Name::Schema(uri) => {
            return Err(error(first.offset, "an attribute path", &format!("the schema URI '{uri}' alone")));
        }
    };
    known(&path, schema)?;
    if rest.is_empty() {
        return Ok(Target::Attribute(path));
    }
    if let Some(open) = rest.first().filter(|token| token.kind == TokenKind::OpenBracket)
        && (path.sub_attribute.is_some() || path.definition(schema).is_some_and(|found| !found.multi_valued))
    {
        let expected = format!("no value filter after '{path}', which has one value");
        return Err(error(open.offset, &expected, &open.describe()));
    }
    let (filter, rest) = filter::parse_value_filter(&path, rest, schema, text, quirks)?;
    let sub_attribute = match rest {
        [] => None,
        [token] => match &token.kind {
            TokenKind::Word(word) if word.strip_prefix('.').is_some_and(is_name) => {
                Some(sub_attribute_name(&path, &word[1..], schema)?)
            }
            _ => return Err(error(token.offset, "'.' and a sub-attribute, or the end", &token.describe())),
        },
        [_, token, ..] => return Err(error(token.offset, "the end of the path", &token.describe())),
    };
    Ok(Target::Value { path, filter, sub_attribute })
}

fn known(path: &AttributePath, schema: &ResourceSchema) -> Result<(), ScimError> {
    if path.is_unknown(schema) || (schema.is_strict && path.target_definition(schema).is_none()) {
        return Err(ScimError::bad_request(
            ScimType::InvalidPath,
            format!("The path names '{path}', which no schema of {} has.", schema.resource_type.name()),
        ));
    }
    Ok(())
}

fn sub_attribute_name(path: &AttributePath, name: &str, schema: &ResourceSchema) -> Result<String, ScimError> {
    let whole = AttributePath { sub_attribute: Some(name.to_owned()), ..path.clone() };
    known(&whole, schema)?;
    Ok(whole.target_definition(schema).map_or(name, |found| &found.name).to_owned())
}

#[cfg(test)]
mod tests;
