//! Every key of the table. No other file builds one.
//!
//! | item | PK | SK |
//! |---|---|---|
//! | user, group | `T#<tenant>#USER`, `…#GROUP` | id |
//! | membership | `T#<tenant>#MEMBERS#<group id>` | member id |
//! | its mirror | `T#<tenant>#MEMBEROF#<member id>` | group id |
//! | unique key | `T#<tenant>#KEY#<Type>.<attribute>#<value>` | `-` |
//! | lookup key | the same | id |
//! | both, of a long value | `T#<tenant>#DIGEST#<Type>.<attribute>#<SHA-256 of the value>` | as above |
//! | counter | `T#<tenant>#COUNT#USER`, `…#GROUP` | first two digits of the id; the third is an item attribute |
//! | change | `T#<tenant>#LOG#<yyyy-mm-dd>` | time-ordered id |
//! | part of a large change | the same | `<id of the change>#<number>` |
//! | deprovisioning of the last hour | `T#<tenant>#BREAKER` | `-` |
//! | tombstone | `T#<tenant>#GONE#USER`, `…#GROUP` | id |
//! | redo, in the register | `T#<tenant>#REDO` | `members#<group id>#<redo id>`, `leave#<member id>#<redo id>` |
//! | token | `TOKENS` | SHA-256 digest of the token |
//! | last check of the table | `VERIFIED` | `-` |
//! | last use of a token | `TOKENS` | `USE#<digest>` |
//! | chunk of a redo intent | `T#<tenant>#INTENT#<group id>` | `<redo id>#<first member id>`; the first one ends in `#` |

use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use sha2::{Digest, Sha256};

/// Name of the partition key.
pub const PK: &str = "PK";
/// Name of the sort key.
pub const SK: &str = "SK";
/// Sort key of an item that is alone in its partition.
pub const ALONE: &str = "-";

/// Longest value that stands in a key as it is, in bytes. A partition key holds 2,048 bytes, and a folded value is up
/// to three times as long as what was folded; what is longer stands there as its digest.
const MAX_PLAIN_BYTES: usize = 1024;
/// What DynamoDB takes as a partition key, in bytes.
const MAX_PK_BYTES: usize = 2048;
/// What DynamoDB takes as a sort key, in bytes.
const MAX_SK_BYTES: usize = 1024;

/// The primary key of one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// Whether an item can have this key. Ids come from clients too: nobody has one that is empty or too long, and
    /// DynamoDB refuses to look it up.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        is_possible_partition(&self.pk) && (1..=MAX_SK_BYTES).contains(&self.sk.len())
    }
}

/// Whether items can have this partition key.
#[must_use]
pub fn is_possible_partition(pk: &str) -> bool {
    (1..=MAX_PK_BYTES).contains(&pk.len())
}

/// The keys of one tenant.
#[derive(Debug, Clone)]
pub struct Keys {
    tenant: String,
}

