//! D. Filters.

use super::*;

/// Two users that differ in everything a filter asks for.
async fn ann_and_bob(app: &App) -> (String, String) {
    let ann = app.post("/Users", ann()).await.expect(201);
    let bob = json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": "ANN",
        "userName": "Bob+1@Example.org",
        "displayName": "Bob",
        "emails": [{ "value": "bob@home.example", "type": "home" }],
        ENTERPRISE: { "department": "Sales" }
    });
    let bob = app.post("/Users", bob).await.expect(201);
    (id_of(&ann.body), id_of(&bob.body))
}

// 46, 47: the SCIM Validator, Okta SPEC test
#[tokio::test]
async fn names_are_found_in_any_case() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    for name in ["ann@example.com", "Ann@Example.com", "ANN@EXAMPLE.COM"] {
        assert_eq!(found(&app, "/Users", &format!("userName eq \"{name}\"")).await, set([ann.as_str()]));
    }
    assert_eq!(found(&app, "/Users", "userName eq \"bob+1@example.ORG\"").await, set([bob.as_str()]));

    let team = app.group("Team A", &[]).await;
    app.group("Team B", &[]).await;
    for name in ["Team A", "team a", "TEAM A"] {
        assert_eq!(found(&app, "/Groups", &format!("displayName eq \"{name}\"")).await, set([team.as_str()]));
    }
}

// 48, 61: PingOne, WSO2, Microsoft's Postman set
#[tokio::test]
async fn attribute_names_and_operators_are_read_in_any_case() {
    let app = App::start().await;
    let (ann, _) = ann_and_bob(&app).await;
    for filter in [
        "USERNAME Eq \"ann@example.com\"",
        "username EQ \"ann@example.com\"",
        "UserName Sw \"ann\"",
        "DisplayName eq \"Ann Lee\"",
        "name.FamilyName eq \"Lee\"",
        "NAME.givenname CO \"nn\"",
        "Emails.Value Eq \"ann@example.com\"",
        "title PR",
        "userName sw \"a\" AND active eq true",
        "NOT (userName sw \"b\")",
    ] {
        assert_eq!(found(&app, "/Users", filter).await, set([ann.as_str()]), "{filter}");
    }
}

// 49: authentik 2025.8, Entra's documentation, PingFederate
#[tokio::test]
async fn a_value_without_quotes_equals_the_quoted_one() {
    let app = App::start().await;
    let (ann, _) = ann_and_bob(&app).await;
    for filter in ["userName eq ann@example.com", "externalId eq ann", "emails eq ann@example.com"] {
        assert_eq!(found(&app, "/Users", filter).await, set([ann.as_str()]), "{filter}");
    }
    assert_eq!(found(&app, "/Users", "userName eq nobody@example.com").await, set([]));
}

// 50, 51: Okta, OneLogin. Raw quotes are not here: they are no URI, so the edge has to encode them before the router.
#[tokio::test]
async fn every_encoding_of_a_query_gives_the_same_filter() {
    let app = App::start().await;
    let (_, bob) = ann_and_bob(&app).await;
    for query in [
        "filter=userName%20eq%20%22bob%2B1%40example.org%22",
        "filter=userName+eq+%22bob%2B1%40example.org%22",
        "filter=userName+eq+%22bob%2b1@example.org%22&",
        "filter=userName%20eq%20%22bob%2B1%40example.org%22&startIndex=1&count=100",
        "startIndex=1&filter=userName+eq+%22bob%2B1%40example.org%22&",
        "filter=%75serName%20%65q%20%22bob%2B1%40example.org%22",
    ] {
        assert_eq!(app.get(&format!("/Users?{query}")).await.expect(200).ids(), [bob.clone()], "{query}");
    }
    let plus_is_a_space = app.get("/Users?filter=userName+eq+%22bob+1%40example.org%22").await.expect(200);
    assert_eq!(plus_is_a_space.total(), 0);
}

