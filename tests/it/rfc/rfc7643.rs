//! RFC 7643, core schema.

use super::*;

// Section 8.1 to 8.3, with the verified errata 5990 and 5991.
#[tokio::test]
async fn the_users_of_section_8_come_back_as_they_were_sent() {
    for example in
        [fixture("rfc7643-8.1-minimal-user"), fixture("rfc7643-8.2-full-user"), fixture("rfc7643-8.3-enterprise-user")]
    {
        let app = App::start().await;
        let created = app.post("/Users", example.clone()).await.expect(201);
        let mut expected = sent(&example);
        if let Some(manager) = expected.pointer_mut(&format!("/{ENTERPRISE}/manager")) {
            // Section 4.3: it is read-only.
            manager.as_object_mut().unwrap().shift_remove("displayName");
        }
        assert_holds(&created.body, &expected);
        assert_ne!(created.body["id"], example["id"], "the server assigns it");
        assert_ne!(created.body["meta"]["created"], example["meta"]["created"]);
        assert!(created.body.get("password").is_none() && created.body.get("groups").is_none(), "{}", created.text);
        let got = app.get(&format!("/Users/{}", created.id())).await.expect(200);
        assert_eq!(got.body, created.body);
        // And once more as the answer to a PUT of what was read.
        let put = app.put(&format!("/Users/{}", created.id()), got.body.clone()).await.expect(200);
        assert_eq!(put.body, got.body);
    }
}

