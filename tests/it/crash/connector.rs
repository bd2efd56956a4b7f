//! An HTTP client that works until a chosen call, and from then on neither sends anything nor gives an answer: what the
//! table sees of a process that ends there.

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How the process ends at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The call is never sent.
    Before,
    /// The call is carried out, and nobody hears the answer.
    After,
    /// The call is never sent, while those that do not wait for it are: of calls made at the same time, one is lost.
    Lost,
}

/// Time without a call after which those that do not wait for the lost one are taken to be done. Too short a time is no
/// mistake: the process then ends sooner.
const QUIET: Duration = Duration::from_millis(20);

/// Ends a process at its call number `at`, counted from 1.
#[derive(Debug, Clone)]
pub struct Breaker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    at: usize,
    mode: Mode,
    state: Mutex<State>,
    dead: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Calls that the process made.
    made: usize,
    /// Calls that were sent and are not answered.
    under_way: usize,
    /// Calls that were sent after the chosen one was made.
    sent_later: usize,
    /// The process has ended: nothing is sent or answered any more.
    ended: bool,
}

impl Breaker {
    pub fn new(at: usize, mode: Mode) -> Self {
        Self(Arc::new(Shared { at, mode, state: Mutex::default(), dead: Notify::new() }))
    }

    /// `client`, until the chosen call.
    pub fn wrap(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(BreakingClient { breaker: self.clone(), client })
    }

    /// Waits for the end of the process. Nothing that it sent is under way then.
    pub async fn ended(&self) {
        self.0.dead.notified().await;
    }

    /// Calls that the process made.
    pub fn made(&self) -> usize {
        self.state().made
    }

    /// Whether the table saw a call that was made after the chosen one.
    pub fn sent_later(&self) -> bool {
        self.state().sent_later > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Numbers a call; whether it is to be sent, and whether its answer is the last thing to happen.
    fn admit(&self) -> (bool, bool) {
        let mut state = self.state();
        state.made += 1;
        let is_chosen = state.made == self.0.at;
        if state.ended {
            return (false, false);
        }
        if is_chosen && self.0.mode != Mode::After {
            match self.0.mode {
                Mode::Lost => drop(tokio::spawn(self.clone().end_when_quiet())),
                Mode::Before | Mode::After => self.end(&mut state),
            }
            return (false, false);
        }
        state.under_way += 1;
        state.sent_later += usize::from(state.made > self.0.at);
        (true, is_chosen)
    }

    /// Notes an answer; whether the process lives to hear it.
    fn answered(&self, is_last: bool) -> bool {
        let mut state = self.state();
        state.under_way -= 1;
        if is_last || state.ended {
            self.end(&mut state);
        }
        !state.ended
    }

    fn end(&self, state: &mut State) {
        state.ended = true;
        if state.under_way == 0 {
            self.0.dead.notify_one();
        }
    }

    async fn end_when_quiet(self) {
        let mut seen = 0;
        loop {
            tokio::time::sleep(QUIET).await;
            let mut state = self.state();
            if state.under_way == 0 && state.made == seen {
                return self.end(&mut state);
            }
            seen = state.made;
        }
    }
}

#[derive(Debug)]
struct BreakingClient {
    breaker: Breaker,
    client: SharedHttpClient,
}

impl HttpClient for BreakingClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(BreakingConnector { breaker: self.breaker.clone(), connector })
    }
}

#[derive(Debug)]
struct BreakingConnector {
    breaker: Breaker,
    connector: SharedHttpConnector,
}

impl HttpConnector for BreakingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (breaker, connector) = (self.breaker.clone(), self.connector.clone());
        HttpConnectorFuture::new(async move {
            let (is_sent, is_last) = breaker.admit();
            if !is_sent {
                return pending().await;
            }
            // On a task of its own: what was sent reaches the engine, even if the request's future is dropped.
            let sent = tokio::spawn(async move {
                let answer = connector.call(request).await;
                (breaker.answered(is_last), answer)
            });
            match sent.await.unwrap() {
                (true, answer) => answer,
                (false, _unheard) => pending().await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::App;
    use futures_util::future::join_all;

    /// Three calls at the same time, then one more: those of their items that the table holds when the second call is
    /// the last.
    #[tokio::test]
    async fn the_table_sees_what_was_sent_and_the_process_hears_nothing_more() {
        for (mode, expected, later) in
            [(Mode::Before, &["1"][..], false), (Mode::After, &["1", "2", "3"], true), (Mode::Lost, &["1", "3"], true)]
        {
            let app = App::start().await;
            let breaker = Breaker::new(2, mode);
            let process = app.beside(|client| breaker.wrap(client));
            let put = async |name: &str| {
                let value = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
                let put = process.store.client().put_item().table_name(process.store.table());
                put.item("PK", value("T#default#X")).item("SK", value(name)).send().await.unwrap();
            };
            let work = async {
                join_all(["1", "2", "3"].map(put)).await;
                put("4").await;
            };
            tokio::select! {
                () = work => panic!("{mode:?}: the process goes on"),
                () = breaker.ended() => {}
            }
            let kept: Vec<String> = app.dump().await.into_keys().map(|(_, sk)| sk).collect();
            assert_eq!(kept, expected, "{mode:?}");
            assert_eq!((breaker.made(), breaker.sent_later()), (3, later), "{mode:?}");
        }
    }

    #[tokio::test]
    async fn a_process_that_does_not_come_to_the_call_is_not_disturbed() {
        let app = App::start().await;
        let breaker = Breaker::new(100, Mode::After);
        let process = app.beside(|client| breaker.wrap(client));
        let ann = process.user("ann").await;
        app.get(&format!("/Users/{ann}")).await.expect(200);
        assert_eq!((breaker.made(), breaker.sent_later()), (1, false));
    }
}
