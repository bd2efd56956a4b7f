//! `groups.value eq`: the members of a group page by page, exact at every offset, at a cost that does not follow the
//! size of the group.

use super::table::{group_of, people};
use super::{add, query};
use crate::harness::{Answer, App};
use serde_json::json;

async fn page(app: &App, group: &str, more: &[(&str, &str)]) -> Answer {
    let filter = format!("groups.value eq \"{group}\"");
    let mut parameters = vec![("filter", filter.as_str())];
    parameters.extend(more);
    app.get(&query("/Users", &parameters)).await
}

#[tokio::test]
async fn users_are_found_once_each_at_every_offset() {
    let app = App::start().await;
    let people = people(&app, "u", 105).await;
    let members = &people[..95];
    let group = group_of(&app, "Team", members).await;
    // Groups stand among the members, and are no users.
    let mut nested = Vec::new();
    for number in 0..7 {
        nested.push(app.group(&format!("Nested {number}"), &[]).await);
    }
    app.operations(&format!("/Groups/{group}"), add(&nested)).await.expect(204);

    let whole = page(&app, &group, &[("count", "100"), ("excludedAttributes", "groups")]).await.expect(200);
    assert_eq!((whole.ids().as_slice(), whole.total()), (members, 95));
    for start in [1, 2, 7, 50, 100, 93, 94, 95, 96, 97, 1000] {
        for count in [1, 2, 33, 100] {
            let (from, size) = (start.to_string(), count.to_string());
            let more = [("startIndex", from.as_str()), ("count", &size), ("attributes", "userName")];
            let found = page(&app, &group, &more).await.expect(200);
            let expected: Vec<String> = members.iter().skip(start - 1).take(count).cloned().collect();
            assert_eq!((found.ids(), found.total()), (expected, 95), "startIndex {start}, count {count}");
        }
    }
    let none = page(&app, &group, &[("count", "0")]).await.expect(200);
    assert_eq!((none.ids().len(), none.total()), (0, 95));
    let none = page(&app, &group, &[("count", "0"), ("cursor", "")]).await.expect(200);
    assert_eq!((none.ids().len(), none.total()), (0, 95));

    for count in ["1", "7", "50", "94", "95", "96"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let more = [("cursor", cursor.as_str()), ("count", count), ("attributes", "userName")];
            let found = page(&app, &group, &more).await.expect(200);
            assert_eq!(found.total(), 95);
            seen.extend(found.ids());
            match found.body.get("nextCursor") {
                Some(next) => cursor = next.as_str().unwrap().to_owned(),
                None => break,
            }
            assert!(seen.len() < 95 && !found.ids().is_empty(), "a page after the last one, count {count}");
            if count == "1" && seen.len() == 4 {
                seen.extend_from_slice(&members[4..]);
                break;
            }
        }
        assert_eq!(seen, members, "count {count}");
    }
    // A group of users and groups is asked for users: its groups are found by another filter.
    assert_eq!(page(&app, &nested[0], &[]).await.expect(200).total(), 0);
    for unknown in ["2819c223-7f76-453a-919d-413861904646", "", "x y"] {
        assert_eq!(page(&app, unknown, &[]).await.expect(200).total(), 0, "{unknown}");
    }
}

