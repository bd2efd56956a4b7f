//! What a look at the whole table found, in words that hold no personal data: ids, names of attributes, numbers.

use super::super::keys::Keys;
use super::super::meter::Cost;
use std::collections::BTreeMap;

/// Examples that a report keeps of one kind.
const EXAMPLES: usize = 5;

/// What can be wrong, and what is worth saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The JSON of a resource, or what the server assigned to it, cannot be read.
    Unreadable,
    /// A copy beside the JSON of a resource differs from it.
    Copy,
    /// An indexed value has no key.
    KeyMissing,
    /// The key of a value that a resource holds names another one, which does not hold it.
    KeyOfAnother,
    /// A key whose resource does not exist, or does not hold the value.
    KeyStray,
    /// A unique value is held by two resources.
    Conflict,
    /// A membership whose member does not exist.
    MemberMissing,
    /// A membership that calls a user a group, or the reverse.
    MemberType,
    /// A membership without its mirror, or with one that differs.
    MirrorMissing,
    /// A mirror without its membership.
    MirrorStray,
    /// A member whose count of joins says that it never was one.
    Joins,
    /// A group whose `memberCount` or `memberGroups` differs from its memberships.
    MemberCount,
    /// A membership or mirror that a deleted group left behind.
    Leftover,
    /// A counter that differs from the resources.
    Counter,
    /// A group whose intent is not in the register, or not as committed.
    IntentLost,
    /// A redo in the register that is committed and that its group does not name.
    RedoStray,
    /// A chunk of an intent that nobody names.
    ChunkStray,
    /// A mark of a redo that is not in the register.
    MarkStray,
    /// A redo that is staged, or not yet applied. Not an error.
    Pending,
    /// Keys of an attribute that the configured schemas do not index. Not an error.
    NotIndexed,
    /// Items that are none of this server's. Not an error.
    Foreign,
    /// What changed too often to be recounted. Not an error.
    Unsettled,
}

impl Kind {
    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Copy => "copy",
            Self::KeyMissing => "keyMissing",
            Self::KeyOfAnother => "keyOfAnother",
            Self::KeyStray => "keyStray",
            Self::Conflict => "conflict",
            Self::MemberMissing => "memberMissing",
            Self::MemberType => "memberType",
            Self::MirrorMissing => "mirrorMissing",
            Self::MirrorStray => "mirrorStray",
            Self::Joins => "joins",
            Self::MemberCount => "memberCount",
            Self::Leftover => "leftover",
            Self::Counter => "counter",
            Self::IntentLost => "intentLost",
            Self::RedoStray => "redoStray",
            Self::ChunkStray => "chunkStray",
            Self::MarkStray => "markStray",
            Self::Pending => "pending",
            Self::NotIndexed => "notIndexed",
            Self::Foreign => "foreign",
            Self::Unsettled => "unsettled",
        }
    }

    /// What it says.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unreadable => "the resource cannot be read",
            Self::Copy => "copies beside the resource differ from it",
            Self::KeyMissing => "an indexed value has no key, and is not found by it",
            Self::KeyOfAnother => "the key of a value names a resource that does not hold it",
            Self::KeyStray => "a key whose resource does not exist or does not hold the value",
            Self::Conflict => "a unique value is held by two resources; rename one",
            Self::MemberMissing => "a membership whose member does not exist",
            Self::MemberType => "a membership has the wrong type of its member",
            Self::MirrorMissing => "a membership has no mirror, or one that differs",
            Self::MirrorStray => "a mirror without a membership",
            Self::Joins => "a member whose item says that it never joined a group",
            Self::MemberCount => "memberCount or memberGroups differs from the memberships",
            Self::Leftover => "left over from a deleted group, unreachable",
            Self::Counter => "a counter differs from the resources",
            Self::IntentLost => "a group has an intent that the register does not have as committed",
            Self::RedoStray => "a committed redo that its group does not name",
            Self::ChunkStray => "a chunk of an intent that nobody names",
            Self::MarkStray => "a mark of a redo that is not in the register",
            Self::Pending => "pending, the sweep finishes it",
            Self::NotIndexed => "keys of an attribute that the configured schemas do not index, left alone",
            Self::Foreign => "items that are not scimlet's, left alone",
            Self::Unsettled => "changed too often while it was counted; run verify again",
        }
    }

    /// What a repair does about it; `None` for what it leaves alone.
    #[must_use]
    pub const fn repair(self) -> Option<&'static str> {
        match self {
            Self::Copy => Some("written from the resource"),
            Self::KeyMissing => Some("key written"),
            Self::KeyOfAnother => Some("key written anew"),
            Self::KeyStray => Some("key removed"),
            Self::MemberMissing => Some("membership removed"),
            Self::MemberType => Some("type corrected"),
            Self::MirrorMissing => Some("mirror written"),
            Self::MirrorStray => Some("mirror removed"),
            Self::Joins => Some("join counted"),
            Self::MemberCount | Self::Counter => Some("recounted"),
            Self::Leftover | Self::RedoStray | Self::ChunkStray | Self::MarkStray => Some("removed"),
            Self::IntentLost => Some("registered, the sweep finishes it"),
            Self::Unreadable | Self::Conflict | Self::Pending | Self::NotIndexed | Self::Foreign | Self::Unsettled => {
                None
            }
        }
    }

    /// Whether the table does not contradict itself by this.
    #[must_use]
    pub const fn is_note(self) -> bool {
        matches!(self, Self::Pending | Self::NotIndexed | Self::Foreign | Self::Unsettled)
    }
}

