//! How many connections there may be, and how long a client may take: `scimlet serve` without API Gateway before it.

use super::Server;
use crate::harness::{App, TOKEN};
use axum::Router;
use axum::routing::get;
use scimlet::ambient::monotonic;
use scimlet::local::connections::{Limits, serve};
use scimlet::protocol::discovery::MAX_BODY_BYTES;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// A router behind its limits, until it is dropped.
struct Bounded {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

impl Bounded {
    async fn start(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, router, limits, async {
            let _either_way = stopped.await;
        }));
        Self { address, stop: Some(stop), served }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

struct Client(TcpStream);

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Client {
    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.write(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n")).await;
        self.answer().await
    }

    /// The next answer. Its body is a SCIM document.
    async fn answer(&mut self) -> Answer {
        let mut text = Vec::new();
        let head = loop {
            let byte = timeout(LONG, self.0.read_u8()).await.expect("an answer").expect("an open connection");
            text.push(byte);
            if text.ends_with(b"\r\n\r\n") {
                break String::from_utf8(text).unwrap().to_ascii_lowercase();
            }
        };
        let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        });
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// What comes until the server closes it.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _reset = timeout(LONG, self.0.read_to_end(&mut rest)).await.expect("the server closes it");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

impl Answer {
    #[track_caller]
    fn is_refusal(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.head);
        assert_eq!(self.body["status"], status.to_string(), "{}", self.body);
        assert!(self.body["detail"].as_str().unwrap().contains("Nothing was changed"), "{}", self.body);
        assert!(self.head.contains("x-request-id: "), "{}", self.head);
        assert_eq!(self.head.contains("retry-after: "), status == 503, "{}", self.head);
    }
}

