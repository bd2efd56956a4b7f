//! One identity provider on one connection: what it knows, and what it does next. It alone changes its users, so that it
//! knows what each answer must be; groups are shared, and it knows which of its users it has put into them.

use crate::connection::{Answer, Connection, Request};
use crate::options::Mix;
use crate::server::TOKENS;
use fastrand::Rng;
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Whether an answer was as it must be, and what was wrong with it.
pub type Outcome = Result<(), String>;
/// A kind of request, as the table names it, and what came of one.
pub type Done = (&'static str, Outcome);

/// Whose shapes a provider sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Capitalised operations, booleans as strings, a value path for each attribute.
    Entra,
    /// With the compliance flag.
    EntraStrict,
    /// Reads a user and writes it back whole.
    Okta,
    /// Small letters, a path for each attribute, and bulk requests.
    Other,
}

/// What all providers share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Ids of groups, and their names.
    pub groups: Vec<(String, String)>,
    /// Users whose creation was begun, and answered; the same of deletions.
    pub created: (Cell<usize>, Cell<usize>),
    pub deleted: (Cell<usize>, Cell<usize>),
}

/// What a user must be.
#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub name: String,
    pub version: u64,
    pub title: String,
    pub active: bool,
    /// Ids.
    pub groups: BTreeSet<String>,
}

/// A group of this provider's alone.
#[derive(Debug)]
pub struct OwnGroup {
    pub id: String,
    pub name: String,
    pub is_replaced: bool,
}

/// What follows from the last answer.
#[derive(Debug)]
pub enum Step {
    Create(String),
    /// Id, and the user as it was read.
    Put(String, Value),
    Delete(String),
    /// Somebody whom a bulk request has created.
    Meet {
        id: String,
        name: String,
        title: String,
    },
    /// The next page of all users, and the ids on those before.
    Page(String, Vec<String>),
}

pub struct Provider<'a> {
    pub shared: &'a Shared,
    pub connection: Connection,
    pub random: Rng,
    pub shape: Shape,
    pub users: Vec<User>,
    /// The id of somebody who was deleted.
    pub gone: Option<String>,
    pub own: Option<OwnGroup>,
    pub next: VecDeque<Step>,
    mix: Mix,
    number: usize,
    /// Users that it has at any time, more or less.
    pub wanted: usize,
    made: usize,
}

impl<'a> Provider<'a> {
    /// The provider with this number.
    pub fn new(shared: &'a Shared, address: SocketAddr, mix: Mix, number: usize, wanted: usize, seed: u64) -> Self {
        let shape = match (mix, number % 4) {
            (_, 0) | (Mix::Entra, 2) => Shape::Entra,
            (_, 1) | (Mix::Entra, _) => Shape::EntraStrict,
            (Mix::Mixed, 2) => Shape::Okta,
            (Mix::Mixed, _) => Shape::Other,
        };
        Self {
            shared,
            connection: Connection::to(address),
            random: Rng::with_seed(seed.wrapping_mul(1_000_003) + number as u64),
            shape,
            users: Vec::new(),
            gone: None,
            own: None,
            next: VecDeque::new(),
            mix,
            number,
            wanted: wanted.max(4),
            made: 0,
        }
    }

    /// Creates the users that it begins with.
    pub async fn fill(&mut self) -> Outcome {
        while self.users.len() < self.wanted {
            let name = self.new_name();
            self.create(&name).await?;
        }
        Ok(())
    }

    /// Sends one request.
    pub async fn step(&mut self) -> Done {
        if let Some(step) = self.next.pop_front() {
            return match step {
                Step::Create(name) => ("POST /Users", self.create(&name).await),
                Step::Put(id, user) => ("PUT /Users/…", self.put(&id, user).await),
                Step::Delete(id) => ("DELETE /Users/…", self.delete(&id).await),
                Step::Meet { id, name, title } => ("GET /Users/…", self.meet(&id, &name, title).await),
                Step::Page(cursor, seen) => ("GET /Users?cursor, 100", self.page(&cursor, seen).await),
            };
        }
        let draw = self.random.u32(..100);
        match self.mix {
            Mix::Mixed => self.mixed(draw).await,
            Mix::Entra => self.entra(draw).await,
        }
    }

