//! RFC 7644, protocol: creating, reading, querying, discovery.

use super::*;

mod bulk;
mod modify;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

async fn named(app: &App, names: &[&str]) {
    for name in names {
        app.user(name).await;
    }
}

#[test]
fn section_1_3_a_base_url_with_a_query_is_refused() {
    let read = |url: &str| {
        scimlet::config::Config::read(|name| match name {
            "SCIM_TOKEN" => Some("0123456789abcdef".into()),
            "SCIM_BASE_URL" => Some(url.to_owned()),
            _ => None,
        })
    };
    assert!(read("https://scim.example.com/scim/v2").is_ok());
    for url in
        ["https://scim.example.com/scim/v2?aadOptscim062020", "https://scim.example.com/scim/v2#x", "scim.example.com"]
    {
        let error = read(url).expect_err(url).to_string();
        assert!(error.contains("SCIM_BASE_URL") && error.contains(url), "{error}");
    }
}

// Sections 3.3, 3.3.1, 3.14
#[tokio::test]
async fn section_3_3_a_create_answers_with_the_resource_its_location_and_its_version() {
    let app = App::start().await;
    let request = fixture("rfc7644-3.3-create-user");
    let answer = app.post("/Users", request.clone()).await.expect(201);
    assert_holds(&answer.body, &request);
    assert_eq!(header(&answer, "location"), format!("http://scim.test/scim/v2/Users/{}", answer.id()));
    assert_eq!(header(&answer, "location"), answer.body["meta"]["location"]);
    assert_eq!(header(&answer, "etag"), answer.body["meta"]["version"]);
    assert_eq!(header(&answer, "content-type"), "application/scim+json");
    assert_eq!(answer.body["meta"]["resourceType"], "User");
    app.post("/Users", request).await.is_error(409, Some("uniqueness"));
}

// Sections 3.4.1, 3.14
#[tokio::test]
async fn section_3_4_1_a_known_resource_is_retrieved_by_its_uri() {
    let app = App::start().await;
    let example = fixture("rfc7644-3.4.1-get-user");
    let path = format!("/Users/{}", app.post("/Users", example.clone()).await.expect(201).id());
    let answer = app.get(&path).await.expect(200);
    assert_holds(&answer.body, &sent(&example));
    assert_eq!(header(&answer, "etag"), answer.body["meta"]["version"]);
    let etag = header(&answer, "etag").to_owned();
    let again = app.send("GET", &format!("{path}?attributes=displayName"), &[("if-none-match", &etag)], None).await;
    assert_eq!((again.status, again.text.as_str(), header(&again, "etag")), (304, "", etag.as_str()));
}

// Sections 3.4.2, 3.9: "id" and "schemas" are returned always
#[tokio::test]
async fn section_3_4_2_the_user_names_of_all_users() {
    let app = App::start().await;
    named(&app, &["bjensen", "jsmith"]).await;
    let answer = app.get("/Users?attributes=userName").await.expect(200);
    assert_eq!((answer.body["schemas"].clone(), answer.total()), (json!([LIST]), 2));
    assert_eq!(set(each(&answer, "userName")), set(["bjensen", "jsmith"]));
    for user in answer.body["Resources"].as_array().unwrap() {
        let names = user.as_object().unwrap().keys().map(String::as_str);
        assert_eq!(set(names), set(["schemas", "id", "userName"]), "{user}");
    }
    let one = app.get(&format!("/Users/{}?attributes=userName", answer.ids()[0])).await.expect(200);
    assert_eq!(one.body, answer.body["Resources"][0]);
    let lean =
        app.get(&format!("/Users/{}?excludedAttributes=userName,id,schemas,meta.version", one.id())).await.expect(200);
    assert!(lean.body.get("userName").is_none() && lean.body["meta"].get("version").is_none(), "{}", lean.text);
    assert_eq!((lean.id(), &lean.body["schemas"], &lean.body["active"]), (one.id(), &json!([USER]), &json!(true)));
}

// Section 3.4.2
#[tokio::test]
async fn section_3_4_2_parameters_that_are_not_known_are_ignored() {
    let app = App::start().await;
    named(&app, &["ann", "bob"]).await;
    let plain = app.get("/Users").await.expect(200);
    for query in ["?foo=bar", "?FILTER=x", "?includeDeleted=true&foo=", "?%20=%20"] {
        assert_eq!(app.get(&format!("/Users{query}")).await.expect(200).text, plain.text, "{query}");
    }
}

