//! `scimlet restore`.

use crate::ask::confirm;
use crate::table::TableArgs;
use clap::{Args, ValueEnum};
use scimlet::ambient;
use scimlet::local::progress::counted;
use scimlet::local::when;
use scimlet::protocol::schema::ResourceType;
use scimlet::service::restore::Past;
use scimlet::store::meter::Meter;
use serde_json::{Value, json};

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    User,
    Group,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// What to bring back
    kind: Kind,
    /// Its id, or its userName or displayName
    name: String,
    /// As it was at this time: 2026-11-24T12:00:00Z, 2026-11-24, or how long ago, 2h
    #[arg(long, value_name = "TIME")]
    at: String,
    /// Of a group, the members too; a deleted group always has them
    #[arg(long)]
    members: bool,
    /// Show what it was, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

pub async fn run(arguments: RestoreArgs) -> Result<String, String> {
    let RestoreArgs { kind, name, at, members, dry_run, yes, json: as_json, table } = arguments;
    let now = ambient::now();
    let time = when::time(&at, now)?;
    if time > now {
        return Err(format!("'{at}' is in the future."));
    }
    let at = when::written(time);
    let resource_type = match kind {
        Kind::User => ResourceType::User,
        Kind::Group => ResourceType::Group,
    };
    let admin = table.open().await?;
    let store = admin.store(&Meter::default());
    let first = store.first_day_of_log(admin.log_days()).await.map_err(|error| error.to_string())?;
    let Some(first) = first else {
        return Err(format!("The change log of the tenant '{}' is empty: nothing can be restored.", admin.tenant()));
    };
    let today = when::written(now);
    if at.get(..10) < Some(first.as_str()) && first.as_str() < today.get(..10).unwrap_or_default() {
        return Err(format!(
            "The change log begins on {first}. Give a time from then on with --at; what was before is in a backup of the table."
        ));
    }
    let id = admin.find(resource_type, &name).await?;
    let past = admin.service.past(&admin.caller(), resource_type, &id, &at).await.map_err(|error| error.to_string())?;
    let what = format!("{} '{id}'", resource_type.name());
    let Some(kept) = &past.kept else {
        return Err(format!("{what} was not there at {at}. `scimlet log --resource {id}` shows what became of it."));
    };
    if resource_type == ResourceType::Group && !past.knows_members && (members || !past.is_there) {
        return Err(format!(
            "The log does not name the members that {what} had: more than 100,000. Restore the table from a backup."
        ));
    }
    if dry_run {
        let shown =
            json!({ "id": id, "at": at, "changesSince": past.changes, "resource": kept, "related": related(&past) });
        return Ok(format!("{shown:#}"));
    }
    let (related_to, changes) = (past.related.len() as u64, counted(past.changes as u64, "change"));
    let with = match (past.is_there, resource_type) {
        (false, ResourceType::User) => format!("create it again and put it into {}", counted(related_to, "group")),
        (false, ResourceType::Group) => format!("create it again with {}", counted(related_to, "member")),
        (true, ResourceType::Group) if members => format!("undo {changes}, members too"),
        (true, _) => format!("undo {changes} of its attributes"),
    };
    confirm(&format!("{what} as it was at {at}: {with}?"), yes)?;
    let mut caller = admin.caller();
    let restored = admin.service.restore(&mut caller, resource_type, &id, &past, members).await;
    let restored = restored.map_err(|error| error.outside().detail)?;
    if as_json {
        let done = json!({
            "id": id, "at": at, "isCreated": restored.is_created, "memberships": restored.memberships, "gone": restored.gone,
        });
        return Ok(format!("{done:#}"));
    }
    let gone = match restored.gone {
        0 => String::new(),
        gone => format!(" {gone} of those it was tied to are gone themselves."),
    };
    let memberships = match restored.memberships {
        0 => String::new(),
        number => format!(", with {}", counted(number as u64, "membership")),
    };
    Ok(format!("{what} is as it was at {at}{memberships}.{gone}"))
}

fn related(past: &Past) -> Vec<Value> {
    past.related.values().cloned().collect()
}
