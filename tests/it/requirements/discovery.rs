//! B. Discovery.

use super::*;

/// A GET without a token.
async fn anonymous(app: &App, path: &str) -> Answer {
    app.send("GET", path, &[("authorization", "")], None).await
}

fn one_of(value: &Value, allowed: &[&str]) -> bool {
    value.as_str().is_some_and(|text| allowed.contains(&text))
}

// 24, 25, 29: authentik reads it strictly; RFC 7643 section 5, RFC 9865
#[tokio::test]
async fn the_service_provider_config_lacks_nothing() {
    let app = App::start().await;
    let config = read(&app, "/ServiceProviderConfig").await;
    assert!(has_schema(&config, "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"), "{config}");
    for name in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert!(config[name]["supported"].is_boolean(), "{name}.supported in {config}");
    }
    for name in ["patch", "filter", "etag"] {
        assert_eq!(config[name]["supported"], true, "{name}.supported");
    }
    assert_eq!(config["changePassword"]["supported"], false, "a password is never stored");
    assert!(config["bulk"]["maxOperations"].is_u64() && config["bulk"]["maxPayloadSize"].is_u64(), "{config}");
    assert!(config["filter"]["maxResults"].as_u64().is_some_and(|most| most >= 100), "{config}");

    let schemes = config["authenticationSchemes"].as_array().cloned().unwrap_or_default();
    assert!(!schemes.is_empty(), "{config}");
    for scheme in &schemes {
        assert!(one_of(&scheme["type"], &["oauthbearertoken"]), "{scheme}");
        assert!(scheme["name"].is_string() && scheme["description"].is_string(), "{scheme}");
    }
    if !config["pagination"].is_null() {
        assert_eq!(config["pagination"]["defaultPaginationMethod"], "index");
        assert_eq!(config["pagination"]["index"], true);
    }
    assert_eq!(config["meta"]["resourceType"], "ServiceProviderConfig");
    assert_no_null(&config, "ServiceProviderConfig");
}

// 26: CyberArk, SailPoint
#[tokio::test]
async fn the_resource_types_are_listed_and_read_one_by_one() {
    let app = App::start().await;
    let list = app.get("/ResourceTypes").await.expect(200);
    assert_eq!(list.body["schemas"], json!([LIST]));
    assert_eq!(list.total(), 2);
    for (name, endpoint, schema) in [("User", "/Users", USER), ("Group", "/Groups", GROUP)] {
        let one = read(&app, &format!("/ResourceTypes/{name}")).await;
        assert_holds(&one, &json!({ "id": name, "name": name, "endpoint": endpoint, "schema": schema }));
        assert!(has_schema(&one, "urn:ietf:params:scim:schemas:core:2.0:ResourceType"), "{one}");
        assert_eq!(one["meta"]["resourceType"], "ResourceType");
        assert_eq!(read(&app, &path_of(&one["meta"]["location"])).await, one, "the location of {name}");
        let listed = list.body["Resources"].as_array().is_some_and(|all| all.contains(&one));
        assert!(listed, "{name} is not in the list as it is read alone");
        assert_eq!(app.get(endpoint).await.expect(200).total(), 0, "the endpoint {endpoint}");
    }
    let user = read(&app, "/ResourceTypes/User").await;
    let extensions = user["schemaExtensions"].as_array().cloned().unwrap_or_default();
    assert!(extensions.contains(&json!({ "schema": ENTERPRISE, "required": false })), "{user}");
    app.get("/ResourceTypes/Device").await.is_error(404, None);
}

// 27: Entra reads it when the mapping page is opened
#[tokio::test]
async fn the_schemas_are_complete_in_camel_case_and_without_null() {
    let app = App::start().await;
    let list = app.get("/Schemas").await.expect(200);
    assert_eq!(list.body["schemas"], json!([LIST]));
    assert_eq!(list.total(), list.ids().len() as u64);
    for uri in [USER, ENTERPRISE, GROUP] {
        assert!(list.ids().contains(&uri.to_owned()), "{uri} is not in {:?}", list.ids());
    }
    assert_no_null(&list.body, "Schemas");
    for schema in list.body["Resources"].as_array().into_iter().flatten() {
        assert!(schema["name"].is_string() && schema["description"].is_string(), "{schema}");
        assert_eq!(schema["meta"]["resourceType"], "Schema", "{}", schema["id"]);
        let attributes = schema["attributes"].as_array().cloned().unwrap_or_default();
        assert!(!attributes.is_empty(), "{}", schema["id"]);
        attributes.iter().for_each(assert_attribute);
    }
}

/// RFC 7643 section 7: the characteristics and their keywords.
#[track_caller]
fn assert_attribute(attribute: &Value) {
    const TYPES: [&str; 8] = ["string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"];
    let name = attribute["name"].as_str().unwrap_or_default();
    let first = name.trim_start_matches('$').chars().next();
    assert!(first.is_some_and(|letter| letter.is_ascii_lowercase()) && !name.contains('_'), "{attribute}");
    assert!(one_of(&attribute["type"], &TYPES), "{attribute}");
    assert!(one_of(&attribute["mutability"], &["readOnly", "readWrite", "immutable", "writeOnly"]), "{attribute}");
    assert!(one_of(&attribute["returned"], &["always", "never", "default", "request"]), "{attribute}");
    assert!(attribute["multiValued"].is_boolean() && attribute["required"].is_boolean(), "{attribute}");
    if attribute["type"] == "string" {
        assert!(attribute["caseExact"].is_boolean(), "{attribute}");
        assert!(one_of(&attribute["uniqueness"], &["none", "server", "global"]), "{attribute}");
    }
    let sub_attributes = attribute["subAttributes"].as_array().cloned().unwrap_or_default();
    assert_eq!(attribute["type"] == "complex", !sub_attributes.is_empty(), "{attribute}");
    sub_attributes.iter().for_each(assert_attribute);
}

#[track_caller]
fn assert_no_null(value: &Value, place: &str) {
    match value {
        Value::Null => panic!("{place} is null"),
        Value::Array(elements) => elements.iter().for_each(|element| assert_no_null(element, place)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| assert_no_null(value, &format!("{place}.{name}")))
        }
        _ => {}
    }
}

// 28: CyberArk
#[tokio::test]
async fn a_schema_is_read_by_its_uri_with_raw_or_encoded_colons() {
    let app = App::start().await;
    let list = app.get("/Schemas").await.expect(200);
    for uri in [USER, ENTERPRISE, GROUP] {
        let raw = read(&app, &format!("/Schemas/{uri}")).await;
        assert_eq!(raw["id"], uri);
        assert!(list.body["Resources"].as_array().is_some_and(|all| all.contains(&raw)), "{uri} differs from the list");
        for colon in ["%3A", "%3a"] {
            assert_eq!(read(&app, &format!("/Schemas/{}", uri.replace(':', colon))).await, raw, "{uri} with {colon}");
        }
        assert_eq!(read(&app, &path_of(&raw["meta"]["location"])).await, raw, "the location of {uri}");
    }
    app.get(&format!("/Schemas/{CUSTOM}")).await.is_error(404, None);
}

// 30: allowed without a token; resources are not
#[tokio::test]
async fn discovery_needs_no_token() {
    let app = App::start().await;
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/ResourceTypes/User",
        "/Schemas",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group",
    ] {
        let answer = anonymous(&app, path).await.expect(200);
        assert_eq!(answer.body, read(&app, path).await, "{path}");
    }
    for path in ["/Users", "/Groups"] {
        anonymous(&app, path).await.is_error(401, None);
    }
}