// 52: Entra matches by externalId; RFC 7643 section 3.1 makes it exact
#[tokio::test]
async fn an_external_id_is_compared_exactly() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    for (filter, expected) in [
        ("externalId eq \"ann\"", set([ann.as_str()])),
        ("externalId eq \"ANN\"", set([bob.as_str()])),
        ("EXTERNALID eq \"Ann\"", set([])),
    ] {
        assert_eq!(found(&app, "/Users", filter).await, expected, "{filter}");
    }
    let team = create(&app, "/Groups", json!({ "displayName": "Team A", "externalId": "Object-1" })).await;
    let team = id_of(&read(&app, &team).await);
    assert_eq!(found(&app, "/Groups", "externalId eq \"Object-1\"").await, set([team.as_str()]));
    assert_eq!(found(&app, "/Groups", "externalId eq \"object-1\"").await, set([]));
}

// 53: Entra, PingFederate
#[tokio::test]
async fn an_email_is_found_by_each_of_its_spellings() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    for (filter, expected) in [
        ("emails.value eq \"ann@example.com\"", set([ann.as_str()])),
        ("emails eq \"ann@example.com\"", set([ann.as_str()])),
        ("emails.value eq \"ANN@example.com\"", set([ann.as_str()])),
        ("emails[type eq \"work\"].value eq \"ann@example.com\"", set([ann.as_str()])),
        ("emails[type eq \"home\"].value eq \"ann@example.com\"", set([])),
        ("emails[type eq \"home\"].value eq \"bob@home.example\"", set([bob.as_str()])),
        ("emails[type eq \"work\" and value eq \"ann@example.com\"]", set([ann.as_str()])),
        ("emails[type eq \"work\" and value eq \"bob@home.example\"]", set([])),
        ("emails[primary eq true].value eq \"ann@example.com\"", set([ann.as_str()])),
    ] {
        assert_eq!(found(&app, "/Users", filter).await, expected, "{filter}");
    }
}

