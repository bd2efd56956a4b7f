//! `scimlet users` and `scimlet groups`: what is in the table, through the service.

use super::admin::Admin;
use super::columns::{aligned, cut};
use crate::protocol::filter;
use crate::protocol::list::Page;
use crate::protocol::projection::Projection;
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::ResourceType;
use crate::service::query::{Paging, Query};
use crate::store::meter::Meter;
use crate::store::reads::Batch;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name in a column, in characters.
const NAME_WIDTH: usize = 40;

/// Resources, and how many there are of them in all.
#[derive(Debug)]
pub struct Listing {
    /// As SCIM shows them; groups without members, but with `memberCount`.
    pub resources: Vec<Value>,
    /// Those that satisfy the filter.
    pub total: usize,
    resource_type: ResourceType,
}

/// The first `limit` resources of a type that satisfy a filter, in the order of their ids.
///
/// # Errors
///
/// One sentence: the filter is none, or what the table said.
pub async fn list(
    admin: &Admin,
    resource_type: ResourceType,
    filter: Option<&str>,
    limit: usize,
) -> Result<Listing, String> {
    let schema = admin.service.schemas().of(resource_type);
    let mut quirks = Quirks::default();
    let filter = |quirks: &mut Quirks| {
        filter.map(|text| filter::parse(text, schema, quirks)).transpose().map_err(|error| error.detail)
    };
    let excluded = (resource_type == ResourceType::Group).then_some("members");
    let mut listing = Listing { resources: Vec::new(), total: 0, resource_type };
    loop {
        let projection = Projection::parse(None, excluded, schema, &mut quirks).map_err(|error| error.detail)?;
        let page = Page { start_index: listing.resources.len() + 1, count: limit - listing.resources.len() };
        let query = Query { filter: filter(&mut quirks)?, sort: None, paging: Paging::Index(page), projection };
        let found = admin.service.list(&mut admin.caller(), resource_type, &query).await;
        let found = found.map_err(|error| error.to_string())?;
        listing.total = found.total_results;
        let shown: Result<Vec<Value>, _> = found.resources.iter().map(serde_json::to_value).collect();
        let shown = shown.map_err(|error| error.to_string())?;
        // A page may be shorter than what was asked for.
        let is_last = shown.is_empty();
        listing.resources.extend(shown);
        if is_last || listing.resources.len() >= limit.min(listing.total) {
            break;
        }
    }
    if resource_type == ResourceType::Group {
        count_members(admin, &mut listing.resources).await?;
    }
    Ok(listing)
}

async fn count_members(admin: &Admin, groups: &mut [Value]) -> Result<(), String> {
    let ids = groups.iter().filter_map(|group| group["id"].as_str());
    let wanted = ids.map(|id| (ResourceType::Group, id.to_owned())).collect();
    let batch = Batch { resources: wanted, ..Batch::default() };
    let found = admin.store(&Meter::default()).batch(&batch).await.map_err(|error| error.to_string())?;
    for group in groups {
        let id = group["id"].as_str().unwrap_or_default().to_owned();
        let stored = found.resources.get(&(ResourceType::Group, id));
        group["memberCount"] = stored.map_or(0, |stored| stored.member_count).into();
    }
    Ok(())
}

impl Listing {
    /// A table for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let text = |resource: &Value, name: &str| resource[name].as_str().unwrap_or("-").to_owned();
        let name = |resource: &Value, attribute: &str| cut(&text(resource, attribute), NAME_WIDTH);
        let modified = |resource: &Value| text(&resource["meta"], "lastModified");
        let mut text = if self.resource_type == ResourceType::User {
            let mut lines = vec![["ID", "USERNAME", "ACTIVE", "NAME OR E-MAIL", "LAST MODIFIED"].map(str::to_owned)];
            lines.extend(self.resources.iter().map(|user| {
                let emails = user["emails"].as_array().map_or(&[][..], Vec::as_slice);
                let email = emails.iter().find(|email| email["primary"] == true).or_else(|| emails.first());
                let email = email.and_then(|email| email["value"].as_str());
                let shown = user["displayName"].as_str().or(email).unwrap_or("-");
                let active = if user["active"] == json!(false) { "no" } else { "yes" };
                [text(user, "id"), name(user, "userName"), active.into(), cut(shown, NAME_WIDTH), modified(user)]
            }));
            aligned(&lines)
        } else {
            let mut lines = vec![["ID", "DISPLAY NAME", "MEMBERS", "LAST MODIFIED"].map(str::to_owned)];
            lines.extend(self.resources.iter().map(|group| {
                [text(group, "id"), name(group, "displayName"), group["memberCount"].to_string(), modified(group)]
            }));
            aligned(&lines)
        };
        let (shown, total) = (self.resources.len(), self.total);
        text.push_str(&match total - shown.min(total) {
            0 => format!("\n{total} in all."),
            more => format!("\n{shown} of {total}; {more} more with a larger --limit."),
        });
        text
    }

    /// A document for a program.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "totalResults": self.total, "Resources": self.resources })
    }
}

