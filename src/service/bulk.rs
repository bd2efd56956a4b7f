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
#[derive(Debug, Default)]
struct Progress {
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
        let mut progress = Progress::default();
        for step in plan(&request) {
            if request.fail_on_errors.is_some_and(|limit| progress.errors >= limit) {
                break;
            }
            let (index, result) = match step {
                Step::Refuse(index, error) => (index, Err(error.into())),
                Step::Do { operation, later } => {
                    let entry = &request.operations[operation];
                    (operation, self.do_operation(caller, operation, entry, &later, &mut progress).await)
                }
                Step::Link(index) => (index, self.link(caller, index, &mut progress).await),
            };
            let entry = &request.operations[index];
            if result.is_err() {
                progress.errors += 1;
                if let Some(bulk_id) = &entry.bulk_id {
                    progress.ids.remove(bulk_id);
                }
            }
            progress.done.insert(index, outcome(caller, entry, result));
        }
        Ok(bulk::response(progress.done.into_values().collect()))
    }

    async fn do_operation(
        &self,
        caller: &mut Caller,
        index: usize,
        entry: &Entry,
        later: &BTreeSet<String>,
        progress: &mut Progress,
    ) -> Result<Option<Meta>, ServiceError> {
        if ambient::monotonic() >= caller.deadline {
            let detail =
                "The time for the request was over before this operation. Nothing of it was done; send it again.";
            return Err(ScimError::new(503, detail).into());
        }
        let mut operation = entry.operation.clone()?;
        for bulk_id in references::of(&operation) {
            if !later.contains(&bulk_id) && !progress.ids.contains_key(&bulk_id) {
                let detail = format!("The operation refers to bulkId '{bulk_id}', whose own operation failed.");
                return Err(ScimError::invalid_value(detail).into());
            }
        }
        let links = references::take_out(&mut operation.data, later)?;
        references::fill_in(&mut operation.data, &progress.ids);
        if let Some(id) = &mut operation.id {
            let mut filled = Value::String(std::mem::take(id));
            references::fill_in(&mut filled, &progress.ids);
            *id = filled.as_str().unwrap_or_default().to_owned();
        }
        let meta = self.carry_out(caller, operation).await?;
        if let (Some(meta), Some(bulk_id)) = (&meta, &entry.bulk_id) {
            progress.ids.insert(bulk_id.clone(), meta.id.clone());
            if !links.is_empty() {
                progress.links.insert(index, (meta.clone(), links));
            }
        }
        Ok(meta)
    }

    /// Adds what had to be left out. If that fails the resource is deleted: an operation is not half done.
    async fn link(
        &self,
        caller: &mut Caller,
        index: usize,
        progress: &mut Progress,
    ) -> Result<Option<Meta>, ServiceError> {
        let Some((meta, mut operations)) = progress.links.remove(&index) else {
            return Err(ScimError::invalid_value("The operation refers to another one that failed.").into());
        };
        let mut unresolved = false;
        for operation in &mut operations {
            references::fill_in(operation, &progress.ids);
            unresolved |= operation.to_string().contains(&format!("\"{}", references::PREFIX));
        }
        let data = json!({ "Operations": operations });
        let patch = BulkOperation {
            method: Method::Patch,
            bulk_id: None,
            version: None,
            resource_type: meta.resource_type,
            id: Some(meta.id.clone()),
            data,
        };
        let linked = if unresolved {
            Err(ScimError::invalid_value("The operation refers to another one that failed.").into())
        } else {
            self.carry_out(caller, patch.clone()).await
        };
        if linked.is_err() {
            self.carry_out(caller, BulkOperation { method: Method::Delete, ..patch }).await?;
        }
        linked
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

/// What the answer says of an operation. A location is there but for a POST that failed.
fn outcome(caller: &Caller, entry: &Entry, result: Result<Option<Meta>, ServiceError>) -> Value {
    let mut outcome = Object::new();
    let asked = entry.operation.as_ref().ok();
    let location = match (&result, asked) {
        (Ok(Some(meta)), _) => Some(representation::location(&caller.base_url, meta.resource_type, &meta.id)),
        (_, Some(BulkOperation { resource_type, id: Some(id), .. })) => {
            Some(representation::location(&caller.base_url, *resource_type, id))
        }
        _ => None,
    };
    outcome.extend(location.map(|location| ("location".to_owned(), location.into())));
    outcome.insert("method".into(), entry.method.clone().into());
    outcome.extend(entry.bulk_id.clone().map(|bulk_id| ("bulkId".to_owned(), bulk_id.into())));
    match result {
        Ok(meta) => {
            outcome.extend(meta.as_ref().map(|meta| ("version".to_owned(), meta.etag().into())));
            let status = match (asked.map(|operation| operation.method), meta) {
                (Some(Method::Post), _) => "201",
                (_, Some(_)) => "200",
                (_, None) => "204",
            };
            outcome.insert("status".into(), status.into());
        }
        Err(failure) => {
            let error = failure.outside();
            outcome.insert("status".into(), error.status.to_string().into());
            outcome.insert("response".into(), error.to_json());
        }
    }
    Value::Object(outcome)
}
