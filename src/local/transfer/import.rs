//! Reading: users first, then groups, then their members, through the service. What is there is changed to what the line
//! says; a line that says what is there changes nothing, so that a second run goes on where the first one ended.

use super::lines::{self, Line};
use crate::local::admin::Admin;
use crate::local::progress;
use crate::protocol::members::Member;
use crate::protocol::projection::Projection;
use crate::protocol::schema::ResourceType;
use crate::service::{Preconditions, ServiceError};
use crate::store::meter::Meter;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Users that are written at the same time.
const AT_ONCE: usize = 16;
/// Reasons that are told of lines that could not be imported.
const REASONS: usize = 5;
/// Members that a group is given at once; of more, they are added in parts.
const MEMBERS_AT_ONCE: usize = 20_000;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Users and groups that were not there.
    pub created: u64,
    /// Those that were there and are different now.
    pub updated: u64,
    /// Those that are as they were.
    pub unchanged: u64,
    /// Members of the groups.
    pub memberships: u64,
    /// Members that neither the lines nor the table have.
    pub unknown_members: u64,
    /// Lines that could not be imported.
    pub failed: u64,
    /// Why, of the first ones.
    pub reasons: Vec<String>,
    /// Whether it was stopped before it came to its end.
    pub is_stopped: bool,
}

/// What one line became.
enum Done {
    Created,
    Updated,
    Unchanged,
}

impl Imported {
    fn note(&mut self, line: &Line, done: Result<Done, String>) {
        match done {
            Ok(Done::Created) => self.created += 1,
            Ok(Done::Updated) => self.updated += 1,
            Ok(Done::Unchanged) => self.unchanged += 1,
            Err(reason) => {
                self.failed += 1;
                if self.reasons.len() < REASONS {
                    self.reasons.push(format!("line {}: {reason}", line.number));
                }
            }
        }
    }
}

/// Imports the lines of a text. Nothing is written if one of them is no resource, nor with `is_dry`. It ends after what is
/// under way once `stop` is set.
///
/// # Errors
///
/// One sentence: what is wrong with the lines, or what the table said.
pub async fn import(admin: &Admin, text: &str, is_dry: bool, stop: &AtomicBool) -> Result<Imported, String> {
    let lines = lines::read(text, admin.service.schemas())?;
    let (users, groups): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| line.resource_type == ResourceType::User);
    let bar = progress::bar(lines.len() as u64 + groups.len() as u64);
    bar.set_message("imported");
    let mut imported = Imported::default();
    let mut ids: BTreeMap<String, (ResourceType, String)> = BTreeMap::new();
    let go_on = || !stop.load(Ordering::Relaxed);

    // Lazily: what is not begun when it is stopped is not begun.
    let mut written = stream::iter(&users)
        .take_while(|_| std::future::ready(go_on()))
        .map(|line| async { (*line, write(admin, line, is_dry).await) })
        .buffer_unordered(AT_ONCE);
    let mut of_groups = Vec::new();
    while let Some((line, done)) = written.next().await {
        bar.inc(1);
        learn(&mut ids, line, &done);
        imported.note(line, done.map(|(_, done)| done));
    }
    drop(written);
    // Groups without their members, so that each of them has an id when another one names it.
    for line in groups {
        if !go_on() {
            break;
        }
        let done = write(admin, line, is_dry).await;
        bar.inc(1);
        learn(&mut ids, line, &done);
        match done {
            Ok((id, done)) => of_groups.push((line, id, done)),
            Err(reason) => imported.note(line, Err(reason)),
        }
    }
    for (line, id, done) in of_groups {
        if !go_on() {
            break;
        }
        let (members, unknown) = known(admin, &ids, &line.members).await?;
        imported.unknown_members += unknown;
        let count = members.len() as u64;
        let done = match (is_dry, done) {
            (true, done) => Ok(done),
            (false, done) => fill(admin, line, &id, members).await.map(|is_changed| match done {
                Done::Unchanged if is_changed => Done::Updated,
                done => done,
            }),
        };
        imported.memberships += if done.is_ok() { count } else { 0 };
        imported.note(line, done);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let done = imported.created + imported.updated + imported.unchanged + imported.failed;
    imported.is_stopped = !go_on() && done < lines.len() as u64;
    Ok(imported)
}

/// Remembers under which id a line is there.
fn learn(ids: &mut BTreeMap<String, (ResourceType, String)>, line: &Line, done: &Result<(String, Done), String>) {
    if let (Some(old), Ok((id, _))) = (&line.id, done) {
        ids.insert(old.clone(), (line.resource_type, id.clone()));
    }
}

