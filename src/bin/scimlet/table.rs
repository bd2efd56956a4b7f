//! What the commands that work on a table have in common.

use clap::Args;
use scimlet::ambient;
use scimlet::config::DEFAULT_TENANT;
use scimlet::local::admin::{Admin, Options};
use std::path::PathBuf;

/// Which table, and whose part of it.
#[derive(Args)]
pub struct TableArgs {
    /// Folder of the data of the embedded engine
    #[arg(long, default_value = ".scimlet", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Tenant whose part of the table it is
    #[arg(long, default_value = DEFAULT_TENANT, value_name = "NAME")]
    tenant: String,
}

impl TableArgs {
    /// Opens it.
    pub async fn open(self) -> Result<Admin, String> {
        self.open_for(false).await
    }

    /// Opens it; users that are created are the application's own if `creates_unmanaged` says so.
    pub async fn open_for(self, creates_unmanaged: bool) -> Result<Admin, String> {
        let Self { data_dir, tenant } = self;
        let options = Options { data_dir, tenant, creates_unmanaged };
        Admin::open(&options, ambient::variable).await.map_err(|error| error.to_string())
    }
}
