//! Bulk (RFC 7644 section 3.7): each operation is done as the request that it stands for, one after another. An
//! operation happens whole or not at all; the request as a whole does not.

use super::{Caller, Preconditions, Service, ServiceError};
use crate::ambient;
use crate::protocol::Object;
use crate::protocol::bulk::plan::{Step, plan};
use crate::protocol::bulk::{self, BulkOperation, Entry, Method, Request, references};
use crate::protocol::error::ScimError;
use crate::protocol::projection::Projection;
use crate::protocol::representation::{self, Meta};
use crate::protocol::schema::ResourceType;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is known while the operations are done.
#[derive(Debug)]
struct Progress<'a> {
    operations: &'a [Entry],
    /// The bulkIds that each operation refers to.
    references: Vec<BTreeSet<String>>,
    /// Ids of what was created, by bulkId.
    ids: BTreeMap<String, String>,
    /// What to add to a created resource when what it refers to exists.
    links: BTreeMap<usize, (Meta, Vec<Value>)>,
    /// What the answer says of each operation.
    done: BTreeMap<usize, Value>,
    errors: usize,
}

impl Service {
    /// Does the operations in an order in which what is referenced exists. Operations that were not reached, because
    /// of `failOnErrors`, are not in the answer.
    ///
    /// # Errors
    ///
    /// 400 or 413 for the message as a whole.
    pub async fn bulk(&self, caller: &mut Caller, body: &Value) -> Result<Object, ServiceError> {
        let request = Request::parse(body)?;
        let refers_to = |entry: &Entry| entry.operation.as_ref().map(references::of).unwrap_or_default();
        let mut progress = Progress {
            operations: &request.operations,
            references: request.operations.iter().map(refers_to).collect(),
            ids: BTreeMap::new(),
            links: BTreeMap::new(),
            done: BTreeMap::new(),
            errors: 0,
        };
        for step in plan(&request) {
            if request.fail_on_errors.is_some_and(|limit| progress.errors >= limit) {
                break;
            }
            let (index, result) = match step {
                Step::Refuse(index, error) => (index, Err(error.into())),
                Step::Do { operation, later } => {
                    (operation, self.do_operation(caller, operation, &later, &mut progress).await)
                }
                Step::Link(index) => match progress.links.remove(&index) {
                    Some(links) => (index, self.link(caller, links, &progress).await),
                    // It was taken back.
                    None => continue,
                },
            };
            let failed = result.is_err();
            progress.note(caller, index, result);
            if failed {
                self.take_back(caller, index, &mut progress).await;
            }
        }
        while let Some(index) = progress.links.keys().next().copied() {
            let detail = "The operation refers to another one that was not reached, as 'failOnErrors' ended the job.";
            progress.note(caller, index, Err(ScimError::invalid_value(detail).into()));
            self.take_back(caller, index, &mut progress).await;
        }
        Ok(bulk::response(progress.done.into_values().collect()))
    }

