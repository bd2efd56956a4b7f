//! How an application in Rust reads users, groups and changes from the table: `cargo run --example read -- users`.

#![expect(clippy::print_stdout, reason = "what is printed is what it is for")]
#![expect(clippy::disallowed_methods, reason = "an application of its own, with its own clock and environment")]

mod directory;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use directory::{Directory, Failure};
use serde_json::Value;
use std::env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // With the SDK's default features, `aws_config::load_defaults` alone does this.
    let tls = tls::Provider::Rustls(CryptoMode::Ring);
    let http_client = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).load().await;
    let tenant = env::var("TENANT").unwrap_or_else(|_| "default".into());
    let directory = Directory::new(aws_sdk_dynamodb::Client::new(&config), env::var("TABLE_NAME")?, tenant);
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines: Vec<Value> = match arguments[..] {
        [] | ["users"] => directory.users().await?,
        ["user", name] => directory.user_named(name).await?.into_iter().collect(),
        ["members", group] => directory.members(group).await?,
        ["groups", member] => directory.groups(member).await?,
        ["log"] => {
            let now = jiff::Timestamp::now();
            directory.changes(now - jiff::SignedDuration::from_hours(24), now).await?
        }
        _ => return Err("Say users, user NAME, members GROUP-ID, groups MEMBER-ID or log.".into()),
    };
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}
