//! Requests for groups and of many operations, and what their answers must be.

use crate::connection::{Answer, Request};
use crate::provider::{Done, Outcome, OwnGroup, Provider, Shape, Step, must};
use crate::users::{PATCH_OP, add_one};
use scimlet::protocol::schema::GROUP_URI;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// One of so many users is a member of a shared group.
const PART: usize = 5;

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

fn members(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

impl Provider<'_> {
    fn shared_group(&mut self) -> (String, String) {
        self.shared.groups[self.random.usize(..self.shared.groups.len())].clone()
    }

    /// Up to `most` users that are in a group, or are not.
    fn some(&mut self, group: &str, are_in: bool, most: usize) -> Vec<String> {
        let found = self.users.iter().filter(|user| user.groups.contains(group) == are_in);
        let mut ids: Vec<String> = found.map(|user| user.id.clone()).collect();
        self.random.shuffle(&mut ids);
        ids.truncate(1 + self.random.usize(..most));
        ids
    }

    fn note(&mut self, group: &str, ids: &[String], are_in: bool) {
        for user in self.users.iter_mut().filter(|user| ids.contains(&user.id)) {
            if are_in {
                user.groups.insert(group.to_owned())
            } else {
                user.groups.remove(group)
            };
        }
    }

    /// Adds some users to a shared group, and takes others out, as other providers do at the same time.
    pub async fn change_members(&mut self) -> Done {
        let (group, _) = self.shared_group();
        let (mut added, mut removed) = (self.some(&group, false, 3), self.some(&group, true, 3));
        let count = self.users.iter().filter(|user| user.groups.contains(&group)).count();
        // Groups stay as large as they are: what an answer costs shall not grow with the time.
        match count.cmp(&(self.users.len() / PART)) {
            Ordering::Less if self.random.bool() => removed.clear(),
            Ordering::Less => removed.truncate(1),
            Ordering::Equal | Ordering::Greater => added.truncate(removed.len().saturating_sub(1)),
        }
        let (add, remove) = if self.shape == Shape::Entra { ("Add", "Remove") } else { ("add", "remove") };
        let mut operations = Vec::new();
        if !added.is_empty() {
            operations.push(json!({ "op": add, "path": "members", "value": members(&added) }));
        }
        for id in &removed {
            operations.push(match self.shape {
                Shape::Entra => json!({ "op": remove, "path": "members", "value": [{ "value": id }] }),
                _ => json!({ "op": remove, "path": format!("members[value eq \"{id}\"]") }),
            });
        }
        if operations.is_empty() {
            return self.ask_member().await;
        }
        let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
        let outcome = self.ask_with("PATCH", &format!("/Groups/{group}"), &body, 204).await.map(|_| {
            self.note(&group, &added, true);
            self.note(&group, &removed, false);
        });
        ("PATCH /Groups/…, members", outcome)
    }

    pub async fn ask_member(&mut self) -> Done {
        let (group, _) = self.shared_group();
        let at = self.any();
        let (user, is_in) = (self.users[at].id.clone(), self.users[at].groups.contains(&group));
        let filter = format!("id+eq+%22{group}%22+and+members+eq+%22{user}%22");
        let answer = self.ask(self.request("GET", format!("/Groups?filter={filter}&excludedAttributes=members")), 200);
        let outcome = answer.await.and_then(|answer| {
            let is_shown = answer.body["totalResults"] == 1;
            must(is_shown == is_in, || format!("user {user} is a member of {group}: {is_in}, answered {}", answer.body))
        });
        ("GET /Groups?filter=id and members", outcome)
    }

    pub async fn find_group(&mut self) -> Done {
        let (id, name) = self.shared_group();
        let filter = format!("displayName+eq+%22{}%22", name.replace(' ', "+"));
        let answer = self.ask(self.request("GET", format!("/Groups?filter={filter}&excludedAttributes=members")), 200);
        let outcome = answer.await.and_then(|answer| {
            let found = &answer.body["Resources"][0];
            let is_so = answer.body["totalResults"] == 1 && found["id"] == id && found["members"].is_null();
            must(is_so, || format!("group {name}: {}", answer.body))
        });
        ("GET /Groups?filter=displayName", outcome)
    }

    /// A group of its own: made, replaced, deleted.
    pub async fn own_group(&mut self) -> Done {
        match self.own.take() {
            None => ("POST /Groups", self.create_group().await),
            Some(own) if !own.is_replaced => ("PUT /Groups/…", self.replace_group(own).await),
            Some(own) => ("DELETE /Groups/…", self.delete_group(own).await),
        }
    }

    fn own_body(&mut self, name: &str) -> (Value, Vec<String>) {
        let ids = self.some("", false, 6);
        (json!({ "schemas": [GROUP_URI], "displayName": name, "members": members(&ids) }), ids)
    }

    async fn create_group(&mut self) -> Outcome {
        let name = self.own_name();
        let (body, ids) = self.own_body(&name);
        let answer = self.ask_with("POST", "/Groups", &body, 201).await?;
        let id = answer.id().ok_or("a created group without an id")?;
        self.note(&id, &ids, true);
        has_members(&answer, &ids)?;
        self.own = Some(OwnGroup { id, name, is_replaced: false });
        Ok(())
    }

    async fn replace_group(&mut self, own: OwnGroup) -> Outcome {
        let (body, ids) = self.own_body(&own.name);
        let answer = self.ask_with("PUT", &format!("/Groups/{}", own.id), &body, 200).await?;
        let all: Vec<String> = self.users.iter().map(|user| user.id.clone()).collect();
        self.note(&own.id, &all, false);
        self.note(&own.id, &ids, true);
        self.own = Some(OwnGroup { is_replaced: true, ..own });
        has_members(&answer, &ids)
    }

    async fn delete_group(&mut self, own: OwnGroup) -> Outcome {
        self.ask(self.request("DELETE", format!("/Groups/{}", own.id)), 204).await?;
        let all: Vec<String> = self.users.iter().map(|user| user.id.clone()).collect();
        self.note(&own.id, &all, false);
        Ok(())
    }

    /// A new user, two changes, a deletion, and a deletion of nobody.
    pub async fn bulk(&mut self) -> Done {
        ("POST /Bulk, 5 operations", self.send_bulk().await)
    }

    async fn send_bulk(&mut self) -> Outcome {
        let (name, title) = (self.new_name(), self.new_title());
        let mut ids = self.some("", false, 3);
        let is_one_too_many = self.users.len() >= self.wanted && ids.len() > 1;
        let deleted = if is_one_too_many { ids.pop() } else { None };
        let mut operations =
            vec![json!({ "method": "POST", "path": "/Users", "bulkId": "new", "data": self.new_user(&name, &title) })];
        let mut statuses = vec!["201"];
        for id in &ids {
            let replace = json!([{ "op": "replace", "path": "title", "value": title }]);
            let data = json!({ "schemas": [PATCH_OP], "Operations": replace });
            operations.push(json!({ "method": "PATCH", "path": format!("/Users/{id}"), "data": data }));
            statuses.push("200");
        }
        if let Some(id) = &deleted {
            operations.push(json!({ "method": "DELETE", "path": format!("/Users/{id}") }));
            statuses.push("204");
            add_one(&self.shared.deleted.0);
        }
        if let Some(id) = &self.gone {
            operations.push(json!({ "method": "DELETE", "path": format!("/Users/{id}") }));
            statuses.push("404");
        }
        add_one(&self.shared.created.0);
        let body = json!({ "schemas": [BULK], "Operations": operations });
        let answer = self.ask_with("POST", "/Bulk", &body, 200).await?;
        let done = answer.body["Operations"].as_array().map_or(&[][..], Vec::as_slice);
        let were: Vec<&str> = done.iter().filter_map(|operation| operation["status"].as_str()).collect();
        must(were == statuses, || format!("bulk operations {statuses:?} are answered {}", answer.body))?;
        add_one(&self.shared.created.1);
        for user in self.users.iter_mut().filter(|user| ids.contains(&user.id)) {
            user.title.clone_from(&title);
            user.version += 1;
        }
        if let Some(id) = deleted {
            add_one(&self.shared.deleted.1);
            self.forget(&id);
        }
        // The answer has the location alone.
        let id = done[0]["location"].as_str().and_then(|location| location.rsplit('/').next()).unwrap_or_default();
        self.next.push_back(Step::Meet { id: id.to_owned(), name, title });
        Ok(())
    }

    /// What must be refused, and as what.
    pub async fn refused(&mut self) -> Done {
        let (at, draw) = (self.any(), self.random.u32(..8));
        let user = self.users[at].clone();
        let path = format!("/Users/{}", user.id);
        let nobody = format!("/Users/{}", self.gone.as_deref().unwrap_or("2819c223-7f76-453a-919d-413861904646"));
        let patch =
            json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "title", "value": "x" }] });
        let write = |this: &Self, method, path: &str, body: &Value| Request {
            body: Some(body.to_string()),
            ..this.request(method, path)
        };
        let (kind, request, status, scim_type) = match draw {
            0 => ("404 GET /Users/…", self.request("GET", nobody), 404, None),
            1 => ("404 PATCH /Users/…", write(self, "PATCH", &nobody, &patch), 404, None),
            2 => ("404 DELETE /Users/…", self.request("DELETE", nobody), 404, None),
            3 => {
                let body = self.new_user(&user.name.to_uppercase(), "x");
                ("409 POST /Users", write(self, "POST", "/Users", &body), 409, Some("uniqueness"))
            }
            4 => {
                let path = "/Users?filter=userName+eq+%22a%22+or";
                ("400 GET /Users?filter", self.request("GET", path), 400, Some("invalidFilter"))
            }
            5 => {
                let request = Request { body: Some("{\"schemas\":".into()), ..self.request("POST", "/Users") };
                ("400 POST /Users, no JSON", request, 400, Some("invalidSyntax"))
            }
            6 => ("401 GET /Users", Request { token: "not-a-token", ..self.request("GET", "/Users") }, 401, None),
            _ => {
                let stale = Some(format!("W/\"{}\"", user.version + 1000));
                ("412 PATCH /Users/…", Request { if_match: stale, ..write(self, "PATCH", &path, &patch) }, 412, None)
            }
        };
        let outcome = self.ask(request, status).await.and_then(|answer| {
            let is_so = answer.body["scimType"].as_str() == scim_type;
            must(is_so, || format!("{kind} is not {scim_type:?} but {}", answer.body))
        });
        (kind, outcome)
    }
}

fn has_members(answer: &Answer, ids: &[String]) -> Outcome {
    let shown = answer.body["members"].as_array().map_or(&[][..], Vec::as_slice);
    let are_all = ids.iter().all(|id| shown.iter().any(|member| member["value"] == *id));
    must(are_all && shown.len() == ids.len(), || format!("a group with the members {ids:?} is {}", answer.body))
}
