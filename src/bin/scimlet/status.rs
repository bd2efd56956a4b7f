//! `scimlet status`.

use crate::table::TableArgs;
use crate::{breaker, token};
use clap::Args;
use scimlet::ambient;
use scimlet::config::Config;
use scimlet::local::history::{Names, line};
use scimlet::local::progress::{self, counted};
use scimlet::local::status::count;
use serde_json::{Value, json};
use std::fmt::Write as _;

#[derive(Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

pub async fn run(arguments: StatusArgs) -> Result<String, String> {
    let StatusArgs { json: as_json, table } = arguments;
    let enabled = Config::is_enabled(ambient::variable).map_err(|error| error.to_string())?;
    let admin = table.open().await?;
    let base_url = ambient::variable("SCIM_BASE_URL");
    let counts = count(&admin, ambient::now()).await?;
    let (tokens, breaker) = (token::rows(&admin).await?, breaker::status(&admin).await?);
    let checked = admin.table.store.verified().await.map_err(|error| error.to_string())?;
    let verified = match &checked {
        None => "never checked; `scimlet verify` does".to_owned(),
        Some((at, 0)) => format!("held when they were checked at {at}"),
        Some((at, left)) => format!("{left} did not hold at {at}; `scimlet verify --repair` mends what can be mended"),
    };
    if as_json {
        let last = counts
            .last
            .as_ref()
            .map(|record| json!({ "at": record.at, "actor": record.actor, "operation": record.operation }));
        let status = json!({
            "isEnabled": enabled,
            "baseUrl": base_url,
            "table": admin.table.place,
            "tenant": admin.tenant(),
            "users": { "active": counts.users - counts.inactive, "inactive": counts.inactive },
            "groups": counts.groups,
            "memberships": counts.memberships,
            "lastChange": last,
            "tokens": tokens,
            "breaker": breaker.json,
            "verified": checked.map(|(at, left)| json!({ "at": at, "left": left })),
        });
        return Ok(format!("{status:#}"));
    }
    let mut text = String::new();
    let mut row = |name: &str, value: &str| _ = writeln!(text, "{name:13} {value}");
    let is_enabled =
        if enabled { "enabled" } else { "switched off (SCIM_ENABLED is false): every SCIM call is answered 403" };
    row("Provisioning", is_enabled);
    row("Base URL", base_url.as_deref().unwrap_or("as each request says (SCIM_BASE_URL is unset)"));
    row("Table", &admin.table.place);
    row("Tenant", admin.tenant());
    let number = |number: usize| progress::count(number as u64);
    row("Users", &format!("{} active, {} not", number(counts.users - counts.inactive), number(counts.inactive)));
    row("Groups", &format!("{} with {}", number(counts.groups), counted(counts.memberships, "membership")));
    match &counts.last {
        Some(record) => {
            let mut names = Names::default();
            names.learn(&admin, std::slice::from_ref(record)).await?;
            row("Last change", &line(record, &names, Some(140)));
        }
        None => row("Last change", "none that the log still has"),
    }
    row("Breaker", &breaker.text);
    if tokens.is_empty() {
        row("Tokens", "none here; `scimlet token create LABEL` makes one");
    }
    for (number, token) in tokens.iter().enumerate() {
        let text = |name: &str| token[name].as_str().unwrap_or("never").to_owned();
        let over = if token["isExpired"] == Value::Bool(true) { ", expired" } else { "" };
        let scope = if token["scope"] == "read" { ", may only read" } else { "" };
        let said = format!(
            "{}/{} ({}{scope}{over}), last used {}",
            text("tenant"),
            text("label"),
            text("from"),
            text("lastUsed")
        );
        row(if number == 0 { "Tokens" } else { "" }, &said);
    }
    row("Invariants", &verified);
    Ok(text.trim_end().to_owned())
}