/// Answers `/slow` when it is let.
fn slow(gate: &Arc<Semaphore>) -> Router {
    let gate = gate.clone();
    let handler = move || async move {
        gate.acquire().await.unwrap().forget();
        "done"
    };
    Router::new().route("/slow", get(handler)).route("/fast", get(|| async { "done" }))
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_next_is_served_when_one_is_gone() {
    let app = App::start().await;
    let limits = Limits { connections: 2, ..Limits::default() };
    let server = Bounded::start(app.router.clone(), limits).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    assert_eq!(first.get("/scim/v2/Users").await.status, 200);
    assert_eq!(second.get("/scim/v2/Users").await.status, 200);
    let mut third = server.connect().await;
    let answer = third.get("/scim/v2/Users").await;
    answer.is_refusal(503);
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert_eq!(third.rest().await, "");
    assert_eq!(first.get("/scim/v2/Users").await.status, 200, "who was there is not disturbed");
    drop(second);
    let served = async {
        while server.connect().await.get("/scim/v2/Users").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, served).await.expect("room for another");
}

#[tokio::test]
async fn who_is_not_even_refused_waits_for_those_who_are() {
    let limits = Limits { connections: 1, refusals: 1, head: SHORT, ..Limits::default() };
    let gate = Arc::new(Semaphore::new(0));
    let server = Bounded::start(slow(&gate), limits).await;
    let mut only = server.connect().await;
    only.write("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // Says nothing, and so is not refused before its time is over.
    let _silent = server.connect().await;
    let begun = monotonic();
    let answer = server.connect().await.get("/fast").await;
    answer.is_refusal(503);
    assert!(begun.elapsed() >= SHORT / 2, "{:?}", begun.elapsed());
    gate.add_permits(1);
    assert_eq!(only.answer().await.status, 200);
}

/// The clock of the timers, which a test may have stopped.
#[expect(clippy::disallowed_methods, reason = "no other clock knows what the test waited for")]
fn clock() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Time jumps to the next end of a wait whenever nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_within_10_s_ends_the_connection() {
    let server = Bounded::start(slow(&Arc::new(Semaphore::new(0))), Limits::default()).await;
    for said in ["", "GET /fast HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut client = server.connect().await;
        client.write(said).await;
        let begun = clock();
        let rest = client.rest().await;
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
        let seconds = begun.elapsed().as_secs_f64();
        assert!((9.0..12.0).contains(&seconds), "{said:?} {seconds}");
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_and_an_idle_connection_end_too_and_others_are_served() {
    let server = Bounded::start(slow(&Arc::new(Semaphore::new(0))), Limits { head: SHORT, ..Limits::default() }).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/fast").await.status, 200);
    let mut slow = server.connect().await;
    slow.write("GET /fast HTTP/1.1\r\n").await;
    let dripped = async {
        loop {
            tokio::time::sleep(SHORT / 10).await;
            if slow.0.write_all(b"x: y\r\n").await.is_err() {
                break;
            }
            assert_eq!(server.connect().await.get("/fast").await.status, 200);
        }
    };
    timeout(LONG, dripped).await.expect("the server closes it");
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408_and_takes_nobodys_place() {
    let app = App::start().await;
    let limits = Limits { requests: 1, body: SHORT, ..Limits::default() };
    let server = Bounded::start(app.router.clone(), limits).await;
    let mut client = server.connect().await;
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 40\r\n\r\n"
    );
    client.write(&head).await;
    client.write("{\"userName\":").await;
    assert_eq!(server.connect().await.get("/scim/v2/Users").await.body["totalResults"], 0, "in the meantime");
    client.answer().await.is_refusal(408);
    assert_eq!(client.rest().await, "");

    // One that ends before its end does nothing either.
    let mut client = server.connect().await;
    client.write(&head.replace("POST /scim/v2/Users", "DELETE /scim/v2/Users/x")).await;
    client.write("{}").await;
    client.0.shutdown().await.unwrap();
    let rest = client.rest().await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{rest}");

    let mut client = server.connect().await;
    client.write(&head.replace("40", &(MAX_BODY_BYTES + 1).to_string())).await;
    let _closed = client.0.write_all(&vec![b' '; MAX_BODY_BYTES + 1]).await;
    assert_eq!(client.answer().await.status, 413);
    assert_eq!(app.get("/Users").await.total(), 0);
}

#[tokio::test]
async fn one_request_too_many_waits_and_is_told_so_when_that_takes_too_long() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits { requests: 1, wait: SHORT, ..Limits::default() };
    let server = Bounded::start(slow(&gate), limits).await;
    let mut first = server.connect().await;
    first.write("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(SHORT / 3).await;
    let mut second = server.connect().await;
    second.get("/fast").await.is_refusal(503);
    second.write("GET /fast HTTP/1.1\r\nhost: x\r\n\r\n").await;
    gate.add_permits(1);
    assert_eq!(second.answer().await.status, 200, "on the same connection, when there is room");
    assert_eq!(first.answer().await.status, 200);
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_loses_the_connection() {
    let large = Router::new().route("/", get(|| async { vec![b' '; 64 * 1024 * 1024] }));
    let server = Bounded::start(large, Limits { connections: 1, stall: SHORT, ..Limits::default() }).await;
    let mut silent = server.connect().await;
    silent.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let others = async {
        loop {
            let mut other = server.connect().await;
            other.write("HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let mut head = [0; 12];
            other.0.read_exact(&mut head).await.unwrap();
            if head == *b"HTTP/1.1 200" {
                break;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(LONG, others).await.expect("its place is free");
}

#[tokio::test]
async fn a_server_that_is_stopped_answers_what_is_under_way_and_ends() {
    let gate = Arc::new(Semaphore::new(0));
    let mut server = Bounded::start(slow(&gate), Limits::default()).await;
    let mut busy = server.connect().await;
    busy.write("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/fast").await.status, 200);
    let _told = server.stop.take().unwrap().send(());
    assert_eq!(idle.rest().await, "");
    gate.add_permits(1);
    assert_eq!(busy.answer().await.status, 200);
    timeout(LONG, &mut server.served).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// The program, as it is started: it has room for these, and says so to one more than there is room for.
#[tokio::test]
async fn five_hundred_connections_at_once_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("SCIM_TOKEN", TOKEN)]);
    let mut clients = Vec::new();
    for _ in 0..Limits::default().connections {
        clients.push(Client(TcpStream::connect(server.host()).await.unwrap()));
    }
    assert!(clients.len() >= 500);
    for _ in 0..2 {
        let answers = clients.iter_mut().map(|client| client.get("/scim/v2/Users"));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer.status, 200, "{}", answer.head);
        }
    }
    let mut one_more = Client(TcpStream::connect(server.host()).await.unwrap());
    one_more.get("/scim/v2/Users").await.is_refusal(503);
}
