//! `scimlet check`.

use crate::stop::Stop;
use clap::{Args, ValueEnum};
use scimlet::ambient;
use scimlet::local::check::{Options, Provider, Trouble, run as check};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

#[derive(Clone, Copy, ValueEnum)]
enum As {
    Entra,
    Okta,
}

#[derive(Args)]
pub struct CheckArgs {
    /// The base URL, as the identity provider has it
    url: String,
    /// The token; otherwise the variable `SCIM_TOKEN`, or asked for
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Play this provider alone
    #[arg(long = "as", value_name = "PROVIDER")]
    provider: Option<As>,
    /// In which each request must be answered, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
    /// Leave what was created
    #[arg(long)]
    keep: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The report, and whether nothing is in the way.
pub async fn run(arguments: CheckArgs) -> Result<(String, bool), String> {
    let CheckArgs { url, token, provider, timeout, keep, json } = arguments;
    let token = match token.or_else(|| ambient::variable("SCIM_TOKEN")) {
        Some(token) => token,
        None => asked()?,
    };
    let providers = match provider {
        None => vec![Provider::Entra, Provider::Okta],
        Some(As::Entra) => vec![Provider::Entra],
        Some(As::Okta) => vec![Provider::Okta],
    };
    if !json {
        eprintln!("Creates, changes and deletes a user and a group called scimlet-check-… at {url}.");
    }
    let options = Options { url, token, providers, timeout: Duration::from_secs(timeout.max(1)), keep };
    let stop = Stop::on_interrupt();
    let report = check(&options, stop.asked()).await.map_err(|trouble: Trouble| trouble.to_string())?;
    let text = if json { format!("{:#}", report.json()) } else { report.text() };
    Ok((text, report.is_clean()))
}

fn asked() -> Result<String, String> {
    if !std::io::stdin().is_terminal() {
        return Err("There is no token. Give it with --token or SCIM_TOKEN.".to_owned());
    }
    eprint!("Token: ");
    let _shown = std::io::stderr().flush();
    let mut token = String::new();
    std::io::stdin().read_line(&mut token).map_err(|error| format!("No token can be read: {error}."))?;
    Ok(token.trim().to_owned())
}
