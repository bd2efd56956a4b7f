//! Schemas as data: the files of `schemas/` are what `/Schemas` serves, and they drive validation, case rules, filter
//! comparison, PATCH, projection and uniqueness (RFC 7643 sections 2, 3 and 7).

use super::Object;
use serde::Deserialize;
use serde_json::Value;

/// Schema URI of the core User.
pub const USER_URI: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Schema URI of the core Group.
pub const GROUP_URI: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Schema URI of the enterprise extension of User.
pub const ENTERPRISE_URI: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Data types of RFC 7643 section 2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Type {
    String,
    Boolean,
    Decimal,
    Integer,
    DateTime,
    Reference,
    Binary,
    Complex,
}

/// Who may write an attribute (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
    WriteOnly,
}

/// When an attribute is in an answer (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Returned {
    Always,
    Never,
    Default,
    Request,
}

/// How far a value must be unique (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Uniqueness {
    None,
    Server,
    Global,
}

/// One attribute and its characteristics (RFC 7643 section 7).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Canonical spelling.
    pub name: String,
    /// Data type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Whether it holds an array.
    pub multi_valued: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether comparison of its strings is exact.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it is in an answer.
    pub returned: Returned,
    /// How far its value must be unique.
    #[serde(default = "no_uniqueness")]
    pub uniqueness: Uniqueness,
    /// Sub-attributes of a complex attribute.
    #[serde(default)]
    pub sub_attributes: Vec<Attribute>,
}

fn no_uniqueness() -> Uniqueness {
    Uniqueness::None
}

impl Attribute {
    /// The sub-attribute called `name`, in any case.
    #[must_use]
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }

    /// Whether its values are compared without regard to case.
    #[must_use]
    pub fn folds_case(&self) -> bool {
        self.kind == Type::String && !self.case_exact
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// A named set of attributes.
#[derive(Debug, Clone, Deserialize)]
pub struct Schema {
    /// Schema URI.
    pub id: String,
    /// Short name.
    pub name: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// As an extension: whether a resource must have it.
    #[serde(skip)]
    pub required: bool,
}

/// The two types of resource that scimlet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// RFC 7643 section 4.1.
    User,
    /// RFC 7643 section 4.2.
    Group,
}

impl ResourceType {
    /// Both, in the order in which a query of the root lists them.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// `User` or `Group`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// `/Users` or `/Groups`.
    #[must_use]
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }
}

/// The schemas of one resource type: the core schema, its extensions and the common attributes.
#[derive(Debug, Clone)]
pub struct ResourceSchema {
    /// Whose schema this is.
    pub resource_type: ResourceType,
    /// The core schema.
    pub core: Schema,
    /// Extension schemas, in the order they are listed.
    pub extensions: Vec<Schema>,
    /// Whether attributes that no schema names are refused. By default they are kept.
    pub is_strict: bool,
    common: Vec<Attribute>,
    /// Attributes of other resource types; see [`Schemas::among_all`].
    elsewhere: Vec<Attribute>,
}

impl ResourceSchema {
    /// The attribute called `name` (any case) in the extension, or in the core schema and the common attributes when
    /// `extension` is `None`.
    #[must_use]
    pub fn attribute(&self, extension: Option<&str>, name: &str) -> Option<&Attribute> {
        match extension {
            None => find(&self.core.attributes, name).or_else(|| find(&self.common, name)),
            Some(uri) => find(&self.extension(uri)?.attributes, name),
        }
    }

    /// The extension schema with this URI, in any case.
    #[must_use]
    pub fn extension(&self, uri: &str) -> Option<&Schema> {
        self.extensions.iter().find(|schema| schema.id == uri || schema.id.eq_ignore_ascii_case(uri))
    }

    /// The extension that has an attribute called `name`.
    #[must_use]
    pub fn extension_with(&self, name: &str) -> Option<&Schema> {
        self.extensions.iter().find(|schema| find(&schema.attributes, name).is_some())
    }

    /// Whether another resource type that is queried together with this one has the attribute.
    #[must_use]
    pub fn is_elsewhere(&self, name: &str, sub_attribute: Option<&str>) -> bool {
        let found = find(&self.elsewhere, name);
        found.is_some_and(|attribute| sub_attribute.is_none_or(|name| attribute.sub_attribute(name).is_some()))
    }

    /// Every attribute with the URI of its extension; common attributes come first.
    pub fn attributes(&self) -> impl Iterator<Item = (Option<&str>, &Attribute)> {
        self.common.iter().chain(&self.core.attributes).map(|attribute| (None, attribute)).chain(
            self.extensions.iter().flat_map(|schema| {
                schema.attributes.iter().map(move |attribute| (Some(schema.id.as_str()), attribute))
            }),
        )
    }
}

/// Every schema this service provider knows.
#[derive(Debug, Clone)]
pub struct Schemas {
    user: ResourceSchema,
    group: ResourceSchema,
    documents: Vec<Object>,
}

/// A schema file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("Schema file {file}: {problem}.")]
pub struct SchemaError {
    /// Name of the file.
    pub file: String,
    /// What is wrong, and with which attribute.
    pub problem: String,
}

const COMMON: (&str, &str) = ("common.json", include_str!("../../schemas/common.json"));
const FILES: [(&str, &str); 6] = [
    ("core-user.json", include_str!("../../schemas/core-user.json")),
    ("core-group.json", include_str!("../../schemas/core-group.json")),
    ("enterprise-user.json", include_str!("../../schemas/enterprise-user.json")),
    ("service-provider-config.json", include_str!("../../schemas/service-provider-config.json")),
    ("resource-type.json", include_str!("../../schemas/resource-type.json")),
    ("schema.json", include_str!("../../schemas/schema.json")),
];

