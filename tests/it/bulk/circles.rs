//! References that run in a circle (RFC 7644 section 3.7.1). An operation of a circle is done whole or not at all.

use super::*;
use crate::guarantees::members;

fn managed(name: &str, manager: &str) -> Value {
    let data =
        json!({ "userName": name, "title": name, ENTERPRISE: { "department": "D", "manager": { "value": manager } } });
    post("/Users", name, data)
}

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

#[tokio::test]
async fn rfc7644_section_3_7_1_groups_that_contain_each_other() {
    let app = App::start().await;
    let group = |name: &str, bulk_id: &str, other: &str| {
        let members = json!([{ "type": "Group", "value": format!("bulkId:{other}") }]);
        post("/Groups", bulk_id, json!({ "displayName": name, "externalId": name, "members": members }))
    };
    let outcomes = bulk(&app, &[group("Group A", "qwerty", "ytrewq"), group("Group B", "ytrewq", "qwerty")]).await;
    assert_eq!(statuses(&outcomes), [201, 201]);
    for (index, name) in ["Group A", "Group B"].into_iter().enumerate() {
        let resource = at(&app, &outcomes[index]).await;
        assert_eq!((&resource["displayName"], &resource["externalId"]), (&json!(name), &json!(name)));
        assert_eq!(resource["meta"]["version"], outcomes[index]["version"], "the version when all was done");
        let other = &outcomes[1 - index];
        assert_eq!(resource["members"].as_array().unwrap().len(), 1);
        assert_eq!(resource["members"][0]["value"], json!(id(other)));
        assert_eq!(resource["members"][0]["type"], "Group");
        assert_eq!(resource["members"][0]["$ref"], other["location"]);
    }
    assert_eq!(app.find("/Groups", "displayName sw \"Group\"").await.expect(200).total(), 2);
}

#[tokio::test]
async fn users_who_manage_each_other() {
    let app = App::start().await;
    let outcomes =
        bulk(&app, &[managed("ann", "bulkId:bob"), managed("bob", "bulkId:cid"), managed("cid", "bulkId:ann")]).await;
    assert_eq!(statuses(&outcomes), [201, 201, 201]);
    for (index, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
        let resource = at(&app, &outcomes[index]).await;
        assert_eq!((&resource["userName"], &resource["title"]), (&json!(name), &json!(name)));
        assert_eq!(resource["meta"]["version"], outcomes[index]["version"], "the version when all was done");
        assert_eq!(resource[ENTERPRISE]["department"], "D", "{resource}");
        assert_eq!(resource[ENTERPRISE]["manager"]["value"], json!(id(&outcomes[(index + 1) % 3])), "{resource}");
        let schemas = resource["schemas"].as_array().unwrap();
        assert!(schemas.contains(&json!(ENTERPRISE)), "{resource}");
    }
}

#[tokio::test]
async fn circles_that_share_groups_are_resolved_in_every_order() {
    for order in ORDERS {
        let app = App::start().await;
        let zoe = app.user("zoe").await;
        // Two circles, a-b-a and a-b-c-a, and somebody who is no part of them.
        let operations = [
            group("a", &["bulkId:b", &zoe, "bulkId:ann"]),
            group("b", &["bulkId:a", "bulkId:c"]),
            group("c", &["bulkId:a", &zoe]),
        ];
        let mut sent: Vec<Value> = order.iter().map(|&index| operations[index].clone()).collect();
        sent.push(user("ann"));
        let outcomes = bulk(&app, &sent).await;
        assert_eq!(statuses(&outcomes), [201, 201, 201, 201], "{order:?}");
        let place = |group: usize| order.iter().position(|&index| index == group).unwrap();
        let [a, b, c] = [0, 1, 2].map(|group| id(&outcomes[place(group)]));
        let ann = id(&outcomes[3]);
        assert_eq!(members(&app, &a).await, [b.clone(), zoe.clone(), ann].into(), "{order:?}");
        assert_eq!(members(&app, &b).await, [a.clone(), c.clone()].into(), "{order:?}");
        assert_eq!(members(&app, &c).await, [a, zoe].into(), "{order:?}");
        for outcome in &outcomes {
            assert_eq!(at(&app, outcome).await["meta"]["version"], outcome["version"], "{order:?}: {outcome}");
        }
    }
}

