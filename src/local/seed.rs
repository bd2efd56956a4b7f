//! `scimlet seed`: fills a table with made-up users and groups. What it writes is what requests would have written,
//! made by the same code; it is fast because a transaction creates many.

use super::population::Population;
use crate::ambient;
use crate::config::Settings;
use crate::protocol::error::ScimError;
use crate::protocol::index::{self, IndexedValue};
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::{ResourceSchema, ResourceType, Schemas};
use crate::protocol::{Object, change as rules, validation};
use crate::service::Caller;
use crate::service::change::{Difference, expiry, member_entry};
use crate::service::write::created;
use crate::store::log::Change;
use crate::store::meter::Meter;
use crate::store::redo::MemberChange;
use crate::store::transaction::MAX_ACTIONS;
use crate::store::{CommitError, Store, StoreError, Stored, TenantStore, Transaction};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::time::Duration;

/// Transactions under way at a time. Each lane has the ids of its own first digits, so that no two change one item.
const LANES: usize = 8;
/// How often a transaction is tried.
const ATTEMPTS: u32 = 10;
/// Actions of an added member: membership, mirror, count of joins.
const ACTIONS_PER_MEMBER: usize = 3;
/// Users whose size stands for that of all.
const SAMPLE: usize = 50;
/// Bytes of a user or of its change record beside its JSON.
const BYTES_BESIDE: usize = 290;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seeded {
    /// Users.
    pub users: usize,
    /// Groups.
    pub groups: usize,
    /// Memberships in all groups.
    pub memberships: usize,
    /// Write capacity units.
    pub write_units: f64,
}

/// Why a table is not filled, or not to the end. What was written until then stands, and is whole.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum SeedError {
    #[error("409: {0} exists already. Give the new users and groups other names with --domain.")]
    Exists(String),
    #[error("The schemas refuse {name}: {}", error.detail)]
    Refused { name: String, error: ScimError },
    #[error("Another program writes the same items. Repeat the command with another --domain when it has ended.")]
    Contended,
    #[error("{0}.")]
    Store(#[from] StoreError),
}

/// What writing a population costs, in write capacity units: about, as the items vary in size.
#[must_use]
pub fn write_units(population: &Population) -> u64 {
    // A transaction writes each kilobyte of an item twice.
    let units = |bytes: usize| 2 * bytes.div_ceil(1024) as u64;
    let sample = population.users.min(SAMPLE);
    let of_user = |number| units(population.user(number).to_string().len() + BYTES_BESIDE);
    let user = (0..sample).map(of_user).sum::<u64>().div_ceil(sample.max(1) as u64);
    // Of a user: item, change record, three keys and a share of a counter.
    let users = population.users as u64 * (2 * user + 6 + 1);
    // Of a membership: itself, its mirror, and the user, who counts it.
    let memberships = population.memberships() as u64 * (4 + user);
    // Of a group: item, two keys, counter; and the change record, which names the members.
    let record = |group| units((population.members(group).count() * 50).min(128 * 1024) + BYTES_BESIDE);
    users + memberships + (0..population.groups).map(|group| 8 + record(group)).sum::<u64>()
}

/// Fills the part of the table that belongs to `tenant`. `written` hears of each user, membership and group.
///
/// # Errors
///
/// [`SeedError::Exists`] when one of the names or ids is in use: at once, if it is the first one.
pub async fn seed(
    store: &Store,
    schemas: &Schemas,
    tenant: &str,
    population: &Population,
    written: impl Fn(usize),
) -> Result<Seeded, SeedError> {
    let meter = Meter::default();
    let seeder = Seeder {
        store: store.tenant(tenant, &meter),
        schemas,
        population,
        caller: caller(tenant, &meter),
        expires_at: expiry(Settings::unlimited().log_days),
        ids: (0..population.users).map(|number| population.user_id(number)).collect(),
        written: &written,
    };
    let mut groups: Vec<Draft> =
        (0..population.groups).map(|number| seeder.group(number)).collect::<Result<_, SeedError>>()?;
    seeder.check(&groups).await?;
    try_join_all((0..LANES).map(|lane| seeder.create_users(lane))).await?;
    try_join_all((0..LANES).map(|lane| seeder.join_users(lane, &groups))).await?;
    // The groups at last: until then nobody sees their members, whatever ends this.
    groups.sort_by(|one, other| one.stored.meta.id.cmp(&other.stored.meta.id));
    seeder.create(groups.into_iter().map(Ok)).await?;
    Ok(Seeded {
        users: population.users,
        groups: population.groups,
        memberships: population.memberships(),
        write_units: meter.cost().write_units,
    })
}

