//! Section 3.5: PUT and PATCH, and section 3.6: DELETE.

use super::*;

#[tokio::test]
async fn section_3_5_1_a_put_replaces_what_is_there() {
    let app = App::start().await;
    let before = json!({ "userName": "bjensen", "title": "Tour Guide", "roles": [{ "value": "a" }] });
    let id = app.post("/Users", before).await.expect(201).id();
    app.group("Tour Guides", &[&id]).await;
    let answer = app.put(&format!("/Users/{id}"), fixture("rfc7644-3.5.1-replace")).await.expect(200);
    assert_eq!(answer.id(), id, "'id' is read-only: the value in the request is ignored");
    assert_holds(&answer.body, &sent(&fixture("rfc7644-3.5.1-answer")));
    assert!(answer.body.get("roles").is_none() && answer.body.get("title").is_none(), "{}", answer.text);
    assert_eq!(answer.body["groups"].as_array().map(Vec::len), Some(1), "{}", answer.text);
    assert_eq!(header(&answer, "etag"), answer.body["meta"]["version"]);
}

/// Plays an example on a user: `before` is the user, `after` what it then holds.
async fn play(example: Value) {
    let app = App::start().await;
    let path = format!("/Users/{}", app.post("/Users", example["before"].clone()).await.expect(201).id());
    let answer = app.patch(&path, example["request"].clone()).await.expect(200);
    assert_holds(&answer.body, &example["after"]);
    let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut expected = names(&example["before"]);
    expected.extend(names(&example["after"]));
    assert_eq!(names(&answer.body), &expected | &["id", "active", "meta"].map(String::from).into());
    assert_eq!(app.get(&path).await.expect(200).body, answer.body);
}

#[tokio::test]
async fn section_3_5_2_1_attributes_are_added_without_a_path() {
    play(fixture("rfc7644-3.5.2.1-add-attributes")).await;
}

#[tokio::test]
async fn section_3_5_2_2_a_value_that_a_filter_matches_is_removed() {
    play(fixture("rfc7644-3.5.2.2-remove-a-value")).await;
}

#[tokio::test]
async fn section_3_5_2_3_a_whole_address_is_replaced_and_the_other_is_no_longer_primary() {
    play(fixture("rfc7644-3.5.2.3-replace-an-address")).await;
}

#[tokio::test]
async fn section_3_5_2_3_a_sub_attribute_of_every_match_is_replaced() {
    play(fixture("rfc7644-3.5.2.3-replace-a-sub-attribute")).await;
}

#[tokio::test]
async fn section_3_5_2_3_attributes_are_replaced_without_a_path() {
    play(fixture("rfc7644-3.5.2.3-replace-attributes")).await;
}

