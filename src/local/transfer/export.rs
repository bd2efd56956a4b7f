//! Writing: users first, then groups with all their members, each as a GET shows it.

use crate::local::admin::Admin;
use crate::local::progress;
use crate::protocol::projection::Projection;
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::ResourceType;
use crate::service::cursor::{Position, Sealer};
use crate::service::query::{Paging, Query};
use std::io::{self, Write};

/// Resources that are read at a time.
const AT_ONCE: usize = 100;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
}

/// Why it ends early.
enum End {
    /// Nobody reads any more.
    Closed,
    /// One sentence.
    Failed(String),
}

impl From<String> for End {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(format!("It cannot be written: {error}.")),
        }
    }
}

/// Writes every user and group. What changes meanwhile is as it was at some time in between; no more than a page is held.
/// `None` when the reader has seen enough and closed the pipe.
///
/// # Errors
///
/// One sentence: what the table said, or why it cannot be written.
pub async fn export(admin: &Admin, out: &mut (impl Write + Send)) -> Result<Option<Exported>, String> {
    match all(admin, out).await {
        Ok(exported) => Ok(Some(exported)),
        Err(End::Closed) => Ok(None),
        Err(End::Failed(reason)) => Err(reason),
    }
}

async fn all(admin: &Admin, out: &mut (impl Write + Send)) -> Result<Exported, End> {
    let bar = progress::bar(0);
    bar.set_message("exported");
    let mut count = async |resource_type, excluded| -> Result<u64, End> {
        let schema = admin.service.schemas().of(resource_type);
        let (mut after, mut written) = (None::<String>, 0);
        loop {
            let projection =
                Projection::parse(None, excluded, schema, &mut Quirks::default()).map_err(|error| error.detail)?;
            let position = after.take().map(|id| Position { id, key: None, count: AT_ONCE, issued: 0 });
            let paging = Paging::Cursor { after: position, count: AT_ONCE, sealer: Sealer::new(&[0; 32], &[]) };
            let query = Query { filter: None, sort: None, paging, projection };
            let page = admin.service.list(&mut admin.caller(), resource_type, &query).await;
            let page = page.map_err(|error| error.to_string())?;
            bar.set_length(bar.position() + page.total_results as u64 - written);
            for resource in &page.resources {
                let line = serde_json::to_string(resource).map_err(|error| error.to_string())?;
                writeln!(out, "{line}")?;
                let value: serde_json::Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
                after = value["id"].as_str().map(str::to_owned);
                bar.inc(1);
                written += 1;
            }
            if page.next_cursor.is_none() {
                return Ok(written);
            }
        }
    };
    let users = count(ResourceType::User, Some("groups")).await?;
    let groups = count(ResourceType::Group, None).await?;
    bar.finish_and_clear();
    out.flush()?;
    Ok(Exported { users, groups })
}