fn caller(tenant: &str, meter: &Meter) -> Caller {
    Caller { meter: meter.clone(), ..Caller::new(tenant, "seed", ambient::monotonic()) }
}

/// A resource that is to be created.
struct Draft {
    stored: Stored,
    indexed: BTreeSet<IndexedValue>,
    record: Change,
}

impl Draft {
    /// Item, keys, change record.
    fn actions(&self) -> usize {
        2 + self.indexed.len()
    }

    /// What the counters tell ids apart by.
    fn prefix(&self) -> &str {
        self.stored.meta.id.get(..2).unwrap_or_default()
    }
}

struct Seeder<'a, W> {
    store: TenantStore,
    schemas: &'a Schemas,
    population: &'a Population,
    caller: Caller,
    expires_at: i64,
    /// Of the users, by number.
    ids: Vec<String>,
    written: &'a W,
}

impl<W: Fn(usize)> Seeder<'_, W> {
    fn user(&self, number: usize) -> Result<Draft, SeedError> {
        self.draft(ResourceType::User, self.ids[number].clone(), self.population.user(number), &[])
    }

    fn group(&self, number: usize) -> Result<Draft, SeedError> {
        let members: Vec<String> = self.population.members(number).map(|user| self.ids[user].clone()).collect();
        let (id, group) = (self.population.group_id(number), self.population.group(number));
        self.draft(ResourceType::Group, id, group, &members)
    }

    fn draft(
        &self,
        resource_type: ResourceType,
        id: String,
        body: serde_json::Value,
        members: &[String],
    ) -> Result<Draft, SeedError> {
        let schema = self.schemas.of(resource_type);
        let kept = accept(schema, body).map_err(|error| SeedError::Refused { name: id.clone(), error })?;
        let mut stored = created(resource_type, kept);
        stored.meta.id = id;
        stored.member_count = members.len() as u64;
        let indexed = index::values(schema, &stored.kept);
        let entries = members.iter().map(|id| member_entry(id, ResourceType::User, None)).collect();
        let nothing = Object::new();
        let difference = Difference::between(&nothing, &stored.kept).with_members(Vec::new(), entries);
        let record = difference.record("create", &stored.meta, &self.caller, &stored.meta.created, self.expires_at);
        Ok(Draft { stored, indexed, record })
    }

    /// Refuses what was seeded before, ahead of any write: by the first user, and by all groups, as their members are
    /// written before them.
    async fn check(&self, groups: &[Draft]) -> Result<(), SeedError> {
        let first = if self.ids.is_empty() { Vec::new() } else { vec![self.user(0)?] };
        let parts = std::iter::once(first.as_slice()).chain(groups.chunks(groups.len().div_ceil(LANES).max(1)));
        let found = try_join_all(parts.map(|drafts| self.existing(drafts))).await?;
        found.into_iter().flatten().next().map_or(Ok(()), |name| Err(SeedError::Exists(name)))
    }

    async fn create_users(&self, lane: usize) -> Result<(), SeedError> {
        let mut users: Vec<usize> = (0..self.ids.len()).filter(|&number| self.lane(number) == lane).collect();
        users.sort_by_key(|&number| &self.ids[number]);
        self.create(users.into_iter().map(|number| self.user(number))).await
    }

    async fn join_users(&self, lane: usize, groups: &[Draft]) -> Result<(), SeedError> {
        let of_lane = groups.iter().enumerate().flat_map(|(number, group)| {
            let members = self.population.members(number).filter(|&user| self.lane(user) == lane);
            members.map(move |user| (group, &self.ids[user]))
        });
        let mut some: Vec<(&Draft, &String)> = Vec::new();
        for (group, user) in of_lane {
            // A transaction changes no item twice, and each membership changes its user.
            let is_there = some.iter().any(|(_, other)| *other == user);
            if is_there || (some.len() + 1) * ACTIONS_PER_MEMBER > MAX_ACTIONS {
                self.join(&some).await?;
                some.clear();
            }
            some.push((group, user));
        }
        self.join(&some).await
    }

    fn lane(&self, user: usize) -> usize {
        self.ids[user].bytes().take(2).fold(0, |sum, digit| sum * 16 + usize::from(digit)) % LANES
    }

    /// Creates resources in id order, as many in a transaction as it holds, each transaction with what it adds to the
    /// counters.
    async fn create(&self, drafts: impl Iterator<Item = Result<Draft, SeedError>>) -> Result<(), SeedError> {
        let mut some: Vec<Draft> = Vec::new();
        let mut actions = 0;
        for draft in drafts {
            let draft = draft?;
            let needed = |some: &[Draft]| {
                draft.actions() + usize::from(some.last().is_none_or(|last| last.prefix() != draft.prefix()))
            };
            if actions + needed(&some) > MAX_ACTIONS {
                self.create_some(&some).await?;
                some.clear();
                actions = 0;
            }
            actions += needed(&some);
            some.push(draft);
        }
        self.create_some(&some).await
    }

    async fn create_some(&self, drafts: &[Draft]) -> Result<(), SeedError> {
        let build = |transaction: &mut Transaction<'_>| {
            for draft in drafts {
                transaction.create_uncounted(&draft.stored, &draft.indexed);
                transaction.log(&draft.record);
            }
            for alike in drafts.chunk_by(|one, next| one.prefix() == next.prefix()) {
                let ids: Vec<&str> = alike.iter().map(|draft| draft.stored.meta.id.as_str()).collect();
                transaction.count_created(alike[0].stored.meta.resource_type, &ids);
            }
        };
        self.commit(drafts.len(), build, || self.existing(drafts)).await
    }

    /// Adds members.
    async fn join(&self, memberships: &[(&Draft, &String)]) -> Result<(), SeedError> {
        let build = |transaction: &mut Transaction<'_>| {
            for (group, id) in memberships {
                let meta = &group.stored.meta;
                let added = MemberChange::Add { id: (*id).clone(), resource_type: ResourceType::User, display: None };
                transaction.change_member(&meta.id, &added, &meta.created);
            }
        };
        self.commit(memberships.len(), build, || async { Ok(None) }).await
    }

    /// Commits what `build` puts together, again when it was overtaken. `existing` says what stands in its way.
    async fn commit<E: Future<Output = Result<Option<String>, StoreError>>>(
        &self,
        count: usize,
        build: impl Fn(&mut Transaction<'_>),
        existing: impl Fn() -> E,
    ) -> Result<(), SeedError> {
        if count == 0 {
            return Ok(());
        }
        for attempt in 0..ATTEMPTS {
            let mut transaction = self.store.transaction();
            build(&mut transaction);
            match transaction.commit().await {
                Ok(()) => {
                    (self.written)(count);
                    return Ok(());
                }
                Err(CommitError::Store(StoreError::Throttled(_))) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(_moved_or_taken) => {
                    if let Some(name) = existing().await? {
                        return Err(SeedError::Exists(name));
                    }
                }
            }
            tokio::time::sleep(ambient::jitter(Duration::from_millis(50 << attempt))).await;
        }
        Err(SeedError::Contended)
    }

    /// The first of these whose id or unique values are in use.
    async fn existing(&self, drafts: &[Draft]) -> Result<Option<String>, StoreError> {
        for Draft { stored, indexed, .. } in drafts {
            let mut is_there = self.store.resource(stored.meta.resource_type, &stored.meta.id).await?.is_some();
            for value in indexed.iter().filter(|value| value.is_unique) {
                is_there |= !self.store.holders(value).await?.is_empty();
            }
            if is_there {
                let name = |name: &str| stored.kept.get(name).and_then(serde_json::Value::as_str);
                return Ok(Some(name("userName").or(name("displayName")).unwrap_or_default().to_owned()));
            }
        }
        Ok(None)
    }
}

/// What the service makes of a body before it creates a resource.
fn accept(schema: &ResourceSchema, body: serde_json::Value) -> Result<Object, ScimError> {
    let kept = validation::accept(schema, body, &mut Quirks::default())?;
    let kept = validation::settle(schema, kept)?;
    rules::check(schema, &Object::new(), &kept)?;
    Ok(kept)
}
