//! Identity providers at work on a table that fails in every way that DynamoDB and a network do. A seed says who sends
//! what, what goes wrong, how long each call takes, and every id: the same seed is the same run.
//!
//! After a run nothing contradicts itself, every acknowledged change is there, no refused one is, every answer was one
//! that was possible, and the change log has what happened and nothing else.

pub mod engine;
mod faults;
mod history;
mod kills;
mod scripted;
mod traffic;

use crate::administration::log::World;
use crate::crash::sweep;
use crate::harness::App;
use crate::verify::is_clean_but_for_late_chunks;
use engine::{Engine, http_client};
use fastrand::Rng;
use faults::{Fault, Faulty};
use futures_util::future::join_all;
use history::{Exchange, Found, History};
use scimlet::ambient;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use traffic::{Ledger, Provider, SHAPES};

/// How a run is made.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub requests: usize,
    /// Of ten thousand calls to the table.
    pub faults: u32,
}

/// What a run was.
pub struct Run {
    pub exchanges: Vec<Exchange>,
    pub calls: u64,
    pub faults: BTreeMap<Fault, u64>,
}

impl Plan {
    /// Runs it on a thread whose clock stands still but for timers, and checks what is left. Panics with the plan.
    #[expect(clippy::print_stderr, reason = "how to repeat what failed")]
    pub fn run(self) -> Run {
        let thread = std::thread::Builder::new().name(format!("{self:?}")).spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let _seeded = ambient::repeatable(self.seed, "2026-11-24T08:00:00Z".parse().unwrap());
                self.work().await
            })
        });
        thread.unwrap().join().unwrap_or_else(|panic| {
            eprintln!("the run that failed is {self:?}");
            std::panic::resume_unwind(panic)
        })
    }

    /// What the SDK has for retries: most processes as much as it gives them, one in four next to nothing, as after a
    /// long storm, and one in four nothing.
    fn retry_tokens(&self) -> usize {
        match self.seed % 4 {
            0 => 0,
            1 => 30,
            _ => 500,
        }
    }

    async fn work(self) -> Run {
        let engine = Engine::new();
        // What goes wrong begins when the table is there.
        let app = App::over(http_client(engine.clone()), &[]).await;
        let mut random = Rng::with_seed(self.seed);
        let network = Faulty::new(engine, random.u64(..), self.faults);
        let failing = app.beside_with(self.retry_tokens(), |_| http_client(network.clone()));
        // Retries of the SDK, which draws more while the first client of a process is made than for those after it.
        fastrand::seed(self.seed);
        let ledger = Ledger::default();
        let providers = SHAPES.map(|shape| Provider::new(&failing, &ledger, shape, random.fork()).work(self.requests));
        join_all(providers).await;
        // Calls that nobody waits for any more.
        tokio::time::sleep(Duration::from_secs(60)).await;
        // A redo that was staged may have been left to the sweep, which runs until nothing is left.
        sweep(&app).await;
        is_clean_but_for_late_chunks(&app, "after the run").await;
        let found = found(&app).await;
        let exchanges = ledger.exchanges();
        History::new(&exchanges, &found).check();
        let (calls, faults) = network.counts();
        Run { exchanges, calls, faults }
    }
}

/// What is in the table, and that the change log, replayed, gives just that.
async fn found(app: &App) -> Found {
    let records = crate::administration::records(app, "default").await;
    let world = World::of_table(app).await.without_deleted();
    assert!(World::replayed(&records) == world, "the change log, replayed, is not the table");
    let mut found = Found::default();
    for ((kind, id), resource) in world.resources {
        let of_kind = if kind == "User" { &mut found.users } else { &mut found.groups };
        of_kind.insert(id, resource.into());
    }
    for (group, member) in world.members.into_keys() {
        found.members.entry(group).or_default().insert(member);
    }
    found.records = records
        .into_iter()
        .map(|record| [record.operation.to_string(), record.resource_type, record.resource_id, record.request_id])
        .collect();
    found
}

/// A line for a table: what was asked, what went wrong, what was answered.
fn told(plan: Plan, run: &Run) -> String {
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for exchange in &run.exchanges {
        *statuses.entry(exchange.status).or_default() += 1;
    }
    let Run { exchanges, calls, faults } = run;
    format!("{plan:?}: {} requests, {calls} calls, faults {faults:?}, answers {statuses:?}", exchanges.len())
}

#[test]
fn a_seed_is_one_run() {
    let plan = Plan { seed: 7, requests: 300, faults: 600 };
    let story = |run: &Run| run.exchanges.iter().map(|exchange| exchange.what.clone()).collect::<Vec<_>>();
    let (first, again) = (plan.run(), plan.run());
    let (first_story, again_story) = (story(&first), story(&again));
    let differ = first_story.iter().zip(&again_story).find(|(one, other)| one != other);
    assert!(differ.is_none() && first_story.len() == again_story.len(), "{differ:#?}");
    assert_eq!(first.faults, again.faults);
}

/// `SCIMLET_TEST_SIMULATION=seed:requests:faults[:runs]` has other runs.
#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    let asked = ambient::variable("SCIMLET_TEST_SIMULATION").unwrap_or_else(|| "1:400:700:4".into());
    let numbers: Vec<u64> = asked.split(':').map(|number| number.parse().unwrap()).collect();
    let last = numbers[0] + numbers.get(3).copied().unwrap_or(1);
    let next = AtomicU64::new(numbers[0]);
    let run_all = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                return;
            }
            let plan = Plan { seed, requests: numbers[1] as usize, faults: numbers[2] as u32 };
            let run = plan.run();
            println!("{}", told(plan, &run));
        }
    };
    // A run has one thread.
    std::thread::scope(|scope| {
        scope.spawn(run_all);
        run_all();
    });
}
