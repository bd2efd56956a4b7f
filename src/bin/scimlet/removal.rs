//! `scimlet delete-users` and `scimlet delete-groups`.

use crate::ask::confirm;
use crate::said::Said;
use crate::stop::Stop;
use crate::table::TableArgs;
use clap::Args;
use scimlet::ambient;
use scimlet::config::Settings;
use scimlet::local::progress;
use scimlet::local::removal::{Counted, Removed, count, run as remove};
use scimlet::protocol::schema::ResourceType;
use serde_json::json;

#[derive(Args)]
pub struct RemovalArgs {
    /// Show how many, and delete nothing
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

pub async fn run(resource_type: ResourceType, arguments: RemovalArgs) -> Result<Said, String> {
    let RemovalArgs { dry_run, yes, json: as_json, table } = arguments;
    let guards = Settings::read(ambient::variable).map_err(|error| error.to_string())?.guards.unwrap_or_default();
    let admin = table.open().await?;
    let counted = count(&admin, resource_type, &guards).await?;
    let what = described(resource_type, &counted);
    if dry_run {
        let Counted { go, stay, active } = counted;
        let text = format!("Would delete {what}{}. Nothing was changed.", stays(stay));
        let shown = json!({ "wouldDelete": go, "active": active, "stay": stay });
        return Ok(Said::done(if as_json { format!("{shown:#}") } else { text }));
    }
    if counted.go == 0 {
        let text = format!("There is nothing to delete{}.", stays(counted.stay));
        let nothing = Removed { stay: counted.stay, ..Removed::default() };
        return Ok(Said::done(if as_json { json(&nothing) } else { text }));
    }
    let place = format!("of the tenant '{}' in {}", admin.tenant(), admin.table.place);
    confirm(&format!("Delete {what}, {place}{}?", stays(counted.stay)), yes)?;
    let stop = Stop::on_interrupt();
    let removed = remove(&admin, resource_type, &guards, counted, stop.asked()).await?;
    Ok(told(resource_type, &removed, as_json))
}

fn described(resource_type: ResourceType, counted: &Counted) -> String {
    let active = match resource_type {
        ResourceType::User => format!(", {} of them active", progress::count(counted.active)),
        ResourceType::Group => String::new(),
    };
    format!("{}{active}", plural(resource_type, counted.go))
}

fn stays(number: u64) -> String {
    match number {
        0 => String::new(),
        number => format!("; {} stay (the application's own, or protected)", progress::count(number)),
    }
}

fn plural(resource_type: ResourceType, number: u64) -> String {
    progress::counted(number, &resource_type.name().to_lowercase())
}

fn json(removed: &Removed) -> String {
    let Removed { deleted, stay, left, reasons, is_stopped } = removed;
    let done = json!({ "deleted": deleted, "stay": stay, "left": left, "isStopped": is_stopped, "reasons": reasons });
    format!("{done:#}")
}

fn told(resource_type: ResourceType, removed: &Removed, as_json: bool) -> Said {
    let Removed { deleted, stay, left, reasons, is_stopped } = removed;
    let text = format!("Deleted {}{}.", plural(resource_type, *deleted), stays(*stay));
    let problem = match (left, is_stopped) {
        (0, false) => None,
        (0, true) => Some(format!("{text} It was stopped; run the command again to go on.")),
        (left, _) => Some(format!(
            "{text} {left} could not be deleted; run the command again. The first reasons: {}",
            reasons.join("; ")
        )),
    };
    Said { text: if as_json { json(removed) } else { text }, problem, as_json }
}
