//! Who is a member of what: memberships and mirrors as their items say, overlaid with what redos under way make of them
//! ([`super::redo`]).
//!
//! A group is read before its memberships, or in the same batch. Read before, its `intent` and `leaving` name every
//! redo that the items may lack. Read in the same batch, a redo may have ended between the two; the group says so by
//! `settled`, and then the memberships are read again.

use super::TenantStore;
use super::calls::Range;
use super::error::StoreError;
use super::items::{self, Stored};
use super::reads::{Batch, Found};
use super::redo::{Chunk, MemberChange};
use crate::ambient;
use crate::protocol::members::Membership;
use crate::protocol::schema::ResourceType;
use futures_util::future::{try_join, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// For how long after the end of a redo what was read beside the group is read again, in seconds. It has to be longer
/// than one batch takes, and than two clocks differ.
const SETTLED_SECONDS: i64 = 60;

/// A group that a member may be in.
#[derive(Debug)]
pub(crate) struct Tied {
    pub(crate) group: Stored,
    /// Whether there is a mirror of a membership.
    pub(crate) is_mirrored: bool,
}

/// What redos under way make of the members of a group.
#[derive(Debug, Default)]
struct Overlay {
    changes: BTreeMap<String, MemberChange>,
    gone: BTreeSet<String>,
}

impl Overlay {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.gone.is_empty()
    }

    /// What is left of a membership that has an item.
    fn settle(&self, mut membership: Membership) -> Option<Membership> {
        match self.changes.get(&membership.id) {
            _ if self.gone.contains(&membership.id) => None,
            Some(MemberChange::Remove { .. }) => None,
            Some(MemberChange::Rename { display, .. }) => {
                membership.display = Some(display.clone());
                Some(membership)
            }
            Some(MemberChange::Add { .. }) | None => Some(membership),
        }
    }

    /// The members that have no item yet, from `from` on.
    fn added(&self, from: &str) -> Vec<Membership> {
        let added = self.changes.range(from.to_owned()..).filter_map(|(_, change)| added(change));
        added.filter(|membership| !self.gone.contains(&membership.id)).collect()
    }
}

/// The membership that a change makes.
fn added(change: &MemberChange) -> Option<Membership> {
    match change {
        MemberChange::Add { id, resource_type, display } => {
            Some(Membership { id: id.clone(), resource_type: *resource_type, display: display.clone() })
        }
        MemberChange::Remove { .. } | MemberChange::Rename { .. } => None,
    }
}

/// Whether the member's own mark says that this intent of the group adds it.
fn joins(member: &Stored, group: &Stored, intent: &str) -> bool {
    member.marks.joining.iter().any(|mark| mark.subject == group.meta.id && mark.redo == intent)
}

/// Whether a redo of the group ended so lately that what was read beside it may be from before.
fn settled_lately(group: &Stored) -> bool {
    let settled = group.marks.settled.as_ref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    settled.is_some_and(|at| (ambient::now().as_second() - at.as_second()).abs() <= SETTLED_SECONDS)
}

impl TenantStore {
    /// `BatchGetItem` of resources and of memberships at once: everything a decision needs in one round trip, unless a
    /// redo is under way. The groups of the memberships are to be among the resources.
    pub(crate) async fn batch(&self, wanted: &Batch) -> Result<Found, StoreError> {
        let mut found = self.batch_as_stored(wanted).await?;
        let mut asked: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (group, member) in &wanted.memberships {
            asked.entry(group).or_default().insert(member.clone());
        }
        let mut again = BTreeSet::new();
        for (group_id, members) in asked {
            let Some(group) = found.resources.get(&(ResourceType::Group, group_id.to_owned())) else { continue };
            let pair = |member: &String| (group_id.to_owned(), member.clone());
            let gone = self.gone(group, |id| members.contains(id)).await?;
            match &group.marks.intent {
                Some(intent) => {
                    let chunks = self.chunks_of(group_id, intent, &members).await?;
                    for member in &members {
                        match verdict(&chunks, member) {
                            Verdict::Applied => {
                                again.insert(pair(member));
                            }
                            Verdict::Silent if settled_lately(group) => {
                                again.insert(pair(member));
                            }
                            Verdict::Silent => {}
                            Verdict::Change(MemberChange::Rename { display, .. }) => {
                                if let Some(membership) = found.memberships.get_mut(&pair(member)) {
                                    membership.display = Some(display.clone());
                                }
                            }
                            Verdict::Change(change) => {
                                match added(change) {
                                    Some(membership) => found.memberships.insert(pair(member), membership),
                                    None => found.memberships.remove(&pair(member)),
                                };
                            }
                        }
                    }
                }
                None if settled_lately(group) => again.extend(members.iter().map(pair)),
                None => {}
            }
            for member in &gone {
                found.memberships.remove(&pair(member));
                again.remove(&pair(member));
            }
        }
        if !again.is_empty() {
            let batch = Batch { memberships: again, ..Batch::default() };
            let now = self.batch_as_stored(&batch).await?.memberships;
            found.memberships.retain(|pair, _| !batch.memberships.contains(pair));
            found.memberships.extend(now);
        }
        Ok(found)
    }