// 54: Entra's check of a manager
#[tokio::test]
async fn a_manager_is_checked_together_with_the_id() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    let operations = json!([{ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": { "value": &bob } }]);
    app.operations(&format!("/Users/{ann}"), operations).await.expect(200);

    let filter = format!("/Users?filter=id%20eq%20%22{ann}%22%20and%20manager%20eq%20%22{bob}%22&attributes=id");
    let answer = app.get(&filter).await.expect(200);
    assert_eq!((answer.total(), answer.ids()), (1, vec![ann.clone()]));
    let names: Vec<&String> = answer.body["Resources"][0].as_object().into_iter().flat_map(|all| all.keys()).collect();
    assert!(names.iter().all(|name| ["id", "schemas"].contains(&name.as_str())), "{names:?}");

    for (user, manager) in [(&ann, &ann), (&bob, &bob), (&bob, &ann), (&ann, &NOBODY.to_owned())] {
        let filter = format!("id eq \"{user}\" and manager eq \"{manager}\"");
        assert_eq!(found(&app, "/Users", &filter).await, set([]), "{filter}");
    }
    let filter = format!("id eq \"{ann}\" and {ENTERPRISE}:manager.value eq \"{bob}\"");
    assert_eq!(found(&app, "/Users", &filter).await, set([ann.as_str()]));
}

// 55: Entra's check of a membership
#[tokio::test]
async fn a_membership_is_checked_together_with_the_id() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    let team = app.group("Team A", &[&ann]).await;
    let other = app.group("Team B", &[&bob]).await;
    for (group, member, is_member) in
        [(&team, &ann, true), (&team, &bob, false), (&other, &bob, true), (&other, &ann, false)]
    {
        let expected = if is_member { set([group.as_str()]) } else { set([]) };
        for filter in [
            format!("id eq \"{group}\" and members eq \"{member}\""),
            format!("Id Eq \"{group}\" And Members.Value Eq \"{member}\""),
            format!("id eq \"{group}\" and members[value eq \"{member}\"]"),
        ] {
            assert_eq!(found(&app, "/Groups", &filter).await, expected, "{filter}");
        }
    }
    let query = format!("filter=id+eq+%22{team}%22+and+members+eq+%22{ann}%22&excludedAttributes=members");
    let answer = app.get(&format!("/Groups?{query}")).await.expect(200);
    assert_eq!(answer.ids(), [team]);
    assert!(answer.body["Resources"][0].get("members").is_none(), "{}", answer.text);
}

// 56: group names that Entra lets through
#[tokio::test]
async fn a_value_with_special_characters_is_found() {
    let app = App::start().await;
    let names = [
        "This is \"test\" group",
        "back\\slash and \\\"both\\\"",
        "(a)]",
        "[type eq \"work\"].value",
        "it's",
        "R&D and more",
        "C#",
        "100%25",
        "a:b/c",
        "Zoë Ünïcode 日本 🦀",
        "a-!@#$%^&*()_+=-{}][\":;'/.,?\\1",
    ];
    for (number, name) in names.iter().enumerate() {
        let group = app.group(name, &[]).await;
        let body = json!({ "userName": format!("user{number}@example.com"), "displayName": name });
        let user = id_of(&app.post("/Users", body).await.expect(201).body);
        let filter = format!("displayName eq {}", json!(name));
        assert_eq!(found(&app, "/Groups", &filter).await, set([group.as_str()]), "{filter}");
        assert_eq!(found(&app, "/Users", &filter).await, set([user.as_str()]), "{filter}");
    }
}

// 57: PingOne; RFC 7644 section 3.4.2.2
#[tokio::test]
async fn the_operators_of_the_rfc_are_evaluated() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    let (only_ann, only_bob, both) = (set([ann.as_str()]), set([bob.as_str()]), set([ann.as_str(), &bob]));
    for (filter, expected) in [
        ("userName co \"EXAMPLE.com\"", &only_ann),
        ("userName co \"example\"", &both),
        ("userName sw \"bob+\"", &only_bob),
        ("userName ew \".org\"", &only_bob),
        ("userName ne \"ann@example.com\"", &only_bob),
        ("userName gt \"b\"", &only_bob),
        ("userName pr", &both),
        ("emails co \"home.example\"", &only_bob),
        ("emails.value sw \"ann@\"", &only_ann),
        ("emails pr", &both),
        ("phoneNumbers pr", &only_ann),
        ("title pr and emails pr", &only_ann),
        ("title pr or externalId eq \"ANN\"", &both),
        ("not (title pr)", &only_bob),
        ("not (title pr) or userName sw \"ann\"", &both),
        ("userName sw \"b\" or userName sw \"a\" and title pr", &both),
        ("(userName sw \"b\" or userName sw \"a\") and title pr", &only_ann),
        ("emails[type eq \"home\" or primary eq true]", &both),
        ("meta.created gt \"2000-01-01T00:00:00Z\"", &both),
        ("active eq true and userName sw \"ann\"", &only_ann),
    ] {
        assert_eq!(&found(&app, "/Users", filter).await, expected, "{filter}");
    }
}

// 58: an empty list would be read as "no such user", and the user created twice
#[tokio::test]
async fn a_filter_that_cannot_be_read_is_invalid_filter_with_the_place() {
    let app = App::start().await;
    ann_and_bob(&app).await;
    for filter in [
        "userName",
        "userName eq",
        "eq \"ann\"",
        "userName is \"ann\"",
        "userName eq \"ann",
        "userName eq \"ann\" and",
        "userName eq \"ann\" or or title pr",
        "userName eq \"ann\" title pr",
        "(userName eq \"ann\"",
        "userName eq \"ann\")",
        "not userName eq \"ann\"",
        "emails[type eq \"work\"",
        "emails[type eq \"work\"].",
        "emails[]",
    ] {
        let answer = refused(&app, app.find("/Users", filter), 400, Some("invalidFilter")).await;
        assert!(
            answer.detail().contains(|each: char| each.is_ascii_digit()),
            "{filter}: no offset: {}",
            answer.detail()
        );
        assert!(answer.detail().contains("expect"), "{filter}: {}", answer.detail());
    }
    // RFC 7644 section 3.4.2.2: a boolean has no order.
    refused(&app, app.find("/Users", "active gt true"), 400, Some("invalidFilter")).await;
    let deep = format!("{}userName pr{}", "(".repeat(1000), ")".repeat(1000));
    refused(&app, app.find("/Users", &deep), 400, Some("invalidFilter")).await;
}

