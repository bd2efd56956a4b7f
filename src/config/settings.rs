//! What the service provider may do, and how much at once.

use super::{ConfigError, flag};
use crate::protocol::case::fold;
use std::collections::BTreeSet;

/// Resources that one query may read when `SCIM_MAX_WALK` is unset. At 1 KB each that is 25,000 read units.
const DEFAULT_MAX_WALK: u64 = 100_000;
/// Bytes of an answer when `SCIM_MAX_ANSWER_BYTES` is unset: the 6 MB that a Lambda function may send (Lambda quotas,
/// invocation payload), less 16 KB for status and headers.
const DEFAULT_MAX_ANSWER_BYTES: u64 = 6 * 1024 * 1024 - 16 * 1024;
/// Days that a change record is kept when `SCIM_LOG_DAYS` is unset: a year, and time to look at it.
const DEFAULT_LOG_DAYS: u32 = 400;
/// Protected users, at most: each is looked up when somebody is taken out of a group.
const MAX_PROTECTED: usize = 20;

/// What the service provider may do, and how much at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SCIM_MAX_WALK`: how many resources one query may read. Past it a filter needs an indexed attribute.
    pub max_walk: u64,
    /// `SCIM_MAX_ANSWER_BYTES`: what an answer may hold, in bytes as Lambda sends them.
    pub max_answer_bytes: usize,
    /// `SCIM_LOG_DAYS`: how many days change records and tombstones are kept.
    pub log_days: u32,
    /// `SCIM_TOKEN_LAST_USE`: whether it is noted when a token was last used; a write unit a minute for each that is.
    pub notes_uses: bool,
    /// What an identity provider may not do. `None` for an administrator, who may do everything.
    pub guards: Option<Guards>,
    /// Whether users that are created belong to the application, so that no identity provider changes them.
    pub creates_unmanaged: bool,
}

/// What an identity provider may not do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guards {
    /// `SCIM_PROTECTED_USERS`: userNames, folded, of users that are read and never changed.
    pub protected_users: BTreeSet<String>,
    /// `SCIM_ADOPT_EXISTING`: whether users that the application has put into the table are taken over.
    pub adopt_existing: bool,
    /// `SCIM_REPROVISION`: what becomes of a POST with the userName of a user who is not active.
    pub reprovision: Reprovision,
    /// `SCIM_BREAKER_…`: when deprovisioning stops; never without.
    pub breaker: Option<Breaker>,
}

/// What becomes of a POST with the userName of a user who is not active.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reprovision {
    /// 409.
    #[default]
    Refuse,
    /// The user is active again, as the request describes it, with the same id.
    Revive,
    /// The name is free: the user who is not active gets another one.
    New,
}

/// How many may lose access within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// `SCIM_BREAKER_SHARE`: percent of the users; 0 for no share.
    pub share: u64,
    /// `SCIM_BREAKER_COUNT`: a number, beside the share.
    pub count: Option<u64>,
    /// `SCIM_BREAKER_WINDOW`: the time, in minutes.
    pub window: u32,
    /// `SCIM_BREAKER_MIN_USERS`: with fewer users nothing is stopped.
    pub min_users: u64,
}

impl Settings {
    /// Those of an administrator: every query, every answer, every change.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            max_walk: u64::MAX,
            max_answer_bytes: usize::MAX,
            log_days: DEFAULT_LOG_DAYS,
            notes_uses: false,
            guards: None,
            creates_unmanaged: false,
        }
    }

    /// Reads the variables, as [`super::Config::read`] does.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used, and what it should hold.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let number = |name: &'static str, default: Option<u64>, from: u64, to: u64| match variable(name) {
            None => Ok(default),
            Some(value) => match value.parse().ok().filter(|number| (from..=to).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => Err(ConfigError::NotANumber { name, value, from, to }),
            },
        };
        let small = |name, default: u32, to: u32| {
            let number = number(name, Some(u64::from(default)), 1, u64::from(to))?;
            Ok::<_, ConfigError>(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default))
        };
        let max_answer_bytes = number("SCIM_MAX_ANSWER_BYTES", Some(DEFAULT_MAX_ANSWER_BYTES), 1, u64::MAX)?;
        let breaker = Breaker {
            share: number("SCIM_BREAKER_SHARE", Some(20), 0, 100)?.unwrap_or(0),
            count: number("SCIM_BREAKER_COUNT", None, 1, u64::MAX)?,
            window: small("SCIM_BREAKER_WINDOW", 60, 24 * 60)?,
            min_users: number("SCIM_BREAKER_MIN_USERS", Some(50), 0, u64::MAX)?.unwrap_or(0),
        };
        Ok(Self {
            max_walk: number("SCIM_MAX_WALK", Some(DEFAULT_MAX_WALK), 1, u64::MAX)?.unwrap_or(DEFAULT_MAX_WALK),
            max_answer_bytes: max_answer_bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(usize::MAX),
            log_days: small("SCIM_LOG_DAYS", DEFAULT_LOG_DAYS, 36_500)?,
            notes_uses: flag("SCIM_TOKEN_LAST_USE", variable("SCIM_TOKEN_LAST_USE"), true)?,
            guards: Some(Guards {
                protected_users: protected(&variable("SCIM_PROTECTED_USERS").unwrap_or_default())?,
                adopt_existing: flag("SCIM_ADOPT_EXISTING", variable("SCIM_ADOPT_EXISTING"), false)?,
                reprovision: reprovision(variable("SCIM_REPROVISION").as_deref())?,
                breaker: Some(breaker).filter(|breaker| breaker.share > 0 || breaker.count.is_some()),
            }),
            creates_unmanaged: false,
        })
    }
}

fn protected(names: &str) -> Result<BTreeSet<String>, ConfigError> {
    let names: BTreeSet<String> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(fold).collect();
    if names.len() > MAX_PROTECTED {
        return Err(ConfigError::TooManyProtected { asked: names.len(), limit: MAX_PROTECTED });
    }
    Ok(names)
}

fn reprovision(value: Option<&str>) -> Result<Reprovision, ConfigError> {
    match value {
        None | Some("refuse") => Ok(Reprovision::Refuse),
        Some("revive") => Ok(Reprovision::Revive),
        Some("new") => Ok(Reprovision::New),
        Some(other) => Err(ConfigError::Reprovision(other.to_owned())),
    }
}
