//! Which requests are measured.

use crate::report::Ratio;
use crate::server::{Effort, Request, Series, Server};
use scimlet::local::population::Population;
use serde_json::{Value, json};

/// Sizes of the groups of which one member changes.
const SIZES: [usize; 4] = [10, 1000, 10_000, 100_000];
/// Most members that change in one block, one a request.
const CHANGED: usize = 25;
/// Members of a PATCH of many.
const MANY: usize = 1000;
/// Members of a PUT.
const WHOLE: usize = 10_000;

const LOOKUP: &str = "lookup by `userName`";

/// Rows that one process measures.
#[derive(Debug, Clone, Copy)]
pub enum Section {
    Lookups,
    Pages,
    MembersOfGroup,
    OneMember,
    GroupWithoutMembers,
    SmallGroup,
    LargeGroup,
    ManyMembers,
    PutOfFew,
    PutOfMany,
}

impl Section {
    pub const OF_ANY_TABLE: &[Self] = &[Self::Lookups, Self::Pages, Self::MembersOfGroup];
    pub const ALL: &[Self] = &[
        Self::Lookups,
        Self::Pages,
        Self::MembersOfGroup,
        Self::OneMember,
        Self::GroupWithoutMembers,
        Self::SmallGroup,
        Self::LargeGroup,
        Self::ManyMembers,
        Self::PutOfFew,
        Self::PutOfMany,
    ];

    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// Users, a group of each size (the last one has them all), and an empty one.
pub fn population(users: usize) -> Population {
    let members: Vec<usize> = sizes(users).chain([0]).collect();
    Population { users, groups: members.len(), members, ..Population::default() }
}

fn sizes(users: usize) -> impl Iterator<Item = usize> {
    SIZES.into_iter().filter(move |&size| size <= users)
}

/// What must hold, by the rows of tables of so many users.
pub fn ratios(tables: &[usize]) -> Vec<Ratio> {
    let (least, most) = (tables[0], tables[tables.len() - 1]);
    vec![
        Ratio::cpu("adding a member", (&change("add", most), most), (&change("add", SIZES[0]), most)),
        Ratio::cpu("a lookup", (LOOKUP, most), (LOOKUP, least)),
        Ratio::cpu("a page of users", (&list(deep(most)), most), (&list(1), most)),
    ]
}

/// The start of the last tenth.
fn deep(users: usize) -> usize {
    users / 10 * 9 + 1
}

fn list(start: usize) -> String {
    format!("list of 100 users, `startIndex={start}`")
}

fn change(what: &str, size: usize) -> String {
    format!("PATCH group of {}, {what} 1 member", number(size))
}

/// `100,000`.
pub fn number(number: usize) -> String {
    indicatif::HumanCount(number as u64).to_string()
}

/// Some of so many, each time another.
fn some(of: usize, index: usize) -> usize {
    index * 7919 % of
}

/// Measures a section and prints its rows.
pub async fn measure(server: &Server, section: Section) {
    let rows = Rows { server, population: &server.population };
    match section {
        Section::Lookups => rows.lookups().await,
        Section::Pages => rows.pages().await,
        Section::MembersOfGroup => rows.members_of_group().await,
        Section::OneMember => rows.one_member().await,
        Section::GroupWithoutMembers => rows.group_without_members().await,
        Section::SmallGroup => rows.group(|size| size <= MANY, Effort::MANY, 5).await,
        Section::LargeGroup => rows.group(|size| size > MANY, Effort::FEW, 1).await,
        Section::ManyMembers => rows.many_members().await,
        Section::PutOfFew => rows.put_of_few().await,
        Section::PutOfMany => rows.put_of_many().await,
    }
}

struct Rows<'a> {
    server: &'a Server,
    population: &'a Population,
}

