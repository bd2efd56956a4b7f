//! Starts programs, one after another, and times their first answer and some more.

use crate::Outcome;
use crate::cpu::{Share, peak_mb};
use crate::program::{Place, Prepared, Program};
use crate::runtime_api::RuntimeApi;
use crate::table::Table;
use std::time::Duration;

/// How many requests follow the first.
#[derive(Debug, Clone, Copy)]
pub struct Warm {
    gets: usize,
    posts: usize,
}

impl Warm {
    pub const NONE: Self = Self { gets: 0, posts: 0 };
    pub const GETS: Self = Self { gets: 50, posts: 0 };
    pub const GETS_AND_POSTS: Self = Self { gets: 50, posts: 50 };
}

/// The starts of a program with a share.
#[derive(Debug)]
pub struct Series {
    pub program: &'static str,
    pub share: Share,
    pub starts: Vec<Start>,
}

/// One start. Times in milliseconds.
#[derive(Debug)]
pub struct Start {
    /// Until it asked for its first invocation.
    pub init: f64,
    /// From the first event to its answer.
    pub first: f64,
    pub init_cpu: f64,
    /// Until the first answer.
    pub cpu: f64,
    pub gets: Vec<f64>,
    pub posts: Vec<f64>,
    pub peak_mb: f64,
}

impl Start {
    /// Without the time in which it waited for this process.
    pub fn total(&self) -> f64 {
        self.init + self.first
    }
}

/// Starts each program with its share in turn, `runs` times, so that what disturbs one disturbs all.
pub fn interleaved<'a>(
    runs: usize,
    pairs: impl Iterator<Item = (&'a Program, Share)>,
    place: &Place,
    table: &Table,
    warm: Warm,
) -> Outcome<Vec<Series>> {
    let (programs, mut all): (Vec<_>, Vec<_>) =
        pairs.map(|(program, share)| (program, Series { program: program.name, share, starts: Vec::new() })).unzip();
    for _run in 0..runs {
        for (program, series) in programs.iter().zip(&mut all) {
            series.starts.push(start(program, series.share, place, table, warm)?);
        }
    }
    all.iter().for_each(Series::tell);
    Ok(all)
}

/// Starts a program once.
pub fn start(program: &Program, share: Share, place: &Place, table: &Table, warm: Warm) -> Outcome<Start> {
    let api = RuntimeApi::start();
    let mut process = program.prepare(share, place, &api.address())?;
    follow(&api, &mut process, share, table, warm).map_err(|problem| {
        let (name, said) = (program.name, process.said());
        format!("{name}: {problem}\n{said}")
    })
}

fn follow(api: &RuntimeApi, process: &mut Prepared, share: Share, table: &Table, warm: Warm) -> Outcome<Start> {
    let begun = process.begin();
    let call = api.next(|| process.has_ended())?;
    let init = call.at - begun;
    let init_cpu = process.cpu();
    if let Some(memory) = share.of_requests() {
        process.group.give(memory);
    }
    let invoked = call.invoke(&table.get);
    let call = api.response(|| process.has_ended())?;
    let first = call.at - invoked;
    let cpu = process.cpu();
    table.check_get(&call.body)?;
    call.accept();

    let mut exchange = |event: &str, check: &dyn Fn(&[u8]) -> Outcome<()>| {
        let invoked = api.next(|| process.has_ended())?.invoke(event);
        let call = api.response(|| process.has_ended())?;
        let took = call.at - invoked;
        check(&call.body)?;
        call.accept();
        Outcome::Ok(milliseconds(took))
    };
    let gets = (0..warm.gets).map(|_| exchange(&table.get, &|answer| table.check_get(answer)));
    let gets = gets.collect::<Outcome<_>>()?;
    let posts = (0..warm.posts).map(|_| {
        let post = table.post();
        exchange(&post.event, &|answer| post.check(answer))
    });
    let posts = posts.collect::<Outcome<_>>()?;
    let last = api.next(|| process.has_ended())?;
    let peak_mb = peak_mb(process.id()).ok_or("Linux does not tell its memory")?;
    drop(last);
    let [init, first, init_cpu, cpu] = [init, first, init_cpu, cpu].map(milliseconds);
    Ok(Start { init, first, init_cpu, cpu, gets, posts, peak_mb })
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
