//! The function on the stream, as a process, fed with what the engine's own stream has recorded of requests.

use super::languages::{lines, python, said, with_table};
use crate::big_groups::cut::{Point, cut};
use crate::big_groups::table::people;
use crate::harness::App;
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Calls the handler with each event of a file, and prints its answers after what it prints itself. `fail` is the number
/// of the reaction that fails, none for 0.
const DRIVER: &str = "
import json, logging, sys
from stream import handler
logging.disable()
file, fail = sys.argv[1], int(sys.argv[2])
reactions, react = 0, handler.react
def counted(event):
    global reactions
    reactions += 1
    if reactions == fail:
        raise RuntimeError('it fails')
    react(event)
handler.react = counted
for event in json.load(open(file)):
    print(json.dumps({'answer': handler.handler(event, None)}))
";

/// The table's stream, from its beginning.
struct Stream<'a> {
    app: &'a App,
    arn: String,
}

impl<'a> Stream<'a> {
    async fn of(app: &'a App) -> Self {
        let specification = StreamSpecification::builder().stream_enabled(true);
        let specification = specification.stream_view_type(StreamViewType::NewAndOldImages).build().unwrap();
        let update = app.store.client().update_table().table_name(app.store.table());
        let updated = update.stream_specification(specification).send().await.unwrap();
        let arn = updated.table_description.unwrap().latest_stream_arn.unwrap();
        Self { app, arn }
    }

    fn call(&self, operation: &str, body: &Value) -> Value {
        let endpoint = self.app.config.table.endpoint.as_deref().unwrap();
        let host = endpoint.strip_prefix("http://").unwrap();
        let body = body.to_string();
        let mut stream = TcpStream::connect(host).unwrap();
        let request = format!(
            "POST / HTTP/1.0\r\nhost: {host}\r\nx-amz-target: DynamoDBStreams_20120810.{operation}\r\n\
             content-type: application/x-amz-json-1.0\r\nx-amz-date: 20260131T100000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=local/20260131/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{operation}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    /// What Lambda hands over: the records of each shard, in order.
    fn records(&self) -> Vec<Value> {
        let described = self.call("DescribeStream", &json!({ "StreamArn": self.arn }));
        let mut records = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
            let first = json!({
                "StreamArn": self.arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
            });
            let mut iterator = self.call("GetShardIterator", &first)["ShardIterator"].clone();
            while iterator.is_string() {
                let page = self.call("GetRecords", &json!({ "ShardIterator": iterator }));
                let some = page["Records"].as_array().unwrap();
                records.extend(some.iter().cloned());
                iterator = if some.is_empty() { Value::Null } else { page["NextShardIterator"].clone() };
            }
        }
        records
    }
}

/// What the handler prints and answers; `None` without Python.
fn handle(app: &App, events: &[Vec<Value>], fail: usize) -> Option<(Vec<Value>, Vec<Value>)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let events: Vec<Value> = events.iter().map(|records| json!({ "Records": records })).collect();
    std::fs::write(file.path(), json!(events).to_string()).unwrap();
    let mut command = python(&["-c", DRIVER, &file.path().display().to_string(), &fail.to_string()])?;
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let output = with_table(app, &mut command).env("PYTHONPATH", examples).output().unwrap();
    let (answers, reactions) =
        lines(&said(output, "the handler")).into_iter().partition::<Vec<_>, _>(|line| line.get("answer").is_some());
    Some((reactions, answers.iter().map(|line| line["answer"]["batchItemFailures"].clone()).collect()))
}

/// What was reacted to: the event and whom it is about.
fn events(reactions: &[Value]) -> BTreeSet<Vec<String>> {
    let words = |reaction: &Value| {
        let word = |name: &&str| reaction[*name].as_str().map(str::to_owned);
        ["event", "user", "group", "member"].iter().filter_map(word).collect()
    };
    reactions.iter().map(words).collect()
}

fn expected(events: &[&[&str]]) -> BTreeSet<Vec<String>> {
    events.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect()
}