impl Keys {
    /// `tenant` is a name that `config` has checked: letters, digits, `.` and `-`.
    #[must_use]
    pub fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned() }
    }

    /// Whose they are.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    fn partition(&self, rest: &str) -> String {
        format!("T#{}#{rest}", self.tenant)
    }

    /// Partition of all resources of a type.
    #[must_use]
    pub fn resources(&self, resource_type: ResourceType) -> String {
        self.partition(kind(resource_type))
    }

    /// One resource.
    #[must_use]
    pub fn resource(&self, resource_type: ResourceType, id: &str) -> Key {
        Key { pk: self.resources(resource_type), sk: id.to_owned() }
    }

    /// Partition of the members of a group.
    #[must_use]
    pub fn members(&self, group_id: &str) -> String {
        self.partition(&format!("MEMBERS#{group_id}"))
    }

    /// One membership.
    #[must_use]
    pub fn membership(&self, group_id: &str, member_id: &str) -> Key {
        Key { pk: self.members(group_id), sk: member_id.to_owned() }
    }

    /// Partition of the groups of a member.
    #[must_use]
    pub fn groups_of(&self, member_id: &str) -> String {
        self.partition(&format!("MEMBEROF#{member_id}"))
    }

    /// The mirror of a membership.
    #[must_use]
    pub fn mirror(&self, group_id: &str, member_id: &str) -> Key {
        Key { pk: self.groups_of(member_id), sk: group_id.to_owned() }
    }

    /// Partition of the resources that hold an indexed value.
    #[must_use]
    pub fn holders(&self, indexed: &IndexedValue) -> String {
        let IndexedValue { attribute, value, .. } = indexed;
        if value.len() <= MAX_PLAIN_BYTES {
            return self.partition(&format!("KEY#{attribute}#{value}"));
        }
        // Not under `KEY#`, where the digest could be another resource's value.
        self.partition(&format!("DIGEST#{attribute}#{}", hex(&Sha256::digest(value))))
    }

    /// The key that says that resource `id` holds an indexed value.
    #[must_use]
    pub fn holder(&self, indexed: &IndexedValue, id: &str) -> Key {
        let sk = if indexed.is_unique { ALONE } else { id };
        Key { pk: self.holders(indexed), sk: sk.to_owned() }
    }

    /// Partition of the counters of a type.
    #[must_use]
    pub fn counters(&self, resource_type: ResourceType) -> String {
        self.partition(&format!("COUNT#{}", kind(resource_type)))
    }

    /// The counter of the ids that begin like `id`.
    #[must_use]
    pub fn counter(&self, resource_type: ResourceType, id: &str) -> Key {
        Key { pk: self.counters(resource_type), sk: id.chars().take(2).collect() }
    }

    /// Partition of the change records of a day in UTC, `yyyy-mm-dd`.
    #[must_use]
    pub fn changes(&self, date: &str) -> String {
        self.partition(&format!("LOG#{date}"))
    }

    /// A change record. `date` is the day in UTC, `yyyy-mm-dd`.
    #[must_use]
    pub fn change(&self, date: &str, change_id: &str) -> Key {
        Key { pk: self.changes(date), sk: change_id.to_owned() }
    }

    /// What the breaker has counted.
    #[must_use]
    pub fn breaker(&self) -> Key {
        Key { pk: self.partition("BREAKER"), sk: ALONE.to_owned() }
    }

    /// Partition of the redos that are staged or not yet finished.
    #[must_use]
    pub fn redos(&self) -> String {
        self.partition("REDO")
    }

    /// One of them. `name` is its kind, its subject and its id.
    #[must_use]
    pub fn redo(&self, name: &str) -> Key {
        Key { pk: self.redos(), sk: name.to_owned() }
    }

    /// Partition of the chunks of the intents of a group.
    #[must_use]
    pub fn chunks(&self, group_id: &str) -> String {
        self.partition(&format!("INTENT#{group_id}"))
    }

    /// The chunk of an intent that covers the members from `first` on; the first one covers all before it too, and has
    /// an empty `first`.
    #[must_use]
    pub fn chunk(&self, group_id: &str, redo_id: &str, first: &str) -> Key {
        Key { pk: self.chunks(group_id), sk: format!("{redo_id}#{first}") }
    }

    /// Partition of what is left of the deleted resources of a type.
    #[must_use]
    pub fn tombstones(&self, resource_type: ResourceType) -> String {
        self.partition(&format!("GONE#{}", kind(resource_type)))
    }

    /// What is left of a deleted resource.
    #[must_use]
    pub fn tombstone(&self, resource_type: ResourceType, id: &str) -> Key {
        Key { pk: self.tombstones(resource_type), sk: id.to_owned() }
    }
}

/// Partition of the tokens of all tenants: who asks is not known before the token is.
pub const TOKENS: &str = "TOKENS";

