//! `scimlet breaker`.

use crate::table::TableArgs;
use clap::Subcommand;
use scimlet::ambient;
use scimlet::config::Settings;
use scimlet::local::admin::Admin;
use scimlet::local::when;
use scimlet::service::breaker::window;
use scimlet::store::meter::Meter;
use serde_json::json;

#[derive(Subcommand)]
pub enum BreakerCommand {
    /// Let deprovisioning through for a while
    Allow {
        /// How long: 30m, 2h
        #[arg(long = "for", default_value = "1h", value_name = "DURATION")]
        duration: String,
        #[command(flatten)]
        table: TableArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End what `allow` began
    Guard {
        #[command(flatten)]
        table: TableArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What was taken away within the window, and whether the breaker stops more
    Status {
        #[command(flatten)]
        table: TableArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: BreakerCommand) -> Result<String, String> {
    match command {
        BreakerCommand::Allow { duration, table, json: as_json } => {
            let duration = when::duration(&duration)?;
            let admin = table.open().await?;
            let until = ambient::now() + duration;
            let done = admin.service.let_through(&admin.caller(), Some(until)).await;
            done.map_err(|error| error.to_string())?;
            let until = when::written(until);
            if as_json {
                return Ok(format!("{:#}", json!({ "tenant": admin.tenant(), "allowedUntil": until })));
            }
            Ok(format!("Deprovisioning of the tenant '{}' is let through until {until}.", admin.tenant()))
        }
        BreakerCommand::Guard { table, json: as_json } => {
            let admin = table.open().await?;
            admin.service.let_through(&admin.caller(), None).await.map_err(|error| error.to_string())?;
            if as_json {
                return Ok(format!("{:#}", json!({ "tenant": admin.tenant(), "allowedUntil": null })));
            }
            Ok(format!("The breaker of the tenant '{}' is on.", admin.tenant()))
        }
        BreakerCommand::Status { table, json } => {
            let status = status(&table.open().await?).await?;
            Ok(if json { format!("{:#}", status.json) } else { status.text })
        }
    }
}

/// What the breaker has counted and does.
pub struct Status {
    pub text: String,
    pub json: serde_json::Value,
}

/// The settings are those of this environment, which a deployed function may not share.
pub async fn status(admin: &Admin) -> Result<Status, String> {
    let settings = Settings::read(ambient::variable).map_err(|error| error.to_string())?;
    let Some(breaker) = settings.guards.and_then(|guards| guards.breaker) else {
        return Ok(Status { text: "off (SCIM_BREAKER_SHARE is 0)".to_owned(), json: json!({ "isOn": false }) });
    };
    let state = admin.store(&Meter::default()).breaker().await.map_err(|error| error.to_string())?;
    let now = ambient::now().as_second();
    let (from, to) = window(&breaker, now);
    let lost = state.sum(from, to);
    let time = |seconds: i64| jiff::Timestamp::from_second(seconds).map(when::written).unwrap_or_default();
    let allowed = state.allowed_until.filter(|until| *until > now).map(time);
    let tripped = state.tripped.filter(|at| *at > now - i64::from(breaker.window) * 60).map(time);
    let does = match (&allowed, &tripped) {
        (Some(until), _) => format!("lets everything through until {until}"),
        (None, Some(at)) => format!("stopped deprovisioning at {at}; `scimlet breaker allow --for 1h` lets it through"),
        (None, None) => "on".to_owned(),
    };
    let text = format!(
        "{does}; within {} minutes {} users deactivated or deleted, {} members taken out of groups",
        breaker.window,
        lost.lost_users(),
        lost.lost_memberships(),
    );
    let json = json!({
        "isOn": true,
        "windowMinutes": breaker.window,
        "users": lost.lost_users(),
        "memberships": lost.lost_memberships(),
        "allowedUntil": allowed,
        "stoppedAt": tripped,
    });
    Ok(Status { text, json })
}
