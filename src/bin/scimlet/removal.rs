//! `scimlet delete-users` and `scimlet delete-groups`.

use crate::ask::confirm;
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

pub async fn run(resource_type: ResourceType, arguments: RemovalArgs) -> Result<String, String> {
    let RemovalArgs { dry_run, yes, json: as_json, table } = arguments;
    let guards = Settings::read(ambient::variable).map_err(|error| error.to_string())?.guards.unwrap_or_default();
    let admin = table.open().await?;
    let counted = count(&admin, resource_type, &guards).await?;
    let what = described(resource_type, &counted);
    if dry_run {
        let Counted { go, stay, active } = counted;
        let shown = json!({ "wouldDelete": go, "active": active, "stay": stay });
        return Ok(if as_json { format!("{shown:#}") } else { format!("Would delete {what}. Nothing was changed.") });
    }
    if counted.go == 0 {
        return Ok(format!("There is nothing to delete{}.", stays(counted.stay)));
    }
    confirm(&format!("Delete {what} of the tenant '{}' in {}?", admin.tenant(), admin.table.place), yes)?;
    let stop = Stop::on_interrupt();
    let removed = remove(&admin, resource_type, &guards, counted, stop.asked()).await;
    told(resource_type, &removed?, as_json)
}

fn described(resource_type: ResourceType, counted: &Counted) -> String {
    let active = match resource_type {
        ResourceType::User => format!(", {} of them active", progress::count(counted.active)),
        ResourceType::Group => String::new(),
    };
    format!("{}{active}{}", plural(resource_type, counted.go), stays(counted.stay))
}

fn stays(number: u64) -> String {
    match number {
        0 => String::new(),
        number => format!("; {} stay (the application's own, or protected)", progress::count(number)),
    }
}

fn plural(resource_type: ResourceType, number: u64) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {}{s}", progress::count(number), resource_type.name().to_lowercase())
}

fn told(resource_type: ResourceType, removed: &Removed, as_json: bool) -> Result<String, String> {
    let Removed { deleted, stay, left, reasons, is_stopped } = removed;
    let text = if as_json {
        let done =
            json!({ "deleted": deleted, "stay": stay, "left": left, "isStopped": is_stopped, "reasons": reasons });
        format!("{done:#}")
    } else {
        format!("Deleted {}{}.", plural(resource_type, *deleted), stays(*stay))
    };
    if *left > 0 {
        return Err(format!(
            "{text} {left} could not be deleted; run the command again. The first reasons: {}",
            reasons.join("; ")
        ));
    }
    if *is_stopped {
        return Err(format!("{text} It was stopped; run the command again to go on."));
    }
    Ok(text)
}