    async fn do_operation(
        &self,
        caller: &mut Caller,
        index: usize,
        later: &BTreeSet<String>,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Meta>, ServiceError> {
        if ambient::monotonic() >= caller.deadline {
            let detail =
                "The time for the request was over before this operation. Nothing of it was done; send it again.";
            return Err(ScimError::new(503, detail).into());
        }
        let mut operation = progress.operations[index].operation.clone()?;
        let is_missing = |bulk_id: &&String| !later.contains(*bulk_id) && !progress.ids.contains_key(*bulk_id);
        if let Some(bulk_id) = progress.references[index].iter().find(is_missing) {
            return Err(failed_reference(bulk_id).into());
        }
        let links = references::take_out(&mut operation.data, later)?;
        references::fill_in(&mut operation.data, &progress.ids);
        operation.id = references::target(&operation, &progress.ids).map(str::to_owned);
        let created = operation.bulk_id.clone().filter(|_| operation.method == Method::Post);
        let meta = self.carry_out(caller, operation).await?;
        if let (Some(meta), Some(bulk_id)) = (&meta, created) {
            progress.ids.insert(bulk_id, meta.id.clone());
            if !links.is_empty() {
                progress.links.insert(index, (meta.clone(), links));
            }
        }
        Ok(meta)
    }

    /// Adds what had to be left out.
    async fn link(
        &self,
        caller: &mut Caller,
        (meta, mut operations): (Meta, Vec<Value>),
        progress: &Progress<'_>,
    ) -> Result<Option<Meta>, ServiceError> {
        for operation in &mut operations {
            references::fill_in(operation, &progress.ids);
        }
        let data = json!({ "Operations": operations });
        self.carry_out(caller, BulkOperation { data, ..of_created(Method::Patch, meta.resource_type, meta.id) }).await
    }

    /// Deletes what the failed operation created, if it came so far, and what refers to it: the others of a circle
    /// were created before all of it was there, and an operation is done whole or not at all.
    async fn take_back(&self, caller: &mut Caller, failed: usize, progress: &mut Progress<'_>) {
        let mut failed = vec![failed];
        while let Some(index) = failed.pop() {
            progress.links.remove(&index);
            let Ok(BulkOperation { method: Method::Post, bulk_id: Some(bulk_id), resource_type, .. }) =
                &progress.operations[index].operation
            else {
                continue;
            };
            if let Some(id) = progress.ids.remove(bulk_id)
                && let Err(error) = self.carry_out(caller, of_created(Method::Delete, *resource_type, id)).await
            {
                progress.note(caller, index, Err(error));
            }
            for other in progress.created_that_refer_to(bulk_id) {
                progress.note(caller, other, Err(failed_reference(bulk_id).into()));
                failed.push(other);
            }
        }
    }

    /// One operation as the request that it stands for. Gives what is known of the resource afterwards.
    async fn carry_out(&self, caller: &mut Caller, operation: BulkOperation) -> Result<Option<Meta>, ServiceError> {
        let BulkOperation { method, resource_type, id, version, data, .. } = operation;
        let id = id.unwrap_or_default();
        let versions = version.map(|tag| representation::parse_etag(&tag).into_iter().collect());
        let preconditions = Preconditions { versions, ..Preconditions::default() };
        let shown = Projection::of_ids();
        let answer = match (method, resource_type) {
            (Method::Post, ResourceType::User) => Some(self.create_user(caller, data, &shown).await?),
            (Method::Post, ResourceType::Group) => Some(self.create_group(caller, data, &shown).await?),
            (Method::Put, ResourceType::User) => {
                Some(self.replace_user(caller, &id, data, &preconditions, &shown).await?)
            }
            (Method::Put, ResourceType::Group) => {
                Some(self.replace_group(caller, &id, data, &preconditions, &shown).await?)
            }
            (Method::Patch, ResourceType::User) => {
                Some(self.patch_user(caller, &id, &data, &preconditions, &shown).await?)
            }
            (Method::Patch, ResourceType::Group) => {
                self.patch_group(caller, &id, &data, &preconditions, &shown).await?
            }
            (Method::Delete, ResourceType::User) => {
                self.delete_user(caller, &id, &preconditions).await?;
                None
            }
            (Method::Delete, ResourceType::Group) => {
                self.delete_group(caller, &id, &preconditions).await?;
                None
            }
        };
        Ok(answer.map(|answer| answer.meta))
    }
}

impl Progress<'_> {
    /// The operations that created something and refer to this bulkId.
    fn created_that_refer_to(&self, bulk_id: &str) -> Vec<usize> {
        let entries = self.operations.iter().zip(&self.references).enumerate();
        let created = entries.filter(|(_, (entry, references))| {
            references.contains(bulk_id) && entry.bulk_id.as_ref().is_some_and(|name| self.ids.contains_key(name))
        });
        created.map(|(index, _)| index).collect()
    }

    /// Notes what the answer says of an operation. A location is there but for a POST that failed.
    fn note(&mut self, caller: &Caller, index: usize, result: Result<Option<Meta>, ServiceError>) {
        let entry = &self.operations[index];
        let asked = entry.operation.as_ref().ok();
        let resource = match (&result, asked) {
            (Ok(Some(meta)), _) => Some((meta.resource_type, meta.id.as_str())),
            (_, Some(asked)) => references::target(asked, &self.ids).map(|id| (asked.resource_type, id)),
            _ => None,
        };
        let mut outcome = Object::new();
        if let Some((resource_type, id)) = resource {
            outcome.insert("location".into(), representation::location(&caller.base_url, resource_type, id).into());
        }
        outcome.insert("method".into(), entry.method.clone().into());
        outcome.extend(entry.bulk_id.clone().map(|bulk_id| ("bulkId".to_owned(), bulk_id.into())));
        match result {
            Ok(meta) => {
                outcome.extend(meta.map(|meta| ("version".to_owned(), meta.etag().into())));
                let status = match asked.map(|asked| (asked.method, asked.resource_type)) {
                    Some((Method::Post, _)) => "201",
                    // As the request alone, which does not ask to see the group.
                    Some((Method::Delete, _) | (Method::Patch, ResourceType::Group)) => "204",
                    Some((Method::Put | Method::Patch, _)) | None => "200",
                };
                outcome.insert("status".into(), status.into());
            }
            Err(failure) => {
                let error = failure.outside();
                outcome.insert("status".into(), error.status.to_string().into());
                outcome.insert("response".into(), error.to_json());
                self.errors += 1;
            }
        }
        self.done.insert(index, Value::Object(outcome));
    }
}

/// An operation on what this request created.
fn of_created(method: Method, resource_type: ResourceType, id: String) -> BulkOperation {
    BulkOperation { method, bulk_id: None, version: None, resource_type, id: Some(id), data: Value::Null }
}

fn failed_reference(bulk_id: &str) -> ScimError {
    ScimError::invalid_value(format!("The operation refers to bulkId '{bulk_id}', whose own operation failed."))
}
