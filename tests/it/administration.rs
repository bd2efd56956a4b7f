//! What an administrator sets and sees: guards, the breaker, what becomes of deactivated users, tokens, the change log.

mod breaker;
mod check;
mod commands;
mod ends;
pub mod guards;
pub mod log;
mod reprovision;
mod restore;
mod story;
mod tokens;

use crate::harness::{Answer, App};
use scimlet::store::log::Record;
use scimlet::store::meter::Meter;
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Every record of a tenant, in order.
pub async fn records(app: &App, tenant: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let store = app.store.tenant(tenant, &Meter::default());
    let until = format!("{:.3}", scimlet::ambient::now() + jiff::SignedDuration::from_hours(24));
    let from = format!("{:.3}", scimlet::ambient::now() - jiff::SignedDuration::from_hours(24));
    store
        .records(&from, &until, |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    records
}

/// The operations on a resource, in order.
async fn operations_on(app: &App, id: &str) -> Vec<String> {
    let of_it = records(app, "default").await.into_iter().filter(|record| record.resource_id == id);
    of_it.map(|record| record.operation).collect()
}

async fn set_active(app: &App, id: &str, active: bool) -> Answer {
    app.operations(&format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": active }])).await
}

async fn create(app: &App, user: Value) -> Answer {
    app.post("/Users", user).await
}

fn user(name: &str) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name })
}