#[tokio::test]
async fn section_3_4_2_2_every_filter_of_figure_2_finds_what_it_describes() {
    let app = App::start().await;
    let example = fixture("rfc7644-3.4.2.2-filters");
    for user in example["users"].as_array().unwrap() {
        app.post("/Users", user.clone()).await.expect(201);
    }
    for case in example["filters"].as_array().unwrap() {
        let filter = case["filter"].as_str().unwrap();
        let answer = app.find("/Users", filter).await.expect(200);
        let expected = case["finds"].as_array().unwrap().iter().filter_map(Value::as_str);
        assert_eq!(set(each(&answer, "userName")), set(expected), "{filter}");
        assert_eq!(answer.total(), answer.ids().len() as u64, "{filter}");
    }
}

// Section 3.4.2.2: a default counts as the value that was answered
#[tokio::test]
async fn section_3_4_2_2_a_defaulted_attribute_is_filtered_by_the_value_that_was_answered() {
    let app = App::start().await;
    let ann = app.post("/Users", json!({ "userName": "ann" })).await.expect(201);
    assert_eq!(ann.body["active"], true);
    for (filter, found) in [("active eq true", 1), ("active pr", 1), ("active eq false", 0), ("not (active pr)", 0)] {
        assert_eq!(app.find("/Users", filter).await.expect(200).total(), found, "{filter}");
    }
}

// Table 3: an order of booleans and of binary values is refused
#[tokio::test]
async fn section_3_4_2_2_booleans_and_binary_values_have_no_order() {
    let app = App::start().await;
    for operator in ["gt", "ge", "lt", "le"] {
        for filter in [
            format!("active {operator} true"),
            format!("emails[primary {operator} true]"),
            format!("x509Certificates.value {operator} \"QUJD\""),
        ] {
            app.find("/Users", &filter).await.is_error(400, Some("invalidFilter"));
        }
    }
}

#[tokio::test]
async fn section_3_4_2_3_results_are_ordered_by_the_type_of_the_attribute() {
    let app = App::start().await;
    for (name, family, emails, external) in [
        ("Dora", json!("adams"), json!([{ "value": "z@x" }, { "value": "a@x", "primary": true }]), json!("b")),
        ("ann", json!("Baker"), json!([{ "value": "B@x" }, { "value": "a@x" }]), json!("B")),
        ("Cid", json!(null), json!([]), json!(null)),
        ("bob", json!("ADLER"), json!([{ "value": "c@x" }]), json!("a")),
    ] {
        let user =
            json!({ "userName": name, "name": { "familyName": family }, "emails": emails, "externalId": external });
        app.post("/Users", user).await.expect(201);
    }
    for (query, expected) in [
        ("sortBy=userName", ["ann", "bob", "Cid", "Dora"]),
        ("sortBy=userName&sortOrder=ascending", ["ann", "bob", "Cid", "Dora"]),
        ("sortBy=userName&sortOrder=descending", ["Dora", "Cid", "bob", "ann"]),
        ("sortBy=name.familyName", ["Dora", "bob", "ann", "Cid"]),
        ("sortBy=name.familyName&sortOrder=descending", ["Cid", "ann", "bob", "Dora"]),
        ("sortBy=emails.value", ["Dora", "ann", "bob", "Cid"]),
        ("sortBy=externalId", ["ann", "bob", "Dora", "Cid"]),
        ("sortBy=urn:ietf:params:scim:schemas:core:2.0:User:userName", ["ann", "bob", "Cid", "Dora"]),
    ] {
        assert_eq!(each(&app.get(&format!("/Users?{query}")).await.expect(200), "userName"), expected, "{query}");
    }
    let search = json!({ "schemas": [SEARCH], "sortBy": "userName", "sortOrder": "descending", "count": 2 });
    assert_eq!(each(&app.post("/Users/.search", search).await.expect(200), "userName"), ["Dora", "Cid"]);
}

#[tokio::test]
async fn section_3_4_2_4_a_page_says_where_it_starts_and_how_many_it_holds() {
    let app = App::start().await;
    for number in 0..12 {
        app.user(&format!("user{number}")).await;
    }
    let first = app.get("/Users?startIndex=1&count=10").await.expect(200);
    let rest = app.get("/Users?startIndex=11&count=10").await.expect(200);
    for (page, start, length) in [(&first, 1, 10), (&rest, 11, 2)] {
        assert_eq!(page.body["schemas"], json!([LIST]));
        let numbers = ["totalResults", "startIndex", "itemsPerPage"].map(|name| page.body[name].as_u64());
        assert_eq!(numbers, [Some(12), Some(start), Some(length)]);
        assert_eq!(page.ids().len() as u64, length);
    }
    let ids: BTreeSet<String> = first.ids().into_iter().chain(rest.ids()).collect();
    assert_eq!(ids.len(), 12);
}

