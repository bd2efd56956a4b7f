//! What clients can see of groups and users, and all the ways in which they can look.

use crate::guarantees::values;
use crate::harness::App;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Groups and users of which a look takes those views that are one request each, at most. Which ones changes from look
/// to look.
const LOOKED_AT: usize = 6;

/// Which users exist, and who is in which group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// Members by the group's displayName.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Ids.
    pub users: BTreeSet<String>,
}

impl World {
    fn groups_of(&self, user: &str) -> BTreeSet<String> {
        let holds = |(_, members): &(&String, &BTreeSet<String>)| members.contains(user);
        self.groups.iter().filter(holds).map(|(name, _)| name.clone()).collect()
    }
}

/// What views contradict each of the worlds that may be.
pub struct Look<'w> {
    worlds: &'w [World],
    contradictions: Vec<Vec<String>>,
}

impl Look<'_> {
    fn note<V: PartialEq + Debug>(&mut self, view: &str, seen: V, of: impl Fn(&World) -> V) {
        for (world, contradictions) in self.worlds.iter().zip(&mut self.contradictions) {
            let expected = of(world);
            if seen != expected {
                contradictions.push(format!("{view} shows\n      {seen:?}\n    and not\n      {expected:?}"));
            }
        }
    }

    /// The number of the world that every view shows.
    #[track_caller]
    fn world(self, when: &str) -> usize {
        let found = self.contradictions.iter().position(Vec::is_empty);
        found.unwrap_or_else(|| {
            let each = self.contradictions.iter().enumerate().map(|(number, contradictions)| {
                format!("  not world {number}:\n    {}\n", contradictions.join("\n    "))
            });
            panic!("{when}: the views show none of the worlds that may be, or several\n{}", each.collect::<String>())
        })
    }
}

/// Which of `worlds` all views show; panics when they show another, or contradict each other. `turn` says which groups
/// and users are looked at one by one; the `first` of them always are.
pub async fn look(app: &App, worlds: &[World], first: &[String], turn: usize, when: &str) -> usize {
    let mut look = Look { worlds, contradictions: vec![Vec::new(); worlds.len()] };
    let names: BTreeSet<&String> = worlds.iter().flat_map(|world| world.groups.keys()).collect();
    let users: BTreeSet<&String> = worlds.iter().flat_map(|world| &world.users).collect();
    let mut ids = Vec::new();
    for name in some_of(&names, first, turn) {
        let found = all(app, "/Groups", &format!("displayName eq \"{name}\""), "displayName,members").await;
        assert!(found.len() <= 1, "{when}: {} groups are named {name}", found.len());
        let members = found.first().map(|group| values(&group["members"]));
        look.note(&format!("displayName eq \"{name}\""), members, |world| world.groups.get(name).cloned());
        let Some(id) = found.first().and_then(|group| group["id"].as_str()) else { continue };
        ids.push((name, id.to_owned()));
        let got = app.get(&format!("/Groups/{id}")).await;
        let members = (got.status != 404).then(|| values(&got.expect(200).body["members"]));
        look.note(&format!("GET of {name}"), members, |world| world.groups.get(name).cloned());
        let found = all(app, "/Users", &format!("groups.value eq \"{id}\""), "userName").await;
        look.note(&format!("groups.value eq \"{name}\""), named(&found, "id"), |world| {
            world.groups.get(name).cloned().unwrap_or_default()
        });
    }
    for (number, user) in some_of(&users, first, turn).into_iter().enumerate() {
        let got = app.get(&format!("/Users/{user}?attributes=groups")).await;
        let groups = (got.status != 404).then(|| display_names(&got.expect(200).body["groups"]));
        look.note(&format!("GET of user {user}"), groups, |world| {
            world.users.contains(user).then(|| world.groups_of(user))
        });
        let found = all(app, "/Groups", &format!("members eq \"{user}\""), "displayName").await;
        look.note(&format!("members eq \"{user}\""), named(&found, "displayName"), |world| world.groups_of(user));
        let Some((name, id)) = ids.get((turn + number) % ids.len().max(1)) else { continue };
        let found = all(app, "/Groups", &format!("id eq \"{id}\" and members eq \"{user}\""), "displayName").await;
        look.note(&format!("id eq \"{name}\" and members eq \"{user}\""), !found.is_empty(), |world| {
            world.groups.get(*name).is_some_and(|members| members.contains(user))
        });
    }
    look.world(when)
}

/// Those in `first`, and others up to [`LOOKED_AT`].
fn some_of<'a>(all: &BTreeSet<&'a String>, first: &[String], turn: usize) -> BTreeSet<&'a String> {
    let (some, others): (Vec<_>, Vec<_>) = all.iter().copied().partition(|name| first.contains(name));
    let wanted = LOOKED_AT.saturating_sub(some.len()).min(others.len());
    // Evenly over the order of ids, as a request that is cut into chunks may be half done.
    let others = (0..wanted).map(|part| others[(part * others.len() / wanted + turn) % others.len()]);
    some.into_iter().chain(others).collect()
}

/// Every page of a query.
async fn all(app: &App, endpoint: &str, filter: &str, attributes: &str) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("filter", filter)
            .append_pair("attributes", attributes)
            .append_pair("startIndex", &(found.len() + 1).to_string())
            .finish();
        let page = app.get(&format!("{endpoint}?{query}")).await.expect(200);
        let resources = page.body["Resources"].as_array().unwrap();
        found.extend(resources.iter().cloned());
        if found.len() as u64 >= page.total() {
            return found;
        }
        assert!(!resources.is_empty(), "totalResults of {filter} is {}, and there are {}", page.total(), found.len());
    }
}

/// An attribute of each, none of them twice.
fn named(resources: &[Value], attribute: &str) -> BTreeSet<String> {
    let names: BTreeSet<String> = resources.iter().map(|one| one[attribute].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), resources.len(), "something is listed twice: {names:?}");
    names
}

fn display_names(groups: &Value) -> BTreeSet<String> {
    named(groups.as_array().map_or(&[][..], Vec::as_slice), "display")
}