// 59: RFC 7644 section 3.10
#[tokio::test]
async fn a_name_may_be_qualified_with_its_schema() {
    let app = App::start().await;
    let (ann, bob) = ann_and_bob(&app).await;
    for (filter, expected) in [
        (format!("{USER}:userName eq \"ann@example.com\""), &ann),
        (format!("{USER}:USERNAME eq \"ann@example.com\""), &ann),
        (format!("{USER}:emails.value eq \"bob@home.example\""), &bob),
        (format!("{USER}:name.givenName eq \"Ann\""), &ann),
        (format!("{ENTERPRISE}:department eq \"sales\""), &bob),
        (format!("{ENTERPRISE}:employeeNumber pr"), &ann),
    ] {
        assert_eq!(found(&app, "/Users", &filter).await, set([expected.as_str()]), "{filter}");
    }
    let team = app.group("Team A", &[]).await;
    assert_eq!(found(&app, "/Groups", &format!("{GROUP}:displayName eq \"Team A\"")).await, set([team.as_str()]));
}

// 60: Entra, Okta: a miss right after the 201 means a second POST
#[tokio::test]
async fn a_filter_sees_what_was_written_just_before() {
    let app = App::start().await;
    for number in 0..10 {
        let (name, external_id) = (format!("user{number}@example.com"), format!("external-{number}"));
        let user = app.post("/Users", json!({ "userName": &name, "externalId": &external_id })).await.expect(201);
        let expected = set([id_of(&user.body).as_str()]);
        assert_eq!(found(&app, "/Users", &format!("userName eq \"{name}\"")).await, expected);
        assert_eq!(found(&app, "/Users", &format!("externalId eq \"{external_id}\"")).await, expected);

        let operations =
            json!([{ "op": "replace", "path": "userName", "value": format!("renamed{number}@example.com") }]);
        app.operations(&format!("/Users/{}", id_of(&user.body)), operations).await.expect(200);
        assert_eq!(found(&app, "/Users", &format!("userName eq \"{name}\"")).await, set([]));
        assert_eq!(found(&app, "/Users", &format!("userName eq \"renamed{number}@example.com\"")).await, expected);

        let group = app.group(&format!("Team {number}"), &[]).await;
        assert_eq!(found(&app, "/Groups", &format!("displayName eq \"Team {number}\"")).await, set([group.as_str()]));
    }
}

// 61: PingOne's `email`; an unknown extension is evaluated over what is stored
#[tokio::test]
async fn an_unknown_attribute_never_returns_everybody() {
    let app = App::start().await;
    let (ann, _) = ann_and_bob(&app).await;
    for (endpoint, filter, name) in [
        ("/Users", "email Co \"example\"", "email"),
        ("/Users", "email pr", "email"),
        ("/Users", "not (favouriteColour eq \"x\")", "favouriteColour"),
        ("/Users", "userName pr or favouriteColour eq \"x\"", "favouriteColour"),
        ("/Users", "name.nothing eq \"x\"", "nothing"),
        ("/Users", "emails[colour eq \"x\"]", "colour"),
        ("/Groups", "userName eq \"x\"", "userName"),
    ] {
        let answer = refused(&app, app.find(endpoint, filter), 400, Some("invalidFilter")).await;
        assert!(answer.detail().contains(name), "{filter}: {}", answer.detail());
    }
    let operations = json!([{ "op": "add", "value": { CUSTOM: { "badge": "B1" } } }]);
    app.operations(&format!("/Users/{ann}"), operations).await.expect(200);
    assert_eq!(found(&app, "/Users", &format!("{CUSTOM}:badge eq \"B1\"")).await, set([ann.as_str()]));
    assert_eq!(found(&app, "/Users", &format!("{CUSTOM}:badge eq \"B2\"")).await, set([]));
    assert_eq!(found(&app, "/Users", &format!("{CUSTOM}:colour pr")).await, set([]));
}