#[tokio::test]
async fn the_group_of_section_8_4_comes_back_with_its_members() {
    let app = App::start().await;
    let (babs, mandy) = (app.user("bjensen").await, app.user("mandy").await);
    let text = fixture("rfc7643-8.4-group").to_string();
    let text = text.replace("2819c223-7f76-453a-919d-413861904646", &babs);
    let text = text.replace("902c246b-6245-4190-8e05-00816be7344a", &mandy);
    let example: Value = serde_json::from_str(&text).unwrap();
    let created = app.post("/Groups", example).await.expect(201);
    assert_eq!(created.body["displayName"], "Tour Guides");
    assert_eq!(created.body["schemas"], json!([GROUP]));
    let got = app.get(&format!("/Groups/{}", created.id())).await.expect(200).body;
    let members = got["members"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    for (id, display) in [(&babs, "Babs Jensen"), (&mandy, "Mandy Pepperidge")] {
        let member = members.iter().find(|member| member["value"] == **id).unwrap();
        let uri = format!("http://scim.test/scim/v2/Users/{id}");
        assert_eq!(*member, json!({ "value": id, "$ref": uri, "type": "User", "display": display }));
    }
}

// Sections 2.1, 2.3, 2.3.8, 2.4, 7
#[tokio::test]
async fn the_served_schemas_keep_to_the_grammar_and_the_types() {
    let app = App::start().await;
    let list = app.get("/Schemas").await.expect(200);
    for schema in list.body["Resources"].as_array().unwrap() {
        let may_nest = schema["id"] == "urn:ietf:params:scim:schemas:core:2.0:Schema";
        for (attribute, parent) in attributes(schema) {
            let name = attribute["name"].as_str().unwrap();
            let plain = name.strip_prefix('$').unwrap_or(name);
            assert!(plain.starts_with(|first: char| first.is_ascii_alphabetic()), "{attribute}");
            assert!(plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{attribute}");
            assert!(name == plain || name == "$ref", "{attribute}");
            // The schema of schemas alone may nest (section 7).
            let is_complex = attribute["type"] == "complex";
            assert!(parent.is_none() || may_nest || !is_complex, "{name} is complex inside a complex attribute");
            assert_eq!(is_complex, attribute["subAttributes"].is_array(), "{attribute}");
            for characteristic in ["description", "type", "mutability", "returned", "uniqueness"] {
                assert!(attribute[characteristic].is_string(), "{characteristic} of {attribute}");
            }
            assert!(attribute["multiValued"].is_boolean() && attribute["required"].is_boolean(), "{attribute}");
            let predefined = match name {
                "type" | "display" => Some("string"),
                "primary" => Some("boolean"),
                "$ref" => Some("reference"),
                _ => None,
            };
            if let (Some(expected), Some(true)) = (predefined, parent.map(|parent| parent["multiValued"] == true)) {
                assert_eq!(attribute["type"], expected, "{attribute}");
            }
        }
    }
}

// Sections 6, 7, 8.7.2
#[tokio::test]
async fn resource_types_and_schemas_name_each_other() {
    let app = App::start().await;
    let schemas = app.get("/Schemas").await.expect(200);
    let uris = set(each(&schemas, "id"));
    assert_eq!(uris.len(), schemas.ids().len(), "a URI is there twice");
    let types = app.get("/ResourceTypes").await.expect(200);
    for resource_type in types.body["Resources"].as_array().unwrap() {
        for name in ["name", "description", "endpoint", "schema"] {
            assert!(resource_type[name].as_str().is_some_and(|text| !text.is_empty()), "{name} of {resource_type}");
        }
        assert!(uris.contains(resource_type["schema"].as_str().unwrap()), "{resource_type}");
        for extension in resource_type["schemaExtensions"].as_array().into_iter().flatten() {
            assert!(uris.contains(extension["schema"].as_str().unwrap()), "{extension}");
            assert!(extension["required"].is_boolean(), "{extension}");
        }
        let endpoint = resource_type["endpoint"].as_str().unwrap();
        let body = json!({ "userName": "ann", "displayName": "Ann" });
        let created = app.post(endpoint, body).await.expect(201);
        assert_eq!(created.body["meta"]["resourceType"], resource_type["name"]);
        assert_eq!(created.body["schemas"], json!([resource_type["schema"]]));
    }
    let user = app.get(&format!("/Schemas/{USER}")).await.expect(200).body;
    let emails = user["attributes"].as_array().unwrap().iter().find(|found| found["name"] == "emails").unwrap();
    let kind = emails["subAttributes"].as_array().unwrap().iter().find(|found| found["name"] == "type").unwrap();
    assert_eq!(kind["canonicalValues"], json!(["work", "home", "other"]));
}

// Sections 2.3.5, 3.1
#[tokio::test]
async fn what_the_server_dates_is_an_xsd_date_time() {
    let app = App::start().await;
    for (endpoint, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
        let created = app.post(endpoint, json!({ name: "one" })).await.expect(201);
        assert_eq!(created.body["meta"]["created"], created.body["meta"]["lastModified"]);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let changed = app.put(&format!("{endpoint}/{}", created.id()), json!({ name: "two" })).await.expect(200);
        let meta = &changed.body["meta"];
        assert_eq!(meta["created"], created.body["meta"]["created"]);
        assert_ne!(meta["created"], meta["lastModified"]);
        for text in [meta["created"].as_str().unwrap(), meta["lastModified"].as_str().unwrap()] {
            let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert!(shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z'), "{text}");
            let fraction = &shape["0000-00-00T00:00:00".len()..shape.len() - 1];
            assert!(fraction.is_empty() || fraction.trim_matches('0') == ".", "{text}");
        }
    }
}

// Section 2.3.7; RFC 7644 sections 1.2, 1.3
#[tokio::test]
async fn every_uri_that_is_issued_is_absolute_without_a_query_and_leads_to_its_resource() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let group = json!({ "displayName": "Team & Söhne", "members": [{ "value": ann }] });
    let created = app.post("/Groups?aadOptscim062020&attributes=meta,members", group).await.expect(201);
    let user = app.get(&format!("/Users/{ann}?x=%3F")).await.expect(200);
    let config = app.get("/ServiceProviderConfig?x").await.expect(200);
    let first = |list: &Answer| list.body["Resources"][0]["meta"]["location"].clone();
    for uri in [
        json!(header(&created, "location")),
        created.body["meta"]["location"].clone(),
        created.body["members"][0]["$ref"].clone(),
        user.body["meta"]["location"].clone(),
        user.body["groups"][0]["$ref"].clone(),
        config.body["meta"]["location"].clone(),
        first(&app.get("/ResourceTypes").await.expect(200)),
        first(&app.get("/Schemas").await.expect(200)),
    ] {
        let uri = uri.as_str().expect("a URI");
        let path = uri.strip_prefix("http://scim.test/scim/v2").expect(uri);
        assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-".contains(&byte)), "{uri}");
        let answer = app.get(path).await.expect(200);
        assert_eq!(answer.body["meta"]["location"], uri);
    }
}

// Sections 2.3.8, 3
#[tokio::test]
async fn the_order_of_attributes_and_of_schemas_says_nothing() {
    let app = App::start().await;
    let forward = app.post("/Users", fixture("rfc7643-8.3-enterprise-user")).await.expect(201);
    app.delete(&format!("/Users/{}", forward.id())).await.expect(204);
    let backward = app.post("/Users", reversed(&fixture("rfc7643-8.3-enterprise-user"))).await.expect(201);
    assert_eq!(sorted(&sent(&forward.body)), sorted(&sent(&backward.body)));
    let repeated = json!({ "schemas": [ENTERPRISE, USER, ENTERPRISE, USER], "userName": "twice", ENTERPRISE: { "department": "X" } });
    let created = app.post("/Users", repeated).await.expect(201);
    let uris: Vec<&str> = created.body["schemas"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((uris.len(), set(uris)), (2, set([USER, ENTERPRISE])));
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .rev()
            .map(|(name, value)| (name.clone(), reversed(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(elements) => elements.iter().map(reversed).collect(),
        other => other.clone(),
    }
}

/// With the members of every object in one order.
fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    value.sort_all_objects();
    value
}

// Sections 2.4, 3.3: an element is a complex value, addressed by its sub-attributes
#[tokio::test]
async fn an_element_without_primary_is_not_primary() {
    let app = App::start().await;
    let emails = json!([{ "value": "a@x", "type": "work", "primary": true }, { "value": "b@x", "type": "home" }]);
    let ann = user_with(&app, "ann", json!({ "emails": emails })).await;
    let bob = user_with(&app, "bob", json!({ "emails": [{ "value": "c@x", "primary": true }] })).await;
    let cid = user_with(&app, "cid", json!({ "emails": [{ "value": "d@x", "primary": false }] })).await;
    for (filter, expected) in [
        ("emails[primary eq false]", vec![&ann, &cid]),
        ("emails[type eq \"home\" and primary eq false]", vec![&ann]),
        ("emails[primary eq true]", vec![&ann, &bob]),
        ("not (emails[primary eq false])", vec![&bob]),
    ] {
        let found = app.find("/Users", filter).await.expect(200).ids();
        let expected: BTreeSet<&str> = expected.into_iter().map(String::as_str).collect();
        assert_eq!(set(found.iter().map(String::as_str)), expected, "{filter}");
    }
}

// Sections 3, 3.1
#[tokio::test]
async fn both_resource_types_have_the_common_attributes_and_external_id_is_the_clients_alone() {
    let app = App::start().await;
    for (endpoint, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
        let without = app.post(endpoint, json!({ name: "one" })).await.expect(201);
        assert!(without.body.get("externalId").is_none(), "{}", without.text);
        let body = json!({ "schemas": ["urn:example:none"], name: "two", "externalId": "E 1" });
        let with = app.post(endpoint, body).await.expect(201);
        assert_eq!(with.body["externalId"], "E 1");
        let meta = with.body["meta"].as_object().unwrap();
        let known = ["resourceType", "created", "lastModified", "location", "version"];
        assert_eq!(set(meta.keys().map(String::as_str)), set(known));
        // Whatever is asked for, the id is there; so is `schemas`.
        for query in
            ["?attributes=meta", "?excludedAttributes=id,schemas", "?attributes=externalId&excludedAttributes=id"]
        {
            let shown = app.get(&format!("{endpoint}/{}{query}", with.id())).await.expect(200);
            assert_eq!(shown.id(), with.id(), "{query}");
            assert!(shown.body["schemas"].as_array().is_some_and(|uris| !uris.is_empty()), "{query}: {}", shown.text);
        }
        let list = app.get(&format!("{endpoint}?attributes=externalId")).await.expect(200);
        assert_eq!(list.ids().len(), 2);
    }
}

// Section 3.1
#[tokio::test]
async fn section_3_1_content_location_is_meta_location() {
    let app = App::start().await;
    let created = app.post("/Users", json!({ "userName": "ann" })).await.expect(201);
    let location = created.body["meta"]["location"].as_str().unwrap().to_owned();
    let path = format!("/Users/{}", created.id());
    let title = json!([{ "op": "add", "path": "title", "value": "x" }]);
    let answers = [
        created,
        app.get(&path).await.expect(200),
        app.get(&format!("{path}?attributes=userName")).await.expect(200),
        app.operations(&path, title).await.expect(200),
        app.put(&path, json!({ "userName": "ann" })).await.expect(200),
    ];
    for answer in answers {
        assert_eq!(answer.headers["content-location"], location, "{}", answer.text);
    }
    assert!(!app.get("/Users").await.expect(200).headers.contains_key("content-location"));
}
