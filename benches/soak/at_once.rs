//! Many connections, all opened before the first request, and requests on each, one after another, as fast as they are
//! answered.

use crate::connection::{Answer, Connection, Request};
use crate::options::Options;
use crate::provider::{Outcome, Shared};
use crate::report::Report;
use crate::server::{Server, TOKENS};
use crate::users::{PATCH_OP, add_one};
use futures_util::future::join_all;
use scimlet::protocol::schema::USER_URI;
use serde_json::json;
use std::cell::RefCell;

pub async fn run(options: &Options, connections: usize, server: &Server) -> Report {
    let report = RefCell::new(Report::begin(options));
    let shared = Shared::default();
    report.borrow_mut().sample(0.0, server, &shared);
    let mut open: Vec<Connection> = (0..connections).map(|_| Connection::to(server.address)).collect();
    let started = scimlet::ambient::monotonic();
    for opened in join_all(open.iter_mut().map(Connection::open)).await {
        let opened: Outcome = opened;
        opened.expect("the server accepts");
    }
    eprintln!("{connections} connections are open after {:.2} s", started.elapsed().as_secs_f64());
    let sent = open.iter_mut().enumerate().map(|(number, connection)| {
        let (report, shared) = (&report, &shared);
        async move {
            let mut id = None;
            for turn in 0..options.each {
                let (kind, request, status) = request(number, turn, id.as_deref());
                let sent = scimlet::ambient::monotonic();
                let answer = connection.send(&request).await;
                let (outcome, is_refused) = outcome(answer, status, &mut id);
                let mut report = report.borrow_mut();
                report.add(kind, std::time::Duration::ZERO, sent.elapsed(), outcome);
                report.refused += u64::from(is_refused);
                if kind == "POST /Users" && id.is_some() {
                    add_one(&shared.created.1);
                }
                if turn == 0 && number % 100 == 0 {
                    report.sample(started.elapsed().as_secs_f64(), server, shared);
                }
            }
        }
    });
    join_all(sent).await;
    let mut report = report.into_inner();
    report.took(started.elapsed());
    report.sample(started.elapsed().as_secs_f64(), server, &shared);
    report
}

/// A user is created, changed and looked up; who was refused begins anew.
fn request(number: usize, turn: usize, id: Option<&str>) -> (&'static str, Request, u16) {
    let name = format!("c{number}@soak.example");
    let request = Request { token: TOKENS[0].1, ..Request::default() };
    let Some(id) = id else {
        let user = json!({ "schemas": [USER_URI], "userName": name, "active": true });
        let body = Some(user.to_string());
        return ("POST /Users", Request { method: "POST", path: "/Users".into(), body, ..request }, 201);
    };
    if turn % 2 == 0 {
        let operation = json!({ "op": "replace", "path": "title", "value": format!("t{turn}") });
        let body = Some(json!({ "schemas": [PATCH_OP], "Operations": [operation] }).to_string());
        return ("PATCH /Users/…", Request { method: "PATCH", path: format!("/Users/{id}"), body, ..request }, 200);
    }
    let path = format!("/Users?filter=userName+eq+%22{name}%22");
    ("GET /Users?filter=userName", Request { method: "GET", path, ..request }, 200)
}

/// Whether the answer is as it must be, or a refusal in words.
fn outcome(answer: Result<Answer, String>, status: u16, id: &mut Option<String>) -> (Outcome, bool) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(problem) => return (Err(problem), false),
    };
    if answer.status == status {
        if status == 201 {
            *id = answer.id();
        }
        return (Ok(()), false);
    }
    let is_refused = answer.status == 503 && answer.retry_after.is_some() && answer.body["detail"].is_string();
    let problem = format!("{} in place of {status}: {}", answer.status, answer.body);
    (if is_refused { Ok(()) } else { Err(problem) }, is_refused)
}
