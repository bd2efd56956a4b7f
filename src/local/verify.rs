//! `scimlet verify`: the whole table against itself.

use super::progress;
use super::table::{OpenTable, TableError};
use crate::config::{self, ConfigError, Settings};
use crate::service::Service;
use crate::store::StoreError;
use crate::store::meter::Cost;
use crate::store::verify::{self, Observer, Progress, Report, Seen};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Parts of a table on AWS that are read at the same time.
const SEGMENTS: u16 = 8;

/// What to check.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the embedded engine's file.
    pub data_dir: PathBuf,
    /// Whether what is wrong is repaired.
    pub repair: bool,
}

/// Why the table was not checked. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum VerifyError {
    #[error("There is no table in {}. Name the folder that `scimlet serve` keeps its data in with --data-dir.", folder.display())]
    NoData { folder: PathBuf },
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("The check of {table} did not come to its end: {source}. What was repaired stays so; run it again.")]
    Stopped { table: String, source: StoreError },
}

/// What was checked, and what was found.
#[derive(Debug)]
pub struct Checked {
    /// Where the table is, in words.
    pub table: String,
    /// What was found.
    pub report: Report,
    is_repair: bool,
}

/// Checks the table that `scimlet serve` would use, and repairs it if that is asked for. Shows how far it is on stderr,
/// if that is a terminal.
///
/// # Errors
///
/// [`VerifyError`], one sentence that says what to do.
pub async fn run(options: &Options, variable: impl Fn(&str) -> Option<String>) -> Result<Checked, VerifyError> {
    let schemas = config::read_schemas(&variable)?;
    if !OpenTable::is_there(&options.data_dir, &variable) {
        return Err(VerifyError::NoData { folder: options.data_dir.clone() });
    }
    let open = OpenTable::open(Some(&options.data_dir), false, &variable).await?;
    let (table, segments) = (open.place.clone(), if open.is_on_aws { SEGMENTS } else { 1 });
    let asked = verify::Options { repair: options.repair, segments };
    let bar = progress::bar(0);
    let done = Service::new(open.store.clone(), schemas, Settings::unlimited()).verify(asked, observer(&bar)).await;
    bar.finish_and_clear();
    if let Ok(report) = &done {
        // For `status`. A check with rights to read alone leaves no note, and is one all the same.
        let _noted = open.store.note_verified(&super::when::written(crate::ambient::now()), report.left()).await;
    }
    match done {
        Ok(report) => Ok(Checked { table, report, is_repair: options.repair }),
        Err(source) => Err(VerifyError::Stopped { table, source }),
    }
}

fn observer(bar: &ProgressBar) -> Observer {
    let bar = bar.clone();
    Arc::new(move |progress| {
        let (message, checked, of) = match progress {
            Progress::Items { checked, of } => ("items", checked, of),
            Progress::Counts { checked, of } => ("recounts", checked, of),
        };
        if bar.message() != message {
            bar.set_message(message);
            bar.reset_eta();
        }
        bar.set_length(of);
        bar.set_position(checked);
    })
}

impl Checked {
    /// Whether nothing is wrong any more.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.report.left() == 0
    }

    /// For a person: what there is, what was found, a kind a line with examples under it, and what it cost.
    #[must_use]
    pub fn text(&self) -> String {
        let Report { tenants, items, findings, cost } = &self.report;
        let mut text = String::new();
        for (tenant, Seen { users, groups, memberships, keys, changes }) in tenants {
            let _infallible = writeln!(
                text,
                "{tenant}: {users} users, {groups} groups, {memberships} memberships, {keys} keys, {changes} changes"
            );
        }
        for (kind, found) in findings {
            let repair = match kind.repair() {
                Some(repair) if found.repaired > 0 => format!("; {} repaired: {repair}", found.repaired),
                _ => String::new(),
            };
            let _infallible = writeln!(text, "{} {}: {}{repair}", found.count, kind.name(), kind.sentence());
            for example in &found.examples {
                let _infallible = writeln!(text, "  {example}");
            }
            let more = found.count - found.examples.len() as u64;
            if more > 0 && !found.examples.is_empty() {
                let _infallible = writeln!(text, "  and {more} more");
            }
        }
        let Cost { read_units, write_units, .. } = cost;
        let _infallible = writeln!(
            text,
            "{}: {items} items, {read_units:.0} read units, {write_units:.0} write units. {}",
            self.table,
            self.verdict()
        );
        text
    }

    fn verdict(&self) -> String {
        let (left, repaired) = (self.report.left(), self.report.repaired());
        match (left, repaired) {
            (0, 0) => "Nothing is wrong.".to_owned(),
            (0, _) => format!("{repaired} repaired, nothing is left."),
            _ if self.is_repair => format!("{repaired} repaired, {left} left."),
            _ => format!("{left} wrong; --repair mends what can be mended."),
        }
    }

    /// For a program.
    #[must_use]
    pub fn json(&self) -> Value {
        let Report { tenants, items, findings, cost } = &self.report;
        let tenants = tenants.iter().map(|(tenant, seen)| {
            let Seen { users, groups, memberships, keys, changes } = seen;
            let seen = json!({
                "users": users, "groups": groups, "memberships": memberships, "keys": keys, "changes": changes,
            });
            (tenant.clone(), seen)
        });
        let found = |is_note: bool| -> Vec<Value> {
            let of_kind = findings.iter().filter(|(kind, _)| kind.is_note() == is_note);
            let each = of_kind.map(|(kind, found)| {
                let examples = found.examples.iter().map(|example| {
                    let parts = example.0.iter().map(|(name, what)| ((*name).to_owned(), what.clone().into()));
                    Value::Object(parts.collect())
                });
                json!({
                    "kind": kind.name(), "what": kind.sentence(), "count": found.count, "repaired": found.repaired,
                    "examples": examples.collect::<Vec<_>>(),
                })
            });
            each.collect()
        };
        json!({
            "table": self.table,
            "clean": self.is_clean(),
            "tenants": tenants.collect::<serde_json::Map<_, _>>(),
            "items": items,
            "findings": found(false),
            "notes": found(true),
            "left": self.report.left(),
            "repaired": self.report.repaired(),
            "readUnits": cost.read_units,
            "writeUnits": cost.write_units,
        })
    }
}
