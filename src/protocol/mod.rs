//! SCIM 2.0 as RFC 7643, RFC 7644 and RFC 9865 define it: data in, data out.
//!
//! No clock, randomness, environment, I/O, async or logging. Time and ids come in as arguments.

pub mod bulk;
pub mod case;
pub mod change;
pub mod custom_schema;
pub mod discovery;
pub mod error;
pub mod filter;
pub mod index;
pub mod lexer;
pub mod list;
pub mod matching;
pub mod members;
pub mod patch;
pub mod path;
pub mod projection;
pub mod quirks;
pub mod representation;
pub mod schema;
pub mod search;
pub mod size;
pub mod sort;
pub mod validation;

/// The members of a JSON object in the order the client sent them. A SCIM resource is one of these under a
/// [`schema::ResourceSchema`].
pub type Object = serde_json::Map<String, serde_json::Value>;

/// The JSON text of something whose members all have text for names, as those of an [`Object`] have: it always has one.
pub fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
