//! Made-up users and groups, the same for the same [`Population`]: names, ids and who is a member of what.

use crate::protocol::schema::{ENTERPRISE_URI, GROUP_URI, USER_URI};
use serde_json::{Value, json};

const GIVEN_NAMES: [&str; 24] = [
    "Ada", "Amir", "Ana", "Ben", "Chen", "Clara", "Dmitri", "Elif", "Emma", "Fatima", "Hugo", "Ines", "Jonas", "José",
    "Kofi", "Lena", "Mateo", "Mia", "Noor", "Olga", "Priya", "Sam", "Yuki", "Zoë",
];
const FAMILY_NAMES: [&str; 24] = [
    "Andersson",
    "Bauer",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kaya",
    "Lee",
    "Mensah",
    "Novak",
    "Okafor",
    "Patel",
    "Quinn",
    "Rossi",
    "Sato",
    "Tanaka",
    "Usman",
    "Vargas",
    "Weber",
    "Yilmaz",
];
const DEPARTMENTS: [&str; 12] = [
    "Engineering",
    "Sales",
    "Finance",
    "Support",
    "Marketing",
    "Legal",
    "Operations",
    "Research",
    "Security",
    "People",
    "Procurement",
    "Facilities",
];
const TITLES: [&str; 8] =
    ["Account Manager", "Analyst", "Engineer", "Senior Engineer", "Team Lead", "Specialist", "Director", "Coordinator"];
const CITIES: [(&str, &str, &str, &str); 6] = [
    ("Berlin", "BE", "10115", "DE"),
    ("Lisboa", "LX", "1100-148", "PT"),
    ("Portland", "OR", "97205", "US"),
    ("Toronto", "ON", "M5H 2N2", "CA"),
    ("Utrecht", "UT", "3511", "NL"),
    ("Wrocław", "DS", "50-101", "PL"),
];

/// Who is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// How many users.
    pub users: usize,
    /// How many groups.
    pub groups: usize,
    /// Members of a group: of the first, the second and so on, and again from the start. No group has more than there
    /// are users; without an entry groups are empty.
    pub members: Vec<usize>,
    /// Other ids and other people for each.
    pub seed: u64,
    /// What the names end with: two populations of different domains fit into one table.
    pub domain: String,
}

impl Default for Population {
    fn default() -> Self {
        Self { users: 1000, groups: 10, members: vec![100], seed: 1, domain: "bench.example".into() }
    }
}

impl Population {
    /// The userName of a user, counted from 0.
    #[must_use]
    pub fn user_name(&self, number: usize) -> String {
        format!("u{number:07}@{}", self.domain)
    }

    /// The id of a user.
    #[must_use]
    pub fn user_id(&self, number: usize) -> String {
        self.random("user", number).id()
    }

    /// A user as an identity provider sends it, about 1 KB.
    #[must_use]
    pub fn user(&self, number: usize) -> Value {
        let mut random = self.random("person", number);
        let (given, family) = (random.one_of(&GIVEN_NAMES), random.one_of(&FAMILY_NAMES));
        let (city, region, postal_code, country) = *random.one_of(&CITIES);
        let (department, name) = (*random.one_of(&DEPARTMENTS), self.user_name(number));
        let street = format!("{} Station Road", 1 + random.below(300));
        let mut employee = json!({
            "employeeNumber": format!("{:06}", 100_000 + number),
            "costCenter": format!("CC{:04}", random.below(400)),
            "organization": "Example",
            "division": if random.below(2) == 0 { "Europe" } else { "Americas" },
            "department": department,
        });
        if number > 0 {
            employee["manager"] = json!({ "value": self.user_id(number / 10) });
        }
        json!({
            "schemas": [USER_URI, ENTERPRISE_URI],
            "externalId": random.id(),
            "userName": name,
            "active": random.below(50) > 0,
            "displayName": format!("{given} {family}"),
            "title": random.one_of(&TITLES),
            "preferredLanguage": "en-US",
            "name": { "formatted": format!("{given} {family}"), "familyName": family, "givenName": given },
            "emails": [{ "primary": true, "type": "work", "value": name }],
            "phoneNumbers": [
                { "type": "work", "value": format!("+1 555 01{:05}", random.below(100_000)) },
                { "type": "mobile", "value": format!("+1 555 02{:05}", random.below(100_000)) },
            ],
            "addresses": [{
                "type": "work", "primary": true, "streetAddress": street, "locality": city, "region": region,
                "postalCode": postal_code, "country": country,
            }],
            ENTERPRISE_URI: employee,
        })
    }

