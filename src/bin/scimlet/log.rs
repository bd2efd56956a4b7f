//! `scimlet log`.

use crate::table::TableArgs;
use clap::Args;
use scimlet::ambient;
use scimlet::local::admin::Admin;
use scimlet::local::history::{Names, Wanted, json_line, line, records};
use scimlet::local::when;
use scimlet::protocol::schema::ResourceType;
use scimlet::store::log::Record;
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Time between two looks at the log with `--follow`.
const POLL: Duration = Duration::from_secs(1);
/// How far a look goes back before the last record: the clocks of writers differ.
const LOOK_BACK: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

#[derive(Args)]
pub struct LogArgs {
    /// Changes of this resource, and of its memberships: an id, a userName or a displayName, also of what was deleted
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Changes by this token
    #[arg(long, value_name = "LABEL")]
    actor: Option<String>,
    /// From this time on: 2026-11-24T12:00:00Z, 2026-11-24, or how long ago, 2h. One day, or with --resource all that is
    /// kept
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Go on with what is recorded from now on
    #[arg(long, conflicts_with = "until")]
    follow: bool,
    /// Print one line of JSON for each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

pub async fn run(arguments: LogArgs) -> Result<(), String> {
    let LogArgs { resource, actor, since, until, follow, json, table } = arguments;
    let now = ambient::now();
    let since = since.map(|since| when::time(&since, now)).transpose()?;
    let until = match &until {
        Some(until) => when::written(when::time(until, now)?),
        None => later(),
    };
    let admin = table.open().await?;
    let resource = match resource {
        Some(name) => Some(found(&admin, &name).await?),
        None => None,
    };
    // Of one resource all of it: what is asked is what became of it.
    let days = if resource.is_some() { i64::from(admin.log_days()) } else { 1 };
    let since = when::written(since.unwrap_or(now - jiff::SignedDuration::from_hours(24 * days)));
    let mut wanted = Wanted { resource, actor, since, until };
    let mut printer = Printer { json, names: Names::default(), shown: BTreeSet::new() };
    loop {
        let (found, last) = records(&admin, &wanted).await?;
        if found.is_empty() && !follow && !json {
            eprintln!("No change since {}. --since looks further back.", wanted.since);
        }
        if !printer.print(&admin, found).await? || !follow {
            return Ok(());
        }
        if let Some(last) = last.and_then(|last| last.parse::<jiff::Timestamp>().ok()) {
            wanted.since = wanted.since.max(when::written(last - LOOK_BACK));
        }
        wanted.until = later();
        tokio::time::sleep(POLL).await;
    }
}

/// After everything that is recorded now, by whatever clock.
fn later() -> String {
    when::written(ambient::now() + LOOK_BACK)
}

async fn found(admin: &Admin, name: &str) -> Result<String, String> {
    match admin.find(ResourceType::User, name).await {
        Ok(id) => Ok(id),
        Err(no_user) => admin.find(ResourceType::Group, name).await.map_err(|no_group| format!("{no_user} {no_group}")),
    }
}

struct Printer {
    json: bool,
    names: Names,
    /// What was printed and may be found again.
    shown: BTreeSet<String>,
}

impl Printer {
    /// Prints what was not printed yet. False when nobody reads any more.
    async fn print(&mut self, admin: &Admin, records: Vec<Record>) -> Result<bool, String> {
        let found: BTreeSet<String> = records.iter().map(|record| record.id.clone()).collect();
        let new: Vec<Record> = records.into_iter().filter(|record| !self.shown.contains(&record.id)).collect();
        self.shown = found;
        if !self.json {
            self.names.learn(admin, &new).await?;
        }
        let out = std::io::stdout();
        let width = out
            .is_terminal()
            .then(|| ambient::variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(160));
        let mut out = out.lock();
        for record in &new {
            let text = if self.json { json_line(record) } else { line(record, &self.names, width) };
            if writeln!(out, "{text}").is_err() {
                return Ok(false);
            }
        }
        Ok(out.flush().is_ok())
    }
}