/// A token, by its SHA-256 digest in hexadecimal digits.
#[must_use]
pub fn token(digest: &str) -> Key {
    Key { pk: TOKENS.to_owned(), sk: digest.to_owned() }
}

/// When the table was last verified, and what was left wrong: it is no tenant's.
#[must_use]
pub fn verified() -> Key {
    Key { pk: "VERIFIED".to_owned(), sk: ALONE.to_owned() }
}

/// Whether an item with this partition key is no tenant's.
#[must_use]
pub fn is_of_no_tenant(pk: &str) -> bool {
    pk == TOKENS || pk == "VERIFIED"
}

/// How the sort key of a note begins that says when a token was last used.
pub const USE: &str = "USE#";

/// When a token was last used.
#[must_use]
pub fn token_use(digest: &str) -> Key {
    Key { pk: TOKENS.to_owned(), sk: format!("{USE}{digest}") }
}

/// A part of what a change record is about, where the record itself does not hold it: right after the record.
#[must_use]
pub fn part_of_change(record: &Key, number: usize) -> Key {
    Key { pk: record.pk.clone(), sk: format!("{}#{number:04}", record.sk) }
}

fn kind(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "USER",
        ResourceType::Group => "GROUP",
    }
}

/// What an item is, as its key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A user or group, by id.
    Resource(ResourceType, String),
    /// A membership.
    Membership {
        /// Id of the group.
        group: String,
        /// Id of the member.
        member: String,
    },
    /// The mirror of a membership.
    Mirror {
        /// Id of the group.
        group: String,
        /// Id of the member.
        member: String,
    },
    /// A unique or lookup key: attribute and value, or digest.
    Holder(String),
    /// A counter, by the digits it counts.
    Counter(ResourceType, String),
    /// A redo in the register, by its name.
    Redo(String),
    /// A chunk of a redo intent.
    Chunk {
        /// Id of the group.
        group: String,
        /// Id of the intent.
        intent: String,
    },
    /// A change record.
    Change,
    /// A part of a change record.
    Part,
    /// What the breaker has counted.
    Breaker,
    /// What is left of a deleted resource.
    Tombstone,
}