    async fn mixed(&mut self, draw: u32) -> Done {
        match draw {
            0..8 => self.provision().await,
            8..16 => self.find().await,
            16..34 => self.update().await,
            34..41 => self.switch().await,
            41..48 => self.deprovision().await,
            48..55 => self.read().await,
            55..68 => self.change_members().await,
            68..74 => self.ask_member().await,
            74..77 => self.find_group().await,
            77..82 => self.list().await,
            82 => self.walk_or_scan().await,
            83..87 => self.own_group().await,
            87..91 => self.bulk().await,
            _ => self.refused().await,
        }
    }

    /// What its cycles consist of: most of it looks whether something is there.
    async fn entra(&mut self, draw: u32) -> Done {
        match draw {
            0..8 => self.provision().await,
            8..36 => self.find().await,
            36..56 => self.update().await,
            56..64 => self.switch().await,
            64..70 => self.deprovision().await,
            70..84 => self.change_members().await,
            84..92 => self.ask_member().await,
            _ => self.find_group().await,
        }
    }

    /// Looks for somebody who is not there, which a creation follows. With too many users one is taken away instead.
    async fn provision(&mut self) -> Done {
        if self.users.len() > self.wanted + self.wanted / 4 {
            return self.take_away().await;
        }
        let name = self.new_name();
        let outcome = self.find_nobody(&name).await;
        self.next.push_back(Step::Create(name));
        ("GET /Users?filter=userName, nobody", outcome)
    }

    /// Switches somebody off, which the deletion follows. With too few users one is created instead.
    async fn deprovision(&mut self) -> Done {
        if self.users.len() < self.wanted - self.wanted / 4 {
            return self.provision().await;
        }
        self.take_away().await
    }

    async fn take_away(&mut self) -> Done {
        let at = self.any();
        let id = self.users[at].id.clone();
        let outcome = self.switch_to(at, false).await;
        self.next.push_back(Step::Delete(id));
        ("PATCH /Users/…, active", outcome)
    }

    async fn switch(&mut self) -> Done {
        let at = self.any();
        let active = !self.users[at].active;
        ("PATCH /Users/…, active", self.switch_to(at, active).await)
    }

    /// The place of some user.
    pub fn any(&mut self) -> usize {
        self.random.usize(..self.users.len())
    }

    pub fn place(&self, id: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == id)
    }

    pub fn new_name(&mut self) -> String {
        self.made += 1;
        format!("p{}.u{}@soak.example", self.number, self.made)
    }

    pub fn new_title(&mut self) -> String {
        self.made += 1;
        format!("t{}", self.made)
    }

    pub fn own_name(&mut self) -> String {
        self.made += 1;
        format!("Own group {} of {}", self.made, self.number)
    }

    fn token(&self) -> &'static str {
        let is_entra = matches!(self.shape, Shape::Entra | Shape::EntraStrict);
        TOKENS[usize::from(!is_entra)].1
    }

    pub fn request(&self, method: &'static str, path: impl Into<String>) -> Request {
        Request { method, path: path.into(), token: self.token(), ..Request::default() }
    }

    /// Sends; the answer must have this status.
    pub async fn ask(&mut self, request: Request, status: u16) -> Result<Answer, String> {
        let answer = self.connection.send(&request).await;
        let Request { method, path, .. } = request;
        let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
        let is_error = answer.body["status"] == status.to_string() && answer.body["detail"].is_string();
        if answer.status != status || !answer.has_request_id || (status >= 400 && !is_error) {
            let Answer { status: got, body, retry_after, .. } = answer;
            let body: String = body.to_string().chars().take(600).collect();
            return Err(format!("{method} {path}: {got} in place of {status} (Retry-After {retry_after:?}): {body}"));
        }
        Ok(answer)
    }

    pub async fn ask_with(
        &mut self,
        method: &'static str,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Result<Answer, String> {
        let request = Request { body: Some(body.to_string()), ..self.request(method, path) };
        self.ask(request, status).await
    }
}

/// An error when something is not so.
pub fn must(is_so: bool, what: impl FnOnce() -> String) -> Outcome {
    if is_so { Ok(()) } else { Err(what()) }
}