impl Schemas {
    /// The schemas that are compiled in.
    ///
    /// `unique_group_names` is written into the served Group schema, as the `uniqueness` of `displayName`.
    ///
    /// # Errors
    ///
    /// When a schema file is not a Schema resource.
    pub fn load(unique_group_names: bool) -> Result<Self, SchemaError> {
        let mut documents = Vec::new();
        for (file, text) in FILES {
            let mut document: Object = parse(file, text)?;
            if !unique_group_names && file == "core-group.json" {
                free_display_name(&mut document);
            }
            documents.push(document);
        }
        let [user, group, enterprise] = [0, 1, 2].map(|index: usize| {
            let (file, _) = FILES[index];
            serde_json::from_value::<Schema>(Value::Object(documents[index].clone()))
                .map_err(|error| SchemaError { file: file.to_owned(), problem: error.to_string() })
        });
        let common: Schema = parse(COMMON.0, COMMON.1)?;
        Ok(Self {
            user: ResourceSchema {
                resource_type: ResourceType::User,
                core: user?,
                extensions: vec![enterprise?],
                is_strict: false,
                common: common.attributes.clone(),
                elsewhere: Vec::new(),
            },
            group: ResourceSchema {
                resource_type: ResourceType::Group,
                core: group?,
                extensions: Vec::new(),
                is_strict: false,
                common: common.attributes,
                elsewhere: Vec::new(),
            },
            documents,
        })
    }

    /// Refuses attributes that no schema names.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.user.is_strict = true;
        self.group.is_strict = true;
        self
    }

    /// Adds an extension, to be served and enforced like the others.
    pub(super) fn add_extension(&mut self, resource_type: ResourceType, extension: Schema, document: Object) {
        self.of_mut(resource_type).extensions.push(extension);
        self.documents.push(document);
    }

    /// Adds attributes to the core schema of a resource type.
    pub(super) fn add_core_attributes(
        &mut self,
        resource_type: ResourceType,
        attributes: Vec<Attribute>,
        documents: Vec<Value>,
    ) {
        let schema = self.of_mut(resource_type);
        schema.core.attributes.extend(attributes);
        let id = schema.core.id.clone();
        let document = self.documents.iter_mut().find(|document| document["id"] == id.as_str());
        if let Some(Value::Array(served)) = document.and_then(|document| document.get_mut("attributes")) {
            served.extend(documents);
        }
    }

    fn of_mut(&mut self, resource_type: ResourceType) -> &mut ResourceSchema {
        match resource_type {
            ResourceType::User => &mut self.user,
            ResourceType::Group => &mut self.group,
        }
    }

    /// The schemas of one resource type.
    #[must_use]
    pub fn of(&self, resource_type: ResourceType) -> &ResourceSchema {
        match resource_type {
            ResourceType::User => &self.user,
            ResourceType::Group => &self.group,
        }
    }

    /// The schemas of one resource type in a query of all types (RFC 7644 section 3.4.2.1): an attribute that only
    /// another type has is absent, not unknown.
    #[must_use]
    pub fn among_all(&self, resource_type: ResourceType) -> ResourceSchema {
        let other = match resource_type {
            ResourceType::User => &self.group,
            ResourceType::Group => &self.user,
        };
        let elsewhere = other.attributes().map(|(_, attribute)| attribute.clone()).collect();
        ResourceSchema { elsewhere, ..self.of(resource_type).clone() }
    }

    /// The Schema resources as `/Schemas` serves them, without `meta`.
    #[must_use]
    pub fn documents(&self) -> &[Object] {
        &self.documents
    }
}

fn parse<T: for<'a> Deserialize<'a>>(file: &'static str, text: &str) -> Result<T, SchemaError> {
    serde_json::from_str(text).map_err(|error| SchemaError { file: file.to_owned(), problem: error.to_string() })
}

fn free_display_name(document: &mut Object) {
    let attributes = document.get_mut("attributes").and_then(Value::as_array_mut).into_iter().flatten();
    for attribute in attributes.filter(|attribute| attribute["name"] == "displayName") {
        attribute["uniqueness"] = "none".into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_file_is_a_schema() {
        let schemas = Schemas::load(true).unwrap();
        for document in schemas.documents() {
            let schema: Schema = serde_json::from_value(Value::Object(document.clone())).unwrap();
            assert!(schema.id.starts_with("urn:ietf:params:scim:schemas:"), "{}", schema.id);
            assert!(!schema.attributes.is_empty());
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_extensions_by_their_uri() {
        let schemas = Schemas::load(true).unwrap();
        let user = schemas.of(ResourceType::User);
        assert_eq!(user.attribute(None, "USERNAME").unwrap().name, "userName");
        assert!(user.attribute(None, "externalid").unwrap().case_exact);
        assert!(user.attribute(None, "department").is_none());
        assert!(user.attribute(Some(&ENTERPRISE_URI.to_uppercase()), "Department").is_some());
    }

    #[test]
    fn the_served_group_schema_says_whether_names_are_unique() {
        for (unique, expected) in [(true, Uniqueness::Server), (false, Uniqueness::None)] {
            let schemas = Schemas::load(unique).unwrap();
            let attribute = schemas.of(ResourceType::Group).attribute(None, "displayName").unwrap();
            assert_eq!(attribute.uniqueness, expected);
        }
    }
}
