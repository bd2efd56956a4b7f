//! Requests for users, and what their answers must be.

use crate::connection::{Answer, Request};
use crate::provider::{Done, Outcome, Provider, Shape, Step, User, must};
use scimlet::protocol::schema::{ENTERPRISE_URI, USER_URI};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;

pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

pub fn add_one(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

fn by_name(name: &str) -> String {
    format!("/Users?filter=userName+eq+%22{name}%22")
}

impl User {
    /// What an answer with the user must hold.
    pub fn must_be(&self, shown: &Value) -> Outcome {
        let User { id, name, version, title, active, groups } = self;
        let in_groups: BTreeSet<String> = shown["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|group| group["value"].as_str().map(str::to_owned))
            .collect();
        let is_same = shown["id"] == *id
            && shown["userName"] == *name
            && shown["title"] == *title
            && shown["active"] == *active
            && shown["meta"]["version"] == format!("W/\"{version}\"")
            && in_groups == *groups;
        must(is_same, || format!("user {self:?} is shown as {shown}"))
    }
}

impl Provider<'_> {
    pub async fn find_nobody(&mut self, name: &str) -> Outcome {
        let answer = self.ask(self.request("GET", by_name(name)), 200).await?;
        must(answer.body["totalResults"] == 0, || format!("{name} is found before it is created: {}", answer.body))
    }

    /// Looks somebody up, in any case of letters.
    pub async fn find(&mut self) -> Done {
        let at = self.any();
        let name = self.users[at].name.clone();
        let written = if self.random.bool() { name.to_uppercase() } else { name };
        let outcome = self.ask(self.request("GET", by_name(&written)), 200).await.and_then(|answer| {
            must(answer.body["totalResults"] == 1, || format!("{written}: {}", answer.body))?;
            self.users[at].must_be(&answer.body["Resources"][0])
        });
        ("GET /Users?filter=userName", outcome)
    }

    pub fn new_user(&self, name: &str, title: &str) -> Value {
        json!({
            "schemas": [USER_URI, ENTERPRISE_URI], "userName": name, "externalId": format!("x-{name}"), "active": true,
            "displayName": "Somebody of the Soak", "title": title, "preferredLanguage": "en-US",
            "name": { "formatted": "Somebody of the Soak", "familyName": "Soak", "givenName": "Somebody" },
            "emails": [{ "primary": true, "type": "work", "value": name }],
            "phoneNumbers": [{ "type": "work", "value": "+1 555 0100000" }],
            "addresses": [{ "type": "work", "streetAddress": "1 Station Road", "locality": "Utrecht", "country": "NL" }],
            ENTERPRISE_URI: { "employeeNumber": "100000", "department": "Soaking", "costCenter": "CC0001" },
        })
    }

    pub async fn create(&mut self, name: &str) -> Outcome {
        let title = self.new_title();
        add_one(&self.shared.created.0);
        let answer = self.ask_with("POST", "/Users", &self.new_user(name, &title), 201).await?;
        add_one(&self.shared.created.1);
        self.keep_created(&answer.body, name, title)
    }

    fn keep_created(&mut self, shown: &Value, name: &str, title: String) -> Outcome {
        let id = shown["id"].as_str().ok_or("a created user without an id")?.to_owned();
        let user = User { id, name: name.to_owned(), version: 1, title, active: true, groups: BTreeSet::new() };
        user.must_be(shown)?;
        self.users.push(user);
        Ok(())
    }

    pub async fn read(&mut self) -> Done {
        let at = self.any();
        ("GET /Users/…", self.read_one(at).await)
    }

    pub async fn read_one(&mut self, at: usize) -> Outcome {
        let answer = self.ask(self.request("GET", format!("/Users/{}", self.users[at].id)), 200).await?;
        self.users[at].must_be(&answer.body)
    }

    /// Reads somebody whom a bulk request has created.
    pub async fn meet(&mut self, id: &str, name: &str, title: String) -> Outcome {
        let answer = self.ask(self.request("GET", format!("/Users/{id}")), 200).await?;
        self.keep_created(&answer.body, name, title)
    }

    /// Changes the title, or, now and then, sends the last change again, which must change nothing.
    pub async fn update(&mut self) -> Done {
        let at = self.any();
        let User { id, title, version, .. } = self.users[at].clone();
        let path = format!("/Users/{id}");
        if self.shape == Shape::Okta {
            let answer = self.ask(self.request("GET", path), 200).await;
            let outcome = answer.and_then(|answer| {
                self.users[at].must_be(&answer.body)?;
                self.next.push_back(Step::Put(id, answer.body));
                Ok(())
            });
            return ("GET /Users/…", outcome);
        }
        let is_again = self.random.u32(..10) == 0;
        let title = if is_again { title } else { self.new_title() };
        let operations = match self.shape {
            Shape::Entra => json!([
                { "op": "Replace", "path": "title", "value": title },
                { "op": "Add", "path": "emails[type eq \"work\"].value", "value": self.users[at].name },
            ]),
            Shape::EntraStrict => json!([{ "op": "replace", "value": { "title": title } }]),
            Shape::Okta | Shape::Other => json!([{ "op": "replace", "path": "title", "value": title }]),
        };
        let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
        let mut request = Request { body: Some(body.to_string()), ..self.request("PATCH", path) };
        if self.shape == Shape::Other {
            request.if_match = Some(format!("W/\"{version}\""));
        }
        let answer = self.ask(request, 200).await;
        let kind = if is_again { "PATCH /Users/…, again" } else { "PATCH /Users/…" };
        (kind, self.changed(at, answer, !is_again, |user| user.title = title))
    }

    /// Takes a change over if the answer shows it.
    fn changed(
        &mut self,
        at: usize,
        answer: Result<Answer, String>,
        is_effective: bool,
        change: impl FnOnce(&mut User),
    ) -> Outcome {
        let answer = answer?;
        let user = &mut self.users[at];
        change(user);
        user.version += u64::from(is_effective);
        must(answer.etag == format!("W/\"{}\"", user.version), || format!("{user:?} has the ETag {}", answer.etag))?;
        user.must_be(&answer.body)
    }

    pub async fn put(&mut self, id: &str, mut user: Value) -> Outcome {
        let at = self.place(id).ok_or("a user that is not known")?;
        let title = self.new_title();
        user["title"] = title.clone().into();
        let answer = self.ask_with("PUT", &format!("/Users/{id}"), &user, 200).await;
        self.changed(at, answer, true, |user| user.title = title)
    }

    pub async fn switch_to(&mut self, at: usize, active: bool) -> Outcome {
        let is_effective = self.users[at].active != active;
        let value: Value = match (self.shape, active) {
            (Shape::Entra, true) => "True".into(),
            (Shape::Entra, false) => "False".into(),
            _ => active.into(),
        };
        let operation = match self.shape {
            Shape::Okta => json!({ "op": "replace", "value": { "active": value } }),
            _ => json!({ "op": "Replace", "path": "active", "value": value }),
        };
        let body = json!({ "schemas": [PATCH_OP], "Operations": [operation] });
        let path = format!("/Users/{}", self.users[at].id);
        let answer = self.ask_with("PATCH", &path, &body, 200).await;
        self.changed(at, answer, is_effective, |user| user.active = active)
    }

    pub async fn delete(&mut self, id: &str) -> Outcome {
        add_one(&self.shared.deleted.0);
        self.ask(self.request("DELETE", format!("/Users/{id}")), 204).await?;
        add_one(&self.shared.deleted.1);
        self.forget(id);
        Ok(())
    }

    pub fn forget(&mut self, id: &str) {
        self.users.retain(|user| user.id != id);
        self.gone = Some(id.to_owned());
    }

    /// A page of all users, at some place.
    pub async fn list(&mut self) -> Done {
        let start = 1 + self.random.usize(..self.shared.created.1.get() - self.shared.deleted.1.get());
        let path = format!("/Users?startIndex={start}&count=50");
        ("GET /Users?startIndex, 50", self.checked_page(path, 50).await.map(drop))
    }

    /// How many users there are is only known to lie between what was answered before and what was begun since.
    async fn checked_page(&mut self, path: String, count: usize) -> Result<Answer, String> {
        let (created, deleted) = (self.shared.created.1.get(), self.shared.deleted.1.get());
        let answer = self.ask(self.request("GET", path), 200).await?;
        let total = answer.body["totalResults"].as_u64().unwrap_or(u64::MAX) as usize;
        let most = self.shared.created.0.get() - deleted;
        let least = created.saturating_sub(self.shared.deleted.0.get());
        must((least..=most).contains(&total), || format!("totalResults is {total}, and not {least} to {most}"))?;
        let shown = answer.resources().len();
        must(shown <= count && answer.body["itemsPerPage"] == shown, || format!("{shown} users on a page of {count}"))?;
        Ok(answer)
    }

    /// All users by cursor, or those of a filter that no key answers.
    pub async fn walk_or_scan(&mut self) -> Done {
        if self.random.u32(..4) == 0 {
            return ("GET /Users?cursor, 100", self.page("", Vec::new()).await);
        }
        let answer = self.ask(self.request("GET", "/Users?filter=active+eq+false&count=20"), 200).await;
        let outcome = answer.and_then(|answer| {
            let is_so = answer.resources().iter().all(|user| user["active"] == false);
            must(is_so, || format!("a filter for inactive users finds {}", answer.body))
        });
        ("GET /Users?filter=active, all read", outcome)
    }

    /// After the last page all users of this provider, whom nobody changes meanwhile, must have been there once.
    pub async fn page(&mut self, cursor: &str, mut seen: Vec<String>) -> Outcome {
        let answer = self.checked_page(format!("/Users?count=100&cursor={cursor}"), 100).await?;
        seen.extend(answer.resources().iter().filter_map(|user| user["id"].as_str().map(str::to_owned)));
        match answer.body["nextCursor"].as_str() {
            Some(next) => self.next.push_back(Step::Page(next.to_owned(), seen)),
            None => {
                let times = |id: &String| seen.iter().filter(|seen| *seen == id).count();
                let wrong: Vec<_> = self.users.iter().filter(|user| times(&user.id) != 1).collect();
                must(wrong.is_empty(), || format!("not once on the pages of a cursor: {wrong:?}"))?;
            }
        }
        Ok(())
    }
}
