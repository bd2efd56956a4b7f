//! `SCIM_SCHEMAS`: which files are read, what is served of them, and what is wrong with them.

use super::*;
use std::path::Path;
use tempfile::TempDir;

pub const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";
pub const TEAM: &str = "urn:example:params:scim:schemas:extension:team:2.0:Group";

/// An attribute with every characteristic written out; `others` has those that are not the usual ones.
pub fn attribute(name: &str, kind: &str, others: Value) -> Value {
    let usual = json!({
        "name": name, "type": kind, "multiValued": false, "description": format!("The {name}"), "required": false,
        "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none",
    });
    merged(&usual, &others)
}

pub fn schema(resource_type: &str, id: &str, attributes: Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "resourceType": resource_type, "id": id, "name": "Custom", "description": "Of this deployment",
        "attributes": attributes,
    })
}

pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A service provider with these schemas.
pub async fn start(schemas: &[Value]) -> App {
    start_with(schemas, &[]).await
}

pub async fn start_with(schemas: &[Value], variables: &[(&str, &str)]) -> App {
    let folder = TempDir::new().unwrap();
    for (number, schema) in schemas.iter().enumerate() {
        write(folder.path(), &format!("{number}.json"), &schema.to_string());
    }
    let mut all = vec![("SCIM_SCHEMAS", folder.path().to_str().unwrap())];
    all.extend(variables);
    App::start_with(&all).await
}

async fn document(app: &App, uri: &str) -> Value {
    let document = app.get(&format!("/Schemas/{uri}")).await.expect(200).body;
    let list = app.get("/Schemas").await.expect(200);
    assert_eq!(list.ids().iter().filter(|id| *id == uri).count(), 1, "{uri} in {:?}", list.ids());
    assert_eq!(list.total(), list.ids().len() as u64);
    assert!(list.body["Resources"].as_array().unwrap().contains(&document), "{uri} differs from the list");
    document
}

