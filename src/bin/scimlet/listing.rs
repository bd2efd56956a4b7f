//! `scimlet users` and `scimlet groups`.

use crate::table::TableArgs;
use clap::{Args, Subcommand};
use scimlet::local::listing;
use scimlet::protocol::schema::ResourceType;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ListArgs {
    #[command(subcommand)]
    command: Option<ListCommand>,
    /// A SCIM filter: 'active eq false'
    filter: Option<String>,
    /// Most of them to show
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

#[derive(Subcommand)]
enum ListCommand {
    /// One of them, with its memberships
    Show {
        /// Its id, or its userName or displayName
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        table: TableArgs,
    },
}

pub async fn run(resource_type: ResourceType, arguments: ListArgs) -> Result<String, String> {
    if let Some(ListCommand::Show { name, json, table }) = arguments.command {
        let admin = table.open().await?;
        let shown = listing::show(&admin, resource_type, &name).await?;
        if json {
            return Ok(format!("{shown:#}"));
        }
        let text = listing::shown_text(&shown);
        let id = shown["id"].as_str().unwrap_or_default();
        let is_own = resource_type == ResourceType::User && listing::is_unmanaged(&admin, id).await?;
        return Ok(if is_own {
            format!("{text}\nThe application's own: provisioning does not change it.")
        } else {
            text
        });
    }
    let ListArgs { filter, limit, json, table, .. } = arguments;
    let found = listing::list(&table.open().await?, resource_type, filter.as_deref(), limit).await?;
    Ok(if json { format!("{:#}", found.json()) } else { found.text() })
}