/// Creates a resource, or changes the one that has its name. A group keeps the members that it has: [`fill`] changes them.
async fn write(admin: &Admin, line: &Line, is_dry: bool) -> Result<(String, Done), String> {
    let found = admin.named(line.resource_type, &line.name).await?;
    let store = admin.store(&Meter::default());
    let id = match found.as_slice() {
        [] if is_dry => return Ok((String::new(), Done::Created)),
        [] => return create(admin, line).await,
        [id] => id.clone(),
        several => return Err(format!("{} groups have the name: {}", several.len(), several.join(", "))),
    };
    let before = store.resource(line.resource_type, &id).await.map_err(|error| error.to_string())?;
    let before = before.map_or(0, |stored| stored.meta.version);
    if is_dry || line.resource_type == ResourceType::Group {
        return Ok((id, Done::Unchanged));
    }
    let any = Preconditions::default();
    let answer =
        admin.service.replace_user(&mut admin.caller(), &id, line.body.clone(), &any, &Projection::default()).await;
    let answer = answer.map_err(said)?;
    let done = if answer.meta.version == before { Done::Unchanged } else { Done::Updated };
    Ok((id, done))
}

async fn create(admin: &Admin, line: &Line) -> Result<(String, Done), String> {
    let (mut caller, projection) = (admin.caller(), Projection::default());
    let created = match line.resource_type {
        ResourceType::User => admin.service.create_user(&mut caller, line.body.clone(), &projection).await,
        ResourceType::Group => admin.service.create_group(&mut caller, line.body.clone(), &projection).await,
    };
    created.map(|answer| (answer.meta.id, Done::Created)).map_err(said)
}

/// Gives a group the attributes and the members of its line. Says whether that changed it.
async fn fill(admin: &Admin, line: &Line, id: &str, members: Vec<Value>) -> Result<bool, String> {
    let any = Preconditions::default();
    // The answer of a whole list is large; the id is all that is asked for.
    let schema = admin.service.schemas().of(ResourceType::Group);
    let brief = || Projection::parse(Some("id"), None, schema, &mut crate::protocol::quirks::Quirks::default());
    let store = admin.store(&Meter::default());
    let version = async || {
        let stored = store.resource(ResourceType::Group, id).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(stored.map_or(0, |stored| stored.meta.version))
    };
    let before = version().await?;
    let mut body = line.body.clone();
    let (first, rest) = members.split_at(members.len().min(MEMBERS_AT_ONCE));
    if rest.is_empty() {
        body["members"] = Value::Array(first.to_vec());
        let brief = brief().map_err(|error| error.detail)?;
        admin.service.replace_group(&mut admin.caller(), id, body, &any, &brief).await.map_err(said)?;
        return Ok(version().await? != before);
    }
    for some in members.chunks(MEMBERS_AT_ONCE) {
        let patch = json!({ "Operations": [{ "op": "add", "path": "members", "value": some }] });
        let done = admin.service.patch_group(&mut admin.caller(), id, &patch, &any, &Projection::default()).await;
        done.map_err(said)?;
    }
    Ok(version().await? != before)
}

/// The members that are there, by their ids here, and how many are not.
async fn known(
    admin: &Admin,
    ids: &BTreeMap<String, (ResourceType, String)>,
    members: &[Member],
) -> Result<(Vec<Value>, u64), String> {
    let here = |member: &Member| match ids.get(&member.id) {
        Some((_, id)) => id.clone(),
        None => member.id.clone(),
    };
    // A dry run has no ids of what it would create.
    let unmapped: BTreeSet<(ResourceType, String)> = members
        .iter()
        .filter(|member| !ids.contains_key(&member.id))
        .flat_map(|member| ResourceType::ALL.map(|resource_type| (resource_type, member.id.clone())))
        .collect();
    let existing = admin.store(&Meter::default()).existing(&unmapped).await.map_err(|error| error.to_string())?;
    let exists: BTreeSet<&str> = existing.iter().map(|(_, id)| id.as_str()).collect();
    let is_known = |member: &&Member| ids.contains_key(&member.id) || exists.contains(member.id.as_str());
    let known: Vec<Value> = members
        .iter()
        .filter(is_known)
        .map(|member| match &member.display {
            Some(display) => json!({ "value": here(member), "display": display }),
            None => json!({ "value": here(member) }),
        })
        .collect();
    let unknown = (members.len() - known.len()) as u64;
    Ok((known, unknown))
}

fn said(error: ServiceError) -> String {
    match error {
        ServiceError::Scim(error) => error.detail,
        other => other.to_string(),
    }
}