/// Where something was found: what names it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example(pub Vec<(&'static str, String)>);

impl Example {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(vec![("tenant", keys.tenant().to_owned())])
    }

    /// Adds an id. What this server cannot have given may be anything, an e-mail address too.
    pub(super) fn id(mut self, name: &'static str, id: &str) -> Self {
        let is_given = id.len() == 36 && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        self.0.push((name, if is_given { id.to_owned() } else { "(not an id)".to_owned() }));
        self
    }

    pub(super) fn with(mut self, name: &'static str, what: impl Into<String>) -> Self {
        self.0.push((name, what.into()));
        self
    }
}

impl std::fmt::Display for Example {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(name, what)| format!("{name} {what}")).collect();
        formatter.write_str(&parts.join(", "))
    }
}

/// All findings of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many there were.
    pub count: u64,
    /// How many of them are repaired.
    pub repaired: u64,
    /// The first of them, those that are left before those that are repaired.
    pub examples: Vec<Example>,
}

/// What a tenant has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Memberships.
    pub memberships: u64,
    /// Unique keys and lookup keys.
    pub keys: u64,
    /// Change records.
    pub changes: u64,
}

/// What a look at the whole table found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What each tenant has.
    pub tenants: BTreeMap<String, Seen>,
    /// Items that were read.
    pub items: u64,
    /// What was found.
    pub findings: BTreeMap<Kind, Findings>,
    /// What it cost.
    pub cost: Cost,
}

impl Report {
    /// How many findings are left; notes are none.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.errors().map(|(_, found)| found.count - found.repaired).sum()
    }

    /// How many were repaired.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.errors().map(|(_, found)| found.repaired).sum()
    }

    fn errors(&self) -> impl Iterator<Item = (&Kind, &Findings)> {
        self.findings.iter().filter(|(kind, _)| !kind.is_note())
    }

    pub(super) fn add(&mut self, kind: Kind, example: Option<Example>, is_repaired: bool) {
        let found = self.findings.entry(kind).or_default();
        found.count += 1;
        found.repaired += u64::from(is_repaired);
        let Some(example) = example.filter(|example| !found.examples.contains(example)) else { return };
        let left = usize::try_from(found.count - found.repaired).unwrap_or(usize::MAX);
        if !is_repaired && left <= EXAMPLES {
            found.examples.insert(left - 1, example);
            found.examples.truncate(EXAMPLES);
        } else if found.examples.len() < EXAMPLES {
            found.examples.push(example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_named_before_what_is_repaired() {
        let mut report = Report::default();
        let example = |number: u32| Example::new(&Keys::new("t")).with("number", number.to_string());
        for number in 0..9 {
            report.add(Kind::KeyStray, Some(example(number)), number < 7);
        }
        report.add(Kind::Pending, None, false);
        let found = &report.findings[&Kind::KeyStray];
        assert_eq!((found.count, found.repaired, report.left(), report.repaired()), (9, 7, 2, 7));
        assert_eq!(found.examples, [7, 8, 0, 1, 2].map(example));
    }

    #[test]
    fn an_id_that_this_server_cannot_have_given_is_not_named() {
        let example = Example::new(&Keys::new("default"))
            .id("group", "6c5bb468-14b2-4183-baf2-06d523e03bd3")
            .id("member", "ann@example.com");
        let expected = "tenant default, group 6c5bb468-14b2-4183-baf2-06d523e03bd3, member (not an id)";
        assert_eq!(example.to_string(), expected);
    }
}