    /// The members of a group in id order, from `from` on, each given to `visit` until it breaks. `most` is how many are
    /// wanted, if that is known: no more are read. The group was read before.
    pub(crate) async fn each_member(
        &self,
        group: &Stored,
        from: Option<&str>,
        most: Option<usize>,
        mut visit: impl FnMut(Membership) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let overlay = self.overlay(group).await?;
        let range = Range {
            from: from.filter(|from| !from.is_empty()).map(str::to_owned),
            limit: most.filter(|_| overlay.is_empty()),
            ..Range::default()
        };
        let mut added = overlay.added(from.unwrap_or_default()).into_iter().peekable();
        let mut ended = false;
        self.query_each(&self.keys.members(&group.meta.id), &range, |item| {
            let membership = items::membership(&item)?;
            while let Some(before) = added.next_if(|added| added.id <= membership.id) {
                if before.id < membership.id && visit(before).is_break() {
                    ended = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
            let flow = overlay.settle(membership).map_or(ControlFlow::Continue(()), &mut visit);
            ended = flow.is_break();
            Ok(flow)
        })
        .await?;
        if !ended {
            let _broken = added.try_for_each(visit);
        }
        Ok(())
    }

    /// All of them.
    pub(crate) async fn members(&self, group: &Stored) -> Result<Vec<Membership>, StoreError> {
        let mut members = Vec::new();
        self.each_member(group, None, None, |member| {
            members.push(member);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(members)
    }

    /// The groups that a user or group which was read before has a mirror of, or that a redo may add it to.
    pub(crate) async fn tied_groups(&self, member: &Stored) -> Result<Vec<Tied>, StoreError> {
        Ok(self.tied_groups_of_each(&[member]).await?.pop().unwrap_or_default())
    }

    /// The same for each of some: a `Query` of mirrors for each who was ever in a group, and the groups of all together.
    async fn tied_groups_of_each(&self, members: &[&Stored]) -> Result<Vec<Vec<Tied>>, StoreError> {
        let mirrored = members.iter().map(|member| async {
            let mirrors = if member.joins == 0 { Vec::new() } else { self.mirrors(&member.meta.id).await? };
            Ok::<BTreeSet<String>, StoreError>(mirrors.into_iter().map(|mirror| mirror.id).collect())
        });
        let mirrored = try_join_all(mirrored).await?;
        let joining = |member: &Stored| -> BTreeSet<String> {
            let is_member = member.joins > 0;
            member.marks.joining.iter().filter(|_| is_member).map(|mark| mark.subject.clone()).collect()
        };
        let tied: Vec<BTreeSet<String>> =
            members.iter().zip(&mirrored).map(|(member, mirrored)| mirrored | &joining(member)).collect();
        let wanted = tied.iter().flatten().map(|group| (ResourceType::Group, group.clone())).collect();
        let found = self.batch_as_stored(&Batch { resources: wanted, ..Batch::default() }).await?.resources;
        let group = |id: &String| found.get(&(ResourceType::Group, id.clone())).cloned();
        let each = tied.iter().zip(&mirrored).map(|(tied, mirrored)| {
            let tied = tied.iter().filter_map(group);
            tied.map(|group| Tied { is_mirrored: mirrored.contains(&group.meta.id), group }).collect()
        });
        Ok(each.collect())
    }

    /// The groups of each of some users or groups that were read before, in id order.
    pub(crate) async fn groups_of_each(&self, members: &[&Stored]) -> Result<Vec<Vec<Stored>>, StoreError> {
        let tied = self.tied_groups_of_each(members).await?;
        let pairs =
            || members.iter().zip(&tied).flat_map(|(member, tied)| tied.iter().map(move |tied| (*member, tied)));
        // A group is read once, so it has one intent here.
        let mut asked: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        for (member, Tied { group, .. }) in pairs() {
            if let Some(intent) = group.marks.intent.as_deref().filter(|intent| !joins(member, group, intent)) {
                asked.entry((&group.meta.id, intent)).or_default().insert(member.meta.id.clone());
            }
        }
        let chunks = asked.into_iter().map(|((group, intent), members)| async move {
            Ok::<_, StoreError>((group, self.chunks_of(group, intent, &members).await?))
        });
        let chunks: BTreeMap<&str, Vec<Chunk>> = try_join_all(chunks).await?.into_iter().collect();
        let is_in = |member: &Stored, Tied { group, is_mirrored }: &Tied| {
            let Some(intent) = &group.marks.intent else {
                return (*is_mirrored && !settled_lately(group)).then_some(true);
            };
            if joins(member, group, intent) {
                return Some(true);
            }
            let chunks = chunks.get(group.meta.id.as_str()).map_or(&[][..], Vec::as_slice);
            match verdict(chunks, &member.meta.id) {
                Verdict::Applied => None,
                Verdict::Silent => is_mirrored.then_some(true),
                Verdict::Change(change) => Some(!matches!(change, MemberChange::Remove { .. })),
            }
        };
        let pair = |member: &Stored, tied: &Tied| (tied.group.meta.id.clone(), member.meta.id.clone());
        let unsure = pairs().filter(|(member, tied)| is_in(member, tied).is_none());
        let memberships: BTreeSet<_> = unsure.map(|(member, tied)| pair(member, tied)).collect();
        let sure = if memberships.is_empty() {
            BTreeMap::new()
        } else {
            self.batch_as_stored(&Batch { memberships, ..Batch::default() }).await?.memberships
        };
        let groups = members.iter().zip(&tied).map(|(member, tied)| {
            let is_in = |tied: &&Tied| is_in(member, tied).unwrap_or_else(|| sure.contains_key(&pair(member, tied)));
            tied.iter().filter(is_in).map(|tied| tied.group.clone()).collect()
        });
        Ok(groups.collect())
    }

    /// The groups of a user or group that was read before, in id order.
    pub(crate) async fn groups_of(&self, member: &Stored) -> Result<Vec<Stored>, StoreError> {
        Ok(self.groups_of_each(&[member]).await?.pop().unwrap_or_default())
    }

    /// The groups of the user or group with this id; none if there is no such.
    pub(crate) async fn groups_of_id(&self, id: &str) -> Result<Vec<Stored>, StoreError> {
        let wanted = ResourceType::ALL.map(|resource_type| (resource_type, id.to_owned()));
        let found = self.batch_as_stored(&Batch { resources: wanted.into(), ..Batch::default() }).await?;
        match found.resources.into_values().next() {
            Some(member) => self.groups_of(&member).await,
            None => Ok(Vec::new()),
        }
    }

    /// How many users a group that was read before has.
    pub(crate) async fn user_count(&self, group: &Stored) -> Result<u64, StoreError> {
        let counted = group.member_count.saturating_sub(group.member_groups);
        let gone = self.gone(group, |_| true).await?;
        if gone.is_empty() {
            return Ok(counted);
        }
        // Who left is counted until the membership is taken away.
        let memberships = gone.into_iter().map(|id| (group.meta.id.clone(), id)).collect();
        let still = self.batch_as_stored(&Batch { memberships, ..Batch::default() }).await?.memberships;
        let users = still.values().filter(|membership| membership.resource_type == ResourceType::User).count();
        Ok(counted.saturating_sub(users as u64))
    }

    async fn overlay(&self, group: &Stored) -> Result<Overlay, StoreError> {
        let chunks = async {
            match &group.marks.intent {
                Some(intent) => self.chunks(&group.meta.id, intent).await,
                None => Ok(Vec::new()),
            }
        };
        let (chunks, gone) = try_join(chunks, self.gone(group, |_| true)).await?;
        let changes = chunks.into_iter().flat_map(|chunk| chunk.changes);
        Ok(Overlay { changes: changes.map(|change| (change.id().to_owned(), change)).collect(), gone })
    }

    /// Those of the members that were about to be deleted who do not exist any more.
    pub(crate) async fn gone(
        &self,
        group: &Stored,
        is_asked: impl Fn(&str) -> bool,
    ) -> Result<BTreeSet<String>, StoreError> {
        let leaving: BTreeSet<String> =
            group.marks.leaving.iter().map(|mark| mark.subject.clone()).filter(|id| is_asked(id)).collect();
        if leaving.is_empty() {
            return Ok(leaving);
        }
        let either = |id: &String| ResourceType::ALL.map(|resource_type| (resource_type, id.clone()));
        let existing = self.existing(&leaving.iter().flat_map(either).collect()).await?;
        Ok(leaving.into_iter().filter(|id| !either(id).iter().any(|key| existing.contains(key))).collect())
    }
}

/// What the chunks that cover an id say of it.
enum Verdict<'a> {
    /// No chunk covers it: it is applied, perhaps since the membership was read.
    Applied,
    /// Nothing.
    Silent,
    /// That it changes.
    Change(&'a MemberChange),
}

fn verdict<'a>(chunks: &'a [Chunk], id: &str) -> Verdict<'a> {
    match chunks.iter().find(|chunk| chunk.covers(id)) {
        None => Verdict::Applied,
        Some(chunk) => chunk.change_of(id).map_or(Verdict::Silent, Verdict::Change),
    }
}
