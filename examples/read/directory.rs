//! What an application reads. docs/application.md says what each item holds and why the reads stand in this order.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::io::Read as _;
use unicode_normalization::UnicodeNormalization as _;

/// Longest value that stands in a key as it is, in bytes.
const MAX_PLAIN_BYTES: usize = 1024;
/// Keys in one `BatchGetItem`.
const BATCH_KEYS: usize = 100;
/// How often the members of a group are read that changes meanwhile.
const TRIES: usize = 10;

pub type Failure = Box<dyn Error + Send + Sync>;
type Item = HashMap<String, AttributeValue>;
/// What a large change makes of a member, as the chunk says it.
type Row = Map<String, Value>;

/// What scimlet keeps for one tenant.
#[derive(Debug)]
pub struct Directory {
    client: Client,
    table: String,
    tenant: String,
    /// Read units that the reads so far have taken.
    pub units: Cell<f64>,
}

/// Which part of a partition a `Query` reads.
#[derive(Default)]
struct Range {
    first: Option<String>,
    last: Option<String>,
    /// The last item of it alone.
    last_only: bool,
    projection: Option<&'static str>,
}

/// A userName as its key has it: two names that differ in case alone are one.
fn fold(text: &str) -> String {
    unicase::UniCase::unicode(text.nfd().collect::<String>()).to_folded_case().nfc().collect()
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

fn needed(item: &Item, name: &str) -> Result<String, Failure> {
    text(item, name).ok_or_else(|| format!("{name} is missing from {:?}", item.get("SK")).into())
}

/// The ids in `leaving` or `joining`, whose entries are `<id>#<number of the change>`.
fn subjects(item: &Item, marks: &str) -> BTreeSet<String> {
    let entries = item.get(marks).and_then(|marks| marks.as_ss().ok()).into_iter().flatten();
    entries.filter_map(|mark| Some(mark.rsplit_once('#')?.0.to_owned())).collect()
}

fn user(item: &Item) -> Result<Value, Failure> {
    let active = item.get("active").and_then(|active| active.as_bool().ok()).copied().unwrap_or(true);
    let mut user = json!({ "id": needed(item, "SK")?, "userName": needed(item, "userName")?, "active": active });
    if let Some(email) = text(item, "email") {
        user["email"] = email.into();
    }
    Ok(user)
}

fn member(id: &str, kind: &str, display: Option<String>) -> Value {
    let mut member = json!({ "id": id, "type": kind });
    if let Some(display) = display {
        member["display"] = display.into();
    }
    member
}

fn change(record: &Item, parts: &[Item]) -> Result<Value, Failure> {
    let changes: Value = if record.contains_key("parts") {
        let packed: Vec<&[u8]> =
            parts.iter().filter_map(|part| Some(part.get("part")?.as_b().ok()?.as_ref())).collect();
        let mut text = String::new();
        GzDecoder::new(packed.concat().as_slice()).read_to_string(&mut text)?;
        serde_json::from_str(&text)?
    } else {
        serde_json::from_str(&needed(record, "changes")?)?
    };
    let mut change = json!({ "id": needed(record, "SK")?, "changes": changes });
    for name in ["at", "operation", "resourceType", "resourceId", "actor", "requestId"] {
        change[name] = needed(record, name)?.into();
    }
    Ok(change)
}

impl Directory {
    pub fn new(client: Client, table: String, tenant: String) -> Self {
        Self { client, table, tenant, units: Cell::new(0.0) }
    }

    /// Every user, in the order of the ids.
    pub async fn users(&self) -> Result<Vec<Value>, Failure> {
        let range = Range { projection: Some("SK, userName, active, email"), ..Range::default() };
        self.query("USER", &range).await?.iter().map(user).collect()
    }

    /// The user with this userName: the key item has the id.
    pub async fn user_named(&self, name: &str) -> Result<Option<Value>, Failure> {
        let value = fold(name);
        let key = if value.len() <= MAX_PLAIN_BYTES {
            format!("KEY#User.userName#{value}")
        } else {
            let digest: String = Sha256::digest(&value).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("DIGEST#User.userName#{digest}")
        };
        let Some(key) = self.get(&key, "-").await? else { return Ok(None) };
        self.get("USER", &needed(&key, "id")?).await?.as_ref().map(user).transpose()
    }

    /// The members of a group at one moment, in the order of their ids. The group is read again after them: it has
    /// another version if a change came between.
    pub async fn members(&self, group_id: &str) -> Result<Vec<Value>, Failure> {
        let mut group = self.get("GROUP", group_id).await?;
        for _ in 0..TRIES {
            let Some(before) = group else { return Ok(Vec::new()) };
            let members = self.members_of(&before).await?;
            group = self.get("GROUP", group_id).await?;
            if group.as_ref().is_some_and(|after| after.get("version") == before.get("version")) {
                return Ok(members);
            }
        }
        Err(format!("The group {group_id} changed {TRIES} times while it was read. Read it again.").into())
    }

    /// The group was read before what is not applied yet, and that before the memberships.
    async fn members_of(&self, group: &Item) -> Result<Vec<Value>, Failure> {
        let changes = self.changes_under_way(group, None).await?;
        let gone = self.gone(group).await?;
        let mut members = BTreeMap::new();
        for item in self.query(&format!("MEMBERS#{}", needed(group, "SK")?), &Range::default()).await? {
            let id = needed(&item, "SK")?;
            members.insert(id.clone(), member(&id, &needed(&item, "type")?, text(&item, "display")));
        }
        for (id, row) in changes {
            let said = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
            if row.contains_key("add") {
                members.insert(
                    id.clone(),
                    member(&id, &said("type").ok_or("an addition without a type")?, said("display")),
                );
            } else if row.contains_key("remove") {
                members.remove(&id);
            } else if let Some(member) = members.get_mut(&id) {
                member["display"] = said("display").into();
            }
        }
        members.retain(|id, _| !gone.contains(id));
        Ok(members.into_values().collect())
    }

    /// The groups of a user or group: where it has a mirror or may be getting one, by what each group says of it.
    pub async fn groups(&self, member_id: &str) -> Result<Vec<Value>, Failure> {
        let keys = ["USER", "GROUP"].map(|kind| (kind.to_owned(), member_id.to_owned()));
        let Some(member) = self.batch(&keys).await?.pop() else { return Ok(Vec::new()) };
        let mirrors = format!("MEMBEROF#{member_id}");
        let mut candidates = subjects(&member, "joining");
        candidates.extend(self.query(&mirrors, &Range::default()).await?.iter().filter_map(|item| text(item, "SK")));
        let keys: Vec<_> = candidates.into_iter().map(|id| ("GROUP".to_owned(), id)).collect();
        let mut groups = BTreeMap::new();
        for group in self.batch(&keys).await? {
            let change = self.changes_under_way(&group, Some(member_id)).await?.remove(member_id);
            groups.insert(needed(&group, "SK")?, (needed(&group, "displayName")?, change));
        }
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        // Once more, after the groups: what has no change under way is as its mirror says now.
        let now = self.query(&mirrors, &Range::default()).await?;
        let now: BTreeSet<String> = now.iter().filter_map(|item| text(item, "SK")).collect();
        let is_in = |id: &String, row: &Option<Row>| match row {
            Some(row) => !row.contains_key("remove"),
            None => now.contains(id),
        };
        let found = groups.into_iter().filter(|(id, (_, row))| is_in(id, row));
        Ok(found.map(|(id, (name, _))| json!({ "id": id, "displayName": name })).collect())
    }

    /// The change records from one time to another, in order.
    pub async fn changes(&self, from: jiff::Timestamp, until: jiff::Timestamp) -> Result<Vec<Value>, Failure> {
        let milliseconds = format!("{:012x}", from.as_millisecond());
        let (high, low) = milliseconds.split_at(8);
        let range = Range { first: Some(format!("{high}-{low}")), ..Range::default() };
        let date = |time: jiff::Timestamp| time.to_zoned(jiff::tz::TimeZone::UTC).date();
        let days = date(from).series(jiff::Span::new().days(1)).take_while(|day| *day <= date(until));
        let mut changes = Vec::new();
        for day in days {
            let items = self.query(&format!("LOG#{day}"), &range).await?;
            // A record stands before its parts.
            let is_part = |item: &Item| text(item, "SK").is_some_and(|id| id.contains('#'));
            for together in items.chunk_by(|_, next| is_part(next)) {
                if let Some((record, parts)) = together.split_first().filter(|(record, _)| !is_part(record)) {
                    changes.push(change(record, parts)?);
                }
            }
        }
        Ok(changes)
    }

    /// What a large change of a group makes of members whose memberships do not say so yet, by id. With `member`, only
    /// the chunk in which that member would stand is read.
    async fn changes_under_way(&self, group: &Item, member: Option<&str>) -> Result<BTreeMap<String, Row>, Failure> {
        let Some(intent) = text(group, "intent") else { return Ok(BTreeMap::new()) };
        let last = member.map_or(format!("{intent}$"), |member| format!("{intent}#{member}"));
        let range = Range {
            first: Some(format!("{intent}#")),
            last: Some(last),
            last_only: member.is_some(),
            ..Range::default()
        };
        let mut changes = BTreeMap::new();
        for chunk in self.query(&format!("INTENT#{}", needed(group, "SK")?), &range).await? {
            let rows: Vec<Row> = serde_json::from_str(&needed(&chunk, "changes")?)?;
            let id = |row: &Row| {
                ["add", "remove", "rename"].iter().find_map(|name| Some(row.get(*name)?.as_str()?.to_owned()))
            };
            changes.extend(rows.into_iter().filter_map(|row| Some((id(&row)?, row))));
        }
        Ok(changes)
    }

    /// Those whom the group calls `leaving` and who do not exist any more.
    async fn gone(&self, group: &Item) -> Result<BTreeSet<String>, Failure> {
        let leaving = subjects(group, "leaving");
        let either = |id: &String| ["USER", "GROUP"].map(|kind| (kind.to_owned(), id.clone()));
        let existing = self.batch(&leaving.iter().flat_map(either).collect::<Vec<_>>()).await?;
        let existing: BTreeSet<String> = existing.iter().filter_map(|item| text(item, "SK")).collect();
        Ok(&leaving - &existing)
    }

    fn pk(&self, rest: &str) -> AttributeValue {
        AttributeValue::S(format!("T#{}#{rest}", self.tenant))
    }

    fn note(&self, units: Option<f64>) {
        self.units.set(self.units.get() + units.unwrap_or_default());
    }

    async fn get(&self, rest: &str, sk: &str) -> Result<Option<Item>, Failure> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key("PK", self.pk(rest)).key("SK", AttributeValue::S(sk.to_owned()));
        let answer = get.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
        self.note(answer.consumed_capacity().and_then(|consumed| consumed.capacity_units));
        Ok(answer.item)
    }

    async fn query(&self, rest: &str, range: &Range) -> Result<Vec<Item>, Failure> {
        let condition = match (&range.first, &range.last) {
            (Some(_), Some(_)) => "PK = :pk AND SK BETWEEN :first AND :last",
            (Some(_), None) => "PK = :pk AND SK >= :first",
            _ => "PK = :pk",
        };
        let mut query = self.client.query().table_name(&self.table).consistent_read(true);
        query = query.key_condition_expression(condition).expression_attribute_values(":pk", self.pk(rest));
        for (name, value) in [(":first", &range.first), (":last", &range.last)] {
            if let Some(value) = value {
                query = query.expression_attribute_values(name, AttributeValue::S(value.clone()));
            }
        }
        if range.last_only {
            query = query.scan_index_forward(false).limit(1);
        }
        query = query.set_projection_expression(range.projection.map(str::to_owned));
        query = query.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let mut items = Vec::new();
        loop {
            let page = query.clone().send().await?;
            self.note(page.consumed_capacity().and_then(|consumed| consumed.capacity_units));
            items.extend(page.items.unwrap_or_default());
            match page.last_evaluated_key.filter(|last| !last.is_empty() && !range.last_only) {
                Some(last) => query = query.set_exclusive_start_key(Some(last)),
                None => return Ok(items),
            }
        }
    }

    async fn batch(&self, keys: &[(String, String)]) -> Result<Vec<Item>, Failure> {
        let key = |(rest, sk): &(String, String)| {
            Item::from([("PK".into(), self.pk(rest)), ("SK".into(), AttributeValue::S(sk.clone()))])
        };
        let mut wanted: Vec<Item> = keys.iter().map(key).collect();
        let mut items = Vec::new();
        while !wanted.is_empty() {
            let later = wanted.split_off(wanted.len().min(BATCH_KEYS));
            let batch = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build()?;
            let get = self.client.batch_get_item().request_items(&self.table, batch);
            let answer = get.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
            answer.consumed_capacity().iter().for_each(|consumed| self.note(consumed.capacity_units));
            items.extend(answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default());
            // DynamoDB gives 16 MB at most, and less when it is busy.
            let unprocessed = answer.unprocessed_keys.unwrap_or_default().remove(&self.table);
            wanted = unprocessed.map(|unprocessed| unprocessed.keys).unwrap_or_default();
            wanted.extend(later);
        }
        Ok(items)
    }
}
