//! What can go wrong between a client and DynamoDB, drawn from a seed for each call. Only what DynamoDB or a network does:
//! a transaction that was carried out under a token is not said to have been cancelled later.

use super::engine::{Call, Engine, Reply, Wire};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use fastrand::Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The answer comes late.
    Delay,
    /// The connection breaks before the call arrives.
    LostCall,
    /// The call is carried out, and the connection breaks.
    LostAnswer,
    /// The call arrives, and nothing comes back for as long as anyone waits.
    Silence,
    /// The call arrives twice.
    Twice,
    /// The call arrives after its sender has given it up.
    Late,
    /// DynamoDB fails before it does anything.
    FailsBefore,
    /// DynamoDB does it, and says that it failed.
    FailsAfter,
    /// DynamoDB asks for fewer calls.
    Throttle,
    /// Another transaction is at one of the items.
    Conflict,
    /// A transaction is carried out, and DynamoDB says that it is under way.
    InProgress,
    /// Some of a batch is left for another time, or all.
    Unprocessed,
    /// A page ends early.
    ShortPage,
}

/// The faults that any call may meet.
const ANY: [Fault; 8] = [
    Fault::Delay,
    Fault::LostCall,
    Fault::LostAnswer,
    Fault::Silence,
    Fault::Twice,
    Fault::FailsBefore,
    Fault::FailsAfter,
    Fault::Throttle,
];

const TYPE: &str = "com.amazonaws.dynamodb.v20120810#";

/// An engine behind a bad network.
#[derive(Clone)]
pub struct Faulty {
    engine: Engine,
    shared: Arc<Mutex<State>>,
    /// In ten thousand calls.
    rate: u32,
}

struct State {
    random: Rng,
    /// Tokens of transactions that were carried out.
    done: BTreeSet<String>,
    /// How often each thing went wrong.
    counts: BTreeMap<Fault, u64>,
    calls: u64,
    /// Calls until a storm, in which most calls fail, is over.
    storm: u32,
}

/// Of ten thousand calls in a storm.
const STORM: u32 = 8_500;

impl Faulty {
    /// `rate` of ten thousand calls meet a fault; now and then, at the same rate, begins a storm.
    pub fn new(engine: Engine, seed: u64, rate: u32) -> Self {
        let random = Rng::with_seed(seed);
        let state = State { random, done: BTreeSet::new(), counts: BTreeMap::new(), calls: 0, storm: 0 };
        Self { engine, shared: Arc::new(Mutex::new(state)), rate }
    }

    /// Calls, and how often each thing went wrong.
    pub fn counts(&self) -> (u64, BTreeMap<Fault, u64>) {
        let state = self.shared.lock().unwrap();
        (state.calls, state.counts.clone())
    }

    /// What the call meets, and how long it takes.
    fn draw(&self, call: &Call) -> (Option<Fault>, Duration) {
        let mut state = self.shared.lock().unwrap();
        state.calls += 1;
        let latency = Duration::from_micros(state.random.u64(800..6_000));
        if state.storm == 0 && state.random.u32(..100_000) < self.rate {
            state.storm = state.random.u32(5..60);
        }
        let rate = if state.storm > 0 { STORM } else { self.rate };
        state.storm = state.storm.saturating_sub(1);
        if state.random.u32(..10_000) >= rate {
            return (None, latency);
        }
        let special: &[Fault] = match call.operation.as_str() {
            "TransactWriteItems" => &[Fault::Conflict, Fault::Conflict, Fault::InProgress, Fault::Late],
            "BatchGetItem" => &[Fault::Unprocessed; 4],
            "BatchWriteItem" => &[Fault::Unprocessed, Fault::Unprocessed, Fault::Late, Fault::Late],
            "Query" => &[Fault::ShortPage; 4],
            _ => &[],
        };
        let drawn = state.random.usize(..ANY.len() + special.len());
        let fault = ANY.get(drawn).copied().unwrap_or_else(|| special[drawn - ANY.len()]);
        *state.counts.entry(fault).or_default() += 1;
        (Some(fault), latency)
    }