#[tokio::test]
async fn section_3_5_2_the_members_of_a_group_are_changed_as_in_the_examples() {
    for example in [
        fixture("rfc7644-3.5.2.1-add-member"),
        fixture("rfc7644-3.5.2.2-remove-member"),
        fixture("rfc7644-3.5.2.2-remove-all-members"),
        fixture("rfc7644-3.5.2.2-remove-and-add-a-member"),
        fixture("rfc7644-3.5.2.2-replace-members-in-two-operations"),
        fixture("rfc7644-3.5.2.3-replace-members"),
    ] {
        let app = App::start().await;
        let ids = [app.user("babs").await, app.user("james").await, app.user("mandy").await];
        let names: Vec<(&str, &str)> =
            ["babs", "james", "mandy"].into_iter().zip(ids.iter().map(String::as_str)).collect();
        let of = |list: &Value| -> BTreeSet<&str> {
            let wanted: Vec<&str> = list.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            names.iter().filter(|(name, _)| wanted.contains(name)).map(|(_, id)| *id).collect()
        };
        let before: Vec<&str> = of(&example["before"]).into_iter().collect();
        let path = format!("/Groups/{}", app.group("Tour Guides", &before).await);
        let version = app.get(&path).await.expect(200).body["meta"]["version"].as_str().unwrap().to_owned();
        let body = filled(&example["request"], &names).to_string().into_bytes();
        let headers = [("content-type", "application/scim+json"), ("if-match", version.as_str())];
        let answer = app.send("PATCH", &path, &headers, Some(body)).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{example}");
        let after = app.get(&path).await.expect(200);
        let members = after.body["members"].as_array().into_iter().flatten();
        assert_eq!(
            members.filter_map(|member| member["value"].as_str()).collect::<BTreeSet<_>>(),
            of(&example["after"]),
            "{example}"
        );
        for member in after.body["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|member| !before.contains(&member["value"].as_str().unwrap()))
        {
            let display = if member["value"] == ids[0] { "Babs Jensen" } else { "James Smith" };
            assert_eq!(member["display"], display);
        }
    }
}

// Section 3.5.2
#[tokio::test]
async fn section_3_5_2_a_patch_is_204_or_200_with_the_resource_and_with_attributes_it_is_200() {
    let app = App::start().await;
    let team = format!("/Groups/{}", app.group("Team", &[]).await);
    let ann = format!("/Users/{}", app.user("ann").await);
    let set = |value: &str| json!([{ "op": "replace", "path": "displayName", "value": value }]);
    for path in [&team, &ann] {
        let answer = app.operations(&format!("{path}?attributes=displayName"), set("A")).await.expect(200);
        assert_eq!((&answer.body["displayName"], header(&answer, "etag")), (&json!("A"), "W/\"2\""));
        assert!(answer.body.get("meta").is_none(), "{}", answer.text);
    }
    let without = app.operations(&team, set("B")).await;
    assert_eq!((without.status, without.text.as_str()), (204, ""));
    let whole = app.operations(&ann, set("B")).await.expect(200);
    assert_eq!(app.get(&ann).await.expect(200).body, whole.body);
    assert_eq!(header(&whole, "etag"), whole.body["meta"]["version"]);
}

// Section 3.5.2.1: what is there already changes nothing, the time stamp included
#[tokio::test]
async fn section_3_5_2_1_adding_what_is_there_keeps_the_time_stamp() {
    let app = App::start().await;
    let ann = user_with(&app, "ann", json!({ "title": "x", "emails": [{ "value": "a@x", "type": "work" }] })).await;
    let path = format!("/Users/{ann}");
    let before = app.get(&path).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    for operation in [
        json!({ "op": "add", "path": "title", "value": "x" }),
        json!({ "op": "add", "path": "emails", "value": [{ "value": "a@x", "type": "work" }] }),
        json!({ "op": "add", "value": { "title": "x" } }),
    ] {
        let answer = app.operations(&path, json!([operation])).await.expect(200);
        assert_eq!(answer.body, before.body, "{operation}");
    }
    let also =
        json!([{ "op": "add", "path": "title", "value": "x" }, { "op": "add", "path": "nickName", "value": "A" }]);
    let changed = app.operations(&path, also).await.expect(200);
    assert_ne!(changed.body["meta"]["lastModified"], before.body["meta"]["lastModified"]);
}

// Section 3.5.2.2: what is required or read-only cannot be removed
#[tokio::test]
async fn section_3_5_2_2_removing_what_is_required_or_read_only_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let team = app.group("Team", &[&ann]).await;
    for (path, attributes) in [
        (format!("/Users/{ann}"), ["userName", "id", "meta", "groups", "meta.created", "schemas"]),
        (format!("/Groups/{team}"), ["displayName", "id", "meta", "meta.version", "meta.created", "schemas"]),
    ] {
        for attribute in attributes {
            app.operations(&path, json!([{ "op": "remove", "path": attribute }]))
                .await
                .is_error(400, Some("mutability"));
        }
    }
    app.operations(&format!("/Users/{ann}"), json!([{ "op": "remove" }])).await.is_error(400, Some("noTarget"));
}

// Section 3.5.2.3: a value filter without a match, when it does not describe an element either
#[tokio::test]
async fn section_3_5_2_3_a_value_filter_that_matches_nothing_is_no_target() {
    let app = App::start().await;
    let ann = user_with(&app, "ann", json!({ "emails": [{ "value": "a@x", "type": "work" }] })).await;
    let path = format!("/Users/{ann}");
    let before = app.get(&path).await.expect(200).body;
    for filter in ["type ne \"work\"", "type eq \"home\" or type eq \"other\"", "value sw \"b\"", "not (type pr)"] {
        let operations = json!([{ "op": "replace", "path": format!("emails[{filter}].value"), "value": "b@x" }]);
        app.operations(&path, operations).await.is_error(400, Some("noTarget"));
    }
    assert_eq!(app.get(&path).await.expect(200).body, before);
}

// The same, when what identity providers mean by it does not count
#[tokio::test]
async fn section_3_5_2_3_without_quirks_every_filter_without_a_match_is_no_target() {
    let app = App::start_with(&[("SCIM_QUIRKS", "false")]).await;
    let path =
        format!("/Users/{}", user_with(&app, "ann", json!({ "emails": [{ "value": "a@x", "type": "work" }] })).await);
    for target in ["emails[type eq \"home\"].value", "emails[type eq \"home\"]", "addresses[type eq \"work\"].locality"]
    {
        let value = if target.ends_with(']') { json!({ "value": "b@x" }) } else { json!("b@x") };
        let operations = json!([{ "op": "replace", "path": target, "value": value }]);
        app.operations(&path, operations).await.is_error(400, Some("noTarget"));
    }
}

// Section 3.6
#[tokio::test]
async fn section_3_6_a_deleted_resource_is_404_for_everything_and_in_the_way_of_nothing() {
    let app = App::start().await;
    let ann = app.user("bjensen").await;
    let path = format!("/Users/{ann}");
    let answer = app.delete(&path).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let title = json!([{ "op": "replace", "path": "title", "value": "x" }]);
    app.get(&path).await.is_error(404, None);
    app.put(&path, json!({ "userName": "bjensen" })).await.is_error(404, None);
    app.operations(&path, title).await.is_error(404, None);
    app.delete(&path).await.is_error(404, None);
    assert_eq!(app.get("/Users").await.expect(200).total(), 0);
    let search = json!({ "schemas": [SEARCH], "filter": "id pr" });
    assert_eq!(app.post("/.search", search).await.expect(200).total(), 0);
    assert_ne!(app.user("bjensen").await, ann);
}
