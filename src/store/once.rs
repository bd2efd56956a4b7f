//! Transactions on the embedded engine, each carried out once.
//!
//! `DynamoDB` carries out one of two transactions with the same `ClientRequestToken`, for ten minutes from the first. So does
//! the engine, which looks through all tokens of ten minutes for each transaction, under a lock: at a hundred writes a second
//! it falls behind within minutes. The SDK makes a token for one operation and repeats it in that operation's retries, so
//! the tokens are kept here, for longer than an operation takes, and the engine gets none.

use crate::ambient;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::BodyExt as _;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long an answer is kept: four times what the client gives an operation with its retries.
const KEPT: Duration = Duration::from_secs(60);
const TOKEN: &str = "ClientRequestToken";

/// The client `inner`, whose transactions are carried out once.
pub fn once(inner: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Once { inner, answers: Arc::default() })
}

/// Around a client, or one of its connectors.
#[derive(Debug, Clone)]
struct Once<C> {
    inner: C,
    answers: Arc<Mutex<Answers>>,
}

/// What was answered with success. An attempt under way holds the cell, and another with the same token waits for it.
type Answer = Arc<OnceCell<HttpResponse>>;

#[derive(Debug, Default)]
struct Answers {
    by_token: HashMap<String, Answer>,
    in_order: VecDeque<(Instant, String)>,
}

impl Answers {
    fn of(&mut self, token: &str, now: Instant) -> Answer {
        let is_over = |began: Instant| now.saturating_duration_since(began) > KEPT;
        while let Some((_, token)) = self.in_order.pop_front_if(|(began, _)| is_over(*began)) {
            self.by_token.remove(&token);
        }
        if let Some(answer) = self.by_token.get(token) {
            return answer.clone();
        }
        self.in_order.push_back((now, token.to_owned()));
        self.by_token.entry(token.to_owned()).or_default().clone()
    }
}

impl HttpClient for Once<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Once { inner, answers: self.answers.clone() })
    }
}

impl HttpConnector for Once<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let Some(token) = take_token(&mut request) else { return self.inner.call(request) };
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).of(&token, ambient::monotonic());
        let inner = self.inner.clone();
        // On a task of its own: what was sent is carried out, even if the attempt has run out of time, and another one
        // must find what came of it.
        let sent = tokio::spawn(async move {
            let answered = answer.get_or_try_init(async || match whole(inner.call(request).await).await {
                Ok(answer) if answer.status().is_success() => Ok(answer),
                // Nothing was done, so the next attempt is the first: no connection to a thread of this process breaks.
                other => Err(other),
            });
            match answered.await {
                Ok(answer) => Ok(copy(answer)),
                Err(refused) => refused,
            }
        });
        HttpConnectorFuture::new(async {
            sent.await.unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
        })
    }
}

/// The token of a transaction, which has none then.
fn take_token(request: &mut HttpRequest) -> Option<String> {
    if !request.headers().get("x-amz-target")?.ends_with(".TransactWriteItems") {
        return None;
    }
    let mut members: BTreeMap<&str, &RawValue> = serde_json::from_slice(request.body().bytes()?).ok()?;
    let token = serde_json::from_str(members.remove(TOKEN)?.get()).ok()?;
    let body = serde_json::to_vec(&members).ok()?;
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = body.into();
    Some(token)
}

/// The answer with its body in memory. A copy: a piece of what the connection read would keep all of that.
async fn whole(answer: Result<HttpResponse, ConnectorError>) -> Result<HttpResponse, ConnectorError> {
    let mut answer = answer?;
    let body = answer.take_body().collect().await.map_err(ConnectorError::io)?;
    Ok(with_body(&answer, &body.to_bytes()))
}

fn copy(answer: &HttpResponse) -> HttpResponse {
    with_body(answer, answer.body().bytes().unwrap_or_default())
}