    fn below(&self, most: usize) -> usize {
        self.shared.lock().unwrap().random.usize(..most)
    }

    /// Whether a transaction was carried out under the token of this one.
    fn is_done(&self, call: &Call) -> bool {
        token(call).is_some_and(|token| self.shared.lock().unwrap().done.contains(&token))
    }

    fn carry_out(&self, call: &Call) -> Reply {
        let reply = self.engine.answer(call);
        if let Some(token) = token(call).filter(|_| reply.status == 200) {
            self.shared.lock().unwrap().done.insert(token);
        }
        reply
    }

    /// A page of fewer items than asked for.
    fn short_page(&self, call: &Call) -> Reply {
        let mut body: Value = serde_json::from_slice(&call.body).unwrap();
        let most = body["Limit"].as_u64().unwrap_or(20).min(20) as usize;
        body["Limit"] = (1 + self.below(most)).into();
        self.carry_out(&Call { operation: call.operation.clone(), body: body.to_string().into() })
    }

    /// The cancellation of a transaction for one of its actions.
    fn conflict(&self, call: &Call) -> Reply {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let actions = body["TransactItems"].as_array().unwrap().len();
        let mut reasons = vec![json!({ "Code": "None" }); actions];
        reasons[self.below(actions)] =
            json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
        let mut reply = failure(400, "TransactionCanceledException");
        let mut body: Value = serde_json::from_str(&reply.body).unwrap();
        body["CancellationReasons"] = reasons.into();
        reply.body = body.to_string();
        reply
    }
}

fn token(call: &Call) -> Option<String> {
    if call.operation != "TransactWriteItems" {
        return None;
    }
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    body["ClientRequestToken"].as_str().map(str::to_owned)
}

fn failure(status: u16, name: &str) -> Reply {
    Reply { status, body: json!({ "__type": format!("{TYPE}{name}"), "message": "a fault" }).to_string() }
}

fn broken(what: &'static str) -> ConnectorError {
    ConnectorError::io(std::io::Error::new(std::io::ErrorKind::ConnectionReset, what).into())
}

impl Wire for Faulty {
    async fn call(&self, call: Call) -> Result<HttpResponse, ConnectorError> {
        let (fault, latency) = self.draw(&call);
        // One way, and the other way.
        let (there, back) = (latency / 2, latency - latency / 2);
        tokio::time::sleep(there).await;
        let reply = match fault {
            None => self.carry_out(&call),
            Some(Fault::Delay) => {
                let reply = self.carry_out(&call);
                tokio::time::sleep(Duration::from_millis(20 + self.below(3_000) as u64)).await;
                reply
            }
            Some(Fault::LostCall) => return Err(broken("before the call")),
            Some(Fault::LostAnswer) => {
                self.carry_out(&call);
                tokio::time::sleep(back).await;
                return Err(broken("after the call"));
            }
            Some(Fault::Silence) => {
                self.carry_out(&call);
                return pending().await;
            }
            Some(Fault::Twice) => {
                self.carry_out(&call);
                tokio::time::sleep(there).await;
                self.carry_out(&call)
            }
            Some(Fault::Late) => {
                let (this, late) = (self.clone(), Duration::from_millis(self.below(8_000) as u64));
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    this.carry_out(&call);
                });
                return pending().await;
            }
            Some(Fault::FailsBefore) => failure(500, "InternalServerError"),
            Some(Fault::FailsAfter) => {
                self.carry_out(&call);
                failure(500, "InternalServerError")
            }
            Some(Fault::Throttle) => failure(400, "ProvisionedThroughputExceededException"),
            Some(Fault::Conflict) if self.is_done(&call) => self.carry_out(&call),
            Some(Fault::Conflict) => self.conflict(&call),
            Some(Fault::InProgress) => {
                self.carry_out(&call);
                failure(400, "TransactionInProgressException")
            }
            Some(Fault::Unprocessed) => self.engine.part_of_batch(&call, |all| self.below(all)),
            Some(Fault::ShortPage) => self.short_page(&call),
        };
        tokio::time::sleep(back).await;
        Ok(reply.into())
    }
}
