//! The command line.

#![expect(clippy::print_stderr, reason = "this is where a person reads")]

mod ask;
mod breaker;
mod check;
mod listing;
mod log;
mod removal;
mod restore;
mod said;
mod seed;
mod status;
mod stop;
mod table;
mod token;
mod transfer;

use clap::{Args, Parser, Subcommand};
use said::Said;
use scimlet::ambient;
use scimlet::http::log_to_stderr;
use scimlet::local::serve::{Options, ServeError, Server};
use scimlet::local::verify;
use scimlet::protocol::schema::ResourceType;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A SCIM 2.0 service provider over one DynamoDB table.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve every SCIM route on this machine (the default)
    Serve(ServeArgs),
    /// Fill a table with made-up users and groups
    Seed(seed::SeedArgs),
    /// Check that the table does not contradict itself, and repair it
    #[command(long_about = ABOUT_VERIFY)]
    Verify(VerifyArgs),
    /// Play Entra ID and Okta against a deployment, and say what is in the way
    Check(check::CheckArgs),
    /// Show what there is: users, groups, tokens, the last change, the breaker. Reads every user and group once
    Status(status::StatusArgs),
    /// List users, or show one with its groups
    Users(listing::ListArgs),
    /// List groups, or show one with its members
    Groups(listing::ListArgs),
    /// Show what was changed, by whom and when
    Log(log::LogArgs),
    /// Write users and groups as SCIM JSON, one a line
    Export(transfer::ExportArgs),
    /// Read users and groups from SCIM JSON, one a line
    Import(transfer::ImportArgs),
    /// Delete all users that identity providers have put there
    DeleteUsers(removal::RemovalArgs),
    /// Delete all groups
    DeleteGroups(removal::RemovalArgs),
    /// Make, list, revoke and recognise tokens
    Token(token::TokenArgs),
    /// Say what the breaker has counted, and let deprovisioning through
    #[command(subcommand)]
    Breaker(breaker::BreakerCommand),
    /// Bring a user, a group or its members back to what they were, from the change log
    Restore(restore::RestoreArgs),
}

const ABOUT_VERIFY: &str = "\
Check that the table does not contradict itself, and repair it

Works on the table that `scimlet serve` would use: the file in --data-dir, DYNAMODB_ENDPOINT, or TABLE_NAME on AWS. Give \
it the server's SCIM_SCHEMAS and SCIM_GROUP_NAME_UNIQUE: they say which values have keys. It may run beside live traffic.

Ends with 0 when nothing is wrong or all of it was repaired, 1 when something is left, 2 when the table cannot be checked.

It reads the whole table once, and the counterparts of each item. In read units: bytes of the table / 4096 + 2 for each \
key + 3 or 4 for each membership (a group is read once for each 1,000 items that name it); a key of a resource over 4 KB \
costs more. What looks wrong is read again, 2 for each item involved, and what changes while it is counted is counted \
again.";

#[derive(Args)]
struct VerifyArgs {
    /// Folder of the data of the embedded engine
    #[arg(long, default_value = ".scimlet", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Repair what is wrong, each finding in one conditional transaction
    #[arg(long)]
    repair: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Folder for the data of the embedded engine
    #[arg(long, default_value = ".scimlet", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Keep the data in memory; it is gone when the server ends
    #[arg(long, conflicts_with = "data_dir")]
    in_memory: bool,
    /// URL that clients use, if it is not the address
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let (done, failure) = match cli.command {
        None => (serve(cli.serve).await.map_err(|error| error.to_string()), ExitCode::FAILURE),
        Some(Command::Serve(arguments)) => {
            (serve(arguments).await.map_err(|error| error.to_string()), ExitCode::FAILURE)
        }
        Some(Command::Seed(arguments)) => (shown(seed::run(arguments).await), ExitCode::FAILURE),
        Some(Command::Check(arguments)) => match check::run(arguments).await {
            Ok((report, is_clean)) => {
                let _shown = shown(Ok(report));
                return if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            Err(error) => (Err(error), ExitCode::from(2)),
        },
        Some(Command::Status(arguments)) => (shown(status::run(arguments).await), ExitCode::FAILURE),
        Some(Command::Users(arguments)) => {
            (shown(listing::run(ResourceType::User, arguments).await), ExitCode::FAILURE)
        }
        Some(Command::Groups(arguments)) => {
            (shown(listing::run(ResourceType::Group, arguments).await), ExitCode::FAILURE)
        }
        Some(Command::Log(arguments)) => (log::run(arguments).await, ExitCode::FAILURE),
        Some(Command::Export(arguments)) => (transfer::export(arguments).await, ExitCode::FAILURE),
        Some(Command::Import(arguments)) => (told(transfer::import(arguments).await), ExitCode::FAILURE),
        Some(Command::DeleteUsers(arguments)) => {
            (told(removal::run(ResourceType::User, arguments).await), ExitCode::FAILURE)
        }
        Some(Command::DeleteGroups(arguments)) => {
            (told(removal::run(ResourceType::Group, arguments).await), ExitCode::FAILURE)
        }
        Some(Command::Token(arguments)) => (shown(token::run(arguments).await), ExitCode::FAILURE),
        Some(Command::Breaker(command)) => (shown(breaker::run(command).await), ExitCode::FAILURE),
        Some(Command::Restore(arguments)) => (shown(restore::run(arguments).await), ExitCode::FAILURE),
        Some(Command::Verify(arguments)) => match verify(arguments).await {
            Ok(is_clean) => return if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE },
            Err(error) => (Err(error.to_string()), ExitCode::from(2)),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // The terminal may be closed.
            let _closed = writeln!(std::io::stderr(), "scimlet: {message}");
            failure
        }
    }
}

async fn verify(arguments: VerifyArgs) -> Result<bool, verify::VerifyError> {
    let VerifyArgs { data_dir, repair, json } = arguments;
    let checked = verify::run(&verify::Options { data_dir, repair }, ambient::variable).await?;
    let report = if json { format!("{:#}\n", checked.json()) } else { checked.text() };
    let _closed = std::io::stdout().write_all(report.as_bytes());
    Ok(checked.is_clean())
}

async fn serve(arguments: ServeArgs) -> Result<(), ServeError> {
    log_to_stderr();
    let options = Options {
        listen: arguments.listen,
        data_dir: (!arguments.in_memory).then_some(arguments.data_dir),
        base_url: arguments.base_url,
    };
    let server = Server::start(&options, ambient::variable).await?;
    let (shown, used) = match &server.token {
        Some(token) => (token.as_str(), token.as_str()),
        None => ("the one whose digest is in SCIM_TOKEN_SHA256", "TOKEN"),
    };
    let banner = format!(
        "SCIM base URL  {url}\nToken          {shown}\nData           {table}\n\n  \
         curl -H 'Authorization: Bearer {used}' '{url}/Users'\n\n",
        url = server.base_url,
        table = server.table.place,
    );
    // A reader who has seen enough and closed the pipe does not end the server.
    let _closed = std::io::stdout().write_all(banner.as_bytes()).and_then(|()| std::io::stdout().flush());
    server.run(stop::interrupted()).await;
    Ok(())
}

/// Prints what a command has to say. A reader who has seen enough and closed the pipe is no failure.
fn shown(done: Result<String, String>) -> Result<(), String> {
    let text = done?;
    let _closed = std::io::stdout().write_all(format!("{text}\n").as_bytes());
    Ok(())
}

/// The same of a command that may end before it is done.
fn told(said: Result<Said, String>) -> Result<(), String> {
    let (text, done) = said?.parts();
    text.map_or(Ok(()), |text| shown(Ok(text)))?;
    done
}