impl Key {
    /// The keys of the tenant whose item this is, and what it is; `None` for a key that none of [`Keys`] is.
    #[must_use]
    pub fn place(&self) -> Option<(Keys, Place)> {
        let (tenant, rest) = self.pk.strip_prefix("T#")?.split_once('#')?;
        let is_name = !tenant.is_empty() && tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        let typed = |name: &str| ResourceType::ALL.into_iter().find(|resource_type| kind(*resource_type) == name);
        let sk = self.sk.clone();
        let place = match rest.split_once('#') {
            None if rest == "REDO" => Place::Redo(sk),
            None if rest == "BREAKER" => Place::Breaker,
            None => Place::Resource(typed(rest)?, sk),
            Some(("MEMBERS", group)) => Place::Membership { group: group.to_owned(), member: sk },
            Some(("MEMBEROF", member)) => Place::Mirror { group: sk, member: member.to_owned() },
            Some(("KEY" | "DIGEST", value)) => Place::Holder(value.to_owned()),
            Some(("COUNT", name)) => Place::Counter(typed(name)?, sk),
            Some(("INTENT", group)) => {
                Place::Chunk { group: group.to_owned(), intent: self.sk.split('#').next()?.to_owned() }
            }
            Some(("LOG", _)) if self.sk.contains('#') => Place::Part,
            Some(("LOG", _)) => Place::Change,
            Some(("GONE", name)) => typed(name).map(|_| Place::Tombstone)?,
            Some(_) => return None,
        };
        is_name.then(|| (Keys::new(tenant), place))
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(value: &str, is_unique: bool) -> IndexedValue {
        IndexedValue { attribute: "User.userName".into(), value: value.into(), is_unique }
    }

    #[test]
    fn the_entity_chart() {
        let keys = Keys::new("default");
        let cases = [
            (keys.resource(ResourceType::User, "u"), "T#default#USER", "u"),
            (keys.membership("g", "u"), "T#default#MEMBERS#g", "u"),
            (keys.mirror("g", "u"), "T#default#MEMBEROF#u", "g"),
            (keys.holder(&indexed("ann", true), "u"), "T#default#KEY#User.userName#ann", "-"),
            (keys.holder(&indexed("ann", false), "u"), "T#default#KEY#User.userName#ann", "u"),
            (keys.counter(ResourceType::Group, "2819c223"), "T#default#COUNT#GROUP", "28"),
            (keys.change("2026-01-31", "c"), "T#default#LOG#2026-01-31", "c"),
            (keys.tombstone(ResourceType::User, "u"), "T#default#GONE#USER", "u"),
            (keys.redo("leave#u#r"), "T#default#REDO", "leave#u#r"),
            (keys.breaker(), "T#default#BREAKER", "-"),
            (part_of_change(&keys.change("2026-01-31", "c"), 12), "T#default#LOG#2026-01-31", "c#0012"),
            (token("ab"), "TOKENS", "ab"),
            (keys.chunk("g", "r", ""), "T#default#INTENT#g", "r#"),
            (keys.chunk("g", "r", "u"), "T#default#INTENT#g", "r#u"),
        ];
        for (key, pk, sk) in cases {
            assert_eq!((key.pk.as_str(), key.sk.as_str()), (pk, sk));
        }
    }

    #[test]
    fn a_key_says_what_its_item_is() {
        let keys = Keys::new("acme");
        let membership = Place::Membership { group: "g".into(), member: "u".into() };
        let mirror = Place::Mirror { group: "g".into(), member: "u".into() };
        for (key, expected) in [
            (keys.resource(ResourceType::User, "u"), Place::Resource(ResourceType::User, "u".into())),
            (keys.membership("g", "u"), membership),
            (keys.mirror("g", "u"), mirror),
            (keys.holder(&indexed("a#b", true), "u"), Place::Holder("User.userName#a#b".into())),
            (keys.counter(ResourceType::Group, "2819c223"), Place::Counter(ResourceType::Group, "28".into())),
            (keys.change("2026-01-31", "c"), Place::Change),
            (part_of_change(&keys.change("2026-01-31", "c"), 0), Place::Part),
            (keys.breaker(), Place::Breaker),
            (keys.tombstone(ResourceType::User, "u"), Place::Tombstone),
            (keys.redo("leave#u#r"), Place::Redo("leave#u#r".into())),
            (keys.chunk("g", "r", "u"), Place::Chunk { group: "g".into(), intent: "r".into() }),
        ] {
            let (of, place) = key.place().unwrap();
            assert_eq!((of.tenant(), place), ("acme", expected));
        }
        for pk in ["", "T#", "T#acme", "T##USER", "T#a b#USER", "T#acme#OTHER", "T#acme#COUNT#OTHER", "other"] {
            assert_eq!(Key { pk: pk.into(), sk: "x".into() }.place().map(|(_, place)| place), None, "{pk}");
        }
    }

    #[test]
    fn an_id_of_a_client_may_be_no_key() {
        let keys = Keys::new("default");
        let (longest, longer) = ("x".repeat(1024), "x".repeat(1025));
        for (id, expected) in [("", false), ("x", true), (longest.as_str(), true), (longer.as_str(), false)] {
            assert_eq!(keys.resource(ResourceType::User, id).is_possible(), expected, "{} bytes", id.len());
        }
        assert!(!is_possible_partition(&keys.groups_of(&"x".repeat(2048))));
    }

    #[test]
    fn a_value_past_the_key_limit_stands_there_as_its_digest() {
        let keys = Keys::new("default");
        let (long, longer) = (indexed(&"x".repeat(5000), true), indexed(&"x".repeat(5001), true));
        assert!(keys.holders(&long).len() < 200);
        assert_ne!(keys.holders(&long), keys.holders(&longer));
    }
}
