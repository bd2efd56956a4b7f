//! The command line.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where a person reads")]

use clap::{Args, Parser, Subcommand};
use scimlet::ambient;
use scimlet::http::log_to_stderr;
use scimlet::local::serve::{Options, ServeError, Server};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Make a token and print the digest to configure
    Token {
        /// Name of the token in the change log
        #[arg(default_value = "idp")]
        label: String,
    },
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
    let done = match cli.command {
        None => serve(cli.serve).await.map_err(|error| error.to_string()),
        Some(Command::Serve(arguments)) => serve(arguments).await.map_err(|error| error.to_string()),
        Some(Command::Token { label }) => token(&label),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("scimlet: {message}");
            ExitCode::FAILURE
        }
    }
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
        table = server.table,
    );
    // A reader who has seen enough and closed the pipe does not end the server.
    let _closed = std::io::stdout().write_all(banner.as_bytes()).and_then(|()| std::io::stdout().flush());
    server.run(stopped()).await
}

/// Ready at Ctrl-C, and on Unix at a termination signal.
async fn stopped() {
    let interrupted = async {
        let _cannot_listen = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    {
        let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            return interrupted.await;
        };
        tokio::select! {
            () = interrupted => {}
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}

fn token(label: &str) -> Result<(), String> {
    let token = ambient::random_token().map_err(|error| format!("No random token can be made: {error}."))?;
    println!("Token (shown once; paste it into the identity provider):");
    println!("  {token}");
    println!("Digest (configure it as SCIM_TOKEN_SHA256 or ScimTokenSha256):");
    println!("  {label}:{}", scimlet::store::keys::hex(&Sha256::digest(&token)));
    Ok(())
}
