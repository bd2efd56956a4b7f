//! `scimlet seed`.

use clap::Args;
use scimlet::ambient;
use scimlet::config::{DEFAULT_TENANT, is_tenant, read_schemas};
use scimlet::local::population::Population;
use scimlet::local::progress;
use scimlet::local::seed::{Seeded, seed, write_units};
use scimlet::local::table::OpenTable;
use std::path::PathBuf;

#[derive(Args)]
pub struct SeedArgs {
    /// How many users
    #[arg(long, default_value_t = 1000, value_name = "NUMBER")]
    users: usize,
    /// How many groups
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    groups: usize,
    /// Members of each group; of several numbers each group takes the next one
    #[arg(long, default_value = "100", value_delimiter = ',', value_name = "NUMBER,...")]
    members: Vec<usize>,
    /// Tenant whose part of the table is filled
    #[arg(long, default_value = DEFAULT_TENANT, value_name = "NAME")]
    tenant: String,
    /// Other people and other ids for each number
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// What the names end with; another one adds to a table that was filled before
    #[arg(long, default_value = "bench.example", value_name = "DOMAIN")]
    domain: String,
    /// Folder for the data of the embedded engine
    #[arg(long, default_value = ".scimlet", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Write to a table on AWS, which costs money
    #[arg(long)]
    yes: bool,
}

pub async fn run(arguments: SeedArgs) -> Result<String, String> {
    let SeedArgs { users, groups, members, tenant, seed: number, domain, data_dir, yes } = arguments;
    let population = Population { users, groups, members, seed: number, domain };
    if !is_tenant(&tenant) {
        return Err(format!("'{tenant}' is no tenant: it has 1 to 64 letters, digits, '.' and '-'."));
    }
    let schemas = read_schemas(ambient::variable).map_err(|error| error.to_string())?;
    let table = OpenTable::open(Some(&data_dir), true, ambient::variable).await.map_err(|error| error.to_string())?;
    if table.is_on_aws && !yes {
        return Err(format!(
            "This writes to {}: about {} write units, which cost money. Repeat the command with --yes if that is meant.",
            table.place,
            progress::count(write_units(&population))
        ));
    }
    let bar = progress::bar((population.users + population.memberships() + population.groups) as u64);
    bar.set_message("seeded");
    let started = ambient::monotonic();
    let done = seed(&table.store, &schemas, &tenant, &population, |count| bar.inc(count as u64)).await;
    bar.finish_and_clear();
    let Seeded { users, groups, memberships, write_units } = done.map_err(|error| error.to_string())?;
    let number = |number: usize| progress::count(number as u64);
    Ok(format!(
        "Wrote {} users, {} groups and {} memberships to {} in {:.1} s: {} write units.",
        number(users),
        number(groups),
        number(memberships),
        table.place,
        started.elapsed().as_secs_f64(),
        progress::units(write_units),
    ))
}
