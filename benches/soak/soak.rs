//! The rate: which request is due when, who sends it, and what is looked at meanwhile and afterwards.

use crate::options::Options;
use crate::provider::{Outcome, Provider, Shared, must};
use crate::report::Report;
use crate::server::Server;
use futures_util::future::{join_all, select};
use scimlet::protocol::schema::GROUP_URI;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Groups whose members all providers change.
const GROUPS: usize = 20;
/// Moments at which the server's memory is noted.
const SAMPLES: u64 = 60;

/// How long after its end requests that are late may still be sent.
const GRACE: Duration = Duration::from_secs(2);

pub async fn run(options: &Options, server: &Server) -> Report {
    let mut shared = Shared::default();
    make_groups(&mut shared, server, options).await;
    let wanted = options.users / options.connections;
    let numbers = 0..options.connections;
    let mut providers: Vec<Provider<'_>> = numbers
        .map(|number| Provider::new(&shared, server.address, options.mix, number, wanted, options.seed))
        .collect();
    let filled = join_all(providers.iter_mut().map(Provider::fill)).await;
    filled.into_iter().collect::<Outcome>().expect("users to begin with");

    let report = RefCell::new(Report::begin(options));
    report.borrow_mut().sample(0.0, server, &shared);
    let started = scimlet::ambient::monotonic();
    let pace = Pace { started, due: Cell::new(0), all: options.seconds * options.rate, rate: options.rate };
    {
        let sent = pin!(join_all(providers.iter_mut().map(|provider| send(provider, &pace, &report))));
        let watched = pin!(watch(options, started, server, &shared, &report));
        select(sent, watched).await;
    }
    let mut report = report.into_inner();
    report.took(started.elapsed());
    report.not_sent = pace.all.saturating_sub(report.requests());
    report.sample(started.elapsed().as_secs_f64(), server, &shared);
    report.compared = Some(compare(&mut providers, &shared).await);
    report
}

async fn make_groups(shared: &mut Shared, server: &Server, options: &Options) {
    let nobody = Shared::default();
    let mut provider = Provider::new(&nobody, server.address, options.mix, 0, 0, options.seed);
    for number in 0..GROUPS {
        let name = format!("Shared group {number}");
        let group = json!({ "schemas": [GROUP_URI], "displayName": name });
        let answer = provider.ask_with("POST", "/Groups", &group, 201).await.expect("a group to begin with");
        shared.groups.push((answer.id().expect("an id"), name));
    }
}

/// When which request is due.
struct Pace {
    started: Instant,
    due: Cell<u64>,
    all: u64,
    rate: u64,
}

impl Pace {
    /// The time of the next request that nobody has taken, unless the time for all of them is over.
    fn next(&self) -> Option<Instant> {
        let end = Duration::from_secs_f64(self.all as f64 / self.rate as f64) + GRACE;
        if self.started.elapsed() > end {
            return None;
        }
        let number = self.due.replace(self.due.get() + 1);
        (number < self.all).then(|| self.started + Duration::from_secs_f64(number as f64 / self.rate as f64))
    }
}

async fn send(provider: &mut Provider<'_>, pace: &Pace, report: &RefCell<Report>) {
    while let Some(due) = pace.next() {
        tokio::time::sleep_until(due.into()).await;
        let began = due.elapsed();
        let (kind, outcome) = provider.step().await;
        report.borrow_mut().add(kind, began, due.elapsed(), outcome);
    }
}

async fn watch(options: &Options, started: Instant, server: &Server, shared: &Shared, report: &RefCell<Report>) {
    let every = Duration::from_secs((options.seconds / SAMPLES).max(1));
    let mut at = started;
    loop {
        at += every;
        tokio::time::sleep_until(at.into()).await;
        report.borrow_mut().sample(started.elapsed().as_secs_f64(), server, shared);
    }
}

/// Reads every user and every group once more. Users that are compared.
async fn compare(providers: &mut [Provider<'_>], shared: &Shared) -> Result<usize, String> {
    let mut count = 0;
    for provider in &mut *providers {
        // What was begun is ended: no user is half way to its deletion.
        while !provider.next.is_empty() {
            provider.step().await.1?;
        }
        for at in 0..provider.users.len() {
            provider.read_one(at).await?;
        }
        count += provider.users.len();
    }
    for (group, name) in &shared.groups {
        let of = |provider: &Provider<'_>| {
            let members = provider.users.iter().filter(|user| user.groups.contains(group));
            members.map(|user| user.id.clone()).collect::<Vec<_>>()
        };
        let members: BTreeSet<String> = providers.iter().flat_map(of).collect();
        let provider = &mut providers[0];
        let answer = provider.ask(provider.request("GET", format!("/Groups/{group}")), 200).await?;
        let shown = answer.body["members"].as_array().map_or(&[][..], Vec::as_slice);
        let shown: BTreeSet<String> =
            shown.iter().filter_map(|member| member["value"].as_str().map(str::to_owned)).collect();
        must(shown == members, || format!("{name} has {} members in place of {}", shown.len(), members.len()))?;
    }
    let provider = &mut providers[0];
    let answer = provider.ask(provider.request("GET", "/Users?count=0"), 200).await?;
    must(answer.body["totalResults"] == count, || format!("{count} users are known, {} are there", answer.body))?;
    Ok(count)
}