impl Rows<'_> {
    fn path(&self, group: usize) -> String {
        format!("/Groups/{}", self.population.group_id(group))
    }

    /// The id of a member, by its place among the members. The whole list is not held: it is no part of the server.
    fn member(&self, group: usize, place: usize) -> String {
        self.population.members(group).nth(place).map(|user| self.population.user_id(user)).expect("a member")
    }

    fn members(&self, group: usize, count: usize) -> Vec<Value> {
        let users = self.population.members(group).take(count);
        users.map(|user| json!({ "value": self.population.user_id(user) })).collect()
    }

    fn sizes(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        sizes(self.population.users).enumerate()
    }

    /// A group that is large and not all, and how many members it has.
    fn large(&self) -> (usize, usize) {
        self.sizes().filter(|&(_, size)| size < self.population.users).last().expect("a group")
    }

    async fn lookups(&self) {
        let lookup = |index| {
            let name = self.population.user_name(some(self.population.users, index));
            Request::find("/Users", &format!("userName eq \"{name}\""), "")
        };
        self.server.measure(Effort::MANY, &[Series::of(LOOKUP, 25, lookup)]).await;
    }

    async fn pages(&self) {
        let starts = [1, deep(self.population.users)];
        for (name, more) in [("", ""), (", `excludedAttributes=groups`", "&excludedAttributes=groups")] {
            let page = |start| {
                let request = Request::get(format!("/Users?startIndex={start}&count=100{more}"));
                Series::new(format!("{}{name}", list(start)), move |_| vec![request.clone(); 5])
            };
            self.server.measure(Effort::MANY, &starts.map(page)).await;
        }
    }

    async fn members_of_group(&self) {
        let (group, size) = self.sizes().last().expect("a group");
        let filter = format!("groups.value eq \"{}\"", self.population.group_id(group));
        for start in [1, deep(size)] {
            let request = Request::find("/Users", &filter, &format!("&startIndex={start}&count=100"));
            let name = format!("`groups.value eq`, group of {}, `startIndex={start}`", number(size));
            self.server.measure(Effort::MANY, &[Series::new(name, |_| vec![request.clone(); 2])]).await;
        }
    }

    async fn one_member(&self) {
        let mut all = Vec::new();
        for (group, size) in self.sizes() {
            let count = CHANGED.min(size / 2);
            let path = self.path(group);
            let remove = move |index| {
                let filter = format!("members[value eq \"{}\"]", self.member(group, index % size));
                Request::patch(&path, &json!({ "op": "remove", "path": filter }))
            };
            let path = self.path(group);
            let add = move |index| {
                let value = [json!({ "value": self.member(group, index % size) })];
                Request::patch(&path, &json!({ "op": "add", "path": "members", "value": value }))
            };
            all.push(Series::of(change("remove", size), count, remove));
            all.push(Series::of(change("add", size), count, add));
        }
        self.server.measure(Effort::MANY, &all).await;
    }

    async fn group_without_members(&self) {
        for (group, size) in self.sizes() {
            let (path, id, named) = (self.path(group), self.population.group_id(group), number(size));
            let without = Request::get(format!("{path}?excludedAttributes=members"));
            let has = |index| {
                let filter = format!("id eq \"{id}\" and members eq \"{}\"", self.member(group, some(size, index)));
                Request::find("/Groups", &filter, "&excludedAttributes=members")
            };
            let series = [
                Series::of(format!("GET group of {named}, `excludedAttributes=members`"), 25, |_| without.clone()),
                Series::of(format!("`id eq and members eq`, group of {named}"), 25, has),
            ];
            self.server.measure(Effort::MANY, &series).await;
        }
    }

    async fn group(&self, is_meant: impl Fn(usize) -> bool, effort: Effort, many: usize) {
        for (group, size) in self.sizes().filter(|&(_, size)| is_meant(size)) {
            let get = Request::get(self.path(group));
            for (name, request) in [("", get.clone()), (", gzip", get.gzip())] {
                let name = format!("GET group of {}{name}", number(size));
                self.server.measure(effort, &[Series::new(name, |_| vec![request.clone(); many])]).await;
            }
        }
    }

    async fn many_members(&self) {
        let (group, size) = self.large();
        let (path, count) = (self.path(group), MANY.min(size));
        let series = ["remove", "add"].map(|op| {
            let value = self.members(group, count);
            let request = Request::patch(&path, &json!({ "op": op, "path": "members", "value": value }));
            let name = format!("PATCH group of {}, {op} {} members", number(size), number(count));
            Series::new(name, move |_| vec![request.clone()])
        });
        self.server.measure(Effort::FEW, &series).await;
    }

    fn put(&self, group: usize, members: Vec<Value>) -> Request {
        let mut body = self.population.group(group);
        body["members"] = members.into();
        Request::put(self.path(group), &body)
    }

    async fn put_of_few(&self) {
        let (group, size) = self.large();
        // Users who stand behind the members.
        let last = self.population.members(group).last().expect("a member");
        let others = (last + 1..).map(|user| json!({ "value": self.population.user_id(user % self.population.users) }));
        let changed = [others.take(10).collect(), self.members(group, size).split_off(10)].concat();
        let bodies = [self.put(group, changed), self.put(group, self.members(group, size))];
        let name = format!("PUT of {} members, 10 of them others", number(size));
        self.server.measure(Effort::FEW, &[Series::new(name, |block| vec![bodies[block % 2].clone()])]).await;
    }

    async fn put_of_many(&self) {
        let (from, empty) = (self.sizes().last().expect("a group").0, self.sizes().count());
        let size = WHOLE.min(self.population.users);
        let (all, none) = (self.put(empty, self.members(from, size)), self.put(empty, Vec::new()));
        let size = number(size);
        let series = [
            Series::new(format!("PUT of {size} members, none before"), |_| vec![all.clone()]),
            Series::new(format!("PUT of no members, {size} before"), |_| vec![none.clone()]),
        ];
        self.server.measure(Effort::FEW, &series).await;
    }
}
