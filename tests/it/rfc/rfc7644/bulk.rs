//! Section 3.7.

use super::*;

const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

fn operations(answer: &Answer) -> &[Value] {
    assert_eq!(answer.body["schemas"], json!([RESPONSE]), "{}", answer.text);
    answer.body["Operations"].as_array().expect("Operations")
}

/// The id at the end of a location.
#[track_caller]
fn created(operation: &Value) -> String {
    assert_eq!(operation["status"], "201", "{operation}");
    operation["location"].as_str().and_then(|uri| uri.rsplit('/').next()).expect("a location").to_owned()
}

#[tokio::test]
async fn section_3_7_1_two_groups_that_hold_each_other_are_created() {
    let app = App::start().await;
    let answer = app.post("/Bulk", fixture("rfc7644-3.7.1-circular-references")).await.expect(200);
    let [a, b] = operations(&answer) else { panic!("{}", answer.text) };
    assert_eq!((&a["bulkId"], &b["bulkId"]), (&json!("qwerty"), &json!("ytrewq")));
    let (a, b) = (created(a), created(b));
    let groups = app.find("/Groups", "displayName sw \"Group\"").await.expect(200);
    assert_eq!(groups.total(), 2);
    for (id, name, other) in [(&a, "Group A", &b), (&b, "Group B", &a)] {
        let group = app.get(&format!("/Groups/{id}")).await.expect(200).body;
        assert_eq!(group["displayName"], name);
        let uri = format!("http://scim.test/scim/v2/Groups/{other}");
        assert_eq!(group["members"], json!([{ "value": other, "$ref": uri, "type": "Group" }]));
    }
    assert!(!format!("{:?}", app.dump().await).contains("bulkId:"));
}

#[tokio::test]
async fn section_3_7_2_a_bulk_id_becomes_the_id_of_the_new_resource() {
    let app = App::start().await;
    let answer = app.post("/Bulk", fixture("rfc7644-3.7.2-bulk-ids")).await.expect(200);
    let [user, group] = operations(&answer) else { panic!("{}", answer.text) };
    for (operation, endpoint, bulk_id) in [(user, "Users", "qwerty"), (group, "Groups", "ytrewq")] {
        assert_eq!((&operation["method"], &operation["bulkId"]), (&json!("POST"), &json!(bulk_id)));
        let id = created(operation);
        assert_eq!(operation["location"], format!("http://scim.test/scim/v2/{endpoint}/{id}"));
        let resource = app.get(&format!("/{endpoint}/{id}")).await.expect(200);
        assert_eq!(operation["version"], resource.body["meta"]["version"]);
    }
    let guides = app.get(&format!("/Groups/{}", created(group))).await.expect(200).body;
    assert_eq!(
        (&guides["displayName"], &guides["members"][0]["value"]),
        (&json!("Tour Guides"), &json!(created(user)))
    );
    assert_eq!(app.get(&format!("/Users/{}", created(user))).await.expect(200).body["userName"], "Alice");
}

#[tokio::test]
async fn section_3_7_2_a_bulk_id_in_an_extension_becomes_the_id_too() {
    let app = App::start().await;
    let answer = app.post("/Bulk", fixture("rfc7644-3.7.2-bulk-id-in-an-extension")).await.expect(200);
    let [alice, bob] = operations(&answer) else { panic!("{}", answer.text) };
    let bob = app.get(&format!("/Users/{}", created(bob))).await.expect(200).body;
    assert_eq!((&bob["userName"], &bob[ENTERPRISE]["employeeNumber"]), (&json!("Bob"), &json!("11250")));
    assert_eq!(bob[ENTERPRISE]["manager"]["value"], created(alice));
}

/// Bob, Dave and Jim, and the request of section 3.7.3 (with PATCH data as section 3.7 defines it) about them.
async fn section_3_7_3(app: &App, version: &str) -> Value {
    let ids = [app.user("robert").await, app.user("david").await, app.user("jim").await];
    let mut names = Vec::new();
    for (name, id) in ["bob", "dave", "jim"].into_iter().zip(&ids) {
        names.push((name.to_owned(), id.clone()));
        names.push((format!("{name}.version"), version.to_owned()));
    }
    let names: Vec<(&str, &str)> = names.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    filled(&fixture("rfc7644-3.7.3-bulk"), &names)
}