// Section 3.4.2.5, 3.10: names in every notation, and what is never or always returned
#[tokio::test]
async fn section_3_4_2_5_attributes_are_named_in_standard_notation() {
    let app = App::start().await;
    let path = format!("/Users/{}", app.post("/Users", fixture("rfc7643-8.3-enterprise-user")).await.expect(201).id());
    let manager = json!({ "value": "26118915-6090-4610-87e4-49d8ca9f808d" });
    for (query, expected) in [
        ("name.familyName".to_owned(), json!({ "name": { "familyName": "Jensen" } })),
        (format!("{USER}:NAME.familyname"), json!({ "name": { "familyName": "Jensen" } })),
        (format!("{ENTERPRISE}:manager.value"), json!({ ENTERPRISE: { "manager": manager } })),
        ("emails.type".to_owned(), json!({ "emails": [{ "type": "work" }, { "type": "home" }] })),
        ("password".to_owned(), json!({})),
    ] {
        let shown = app.get(&format!("{path}?attributes={query}")).await.expect(200);
        let mut rest = shown.body.clone();
        for always in ["id", "schemas"] {
            assert!(rest.as_object_mut().unwrap().shift_remove(always).is_some(), "{query}: {}", shown.text);
        }
        assert_eq!(rest, expected, "{query}");
    }
    // On whatever answers with a resource.
    let created = app.post("/Users?attributes=userName", json!({ "userName": "ann", "title": "x" })).await.expect(201);
    let path = format!("/Users/{}?excludedAttributes=title", created.id());
    let put = app.put(&path, json!({ "userName": "ann", "title": "y" })).await.expect(200);
    for answer in [&created, &put] {
        assert!(answer.body["userName"] == "ann" && answer.body.get("title").is_none(), "{}", answer.text);
    }
}

#[tokio::test]
async fn section_3_4_3_a_search_is_the_query_in_a_body() {
    let app = App::start().await;
    let smith = user_with(&app, "jsmith", json!({ "displayName": "Smith, James", "title": "x" })).await;
    user_with(&app, "bjensen", json!({ "displayName": "Ms. Barbara" })).await;
    let family = app.group("Smith Family", &[&smith]).await;
    let request = fixture("rfc7644-3.4.3-search");
    let answer = app.post("/.search", request.clone()).await.expect(200);
    assert_eq!((answer.body["schemas"].clone(), answer.total()), (json!([LIST]), 2));
    assert_eq!((&answer.body["startIndex"], &answer.body["itemsPerPage"]), (&json!(1), &json!(2)));
    let expected = [
        json!({ "schemas": [USER], "id": smith, "userName": "jsmith", "displayName": "Smith, James" }),
        json!({ "schemas": [GROUP], "id": family, "displayName": "Smith Family" }),
    ];
    let found = answer.body["Resources"].as_array().unwrap();
    for resource in &expected {
        assert!(found.contains(resource), "{resource} is not in {}", answer.text);
    }
    for (endpoint, expected) in [("/Users", &expected[0]), ("/Groups", &expected[1])] {
        let answer = app.post(&format!("{endpoint}/.search"), request.clone()).await.expect(200);
        assert_eq!(answer.body["Resources"], json!([expected]), "{endpoint}");
    }
    let bad = json!({ "schemas": [SEARCH], "filter": "displayName sw" });
    app.post("/.search", bad).await.is_error(400, Some("invalidFilter"));
}

// Section 3.4.2.1: across types, an attribute that a type does not have has no value
#[tokio::test]
async fn section_3_4_2_1_an_attribute_of_another_type_has_no_value() {
    let app = App::start().await;
    let ann = user_with(&app, "ann", json!({ "displayName": "Ann" })).await;
    let team = app.group("Ann's team", &[]).await;
    for (filter, expected) in [
        ("userName pr", vec![&ann]),
        ("userName eq \"ann\"", vec![&ann]),
        ("not (userName pr)", vec![&team]),
        ("displayName sw \"ann\"", vec![&ann, &team]),
        ("(meta.resourceType eq User) or (meta.resourceType eq Group)", vec![&ann, &team]),
        ("meta.resourceType eq \"Group\"", vec![&team]),
    ] {
        let answer = app.post("/.search", json!({ "schemas": [SEARCH], "filter": filter })).await.expect(200);
        let expected: BTreeSet<&str> = expected.into_iter().map(String::as_str).collect();
        assert_eq!(set(answer.ids().iter().map(String::as_str)), expected, "{filter}");
    }
}