/// An answer like `head`, without what belongs to the connection.
fn with_body(head: &HttpResponse, body: &[u8]) -> HttpResponse {
    let mut answer = HttpResponse::new(head.status(), body.to_vec().into());
    for (name, value) in head.headers() {
        answer.headers_mut().append(name.to_owned(), value.to_owned());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::http::StatusCode;
    use tokio::sync::Semaphore;

    const WRITE: &str = "DynamoDB_20120810.TransactWriteItems";
    const SENT: &str =
        r#"{"TransactItems":[{"Put":{"Item":{"ClientRequestToken":{"S":"x"}}}}],"ClientRequestToken":"a"}"#;
    const ARRIVED: &str = r#"{"TransactItems":[{"Put":{"Item":{"ClientRequestToken":{"S":"x"}}}}]}"#;

    /// Answers with the number of the call, when it may.
    #[derive(Debug, Clone)]
    struct Engine {
        arrived: Arc<Mutex<Vec<String>>>,
        may_answer: Arc<Semaphore>,
        refuses: usize,
    }

    impl HttpConnector for Engine {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
            assert_eq!(request.headers().get("content-length"), Some(body.len().to_string().as_str()));
            let number = {
                let mut arrived = self.arrived.lock().unwrap();
                arrived.push(body);
                arrived.len()
            };
            let (may_answer, status) = (self.may_answer.clone(), if number <= self.refuses { 400 } else { 200 });
            HttpConnectorFuture::new(async move {
                may_answer.acquire().await.unwrap().forget();
                let status = StatusCode::try_from(status).unwrap();
                let mut answer = HttpResponse::new(status, number.to_string().into());
                answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
                Ok(answer)
            })
        }
    }

    fn engine(answers: usize, refuses: usize) -> (Once<SharedHttpConnector>, Engine) {
        let may_answer = Arc::new(Semaphore::new(answers));
        let engine = Engine { arrived: Arc::default(), may_answer, refuses };
        (Once { inner: SharedHttpConnector::new(engine.clone()), answers: Arc::default() }, engine)
    }

    fn request(target: &str, body: &'static str) -> HttpRequest {
        let mut request = HttpRequest::new(body.into());
        request.headers_mut().insert("x-amz-target", target.to_owned());
        request.headers_mut().insert("content-length", body.len().to_string());
        request
    }

    /// The status, and which call of the engine answered.
    async fn told(answer: HttpConnectorFuture) -> (u16, String) {
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers().get("content-type"), Some("application/x-amz-json-1.0"));
        let body = String::from_utf8(answer.body().bytes().unwrap().to_vec()).unwrap();
        (answer.status().as_u16(), body)
    }

    #[tokio::test]
    async fn attempts_of_one_transaction_have_one_answer_and_the_engine_sees_no_token() {
        let (once, engine) = engine(1, 0);
        let (first, second) = (once.call(request(WRITE, SENT)), once.call(request(WRITE, SENT)));
        let both = tokio::join!(told(first), told(second));
        assert_eq!(both, ((200, "1".to_owned()), (200, "1".to_owned())));
        assert_eq!(told(once.call(request(WRITE, SENT))).await, (200, "1".to_owned()));
        assert_eq!(*engine.arrived.lock().unwrap(), [ARRIVED]);
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_up_is_carried_out_and_the_next_one_is_told() {
        let (once, engine) = engine(0, 0);
        drop(once.call(request(WRITE, SENT)));
        engine.may_answer.add_permits(1);
        assert_eq!(told(once.call(request(WRITE, SENT))).await, (200, "1".to_owned()));
        assert_eq!(engine.arrived.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_was_refused_was_not_done_and_is_sent_again() {
        let (once, _) = engine(9, 1);
        for expected in [(400, "1".to_owned()), (200, "2".to_owned()), (200, "2".to_owned())] {
            assert_eq!(told(once.call(request(WRITE, SENT))).await, expected);
        }
    }

    #[tokio::test]
    async fn other_calls_and_transactions_without_a_token_arrive_as_they_are() {
        let (once, engine) = engine(9, 0);
        let others =
            [("DynamoDB_20120810.TransactGetItems", SENT), ("DynamoDB_20120810.PutItem", SENT), (WRITE, ARRIVED)];
        for (target, body) in others {
            for _ in 0..2 {
                told(once.call(request(target, body))).await;
            }
        }
        assert_eq!(*engine.arrived.lock().unwrap(), [SENT, SENT, SENT, SENT, ARRIVED, ARRIVED]);
    }

    #[test]
    fn tokens_are_kept_a_minute() {
        let mut answers = Answers::default();
        let begin = ambient::monotonic();
        let mut of = |token: &str, seconds| answers.of(token, begin + Duration::from_secs(seconds));
        let (a, b) = (of("a", 0), of("b", 30));
        assert!(Arc::ptr_eq(&a, &of("a", 60)) && !Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &of("a", 61)) && Arc::ptr_eq(&b, &of("b", 61)));
        of("c", 200);
        assert_eq!((answers.by_token.len(), answers.in_order.len()), (1, 1));
    }
}
