//! The router, in a process of its own, on the engine of another; and blocks of requests to it.

use crate::engine::{self, TABLE};
use crate::process;
use crate::report::{Cost, Figures};
use crate::rows::{self, Section};
use axum::Router;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use scimlet::config::Config;
use scimlet::http::{Api, Route, router};
use scimlet::local::population::Population;
use scimlet::store::connect::connect;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;

/// What makes this program a server: then the endpoint, the population, and what to measure.
pub const ARGUMENT: &str = "server";
const TOKEN: &str = "bench";

/// The arguments for a server that measures a section.
pub fn arguments(endpoint: &str, population: &Population, section: Section) -> Vec<String> {
    let mut arguments = engine::arguments(population);
    arguments.splice(..1, [ARGUMENT.to_owned(), endpoint.to_owned()]);
    arguments.push(section.name());
    arguments
}

/// Runs as that process: prints a line for each row.
pub fn run(endpoint: &str, users: &str, sizes: &str, section: &str) {
    let section = Section::ALL.iter().find(|known| known.name() == section).expect("a section");
    // As in a Lambda function: one thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(endpoint, engine::population(users, sizes)).await;
        rows::measure(&server, *section).await;
    });
}

/// A service provider with users and groups.
pub struct Server {
    router: Router,
    pub population: Population,
}

/// One request.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    accept_encoding: Option<&'static str>,
    body: Bytes,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), accept_encoding: None, body: Bytes::new() }
    }

    /// `endpoint` and a filter.
    pub fn find(endpoint: &str, filter: &str, more: &str) -> Self {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        Self::get(format!("{endpoint}?{query}{more}"))
    }

    pub fn put(path: impl Into<String>, body: &Value) -> Self {
        Self { method: "PUT", path: path.into(), accept_encoding: None, body: body.to_string().into() }
    }

    pub fn patch(path: impl Into<String>, operation: &Value) -> Self {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        Self { method: "PATCH", path: path.into(), accept_encoding: None, body: body.to_string().into() }
    }

    pub fn gzip(self) -> Self {
        Self { accept_encoding: Some("gzip"), ..self }
    }
}

/// A row of the table to be: the requests of block after block, each block like the others.
pub struct Series<'a> {
    name: String,
    block: Box<dyn Fn(usize) -> Vec<Request> + 'a>,
}

impl<'a> Series<'a> {
    pub fn new(name: impl Into<String>, block: impl Fn(usize) -> Vec<Request> + 'a) -> Self {
        Self { name: name.into(), block: Box::new(block) }
    }

    /// Blocks of so many requests, each made from its number.
    pub fn of(name: impl Into<String>, many: usize, request: impl Fn(usize) -> Request + 'a) -> Self {
        Self::new(name, move |block| (0..many).map(|index| request(many * block + index)).collect())
    }
}

/// When enough was measured: after `blocks`, or after `time` for each series and at least one block.
#[derive(Clone, Copy)]
pub struct Effort {
    blocks: usize,
    time: Duration,
    /// Blocks that go ahead unmeasured.
    warm: usize,
}

impl Effort {
    pub const MANY: Self = Self { blocks: 16, time: Duration::from_secs(3), warm: 1 };
    pub const FEW: Self = Self { blocks: 3, time: Duration::from_secs(15), warm: 0 };
}

impl Server {
    async fn start(endpoint: &str, population: Population) -> Self {
        let config = Config::read(|name| match name {
            "SCIM_TOKEN" => Some(TOKEN.into()),
            "SCIM_SERVER_TIMING" => Some("1".into()),
            "TABLE_NAME" => Some(TABLE.into()),
            "DYNAMODB_ENDPOINT" => Some(endpoint.to_owned()),
            _ => None,
        })
        .unwrap();
        let store = connect(&config.table).await;
        Self { router: router(&Api::new(config, store), &Route::ALL), population }
    }

    /// Measures series in turn, a block of each, so that what disturbs one disturbs all, and prints their rows. An
    /// answer that is an error ends it.
    pub async fn measure(&self, effort: Effort, series: &[Series<'_>]) {
        let started = scimlet::ambient::monotonic();
        let time = effort.time * u32::try_from(series.len()).unwrap_or(1);
        let mut figures: Vec<Figures> = series.iter().map(|_| Figures::default()).collect();
        'blocks: for block in 0..effort.warm + effort.blocks {
            if block > effort.warm && started.elapsed() > time {
                break;
            }
            for (series, figures) in series.iter().zip(&mut figures) {
                let requests = (series.block)(block);
                let mut measured = Figures::default();
                self.block(&requests, &mut measured).await;
                if measured.refused.is_some() || block >= effort.warm {
                    figures.add(measured);
                }
                if figures.refused.is_some() {
                    break 'blocks;
                }
            }
        }
        for (series, figures) in series.iter().zip(figures) {
            println!("{}", figures.row(&series.name, self.population.users).to_line());
        }
    }

    /// Sends requests one after another.
    async fn block(&self, requests: &[Request], figures: &mut Figures) {
        process::forget_peak();
        let before = process::cpu();
        for request in requests {
            let started = scimlet::ambient::monotonic();
            let (status, cost) = self.send(request).await;
            if status >= 400 {
                figures.refused = Some(status);
                return;
            }
            figures.walls.push(started.elapsed());
            figures.costs.push(cost);
        }
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        figures.cpus.extend(before.zip(process::cpu()).map(|(before, after)| (after - before) / count));
        figures.peak = process::peak();
    }

    async fn send(&self, request: &Request) -> (u16, Cost) {
        let mut parts = http::Request::builder()
            .method(request.method)
            .uri(format!("/scim/v2{}", request.path))
            .header("host", "scim.example.com")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/scim+json");
        if let Some(encoding) = request.accept_encoding {
            parts = parts.header("accept-encoding", encoding);
        }
        let response =
            self.router.clone().oneshot(parts.body(Body::from(request.body.clone())).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let cost = Cost::read(response.headers()["server-timing"].to_str().unwrap());
        // As a server does: each frame goes as it comes.
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            drop(frame.unwrap());
        }
        (status, cost)
    }
}