/// One resource as SCIM shows it, a user with its groups, a group with its members; these have a `display` of their own
/// or the name of the user or group.
///
/// # Errors
///
/// One sentence: there is none, or what the table said.
pub async fn show(admin: &Admin, resource_type: ResourceType, name: &str) -> Result<Value, String> {
    let id = admin.find(resource_type, name).await?;
    let projection = Projection::default();
    let caller = admin.caller();
    let answer = match resource_type {
        ResourceType::User => admin.service.get_user(&caller, &id, &projection).await,
        ResourceType::Group => admin.service.get_group(&caller, &id, &projection).await,
    };
    let answer = answer.map_err(|error| {
        let detail = error.outside();
        if detail.status == 404 {
            format!("{} '{id}' was deleted. `scimlet log --resource {id}` shows when.", resource_type.name())
        } else {
            error.to_string()
        }
    })?;
    let mut shown = serde_json::to_value(&answer.resource).map_err(|error| error.to_string())?;
    if let Some(members) = shown.get_mut("members").and_then(Value::as_array_mut) {
        name_members(admin, members).await?;
    }
    Ok(shown)
}

/// Whether a user is the application's own.
///
/// # Errors
///
/// What the table said, in a sentence.
pub async fn is_unmanaged(admin: &Admin, id: &str) -> Result<bool, String> {
    let found = admin.store(&Meter::default()).resource(ResourceType::User, id).await;
    Ok(found.map_err(|error| error.to_string())?.is_some_and(|stored| stored.is_unmanaged))
}

async fn name_members(admin: &Admin, members: &mut [Value]) -> Result<(), String> {
    let key = |member: &Value| {
        let is_group = member["type"] == "Group";
        let id = member["value"].as_str().unwrap_or_default().to_owned();
        (if is_group { ResourceType::Group } else { ResourceType::User }, id)
    };
    let unnamed: BTreeSet<_> = members.iter().filter(|member| member.get("display").is_none()).map(key).collect();
    let names = names(admin, unnamed).await?;
    for member in members {
        if let Some(name) = names.get(&key(member)) {
            member["display"] = name.clone().into();
        }
    }
    Ok(())
}

/// The userName or displayName of resources.
pub(super) async fn names(
    admin: &Admin,
    wanted: BTreeSet<(ResourceType, String)>,
) -> Result<BTreeMap<(ResourceType, String), String>, String> {
    let batch = Batch { resources: wanted, ..Batch::default() };
    let found = admin.store(&Meter::default()).batch(&batch).await.map_err(|error| error.to_string())?;
    let name = |(resource_type, kept): (ResourceType, &crate::protocol::Object)| {
        let attribute = if resource_type == ResourceType::User { "userName" } else { "displayName" };
        kept.get(attribute).and_then(Value::as_str).map(str::to_owned)
    };
    let named = found.resources.iter().filter_map(|(key, stored)| Some((key.clone(), name((key.0, &stored.kept))?)));
    Ok(named.collect())
}

/// What [`show`] gives, for a person: the attributes, then a line for each membership.
#[must_use]
pub fn shown_text(resource: &Value) -> String {
    let mut attributes = resource.clone();
    let mut related = Vec::new();
    for name in ["groups", "members"] {
        let list = attributes.as_object_mut().and_then(|object| object.shift_remove(name));
        for entry in list.iter().filter_map(Value::as_array).flatten() {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            related.push([name.trim_end_matches('s').to_owned(), text("value"), text("display")]);
        }
    }
    let count = related.len();
    let memberships = if count == 0 { String::new() } else { format!("\n{}", aligned(&related)) };
    let s = if count == 1 { "" } else { "s" };
    format!("{attributes:#}{memberships}\n{count} membership{s}.")
}