#[tokio::test]
async fn section_3_7_3_each_operation_has_its_method_location_version_and_status() {
    let app = App::start().await;
    let request = section_3_7_3(&app, "W/\"1\"").await;
    let answer = app.post("/Bulk", request.clone()).await.expect(200);
    let done = operations(&answer);
    let found: Vec<(&Value, &Value)> = done.iter().map(|each| (&each["method"], &each["status"])).collect();
    let expected = [("POST", "201"), ("PUT", "200"), ("PATCH", "200"), ("DELETE", "204")]
        .map(|(method, status)| (json!(method), json!(status)));
    assert_eq!(found, expected.iter().map(|(method, status)| (method, status)).collect::<Vec<_>>(), "{}", answer.text);
    for (operation, asked) in done.iter().zip(request["Operations"].as_array().unwrap()).skip(1) {
        assert_eq!(operation["location"], format!("http://scim.test/scim/v2{}", asked["path"].as_str().unwrap()));
        let version = if asked["method"] == "DELETE" { Value::Null } else { json!("W/\"2\"") };
        assert_eq!(operation["version"], version, "{operation}");
    }
    assert_eq!(set(each(&app.get("/Users").await.expect(200), "userName")), set(["Alice", "Bob", "Dave"]));
}

#[tokio::test]
async fn section_3_7_3_what_fails_costs_the_others_nothing_unless_fail_on_errors_stops() {
    for stops in [true, false] {
        let app = App::start().await;
        let mut request = section_3_7_3(&app, "W/\"9\"").await;
        request["Operations"][0]["data"] = json!({ "schemas": [USER] });
        if !stops {
            request.as_object_mut().unwrap().shift_remove("failOnErrors");
            let carol =
                json!({ "method": "POST", "path": "/Users", "bulkId": "carol", "data": { "userName": "carol" } });
            request["Operations"].as_array_mut().unwrap().push(carol);
        }
        let answer = app.post("/Bulk", request).await.expect(200);
        let done = operations(&answer);
        let statuses: Vec<&str> = done.iter().filter_map(|each| each["status"].as_str()).collect();
        assert_eq!(
            statuses,
            if stops { &["400"][..] } else { &["400", "412", "412", "412", "201"] },
            "{}",
            answer.text
        );
        for failed in done.iter().filter(|each| each["status"] != "201") {
            // Verified erratum 7916: the error is the Error message, with the code of the operation.
            let error = &failed["response"];
            assert_eq!(error["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{failed}");
            assert_eq!(error["status"], failed["status"]);
            assert!(error["detail"].as_str().is_some_and(|text| !text.is_empty()), "{failed}");
            assert_eq!(failed.get("location").is_none(), failed["method"] == "POST", "{failed}");
        }
        assert_eq!(app.get("/Users").await.expect(200).total(), if stops { 3 } else { 4 });
    }
}

#[tokio::test]
async fn section_3_7_4_the_limits_are_announced_and_named_when_they_are_passed() {
    let app = App::start().await;
    let bulk = app.get("/ServiceProviderConfig").await.expect(200).body["bulk"].clone();
    assert_eq!(bulk["supported"], true);
    let (most, bytes) = (size(&bulk["maxOperations"]), size(&bulk["maxPayloadSize"]));
    let delete = json!({ "method": "DELETE", "path": "/Users/2819c223-7f76-453a-919d-413861904646" });
    let many = json!({ "Operations": vec![delete; most + 1] });
    let answer = app.post("/Bulk", many).await;
    answer.is_error(413, None);
    assert!(answer.detail().contains(&most.to_string()), "{}", answer.text);
    let mut body = json!({ "Operations": [] }).to_string().into_bytes();
    body.resize(bytes + 1, b' ');
    let answer = app.send("POST", "/Bulk", &[("content-type", "application/scim+json")], Some(body)).await;
    answer.is_error(413, None);
    assert!(answer.detail().contains(&bytes.to_string()), "{}", answer.text);
}
