//! Guarantee 1, atomic, when the process ends in the middle: each request is cut off at every call that it makes to the
//! table, and what clients see then is all of the request or nothing of it, before and after somebody else comes by.
//! Of the ways to be cut off, each call meets some in turn; with `SCIMLET_TEST_KILLS=all`, all.

mod connector;
mod scenes;
mod world;

use crate::guarantees::invariants::invariants;
use crate::harness::{Answer, App};
use connector::{Breaker, Mode};
use scimlet::http::Api;
use serde_json::{Value, json};
use std::time::Duration;
use world::{World, look};

/// A request, and the worlds before and after it.
pub struct Scene {
    pub method: &'static str,
    pub path: String,
    pub body: Value,
    pub before: World,
    pub after: World,
    /// Names of groups and ids of users that every look takes one by one.
    pub first: Vec<String>,
    /// displayName of the group that is touched after the crash.
    pub touched: String,
    /// A user who is in no group.
    pub outsider: String,
}

impl Scene {
    async fn send(&self, app: &App) -> Answer {
        match self.body {
            Value::Null => app.send(self.method, &self.path, &[], None).await,
            _ => {
                let headers = [("content-type", "application/scim+json")];
                app.send(self.method, &self.path, &headers, Some(self.body.to_string().into_bytes())).await
            }
        }
    }
}

/// Who comes by after the crash.
#[derive(Debug, Clone, Copy)]
enum Touch {
    /// One member more.
    Patch,
    /// Other members.
    Put,
    /// The same request: what a client does that got no answer.
    Again,
}

const TOUCHES: [Touch; 3] = [Touch::Patch, Touch::Put, Touch::Again];

/// Whether writes are to be ended at every call in every way: it takes many minutes.
pub fn takes_every_kill() -> bool {
    scimlet::ambient::variable("SCIMLET_TEST_KILLS").is_some_and(|wanted| wanted == "all")
}

/// Clears what requests left behind that never happened, as the operator's sweep does.
pub async fn sweep(app: &App) {
    let api = Api::new(app.config.clone(), app.store_of("sweep"));
    let swept = scimlet::http::sweep(&api, Duration::from_secs(60), Duration::ZERO).await.unwrap();
    assert_eq!((swept.under_way, swept.left), (0, 0));
}

/// Cuts the request of a scene off at every call, in every mode, and looks at what is left. `set_up` makes the scene anew
/// each time, `tear_down` takes away what is left of it.
async fn at_every_call(
    app: &App,
    set_up: impl AsyncFn(&App, usize) -> Scene,
    tear_down: impl AsyncFn(&App, &Scene, &World),
) {
    let mut round = 0;
    // How often nothing and all of the request was there after a crash.
    let mut outcomes = [0, 0];
    for number in 1.. {
        let (mut was_reached, mut is_alone) = (false, true);
        let (before, after, lost) = ((Mode::Before, 0), (Mode::After, 2), (Mode::Lost, 1));
        let modes = match number % 3 {
            _ if takes_every_kill() => vec![before, after, lost],
            0 => vec![before],
            1 => vec![after],
            // That there is something to be lost is known from another mode.
            _ => vec![after, lost],
        };
        for (mode, turn) in modes {
            if mode == Mode::Lost && is_alone {
                // That would be `Before`.
                continue;
            }
            round += 1;
            let scene = set_up(app, round).await;
            let breaker = Breaker::new(number, mode);
            let process = app.beside(|client| breaker.wrap(client));
            let answer = tokio::select! {
                biased;
                answer = scene.send(&process) => Some(answer),
                () = breaker.ended() => None,
            };
            drop(process);
            was_reached |= breaker.made() >= number;
            is_alone = !breaker.sent_later();
            let when = format!("{} {}, call {number}, {mode:?}", scene.method, scene.path);
            let worlds = [scene.before.clone(), scene.after.clone()];
            let restarted = app.beside(|client| client);
            let left = look(&restarted, &worlds, &scene.first, round, &when).await;
            match &answer {
                Some(answer) => assert!(answer.status < 300 && left == 1, "{when}: {}", answer.text),
                None => outcomes[left] += 1,
            }
            // What is there after a call is what is there before the next one: these two get different touches.
            let touch = TOUCHES[(number + turn) % TOUCHES.len()];
            let when = format!("{when}, then {touch:?}");
            let expected = touched(&restarted, &scene, &worlds[left], touch, &when).await;
            look(&restarted, &[expected.clone()], &scene.first, round, &when).await;
            sweep(&restarted).await;
            is_intact_but_for_deleted_groups(&restarted).await;
            tear_down(&restarted, &scene, &expected).await;
        }
        if !was_reached {
            break;
        }
    }
    assert!(outcomes.iter().all(|&count| count > 0), "crashes before and after the commit: {outcomes:?}");
}

/// Asserts that the table does not contradict itself. The memberships of a deleted group are reachable from nowhere; a
/// crash leaves those that its request did not come to.
async fn is_intact_but_for_deleted_groups(app: &App) {
    let mut dump = app.dump().await;
    let is_deleted = |tenant: &str, id: &str| dump.contains_key(&(format!("T#{tenant}#GONE#GROUP"), id.to_owned()));
    let is_left = |(pk, sk): &&(String, String)| match pk.split('#').collect::<Vec<_>>()[..] {
        ["T", tenant, "MEMBERS", group] => is_deleted(tenant, group),
        ["T", tenant, "MEMBEROF", _] => is_deleted(tenant, sk),
        _ => false,
    };
    let left: Vec<(String, String)> = dump.keys().filter(is_left).cloned().collect();
    left.iter().for_each(|key| drop(dump.remove(key)));
    invariants(&dump);
}

/// Touches what the crash left: a reader, then a writer. Gives the world that must be there then.
async fn touched(app: &App, scene: &Scene, left: &World, touch: Touch, when: &str) -> World {
    let found = app.find("/Groups", &format!("displayName eq \"{}\"", scene.touched)).await.expect(200);
    let id = found.ids().first().cloned();
    if let Some(id) = &id {
        app.get(&format!("/Groups/{id}")).await.expect(200);
    }
    let mut world = left.clone();
    match (touch, id) {
        (Touch::Again, _) => {
            let answer = scene.send(app).await;
            // It has happened: a name is in use, or a resource is gone.
            let expected = match scene.method {
                "POST" if *left == scene.after => 409,
                "DELETE" if *left == scene.after => 404,
                "POST" => 201,
                "PUT" => 200,
                _ => 204,
            };
            assert_eq!(answer.status, expected, "{when}: {}", answer.text);
            world = scene.after.clone();
        }
        // No group is there to be touched.
        (_, None) => assert!(!left.groups.contains_key(&scene.touched), "{when}"),
        (Touch::Patch, Some(id)) => {
            let add = json!([{ "op": "add", "path": "members", "value": [{ "value": scene.outsider }] }]);
            app.operations(&format!("/Groups/{id}"), add).await.expect(204);
            world.groups.get_mut(&scene.touched).expect("the group").insert(scene.outsider.clone());
        }
        (Touch::Put, Some(id)) => {
            let members = world.groups.get_mut(&scene.touched).expect("the group");
            let kept = members.iter().take(3).cloned().chain([scene.outsider.clone()]);
            *members = kept.collect();
            let list: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
            let body = json!({ "displayName": scene.touched, "members": list });
            app.put(&format!("/Groups/{id}"), body).await.expect(200);
        }
    }
    world
}
