//! The embedded engine in a process of its own, with a table that is filled there.

use scimlet::config::{DEFAULT_TENANT, Table};
use scimlet::local::engine::Engine;
use scimlet::local::population::Population;
use scimlet::local::seed::seed;
use scimlet::protocol::schema::Schemas;
use scimlet::store::connect::connect;
use std::io::Read as _;

/// What makes this program an engine: then the number of users, and the sizes of the groups.
pub const ARGUMENT: &str = "engine";
/// Name of the table.
pub const TABLE: &str = "scimlet";

/// The arguments for an engine with this population.
pub fn arguments(population: &Population) -> Vec<String> {
    let sizes: Vec<String> = population.members.iter().map(usize::to_string).collect();
    vec![ARGUMENT.into(), population.users.to_string(), sizes.join(",")]
}

/// The population that such arguments describe.
pub fn population(users: &str, sizes: &str) -> Population {
    let members: Vec<usize> = sizes.split(',').map(|size| size.parse().unwrap()).collect();
    Population { users: users.parse().unwrap(), groups: members.len(), members, ..Population::default() }
}

/// Runs as that process: prints the endpoint when the table is filled, and ends with its standard input.
pub fn run(users: &str, sizes: &str) {
    let population = population(users, sizes);
    let engine = Engine::in_memory().unwrap();
    let table = Table { name: TABLE.into(), endpoint: Some(engine.endpoint().to_owned()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let started = scimlet::ambient::monotonic();
        let store = connect(&table).await;
        store.create_table_if_missing().await.unwrap();
        let done = seed(&store, &Schemas::load(true).unwrap(), DEFAULT_TENANT, &population, |_| ()).await.unwrap();
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{} users and {} memberships in {seconds:.1} s", done.users, done.memberships);
    });
    println!("{}", engine.endpoint());
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}
