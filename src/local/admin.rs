//! What the commands of an administrator work with: a table that is there, the service over it, and one tenant.

use super::table::{OpenTable, TableError};
use crate::ambient;
use crate::config::{Config, ConfigError, DEFAULT_TENANT, Settings, is_tenant, read_schemas};
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, index};
use crate::service::{Caller, Service};
use crate::store::meter::Meter;
use crate::store::{StoreError, TenantStore};
use std::path::PathBuf;
use std::time::Duration;

/// Name of who changes something by a command, in the change log.
pub const ACTOR: &str = "command-line";

/// In which one change made by a command may be tried again. Nobody waits for an answer within a gateway's time.
const CHANGE_TIME: Duration = Duration::from_secs(120);

/// Which table, and whose part of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the data of the embedded engine, where no variable names another table.
    pub data_dir: PathBuf,
    /// The tenant.
    pub tenant: String,
    /// Whether users that are created are the application's own.
    pub creates_unmanaged: bool,
}

/// A tenant's part of a table, and the service over it.
#[derive(Debug)]
pub struct Admin {
    /// The table.
    pub table: OpenTable,
    /// The service provider, as a deployed function has it, without its limits and guards.
    pub service: Service,
    tenant: String,
    quirks: bool,
    log_days: u32,
}

/// Why a command cannot begin. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum AdminError {
    #[error("'{0}' is no tenant: it has 1 to 64 letters, digits, '.' and '-'.")]
    Tenant(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "There is no table in {}. Start `scimlet serve` once, give its folder with --data-dir, or set TABLE_NAME for a table on AWS.",
        .0.display()
    )]
    NoData(PathBuf),
    #[error(transparent)]
    Table(#[from] TableError),
}

impl Admin {
    /// Opens the table that the environment names, as [`OpenTable::open`] does, without making one.
    ///
    /// # Errors
    ///
    /// [`AdminError`], one sentence that says what to do.
    pub async fn open(options: &Options, variable: impl Fn(&str) -> Option<String>) -> Result<Self, AdminError> {
        let Options { data_dir, tenant, creates_unmanaged } = options;
        if !is_tenant(tenant) {
            return Err(AdminError::Tenant(tenant.clone()));
        }
        let schemas = read_schemas(&variable)?;
        let quirks = Config::reads_quirks(&variable)?;
        let log_days = Settings::read(&variable)?.log_days;
        let settings = Settings { log_days, creates_unmanaged: *creates_unmanaged, ..Settings::unlimited() };
        if !OpenTable::is_there(data_dir, &variable) {
            return Err(AdminError::NoData(data_dir.clone()));
        }
        let table = OpenTable::open(Some(data_dir), false, &variable).await?;
        let service = Service::new(table.store.clone(), schemas, settings);
        Ok(Self { table, service, tenant: tenant.clone(), quirks, log_days })
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// How many days the change log is kept, as this environment says.
    #[must_use]
    pub fn log_days(&self) -> u32 {
        self.log_days
    }

    /// The id of a resource that is, or was, in the table: `name` is its id, or its userName or displayName. Of several
    /// deleted ones of a name it is the one deleted last.
    ///
    /// # Errors
    ///
    /// One sentence, when there is none or when there are several.
    pub async fn find(&self, resource_type: ResourceType, name: &str) -> Result<String, String> {
        let store = self.store(&Meter::default());
        let failed = |error: StoreError| error.to_string();
        let is_id = store.resource(resource_type, name).await.map_err(failed)?.is_some()
            || store.tombstone(resource_type, name).await.map_err(failed)?.is_some();
        if is_id {
            return Ok(name.to_owned());
        }
        let ids = self.named(resource_type, name).await?;
        match ids.as_slice() {
            [id] => return Ok(id.clone()),
            [] => {}
            several => {
                return Err(format!(
                    "{} groups have the name '{name}': {}. Give an id.",
                    several.len(),
                    several.join(", ")
                ));
            }
        }
        let gone = store.tombstones_named(resource_type, name).await.map_err(failed)?;
        gone.into_iter().max_by(|one, other| one.1.deleted.cmp(&other.1.deleted)).map(|(id, _)| id).ok_or_else(|| {
            let attribute = name_attribute(resource_type);
            format!(
                "The tenant '{}' has no {} with the id or {attribute} '{name}', and none was deleted that had it. One that \
                 was renamed has the new name; `scimlet log` shows both.",
                self.tenant,
                resource_type.name()
            )
        })
    }

    /// The ids of the resources with a userName or displayName.
    ///
    /// # Errors
    ///
    /// What the table said, in a sentence.
    pub async fn named(&self, resource_type: ResourceType, name: &str) -> Result<Vec<String>, String> {
        let mut named = Object::new();
        named.insert(name_attribute(resource_type).into(), name.into());
        let store = self.store(&Meter::default());
        let mut ids = Vec::new();
        for value in index::values(self.service.schemas().of(resource_type), &named) {
            ids.extend(store.holders(&value).await.map_err(|error| error.to_string())?);
        }
        Ok(ids)
    }

    /// The tenant's part of the table, with its cost counted by `meter`.
    #[must_use]
    pub fn store(&self, meter: &Meter) -> TenantStore {
        self.table.store.tenant(&self.tenant, meter)
    }

    /// Who makes one change, or asks one question: a caller serves one request.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let quirks = if self.quirks { Quirks::default() } else { Quirks::off() };
        Caller { quirks, ..Caller::new(&self.tenant, ACTOR, ambient::monotonic() + CHANGE_TIME) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { data_dir: PathBuf::from(".scimlet"), tenant: DEFAULT_TENANT.to_owned(), creates_unmanaged: false }
    }
}

/// The attribute that a person knows a resource by.
fn name_attribute(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "userName",
        ResourceType::Group => "displayName",
    }
}
