//! Schemas of the deployment's own: JSON files, each a Schema resource (RFC 7643 section 7) with the resource type it is
//! for. They are served, enforced, filtered and patched like those that are compiled in.

use super::Object;
use super::path;
use super::schema::{Attribute, ResourceType, Schema, SchemaError, Schemas};
use serde_json::{Value, json};

/// Characteristics that a file may leave out, and what they are then (RFC 7643 section 2.2).
fn defaults() -> [(&'static str, Value); 7] {
    [
        ("type", json!("string")),
        ("multiValued", json!(false)),
        ("required", json!(false)),
        ("caseExact", json!(false)),
        ("mutability", json!("readWrite")),
        ("returned", json!("default")),
        ("uniqueness", json!("none")),
    ]
}

impl Schemas {
    /// Adds the schema in a file. An `id` that is a core schema's adds attributes to that schema; any other `id` is an
    /// extension. `resourceType` says of what, and `required` whether a resource must have the extension.
    ///
    /// # Errors
    ///
    /// [`SchemaError`], naming the file and the attribute.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), SchemaError> {
        let error = |problem: String| SchemaError { file: file.to_owned(), problem };
        let mut document: Object =
            serde_json::from_str(text).map_err(|found| error(format!("not a JSON object: {found}")))?;
        let resource_type = match document.shift_remove("resourceType").as_ref().and_then(Value::as_str) {
            Some("User") => ResourceType::User,
            Some("Group") => ResourceType::Group,
            _ => return Err(error("'resourceType' must be \"User\" or \"Group\"".into())),
        };
        let required = match document.shift_remove("required") {
            None => false,
            Some(Value::Bool(required)) => required,
            Some(_) => return Err(error("'required' must be true or false".into())),
        };
        let id = document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !id.starts_with("urn:") {
            return Err(error(
                "'id' must be a URN, such as \"urn:example:params:scim:schemas:extension:badge:2.0:User\"".into(),
            ));
        }
        for attribute in attributes_of(&mut document).map_err(error)? {
            complete(attribute, 0).map_err(error)?;
        }
        document.entry("name").or_insert_with(|| id.clone().into());
        document.insert("schemas".into(), json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"]));
        let mut schema: Schema =
            serde_json::from_value(Value::Object(document.clone())).map_err(|found| error(found.to_string()))?;
        schema.required = required;
        self.check(resource_type, &schema).map_err(error)?;
        if self.of(resource_type).core.id.eq_ignore_ascii_case(&id) {
            let served = document.get("attributes").and_then(Value::as_array).cloned().unwrap_or_default();
            self.add_core_attributes(resource_type, schema.attributes, served);
        } else {
            self.add_extension(resource_type, schema, document);
        }
        Ok(())
    }

    fn check(&self, resource_type: ResourceType, schema: &Schema) -> Result<(), String> {
        let known = self.of(resource_type);
        let is_core = known.core.id.eq_ignore_ascii_case(&schema.id);
        let taken = self
            .documents()
            .iter()
            .any(|document| document["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&schema.id)));
        if taken && !is_core {
            return Err(format!("another schema has the id '{}'", schema.id));
        }
        if is_core
            && let Some(clash) = schema.attributes.iter().find(|found| known.attribute(None, &found.name).is_some())
        {
            return Err(format!("attribute '{}': {} has it already", clash.name, resource_type.name()));
        }
        check_attributes(&schema.attributes, "")
    }
}

fn attributes_of(document: &mut Object) -> Result<&mut Vec<Value>, String> {
    match document.get_mut("attributes") {
        Some(Value::Array(attributes)) if !attributes.is_empty() => Ok(attributes),
        _ => Err("'attributes' must be a non-empty array".into()),
    }
}

/// Fills in what a file leaves out, so that what is served says what is enforced.
fn complete(attribute: &mut Value, depth: usize) -> Result<(), String> {
    let Value::Object(attribute) = attribute else { return Err("each attribute must be an object".into()) };
    let name = attribute.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !path::is_name(&name) {
        return Err(format!("attribute '{name}': 'name' must be a letter followed by letters, digits, '-' and '_'"));
    }
    for (characteristic, value) in defaults() {
        attribute.entry(characteristic).or_insert(value);
    }
    attribute.entry("description").or_insert_with(|| "".into());
    let is_complex = attribute["type"] == "complex";
    let subs = match attribute.get_mut("subAttributes") {
        None if !is_complex => Ok(()),
        Some(_) if !is_complex => Err(format!("attribute '{name}': only a complex attribute has 'subAttributes'")),
        Some(_) if depth > 0 => Err(format!("attribute '{name}': a sub-attribute cannot be complex")),
        Some(Value::Array(subs)) if !subs.is_empty() => subs
            .iter_mut()
            .try_for_each(|sub| complete(sub, depth + 1))
            .map_err(|problem| format!("attribute '{name}': {problem}")),
        _ if depth > 0 => Err(format!("attribute '{name}': a sub-attribute cannot be complex")),
        _ => Err(format!("attribute '{name}': a complex attribute needs 'subAttributes'")),
    };
    subs?;
    let read = serde_json::from_value::<Attribute>(Value::Object(attribute.clone()));
    read.map(drop).map_err(|found| format!("attribute '{name}': {found}"))
}

fn check_attributes(attributes: &[Attribute], parent: &str) -> Result<(), String> {
    use super::schema::{Type, Uniqueness};
    for (index, attribute) in attributes.iter().enumerate() {
        let name = format!("{parent}{}", attribute.name);
        if attributes[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&attribute.name)) {
            return Err(format!("attribute '{name}' is there twice"));
        }
        let can_be_unique = parent.is_empty() && attribute.kind == Type::String && !attribute.multi_valued;
        if attribute.uniqueness != Uniqueness::None && !can_be_unique {
            return Err(format!(
                "attribute '{name}': only a string with one value, outside complex attributes, can be unique"
            ));
        }
        check_attributes(&attribute.sub_attributes, &format!("{name}."))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::schema::{Mutability, Returned, Type};

    const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";

    fn add(file: &Value) -> Result<Schemas, String> {
        let mut schemas = Schemas::load(true).unwrap();
        schemas.add("badge.json", &file.to_string()).map(|()| schemas).map_err(|error| error.to_string())
    }

    #[test]
    fn an_extension_gets_the_default_characteristics_and_is_served_with_them() {
        let file = json!({ "id": BADGE, "resourceType": "User", "required": true, "attributes": [
            { "name": "number", "uniqueness": "server", "mutability": "immutable" },
            { "name": "access", "type": "complex", "multiValued": true, "subAttributes": [{ "name": "door", "type": "integer" }] },
        ]});
        let schemas = add(&file).unwrap();
        let user = schemas.of(ResourceType::User);
        assert!(user.extension(BADGE).unwrap().required);
        let number = user.attribute(Some(BADGE), "NUMBER").unwrap();
        assert_eq!(
            (number.kind, number.mutability, number.returned),
            (Type::String, Mutability::Immutable, Returned::Default)
        );
        let served = schemas.documents().iter().find(|document| document["id"] == BADGE).unwrap();
        assert_eq!(served["attributes"][0]["returned"], "default");
        assert!(served.get("resourceType").is_none() && served.get("required").is_none());
    }

    #[test]
    fn a_group_has_extensions_too() {
        let id = "urn:example:params:scim:schemas:extension:badge:2.0:Group";
        let file = json!({ "id": id, "resourceType": "Group", "attributes": [{ "name": "colour" }] });
        let schemas = add(&file).unwrap();
        assert!(schemas.of(ResourceType::Group).extension(id).is_some());
        assert!(schemas.of(ResourceType::User).extension(id).is_none());
    }

    #[test]
    fn the_id_of_the_core_schema_adds_attributes_to_it() {
        let file = json!({ "id": "urn:ietf:params:scim:schemas:core:2.0:User", "resourceType": "User",
            "attributes": [{ "name": "shoeSize", "type": "integer" }] });
        let schemas = add(&file).unwrap();
        assert_eq!(schemas.of(ResourceType::User).attribute(None, "shoesize").unwrap().kind, Type::Integer);
        let core = schemas.documents().iter().find(|document| document["name"] == "User").unwrap();
        assert!(core["attributes"].as_array().unwrap().iter().any(|attribute| attribute["name"] == "shoeSize"));
    }

    #[test]
    fn an_error_names_the_file_and_the_attribute() {
        let extension = |attributes: Value| json!({ "id": BADGE, "resourceType": "User", "attributes": attributes });
        let cases = [
            (json!([]), "not a JSON object"),
            (json!({ "id": BADGE, "attributes": [] }), "'resourceType'"),
            (json!({ "id": "badge", "resourceType": "User" }), "'id' must be a URN"),
            (extension(json!([])), "'attributes'"),
            (extension(json!([{ "type": "string" }])), "'name'"),
            (extension(json!([{ "name": "a b" }])), "attribute 'a b'"),
            (extension(json!([{ "name": "a", "type": "text" }])), "text"),
            (extension(json!([{ "name": "a" }, { "name": "A" }])), "attribute 'A' is there twice"),
            (
                extension(json!([{ "name": "a", "subAttributes": [{ "name": "b" }] }])),
                "attribute 'a': only a complex attribute has 'subAttributes'",
            ),
            (
                extension(json!([{ "name": "a", "type": "complex" }])),
                "attribute 'a': a complex attribute needs 'subAttributes'",
            ),
            (
                extension(json!([{ "name": "a", "type": "complex", "subAttributes": [] }])),
                "attribute 'a': a complex attribute needs 'subAttributes'",
            ),
            (
                extension(json!([{ "name": "a", "type": "complex", "subAttributes": [
                    { "name": "b", "type": "complex", "subAttributes": [{ "name": "c" }] },
                ] }])),
                "attribute 'b': a sub-attribute cannot be complex",
            ),
            (
                extension(json!([{ "name": "a", "type": "complex", "subAttributes": [
                    { "name": "b", "uniqueness": "server" },
                ] }])),
                "attribute 'a.b': only a string",
            ),
            (
                extension(
                    json!([{ "name": "a", "type": "complex", "subAttributes": [{ "name": "b", "type": "complex" }] }]),
                ),
                "attribute 'b': a sub-attribute cannot be complex",
            ),
            (
                extension(json!([{ "name": "a", "multiValued": true, "uniqueness": "server" }])),
                "attribute 'a': only a string",
            ),
            (
                json!({ "id": "urn:ietf:params:scim:schemas:core:2.0:User", "resourceType": "User", "attributes": [{ "name": "TITLE" }] }),
                "attribute 'TITLE': User has it already",
            ),
            (
                json!({ "id": "urn:ietf:params:scim:schemas:core:2.0:Group", "resourceType": "User", "attributes": [{ "name": "a" }] }),
                "another schema has the id",
            ),
        ];
        for (file, expected) in cases {
            let problem = add(&file).unwrap_err();
            assert!(problem.contains(expected) && problem.contains("badge.json"), "{file}: {problem}");
        }
    }
}