#[tokio::test]
async fn a_resource_cannot_refer_to_itself() {
    let app = App::start().await;
    for bad in
        [group("a", &["bulkId:a"]), managed("a", "bulkId:a"), post("/Users", "a", json!({ "userName": "bulkId:a" }))]
    {
        let outcomes = bulk(&app, &[bad.clone(), user("ok")]).await;
        is_error(&outcomes[0], 400, Some("invalidValue"));
        assert_eq!(status(&outcomes[1]), 201, "{bad}");
        app.delete(&format!("/Users/{}", id(&outcomes[1]))).await.expect(204);
        assert_eq!((total(&app, "/Users").await, total(&app, "/Groups").await), (0, 0), "{bad}");
    }
}

#[tokio::test]
async fn a_circle_through_simple_attributes_leaves_nothing_behind() {
    let nick = |name: &str, other: &str| {
        post("/Users", name, json!({ "userName": name, "nickName": format!("bulkId:{other}") }))
    };
    let app = App::start().await;
    let circle = [nick("a", "b"), nick("b", "c"), nick("c", "a")];
    for order in ORDERS {
        let mut operations: Vec<Value> = order.iter().map(|&index| circle[index].clone()).collect();
        operations.push(user("ok"));
        let outcomes = bulk(&app, &operations).await;
        assert_eq!(statuses(&outcomes), [400, 400, 400, 201], "{order:?}");
        outcomes[..3].iter().for_each(|outcome| is_error(outcome, 400, Some("invalidValue")));
        app.delete(&format!("/Users/{}", id(&outcomes[3]))).await.expect(204);
        assert_eq!(total(&app, "/Users").await, 0, "{order:?}");
    }
}

/// A circle that can be cut at one place alone: resolved, or refused whole.
#[tokio::test]
async fn a_circle_of_a_simple_and_a_complex_attribute_is_all_or_nothing() {
    let nick = post("/Users", "a", json!({ "userName": "a", "nickName": "bulkId:b" }));
    for operations in [[nick.clone(), managed("b", "bulkId:a")], [managed("b", "bulkId:a"), nick]] {
        let app = App::start().await;
        let outcomes = bulk(&app, &operations).await;
        match statuses(&outcomes)[..] {
            [201, 201] => {
                for (index, outcome) in outcomes.iter().enumerate() {
                    let (resource, other) = (at(&app, outcome).await, json!(id(&outcomes[1 - index])));
                    assert!(
                        resource["nickName"] == other || resource[ENTERPRISE]["manager"]["value"] == other,
                        "{resource}"
                    );
                }
            }
            _ => {
                outcomes.iter().for_each(|outcome| is_error(outcome, 400, Some("invalidValue")));
                assert_eq!(total(&app, "/Users").await, 0);
            }
        }
    }
}

#[tokio::test]
async fn a_circle_with_a_failed_operation_leaves_nothing_of_the_others() {
    let circle = [group("a", &["bulkId:b"]), group("b", &["bulkId:c"]), group("c", &["bulkId:a"])];
    for taken in ["a", "b", "c"] {
        for order in ORDERS {
            let app = App::start().await;
            let old = app.group(taken, &[]).await;
            let operations = order.map(|index| circle[index].clone());
            let outcomes = bulk(&app, &operations).await;
            for (operation, outcome) in operations.iter().zip(&outcomes) {
                if operation["bulkId"] == taken {
                    is_error(outcome, 409, Some("uniqueness"));
                } else {
                    is_error(outcome, 400, Some("invalidValue"));
                }
            }
            assert_eq!(app.get("/Groups").await.expect(200).ids(), [old], "{taken} is taken, {order:?}");
        }
    }
}

/// `failOnErrors` may stop the job between the two halves of an operation.
#[tokio::test]
async fn a_circle_that_was_not_finished_is_not_half_done() {
    for order in ORDERS {
        let app = App::start().await;
        app.group("x", &[]).await;
        let operations = [group("a", &["bulkId:b", "bulkId:x"]), group("b", &["bulkId:a"]), group("x", &[])];
        let sent = order.map(|index| operations[index].clone());
        let outcomes = some(&app, Some(1), &sent).await;
        let failed: Vec<&Value> = outcomes.iter().filter(|outcome| status(outcome) == 409).collect();
        assert_eq!(failed.len(), 1, "{order:?}: {outcomes:#?}");
        assert_eq!(failed[0]["bulkId"], "x");
        // Neither a nor b can be: a needs x, and b needs a.
        assert!(outcomes.iter().all(|outcome| status(outcome) >= 400), "{order:?}: {outcomes:#?}");
        assert_eq!(total(&app, "/Groups").await, 1, "{order:?}");
    }
}
