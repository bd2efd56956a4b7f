//! `scimlet check`: what identity providers do, played against any SCIM service provider, and what they would stumble over.

mod client;
mod entra;
mod okta;
mod player;

pub use client::Trouble;

use crate::ambient;
use client::Client;
use player::Player;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whose requests are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Microsoft Entra ID, with and without `aadOptscim062020`.
    Entra,
    /// Okta, a custom app and one of its catalogue.
    Okta,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Entra => "Entra ID",
            Self::Okta => "Okta",
        }
    }
}

/// What is checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The base URL, as it would be given to the provider.
    pub url: String,
    /// The bearer token.
    pub token: String,
    /// Whose requests are played, one after another.
    pub providers: Vec<Provider>,
    /// In which each request must be answered.
    pub timeout: Duration,
    /// Whether what is created stays.
    pub keep: bool,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Fine,
    /// What came instead, and what it means.
    Problem(String),
    /// What it needs did not work.
    Skipped,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose it is.
    pub provider: &'static str,
    /// What the provider does.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every step.
    pub steps: Vec<Step>,
    /// The longest answer, in milliseconds.
    pub slowest_ms: u128,
    /// What could not be cleaned up: paths below the base URL.
    pub left: Vec<String>,
    /// Whether it was stopped before it came to its end.
    pub is_stopped: bool,
}

/// Plays the providers. What it creates is called `scimlet-check-<random>` and deleted at the end, whatever happens; the
/// end comes after the request that is under way once `stop` is set.
///
/// # Errors
///
/// [`Trouble`], one sentence that says what to do, when nothing can be asked at all.
pub async fn run(options: &Options, stop: &AtomicBool) -> Result<Report, Trouble> {
    let client = Client::new(&options.url, &options.token, options.timeout)?;
    client.try_out().await?;
    let mut report = Report { steps: Vec::new(), slowest_ms: 0, left: Vec::new(), is_stopped: false };
    for provider in &options.providers {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let prefix = format!("scimlet-check-{}", ambient::new_id().get(..8).unwrap_or_default());
        let mut player = Player::new(&client, provider.name(), prefix, stop);
        match provider {
            Provider::Entra => entra::play(&mut player).await,
            Provider::Okta => okta::play(&mut player).await,
        }
        if options.keep {
            report.left.extend(player.created.iter().cloned());
        } else {
            report.left.extend(player.clean_up().await);
        }
        report.steps.extend(player.steps);
    }
    report.slowest_ms = client.slowest_ms();
    report.is_stopped = stop.load(Ordering::Relaxed);
    Ok(report)
}

impl Report {
    /// Whether nothing is in the way, as far as everything was asked.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems() == 0 && !self.is_stopped
    }

    fn problems(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.outcome, Outcome::Problem(_))).count()
    }

    /// For a person: a line for each step, and under a problem what it means.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        let mut provider = "";
        for step in &self.steps {
            if step.provider != provider {
                provider = step.provider;
                lines.push(format!("As {provider}"));
            }
            match &step.outcome {
                Outcome::Fine => lines.push(format!("  ok       {}", step.name)),
                Outcome::Skipped => lines.push(format!("  skipped  {}", step.name)),
                Outcome::Problem(problem) => lines.push(format!("  PROBLEM  {}\n           {problem}", step.name)),
            }
        }
        for path in &self.left {
            lines.push(format!("Left behind: {path}"));
        }
        let verdict = match self.problems() {
            _ if self.is_stopped => "It was stopped before its end.".to_owned(),
            0 => "Nothing is in the way.".to_owned(),
            1 => "1 problem is in the way.".to_owned(),
            number => format!("{number} problems are in the way."),
        };
        lines.push(format!("{verdict} The slowest answer took {} ms.", self.slowest_ms));
        lines.join("\n")
    }

    /// For a program.
    #[must_use]
    pub fn json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            let (outcome, problem) = match &step.outcome {
                Outcome::Fine => ("ok", None),
                Outcome::Skipped => ("skipped", None),
                Outcome::Problem(problem) => ("problem", Some(problem)),
            };
            json!({ "as": step.provider, "step": step.name, "outcome": outcome, "problem": problem })
        });
        json!({
            "clean": self.is_clean(),
            "steps": steps.collect::<Vec<_>>(),
            "slowestMilliseconds": self.slowest_ms,
            "left": self.left,
            "isStopped": self.is_stopped,
        })
    }
}