async fn extensions(app: &App, resource_type: &str) -> Vec<Value> {
    let document = app.get(&format!("/ResourceTypes/{resource_type}")).await.expect(200).body;
    document["schemaExtensions"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_extension_is_served_as_the_file_has_it() {
    let attributes = json!([
        attribute("number", "string", json!({ "uniqueness": "server", "caseExact": true })),
        attribute("kind", "string", json!({ "canonicalValues": ["visitor", "staff"] })),
        attribute("site", "reference", json!({ "referenceTypes": ["external"] })),
        attribute(
            "lockers",
            "complex",
            json!({
                "multiValued": true,
                "subAttributes": [attribute("value", "string", json!({})), attribute("floor", "integer", json!({}))],
            })
        ),
    ]);
    let optional = schema("User", BADGE, attributes.clone());
    let required =
        merged(&schema("Group", TEAM, json!([attribute("cost", "decimal", json!({}))])), &json!({ "required": true }));
    let app = start(&[optional, required]).await;
    let badge = document(&app, BADGE).await;
    assert_eq!((&badge["name"], &badge["description"]), (&json!("Custom"), &json!("Of this deployment")));
    assert_eq!(badge["attributes"], attributes);
    assert_eq!(badge["meta"]["resourceType"], "Schema");
    assert!(badge.get("resourceType").is_none() && badge.get("required").is_none(), "{badge}");
    assert_eq!(document(&app, TEAM).await["attributes"][0]["type"], "decimal");

    let of_user = extensions(&app, "User").await;
    assert!(of_user.contains(&json!({ "schema": ENTERPRISE, "required": false })), "{of_user:?}");
    assert!(of_user.contains(&json!({ "schema": BADGE, "required": false })), "{of_user:?}");
    assert_eq!(of_user.len(), 2);
    assert_eq!(extensions(&app, "Group").await, [json!({ "schema": TEAM, "required": true })]);
    let all = app.get("/ResourceTypes").await.expect(200).body;
    assert!(all.to_string().contains(BADGE) && all.to_string().contains(TEAM));
}

#[tokio::test]
async fn attributes_of_a_core_schema_are_served_in_it() {
    let shirt = attribute("shirtSize", "string", json!({}));
    let colour = attribute("colour", "string", json!({}));
    let files = [schema("User", USER, json!([shirt])), schema("Group", GROUP, json!([colour]))];
    let app = start(&files).await;
    for (uri, added, own) in [(USER, &shirt, "userName"), (GROUP, &colour, "displayName")] {
        let core = document(&app, uri).await;
        let attributes = core["attributes"].as_array().unwrap();
        assert!(attributes.contains(added), "{core}");
        assert!(attributes.iter().any(|attribute| attribute["name"] == own), "{core}");
        assert_ne!(core["name"], "Custom");
    }
    assert_eq!(extensions(&app, "User").await.len(), 1);
    assert!(extensions(&app, "Group").await.is_empty());
}

#[tokio::test]
async fn files_and_folders_are_read_side_by_side() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let text = |id: &str| schema("User", id, json!([attribute("x", "string", json!({}))])).to_string();
    let ids = ["urn:example:a:2.0:User", "urn:example:b:2.0:User", "urn:example:c:2.0:User", "urn:example:d:2.0:User"];
    write(one.path(), "a.json", &text(ids[0]));
    write(one.path(), "b.json", &text(ids[1]));
    let c = write(two.path(), "c.json", &text(ids[2]));
    let d = write(two.path(), "d.json", &text(ids[3]));
    // Only what is named, and in a folder only what is JSON.
    write(two.path(), "broken.json", "{");
    write(one.path(), "README.md", "# Schemas");
    let setting = format!("{}, {c} ,{d},", one.path().to_str().unwrap());
    let app = App::start_with(&[("SCIM_SCHEMAS", &setting)]).await;
    for id in ids {
        document(&app, id).await;
    }
    assert_eq!(extensions(&app, "User").await.len(), 5);
}

#[test]
fn an_error_names_the_file_and_the_attribute() {
    let of = |attributes: Value| schema("User", BADGE, attributes);
    let text = |others: Value| attribute("locker", "string", others);
    let sub = |sub: Value| attribute("locker", "complex", json!({ "subAttributes": [sub] }));
    let no_name = json!({ "type": "string", "multiValued": false });
    let cases = [
        (of(json!([attribute("locker", "text", json!({}))])), "locker"),
        (of(json!([text(json!({ "mutability": "sometimes" }))])), "locker"),
        (of(json!([text(json!({ "returned": "maybe" }))])), "locker"),
        (of(json!([text(json!({ "uniqueness": "galactic" }))])), "locker"),
        (of(json!([text(json!({ "multiValued": "yes" }))])), "locker"),
        (of(json!([text(json!({})), attribute("LOCKER", "integer", json!({}))])), "LOCKER"),
        (of(json!([sub(attribute("inner", "complex", json!({ "subAttributes": [text(json!({}))] })))])), "inner"),
        (of(json!([sub(attribute("inner", "text", json!({})))])), "inner"),
        (of(json!([sub(no_name.clone())])), "locker"),
        (of(json!([no_name])), "name"),
        (of(json!([text(json!({ "name": "" }))])), "name"),
        (of(json!([text(json!({ "name": "two words" }))])), "two words"),
        (of(json!([text(json!({ "name": 7 }))])), "name"),
        (of(json!([7])), "attribute"),
        (of(json!({})), "attributes"),
        (schema("User", USER, json!([attribute("USERNAME", "string", json!({}))])), "USERNAME"),
        (schema("User", USER, json!([attribute("externalId", "string", json!({}))])), "externalId"),
        (schema("Device", BADGE, json!([text(json!({}))])), "resourceType"),
        (merged(&of(json!([text(json!({}))])), &json!({ "resourceType": null })), "resourceType"),
        (merged(&of(json!([text(json!({}))])), &json!({ "required": "yes" })), "required"),
        (merged(&of(json!([text(json!({}))])), &json!({ "id": null })), "id"),
        (schema("User", ENTERPRISE, json!([text(json!({}))])), ENTERPRISE),
        (schema("User", "urn:ietf:params:scim:schemas:core:2.0:Schema", json!([text(json!({}))])), "Schema"),
        (json!([]), "JSON object"),
        (json!("x"), "JSON object"),
    ];
    for (file, name) in cases {
        let folder = TempDir::new().unwrap();
        let path = write(folder.path(), "odd.json", &file.to_string());
        for setting in [path.as_str(), folder.path().to_str().unwrap()] {
            let error = config_error(&[("SCIM_SCHEMAS", setting)]);
            assert!(error.contains("odd.json") && error.contains(name), "{file}: {error}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_and_an_id_that_is_there_twice_are_errors() {
    let folder = TempDir::new().unwrap();
    let broken = write(folder.path(), "broken.json", "{ \"id\": ");
    let error = config_error(&[("SCIM_SCHEMAS", &broken)]);
    assert!(error.contains("broken.json") && error.contains("JSON"), "{error}");
    for missing in ["missing.json", "missing"] {
        let path = folder.path().join(missing);
        let error = config_error(&[("SCIM_SCHEMAS", path.to_str().unwrap())]);
        assert!(error.contains(missing), "{error}");
    }
    let one = schema("User", BADGE, json!([attribute("x", "string", json!({}))])).to_string();
    let one = write(folder.path(), "one.json", &one);
    for (resource_type, id) in
        [("User", BADGE.to_owned()), ("User", BADGE.replace("badge", "BADGE")), ("Group", BADGE.into())]
    {
        let two = schema(resource_type, &id, json!([attribute("y", "string", json!({}))])).to_string();
        let two = write(folder.path(), "two.json", &two);
        let error = config_error(&[("SCIM_SCHEMAS", &format!("{one},{two}"))]);
        assert!(error.contains("two.json") && error.contains(&id), "{error}");
    }
}