// Section 3.11
#[tokio::test]
async fn section_3_11_me_is_not_implemented() {
    let app = App::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let body = matches!(method, "POST" | "PUT" | "PATCH").then(|| b"{}".to_vec());
        app.send(method, "/Me", &[("content-type", "application/scim+json")], body).await.is_error(501, None);
    }
}

// Section 3.13
#[tokio::test]
async fn section_3_13_the_version_stands_before_the_endpoint_and_another_one_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    for path in ["/scim/v2/Users", "/scim/Users"] {
        assert_eq!(app.get(path).await.expect(200).ids(), std::slice::from_ref(&ann), "{path}");
    }
    for path in ["/scim/v1/Users", "/scim/v3/Users", "/scim/v2.1/Users", "/scim/v20/Users"] {
        app.get(path).await.is_error(400, Some("invalidVers"));
        assert_eq!(app.post(path, json!({ "userName": "bob" })).await.status, 400, "{path}");
    }
    assert_eq!(app.get("/Users").await.expect(200).total(), 1);
}

// Section 4
#[tokio::test]
async fn section_4_discovery_ignores_queries_and_refuses_filters() {
    let app = App::start().await;
    for path in
        ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User", &format!("/Schemas/{USER}")]
    {
        let plain = app.get(path).await.expect(200);
        for query in [
            "startIndex=2&count=1",
            "count=0",
            "sortBy=id&sortOrder=descending",
            "attributes=id",
            "excludedAttributes=name",
        ] {
            assert_eq!(app.get(&format!("{path}?{query}")).await.expect(200).text, plain.text, "{path}?{query}");
        }
        app.get(&format!("{path}?filter=id%20pr")).await.is_error(403, None);
    }
    for path in ["/ResourceTypes", "/Schemas"] {
        let list = app.get(path).await.expect(200);
        assert_eq!((list.body["schemas"].clone(), list.total()), (json!([LIST]), list.ids().len() as u64));
    }
    let config = app.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]));
}

// Section 3.1
#[tokio::test]
async fn section_3_1_messages_have_no_schema_resource() {
    let app = App::start().await;
    let list = app.get("/Schemas").await.expect(200);
    assert!(list.ids().iter().all(|uri| !uri.contains(":api:messages:")), "{:?}", list.ids());
    for message in ["ListResponse", "SearchRequest", "PatchOp", "BulkRequest", "BulkResponse", "Error"] {
        let path = format!("/Schemas/urn:ietf:params:scim:api:messages:2.0:{message}");
        let answer = app.get(&path).await;
        answer.is_error(404, None);
        assert!(answer.body["schemas"][0].as_str().unwrap().starts_with("urn:ietf:params:scim:api:"));
    }
}

// Sections 3.12 and 7.5.2 with the verified errata 6893 and 7898
#[tokio::test]
async fn section_3_12_the_status_in_the_body_is_the_status_of_the_answer() {
    let app = App::start().await;
    let ann = format!("/Users/{}", app.user("ann").await);
    let id = json!([{ "op": "replace", "path": "id", "value": "other" }]);
    let cases = [
        (app.operations(&ann, id).await, 400, Some("mutability"), "'id'"),
        (app.get("/Users?filter=name").await, 400, Some("invalidFilter"), "name"),
        (
            app.get("/Users/2819c223-7f76-453a-919d-413861904646").await,
            404,
            None,
            "2819c223-7f76-453a-919d-413861904646",
        ),
        (app.get("/Schemas?filter=id%20pr").await, 403, None, "filter"),
        (app.post("/Users", json!({ "userName": "ANN" })).await, 409, Some("uniqueness"), "userName"),
    ];
    for (answer, status, scim_type, word) in cases {
        answer.is_error(status, scim_type);
        assert!(answer.detail().contains(word), "{}", answer.text);
    }
}

// Section 7.8
#[tokio::test]
async fn section_7_8_a_composed_and_a_decomposed_letter_are_one_name() {
    let app = App::start().await;
    let jose = app.user("jos\u{e9}").await;
    app.post("/Users", json!({ "userName": "JOSE\u{301}" })).await.is_error(409, Some("uniqueness"));
    for filter in ["userName eq \"Jose\u{301}\"", "userName co \"SE\u{301}\""] {
        assert_eq!(app.find("/Users", filter).await.expect(200).ids(), std::slice::from_ref(&jose), "{filter}");
    }
}