    /// The id of a group, counted from 0.
    #[must_use]
    pub fn group_id(&self, number: usize) -> String {
        self.random("group", number).id()
    }

    /// A group without its members.
    #[must_use]
    pub fn group(&self, number: usize) -> Value {
        let mut random = self.random("team", number);
        let (department, (city, ..)) = (*random.one_of(&DEPARTMENTS), *random.one_of(&CITIES));
        json!({
            "schemas": [GROUP_URI],
            "externalId": random.id(),
            "displayName": format!("{department} {city} {number:05} ({})", self.domain),
        })
    }

    /// The numbers of the users who are members of a group: some who stand next to each other.
    pub fn members(&self, group: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let users = self.users;
        let wanted = if self.members.is_empty() { 0 } else { self.members[group % self.members.len()] };
        let first = if users == 0 { 0 } else { self.random("members", group).below(users) };
        (0..wanted.min(users)).map(move |index| (first + index) % users)
    }

    /// How many memberships there are in all groups.
    #[must_use]
    pub fn memberships(&self) -> usize {
        (0..self.groups).map(|group| self.members(group).count()).sum()
    }

    fn random(&self, of: &str, number: usize) -> Random {
        let place = format!("{}/{}/{of}/{number}", self.seed, self.domain);
        // FNV-1a; what SplitMix64 makes of two neighbours has nothing in common.
        let start = place.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Random(start)
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    fn one_of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// A `UUIDv4`.
    fn id(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(users: usize, members: &[usize]) -> Population {
        Population { users, members: members.to_vec(), ..Population::default() }
    }

    #[test]
    fn the_same_population_is_the_same_and_another_seed_or_domain_is_another() {
        let (one, other) = (of(10, &[3]), Population { seed: 2, ..of(10, &[3]) });
        let elsewhere = Population { domain: "else.example".into(), ..of(10, &[3]) };
        assert_eq!(one.user(7), of(10, &[3]).user(7));
        assert_eq!(one.user_name(7), other.user_name(7));
        assert_ne!(one.user_name(7), elsewhere.user_name(7));
        let ids = [&one, &other, &elsewhere].map(|population| population.user_id(7));
        assert_eq!(BTreeSet::from(ids).len(), 3);
    }

    #[test]
    fn ids_are_of_version_4_and_spread_evenly() {
        let all: BTreeSet<String> = (0..20_000).map(|number| of(1, &[]).user_id(number)).collect();
        assert_eq!(all.len(), 20_000);
        let mut counts = [0_usize; 256];
        for id in &all {
            assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
            counts[usize::from_str_radix(&id[..2], 16).unwrap()] += 1;
        }
        // 78 of each are expected, with a deviation of 9.
        assert!(counts.iter().all(|count| (30..130).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_user_has_about_a_kilobyte() {
        let size = of(1, &[]).user(12345).to_string().len();
        assert!((900..1200).contains(&size), "{size}");
    }

    #[test]
    fn the_sizes_of_groups_come_in_turn_and_no_group_has_a_user_twice() {
        let population = Population { groups: 5, ..of(50, &[1, 20, 1000]) };
        let sizes: Vec<usize> = (0..5).map(|group| population.members(group).collect::<BTreeSet<_>>().len()).collect();
        assert_eq!((sizes, population.memberships()), (vec![1, 20, 50, 1, 20], 92));
        assert!(population.members(2).all(|member| member < 50));
        assert_eq!(of(0, &[5]).members(0).count() + of(5, &[]).members(0).count(), 0);
    }
}