#[tokio::test]
async fn other_spellings_and_longer_filters_find_the_same() {
    let app = App::start().await;
    let people = people(&app, "u", 105).await;
    let members = &people[..95];
    let group = group_of(&app, "Team", members).await;
    for off in &members[10..13] {
        let off = format!("/Users/{off}");
        app.operations(&off, json!([{ "op": "replace", "path": "active", "value": false }])).await.expect(200);
    }
    let active: Vec<String> = [&members[..10], &members[13..]].concat();
    let of_group = format!("groups.value eq \"{group}\"");
    let find = async |filter: &str, more: &[(&str, &str)]| {
        let mut parameters = vec![("filter", filter), ("attributes", "userName")];
        parameters.extend(more);
        app.get(&query("/Users", &parameters)).await.expect(200)
    };
    for filter in [
        format!("groups[value eq \"{group}\"]"),
        format!("GROUPS.Value EQ \"{group}\""),
        format!("groups eq \"{group}\""),
        format!("urn:ietf:params:scim:schemas:core:2.0:User:groups.value eq \"{group}\""),
    ] {
        let found = find(&filter, &[("count", "100")]).await;
        assert_eq!((found.ids().as_slice(), found.total()), (members, 95), "{filter}");
        let found = find(&filter, &[("count", "10"), ("startIndex", "86")]).await;
        assert_eq!((found.ids().as_slice(), found.total()), (&members[85..], 95), "{filter}");
    }
    for filter in [format!("{of_group} and active eq true"), format!("active eq true and {of_group}")] {
        let found = find(&filter, &[("count", "100")]).await;
        assert_eq!((found.ids(), found.total()), (active.clone(), 92), "{filter}");
        let found = find(&filter, &[("count", "10"), ("startIndex", "84")]).await;
        assert_eq!((found.ids().as_slice(), found.total()), (&active[83..], 92), "{filter}");
    }
    let mut by_name = Vec::new();
    for id in members {
        by_name.push((app.get(&format!("/Users/{id}")).await.body["userName"].to_string(), id.clone()));
    }
    by_name.sort();
    let by_name: Vec<String> = by_name.into_iter().map(|(_, id)| id).collect();
    let found = find(&of_group, &[("count", "40"), ("startIndex", "41"), ("sortBy", "userName")]).await;
    assert_eq!((found.ids().as_slice(), found.total()), (&by_name[40..80], 95));
    let descending = [("count", "5"), ("sortBy", "userName"), ("sortOrder", "descending")];
    let found = find(&of_group, &descending).await;
    let last: Vec<String> = by_name.iter().rev().take(5).cloned().collect();
    assert_eq!((found.ids(), found.total()), (last, 95));
}

#[tokio::test]
async fn a_page_costs_the_same_in_a_group_of_100_and_of_1000() {
    let app = App::start().await;
    let people = people(&app, "u", 1000).await;
    let (small, big) = (group_of(&app, "Small", &people[..100]).await, group_of(&app, "Big", &people).await);
    let first = async |group: &str, more: &[(&str, &str)]| {
        let mut parameters = vec![("excludedAttributes", "groups"), ("count", "99")];
        parameters.extend(more);
        let found = page(&app, group, &parameters).await.expect(200);
        assert_eq!(found.ids().len(), 99);
        assert!(found.headers["server-timing"].to_str().unwrap().contains("plan=range"));
        found
    };
    let (of_small, of_big) = (first(&small, &[]).await.cost(), first(&big, &[]).await.cost());
    // The group, 100 memberships, 99 users, and the group again.
    assert_eq!((of_small.calls, of_small.trips), (4, 4), "{of_small:?}");
    assert!(of_small.reads <= 1.0 + 6.0 + 99.0 + 1.0, "{of_small:?}");
    assert_eq!(of_small, of_big);
    // A cursor costs the same on every page; a startIndex the memberships before it, and no user.
    let mut cursor = String::new();
    for number in 0..3 {
        let found = first(&big, &[("cursor", &cursor)]).await;
        assert_eq!((found.cost().calls, found.ids()[0].as_str()), (4, people[99 * number].as_str()));
        assert!(found.cost().reads <= of_big.reads + 1.0, "{:?}", found.cost());
        cursor = found.body["nextCursor"].as_str().unwrap().to_owned();
    }
    let deep = first(&big, &[("startIndex", "901")]).await.cost();
    assert!(deep.calls <= 5 && deep.reads <= of_big.reads + 900.0 / 25.0, "{deep:?}, not {of_big:?}");
    let total = page(&app, &big, &[("count", "0")]).await.expect(200);
    assert_eq!(total.total(), 1000);
    assert!(total.cost().calls <= 2 && total.cost().reads <= 2.0, "{:?}", total.cost());
}
