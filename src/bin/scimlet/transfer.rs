//! `scimlet export` and `scimlet import`.

use crate::said::Said;
use crate::stop::Stop;
use crate::table::TableArgs;
use clap::Args;
use scimlet::local::progress::{count, counted};
use scimlet::local::transfer::export::{self, Exported};
use scimlet::local::transfer::import::{self, Imported};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Read as _};
use std::path::PathBuf;

#[derive(Args)]
pub struct ExportArgs {
    /// A file; otherwise it goes to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
}

#[derive(Args)]
pub struct ImportArgs {
    /// A file of SCIM JSON, one resource a line; - is standard input
    file: PathBuf,
    /// The users are the application's own: no identity provider changes them
    #[arg(long)]
    unmanaged: bool,
    /// Check the lines, show what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

pub async fn export(arguments: ExportArgs) -> Result<(), String> {
    let ExportArgs { out, table } = arguments;
    let admin = table.open().await?;
    let Some(file) = out else {
        return export::export(&admin, &mut BufWriter::new(std::io::stdout())).await.map(|_| ());
    };
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}.", file.display());
    // Under another name until it is whole.
    let mut partial = file.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut writer = BufWriter::new(File::create(&partial).map_err(failed)?);
    let Some(Exported { users, groups }) = export::export(&admin, &mut writer).await? else {
        return Err(format!("{} is closed by its reader.", file.display()));
    };
    drop(writer);
    std::fs::rename(&partial, &file).map_err(failed)?;
    eprintln!("Wrote {} and {} to {}.", counted(users, "user"), counted(groups, "group"), file.display());
    Ok(())
}

pub async fn import(arguments: ImportArgs) -> Result<Said, String> {
    let ImportArgs { file, unmanaged, dry_run, json: as_json, table } = arguments;
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}.", file.display());
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
    } else {
        File::open(&file).and_then(|mut file| file.read_to_string(&mut text)).map_err(failed)?;
    }
    let admin = table.open_for(unmanaged).await?;
    let stop = Stop::on_interrupt();
    let imported = import::import(&admin, &text, dry_run, stop.asked()).await;
    Ok(told(&imported?, dry_run, as_json))
}

fn told(imported: &Imported, is_dry: bool, as_json: bool) -> Said {
    let Imported { created, updated, unchanged, memberships, unknown_members, failed, reasons, is_stopped } = imported;
    let unknown = match unknown_members {
        0 => String::new(),
        1 => " 1 member is neither in the file nor in the table and was left out.".to_owned(),
        number => {
            format!(" {} are neither in the file nor in the table and were left out.", counted(*number, "member"))
        }
    };
    let text = if is_dry {
        format!(
            "Would create {} and look at {} that are there, with {}. Nothing was changed.{unknown}",
            count(*created),
            count(*unchanged),
            counted(*memberships, "membership")
        )
    } else {
        format!(
            "Created {}, updated {}, unchanged {}; {}.{unknown}",
            count(*created),
            count(*updated),
            count(*unchanged),
            counted(*memberships, "membership")
        )
    };
    let problem = match (failed, is_stopped) {
        (0, false) => None,
        (0, true) => Some(format!("{text} It was stopped; run the command again to go on.")),
        (failed, _) => Some(format!(
            "{text} {} could not be imported; mend what is wrong and run the command again. The first reasons: {}",
            counted(*failed, "line"),
            reasons.join("; ")
        )),
    };
    let shown = json!({
        "created": created, "updated": updated, "unchanged": unchanged, "memberships": memberships,
        "unknownMembers": unknown_members, "failed": failed, "reasons": reasons, "isStopped": is_stopped,
        "isDryRun": is_dry,
    });
    Said { text: if as_json { format!("{shown:#}") } else { text }, problem, as_json }
}
