//! A large change is atomic to whoever reads beside it: one list or the other, never a mix, and after its 2xx the new
//! one alone.

use super::table::{group_of, is_clean_after_the_sweep, people};
use super::{id_and_member, query, whole};
use crate::guarantees::values;
use crate::harness::App;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Changes of the whole list.
const CHANGES: usize = 3;
/// Users on a page.
const PAGE: usize = 90;

/// What all tasks share. An even `epoch` says that no change is under way and that list `epoch / 2 % 2` is there; an
/// odd one, that it is being replaced by the next.
struct Scene {
    app: App,
    group: String,
    lists: [Vec<String>; 2],
    epoch: AtomicUsize,
    looks: AtomicUsize,
}

impl Scene {
    fn epoch(&self) -> usize {
        self.epoch.load(Ordering::SeqCst)
    }

    /// One look: which lists what was seen agrees with.
    async fn look(&self, kind: usize, turn: usize) -> [bool; 2] {
        let Self { app, group, lists, .. } = self;
        // Somebody of the first list alone, of both, of the second alone.
        let everybody: BTreeSet<&String> = lists.iter().flatten().collect();
        let user = *everybody.iter().nth(turn * 37 % everybody.len()).unwrap();
        let in_list = |is_member: bool| lists.each_ref().map(|list| list.contains(user) == is_member);
        match kind {
            0 => {
                let got = app.get(&format!("/Groups/{group}")).await.expect(200);
                let seen: Vec<String> = values(&got.body["members"]).into_iter().collect();
                lists.each_ref().map(|list| *list == seen)
            }
            1 => {
                let got = app.get(&format!("/Users/{user}?attributes=groups")).await.expect(200);
                in_list(values(&got.body["groups"]).contains(group))
            }
            2 => {
                let filter = format!("members eq \"{user}\"");
                let path = query("/Groups", &[("filter", &filter), ("excludedAttributes", "members")]);
                in_list(app.get(&path).await.expect(200).ids().contains(group))
            }
            3 => {
                let filter = id_and_member(group, user);
                let path = query("/Groups", &[("filter", &filter), ("excludedAttributes", "members")]);
                in_list(app.get(&path).await.expect(200).total() == 1)
            }
            _ => {
                let filter = format!("groups.value eq \"{group}\"");
                let (start, count) = (turn % 4 * PAGE, PAGE.to_string());
                let found = app
                    .get(&query(
                        "/Users",
                        &[
                            ("filter", &filter),
                            ("startIndex", &(start + 1).to_string()),
                            ("count", &count),
                            ("excludedAttributes", "groups"),
                        ],
                    ))
                    .await
                    .expect(200);
                let page = |list: &Vec<String>| {
                    let end = list.len().min(start + PAGE);
                    found.total() == list.len() as u64 && found.ids() == list[start.min(end)..end]
                };
                lists.each_ref().map(page)
            }
        }
    }

    /// Looks again and again until `end`, and judges each look by what was under way meanwhile.
    async fn watch(self: Arc<Self>, kind: usize) {
        // The change during which the new list was seen.
        let mut new_seen_in = 0;
        for turn in 0.. {
            let before = self.epoch();
            if before == 2 * CHANGES {
                return;
            }
            let agrees = self.look(kind, turn).await;
            let after = self.epoch();
            self.looks.fetch_add(1, Ordering::SeqCst);
            let (old, new) = (agrees[before / 2 % 2], agrees[(before / 2 + 1) % 2]);
            assert!(old || new, "look {kind}, turn {turn}: a mix of both lists, in epoch {before} to {after}");
            if before != after {
                continue;
            }
            if before.is_multiple_of(2) {
                assert!(old, "look {kind}, turn {turn}: not the list that was acknowledged, in epoch {before}");
            } else if !old {
                new_seen_in = before;
            } else if !new {
                assert_ne!(new_seen_in, before, "look {kind}, turn {turn}: the old list after the new one");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_beside_a_large_change_see_one_list_or_the_other() {
    let app = App::start().await;
    let people = people(&app, "u", 520).await;
    // Some are in both lists, and the lists have different lengths; ids of both are mixed.
    let of = |keep: fn(usize) -> bool| -> Vec<String> {
        people.iter().enumerate().filter(|(number, _)| keep(*number)).map(|(_, id)| id.clone()).collect()
    };
    let lists = [of(|number| number % 5 < 3), of(|number| number % 5 > 1 && number > 40)];
    let group = group_of(&app, "Team", &lists[0]).await;
    let scene = Arc::new(Scene { app, group, lists, epoch: AtomicUsize::new(0), looks: AtomicUsize::new(0) });
    let watching: Vec<_> = (0..5).map(|kind| tokio::spawn(Arc::clone(&scene).watch(kind))).collect();
    for change in 1..=CHANGES {
        scene.epoch.fetch_add(1, Ordering::SeqCst);
        let body = whole("Team", &scene.lists[change % 2]);
        let put = scene.app.put(&format!("/Groups/{}", scene.group), body).await;
        scene.epoch.fetch_add(1, Ordering::SeqCst);
        put.expect(200);
        for kind in 0..5 {
            assert!(scene.look(kind, change).await[change % 2], "look {kind} after change {change}");
        }
    }
    for watcher in watching {
        watcher.await.unwrap();
    }
    assert!(scene.looks.load(Ordering::SeqCst) > 20);
    is_clean_after_the_sweep(&scene.app, "after the last change").await;
}
