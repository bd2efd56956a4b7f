//! Steps, and what providers expect of answers.

use super::client::{Client, Reply};
use super::{Outcome, Step};
use axum::http::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// After how many milliseconds an answer is slow: a first load has many of them.
const SLOW_MS: u128 = 2_000;

/// Plays one provider.
#[derive(Debug)]
pub struct Player<'c> {
    client: &'c Client,
    provider: &'static str,
    stop: &'c AtomicBool,
    /// What everything that is made here begins with.
    pub prefix: String,
    pub steps: Vec<Step>,
    /// What was made and is to be deleted: paths below the base URL.
    pub created: Vec<String>,
}

impl<'c> Player<'c> {
    /// No request is begun once `stop` is set, but for those that clean up.
    pub fn new(client: &'c Client, provider: &'static str, prefix: String, stop: &'c AtomicBool) -> Self {
        Self { client, provider, stop, prefix, steps: Vec::new(), created: Vec::new() }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Notes how a step ended. What it gave, if it is fine.
    pub fn step<T>(&mut self, name: &'static str, result: Result<T, String>) -> Option<T> {
        let slowest = self.client.slowest_ms();
        let (outcome, given) = match result {
            Ok(given) => (Outcome::Fine, Some(given)),
            Err(_) if self.is_stopped() => (Outcome::Skipped, None),
            Err(problem) => (Outcome::Problem(problem), None),
        };
        self.steps.push(Step { provider: self.provider, name, outcome });
        let name_of_slow = "answers within two seconds";
        if slowest > SLOW_MS && !self.steps.iter().any(|step| step.name == name_of_slow) {
            let problem = format!("An answer took {slowest} ms. A first load of thousands takes hours like that.");
            self.steps.push(Step { provider: self.provider, name: name_of_slow, outcome: Outcome::Problem(problem) });
        }
        given
    }

    /// Notes steps that cannot be done.
    pub fn skip(&mut self, names: &[&'static str]) {
        let skipped = |name: &&'static str| Step { provider: self.provider, name, outcome: Outcome::Skipped };
        self.steps.extend(names.iter().map(skipped));
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        if self.is_stopped() {
            return Err("It was stopped.".to_owned());
        }
        let reply = self.client.send(&method, path, body).await.map_err(|trouble| trouble.to_string())?;
        let is_json = reply.content_type.starts_with("application/scim+json")
            || reply.content_type.starts_with("application/json");
        if !reply.text.is_empty() && (reply.body.is_null() || !is_json) {
            return Err(format!(
                "{method} {path} is answered with '{}' and no SCIM: {}. Something stands before the service provider.",
                reply.content_type,
                reply.said()
            ));
        }
        Ok(reply)
    }

    pub async fn get(&self, path: &str) -> Result<Reply, String> {
        self.send(Method::GET, path, None).await
    }

    /// The resources that a filter finds.
    pub async fn find(&self, endpoint: &str, filter: &str) -> Result<Vec<Value>, String> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        let reply = self.get(&format!("{endpoint}?{query}")).await?;
        if reply.status != 200 {
            return Err(format!(
                "A search for {filter} is answered {}; expected is 200 with a ListResponse, an empty one for nobody.",
                reply.said()
            ));
        }
        list(&reply)
    }

    /// A search that must find nobody.
    pub async fn find_nobody(&self, endpoint: &str, filter: &str) -> Result<(), String> {
        match self.find(endpoint, filter).await?.len() {
            0 => Ok(()),
            found => Err(format!(
                "A search for {filter} finds {found} that it does not describe: the filter is ignored. The provider would take somebody else's account for the one it looks for."
            )),
        }
    }

    /// A search that must find this one alone.
    pub async fn find_one(&self, endpoint: &str, filter: &str, id: &str) -> Result<(), String> {
        let found = self.find(endpoint, filter).await?;
        match found.as_slice() {
            [one] if one["id"] == id => Ok(()),
            [] => Err(format!(
                "A search for {filter} does not find '{id}', which was just created: the provider would create it again."
            )),
            others => Err(format!("A search for {filter} finds {} resources, not '{id}' alone.", others.len())),
        }
    }

    /// Creates a resource, to be deleted at the end. Gives its id.
    pub async fn create(&mut self, endpoint: &str, body: &Value) -> Result<String, String> {
        let reply = self.send(Method::POST, endpoint, Some(body)).await?;
        let id = reply.body["id"].as_str().unwrap_or_default().to_owned();
        if !id.is_empty() {
            self.created.push(format!("{endpoint}/{id}"));
        }
        match reply.status {
            201 if id.is_empty() => {
                Err("The answer to a POST has no 'id': the provider cannot name the resource again.".to_owned())
            }
            201 if reply.location.is_none() && reply.body["meta"]["location"].is_null() => {
                Err("The answer to a POST has neither a Location header nor meta.location.".to_owned())
            }
            201 => Ok(id),
            _ => Err(format!("A POST to {endpoint} is answered {}; expected is 201.", reply.said())),
        }
    }

    /// A POST of what is there: 409 with scimType uniqueness.
    pub async fn create_again(&self, endpoint: &str, body: &Value) -> Result<(), String> {
        let reply = self.send(Method::POST, endpoint, Some(body)).await?;
        if reply.status == 409 && reply.body["scimType"] == "uniqueness" {
            return Ok(());
        }
        if (200..300).contains(&reply.status) {
            let second = reply.body["id"].as_str().unwrap_or_default();
            let _gone = self.client.send(&Method::DELETE, &format!("{endpoint}/{second}"), None).await;
        }
        Err(format!(
            "A second POST of one name is answered {} (scimType {}); expected is 409 with scimType uniqueness, or the provider makes duplicates.",
            reply.said(),
            reply.body["scimType"]
        ))
    }

    /// A PATCH, which must be answered 200 or 204.
    pub async fn patch(&self, path: &str, operations: Value) -> Result<(), String> {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = json!({ "schemas": schemas, "Operations": operations });
        let reply = self.send(Method::PATCH, path, Some(&body)).await?;
        match reply.status {
            200 | 204 => Ok(()),
            _ => Err(format!("PATCH {} is answered {}; expected is 200 or 204.", body["Operations"], reply.said())),
        }
    }

    /// A PUT, which must be answered 200.
    pub async fn put(&self, path: &str, body: &Value) -> Result<(), String> {
        let reply = self.send(Method::PUT, path, Some(body)).await?;
        match reply.status {
            200 => Ok(()),
            _ => Err(format!("PUT {path} is answered {}; expected is 200 with the resource.", reply.said())),
        }
    }

    /// Reads a resource again and compares some of its values, each at a JSON pointer.
    pub async fn has(&self, path: &str, expected: &[(&str, Value)]) -> Result<(), String> {
        let reply = self.get(path).await?;
        if reply.status != 200 {
            return Err(format!("GET {path} is answered {}; expected is 200.", reply.said()));
        }
        for (pointer, value) in expected {
            let is = reply.body.pointer(pointer).cloned().unwrap_or(Value::Null);
            if is != *value {
                return Err(format!(
                    "After a successful answer {} is {is} and should be {value}: the change was accepted and not made.",
                    pointer.trim_start_matches('/')
                ));
            }
        }
        Ok(())
    }

    /// Reads a group again: these are its members, in any order.
    pub async fn has_members(&self, path: &str, expected: &[&str]) -> Result<(), String> {
        let reply = self.get(path).await?;
        let mut members: Vec<&str> = reply.body["members"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .filter_map(|member| member["value"].as_str())
            .collect();
        members.sort_unstable();
        let mut wanted = expected.to_vec();
        wanted.sort_unstable();
        if reply.status == 200 && members == wanted {
            return Ok(());
        }
        Err(format!(
            "After a successful answer the group has {} members and should have {}: the change was accepted and not made.",
            members.len(),
            wanted.len()
        ))
    }

    /// Deletes a resource: 204, then 404 to a GET and to a second DELETE.
    pub async fn delete(&mut self, path: &str) -> Result<(), String> {
        let reply = self.send(Method::DELETE, path, None).await?;
        if !(200..300).contains(&reply.status) {
            return Err(format!("DELETE is answered {}; expected is 204.", reply.said()));
        }
        self.created.retain(|created| created != path);
        if reply.status != 204 {
            return Err(format!("DELETE is answered {}; expected is 204 without a body.", reply.status));
        }
        let (again, second) = (self.get(path).await?, self.send(Method::DELETE, path, None).await?);
        if again.status == 404 && second.status == 404 {
            return Ok(());
        }
        Err(format!(
            "What was deleted is answered {} to GET and {} to DELETE; expected is 404.",
            again.status, second.status
        ))
    }

    /// Deletes what is left of what was created. Gives what cannot be.
    pub async fn clean_up(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for path in std::mem::take(&mut self.created) {
            match self.client.send(&Method::DELETE, &path, None).await {
                Ok(reply) if (200..300).contains(&reply.status) || reply.status == 404 => {}
                _ => left.push(path),
            }
        }
        left
    }
}

/// The resources of a `ListResponse` whose numbers are right.
fn list(reply: &Reply) -> Result<Vec<Value>, String> {
    let total = reply.body["totalResults"].as_u64().ok_or("A list has no 'totalResults' that is a number.")?;
    let resources = match &reply.body["Resources"] {
        Value::Null if total == 0 => Vec::new(),
        Value::Array(resources) => resources.clone(),
        _ => return Err("A list has no 'Resources' that is a list.".to_owned()),
    };
    if total < resources.len() as u64 {
        return Err(format!("A list of {} says totalResults {total}.", resources.len()));
    }
    Ok(resources)
}