async fn set_active(app: &App, user: &str, active: bool) {
    let operation = json!([{ "op": "replace", "path": "active", "value": active }]);
    app.operations(&format!("/Users/{user}"), operation).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_reacts_to_what_happened_and_still_holds_however_often_and_in_whatever_order_it_hears_of_it() {
    let app = App::start().await;
    let stream = Stream::of(&app).await;
    let (ann, bob, carol, dave) =
        (app.user("ann").await, app.user("bob").await, app.user("carol").await, app.user("dave").await);
    let team = app.group("Team", &[&ann, &bob, &carol]).await;
    let closed = app.group("Closed", &[&dave]).await;
    set_active(&app, &ann, false).await;
    // Active again before anybody looked: no reaction.
    set_active(&app, &bob, false).await;
    set_active(&app, &bob, true).await;
    app.delete(&format!("/Users/{carol}")).await.expect(204);
    let path = format!("/Groups/{team}");
    // Out and in again; in alone with another display name.
    app.operations(&path, json!([{ "op": "remove", "path": format!("members[value eq \"{bob}\"]") }]))
        .await
        .expect(204);
    app.operations(&path, json!([{ "op": "add", "path": "members", "value": [{ "value": bob }] }])).await.expect(204);
    let named = json!([{ "op": "add", "path": "members", "value": [{ "value": ann, "display": "Ann" }] }]);
    app.operations(&path, named).await.expect(204);
    app.delete(&format!("/Groups/{closed}")).await.expect(204);

    let records = stream.records();
    assert!(records.len() > 30, "users, keys, memberships and records: {}", records.len());
    let happened = expected(&[
        &["user.deactivated", &ann],
        &["user.deleted", &carol],
        &["group.deleted", &closed],
        &["member.added", &team, &ann],
        &["member.added", &team, &bob],
        &["member.removed", &team, &carol],
        &["member.removed", &closed, &dave],
    ]);
    let backwards: Vec<Value> = records.iter().rev().cloned().collect();
    let one_by_one: Vec<Vec<Value>> = records.iter().map(|record| vec![record.clone()]).collect();
    let mut keys = Vec::new();
    for deliveries in [vec![records.clone()], vec![records.clone(), records.clone()], vec![backwards], one_by_one] {
        let Some((reactions, failures)) = handle(&app, &deliveries, 0) else { return };
        assert_eq!(events(&reactions), happened);
        assert_eq!(failures, vec![json!([]); deliveries.len()]);
        keys.push(
            reactions.iter().map(|reaction| reaction["key"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(),
        );
    }
    assert!(keys.iter().all(|set| *set == keys[0]), "the same change has the same key whenever it comes");

    // From the record that failed on, once more: what came before it is not in vain, and nothing is left out.
    let (reactions, failures) = handle(&app, &[records.clone()], 3).unwrap();
    let failed = &failures[0][0]["itemIdentifier"];
    let position =
        records.iter().position(|record| record["dynamodb"]["SequenceNumber"] == *failed).expect("one of them");
    assert_eq!((reactions.len(), failures[0].as_array().unwrap().len()), (2, 1));
    let (later, failures) = handle(&app, &[records[position..].to_vec()], 0).unwrap();
    assert_eq!((events(&[reactions, later].concat()), failures), (happened, vec![json!([])]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_of_a_large_change_with_its_commit_and_fetches_what_the_record_does_not_hold() {
    let app = App::start().await;
    let ids = people(&app, "u", 3000).await;
    let members = |ids: &[String]| ids.iter().map(|id| json!({ "value": id })).collect::<Vec<_>>();
    let stream = Stream::of(&app).await;
    let team = app.group("Team", &[&ids[0]]).await;
    // The process that makes the change ends when it is committed, and before it is applied.
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "members", "value": members(&ids[1..]) }],
    });
    cut(&app, Point::Committed(0), "PATCH", &format!("/Groups/{team}"), &body).await;
    let large: Vec<Value> =
        stream.records().into_iter().filter(|record| !record["dynamodb"]["NewImage"]["parts"].is_null()).collect();
    assert_eq!(large.len(), 1, "one record is too long for its item");
    let Some((reactions, failures)) = handle(&app, &[large], 0) else { return };
    let mut happened = BTreeSet::from([vec!["member.removed".to_owned(), team.clone(), ids[0].clone()]]);
    happened.extend(ids[1..].iter().map(|id| vec!["member.added".to_owned(), team.clone(), id.clone()]));
    assert_eq!((events(&reactions) == happened, failures), (true, vec![json!([])]));
}
