//! `scimlet token`.

use crate::ask::confirm;
use crate::table::TableArgs;
use clap::{Args, Subcommand};
use scimlet::ambient;
use scimlet::config::{Config, Scope, TokenOwner, Tokens, digest, is_day, is_label};
use scimlet::local::admin::Admin;
use scimlet::store::CommitError;
use scimlet::store::keys::hex;
use scimlet::store::meter::Meter;
use scimlet::store::tokens::TableToken;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _, Write as _};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    /// Name of the token in the change log
    #[arg(default_value = "idp")]
    label: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print the digest to configure (the default)
    New {
        /// Name of the token in the change log
        #[arg(default_value = "idp")]
        label: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token and put its digest into the table: it works at once
    Create(CreateArgs),
    /// List the tokens of the configuration and of the table, and when each was last used
    List {
        #[command(flatten)]
        table: TableArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token of the table away: it stops working at once
    Revoke {
        /// Its name, or its digest
        label: String,
        #[command(flatten)]
        table: TableArgs,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a token from standard input and say which one it is
    Check {
        #[command(flatten)]
        table: TableArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct CreateArgs {
    /// Name of the token in the change log
    label: String,
    /// Allow nothing but reading
    #[arg(long)]
    read_only: bool,
    /// Its last day, in UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

pub async fn run(arguments: TokenArgs) -> Result<String, String> {
    match arguments.command {
        None => new(&arguments.label, arguments.json),
        Some(TokenCommand::New { label, json }) => new(&label, json),
        Some(TokenCommand::Create(arguments)) => create(arguments).await,
        Some(TokenCommand::List { table, json }) => list(table.open().await?, json).await,
        Some(TokenCommand::Revoke { label, table, yes, json }) => revoke(&table.open().await?, &label, yes, json).await,
        Some(TokenCommand::Check { table, json }) => check(table, json).await,
    }
}

fn random() -> Result<String, String> {
    ambient::random_token().map_err(|error| format!("No random token can be made: {error}."))
}

fn labelled(label: &str) -> Result<(), String> {
    if is_label(label) {
        return Ok(());
    }
    Err(format!("'{label}' is no label: it has 1 to 64 letters, digits, '.', '_' and '-'."))
}

fn new(label: &str, as_json: bool) -> Result<String, String> {
    labelled(label)?;
    let token = random()?;
    let entry = format!("{label}:{}", hex(&digest(&token)));
    if as_json {
        return Ok(format!("{:#}", json!({ "token": token, "configure": entry })));
    }
    Ok(format!(
        "Token (shown once; paste it into the identity provider):\n  {token}\n\
         Digest (configure it as SCIM_TOKEN_SHA256 or ScimTokenSha256):\n  {entry}"
    ))
}

async fn create(arguments: CreateArgs) -> Result<String, String> {
    let CreateArgs { label, read_only, until, json: as_json, table } = arguments;
    labelled(&label)?;
    let now = format!("{:.3}", ambient::now());
    if let Some(day) = &until {
        if !is_day(day) {
            return Err(format!("'{day}' is no day. Write 2027-01-31."));
        }
        if day.as_str() < today(&now) {
            return Err(format!("'{day}' is over. Give the last day on which the token is to work, in UTC."));
        }
    }
    if !Config::takes_table_tokens(ambient::variable).map_err(|error| error.to_string())? {
        return Err(
            "SCIM_TABLE_TOKENS is false: a token of the table is refused. Set it to true, or make one to configure with \
             `scimlet token new`."
                .to_owned(),
        );
    }
    let configured = Tokens::read(ambient::variable, true).map_err(|error| error.to_string())?;
    let admin = table.open().await?;
    let (of_table, _) = admin.table.store.tokens(&Meter::default()).await.map_err(|error| error.to_string())?;
    let is_it = |tenant: &str, known: &str| tenant == admin.tenant() && known == label;
    if configured.iter().any(|token| is_it(&token.tenant, &token.label)) {
        return Err(format!(
            "The configuration has a token '{label}' of the tenant '{}', and the change log would not tell them apart. \
             Choose another name.",
            admin.tenant()
        ));
    }
    if of_table.iter().any(|token| is_it(&token.tenant, &token.label)) {
        return Err(format!(
            "The tenant '{}' has a token '{label}'. Choose another name, or revoke it.",
            admin.tenant()
        ));
    }
    let token = random()?;
    let made = TableToken {
        digest: hex(&digest(&token)),
        tenant: admin.tenant().to_owned(),
        label,
        scope: if read_only { Scope::Read } else { Scope::Write },
        until,
        created: now,
    };
    admin.table.store.create_token(&made).await.map_err(failed)?;
    let TableToken { tenant, label, scope, until, .. } = &made;
    if as_json {
        let made =
            json!({ "token": token, "label": label, "tenant": tenant, "scope": scope_name(*scope), "until": until });
        return Ok(format!("{made:#}"));
    }
    Ok(format!(
        "Token (shown once; paste it into the identity provider):\n  {token}\n\
         It works at once, as '{label}' of the tenant '{tenant}', on {}.",
        admin.table.place
    ))
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
    }
}

/// The day of a time.
fn today(now: &str) -> &str {
    now.get(..10).unwrap_or_default()
}

fn failed(error: CommitError) -> String {
    match error {
        CommitError::Store(error) => error.to_string(),
        other => format!("The table was changed in the same moment ({other:?}). Repeat the command."),
    }
}

/// A token, wherever it is known from.
struct Known {
    tenant: String,
    label: String,
    scope: Scope,
    until: Option<String>,
    digest: String,
    created: Option<String>,
}

impl Known {
    /// Whether its last day is before the day of `now`.
    fn is_expired(&self, now: &str) -> bool {
        self.until.as_deref().is_some_and(|until| until < today(now))
    }

    fn source(&self) -> &'static str {
        if self.created.is_some() { "table" } else { "configuration" }
    }
}

impl From<&TokenOwner> for Known {
    fn from(owner: &TokenOwner) -> Self {
        let TokenOwner { tenant, label, scope, until, digest } = owner.clone();
        Self { tenant, label, scope, until, digest: hex(&digest), created: None }
    }
}

impl From<TableToken> for Known {
    fn from(token: TableToken) -> Self {
        let TableToken { digest, tenant, label, scope, until, created } = token;
        Self { tenant, label, scope, until, digest, created: Some(created) }
    }
}

/// What `token list` and `status` show of each token: never the token, nor its digest.
pub async fn rows(admin: &Admin) -> Result<Vec<Value>, String> {
    let configured = Tokens::read(ambient::variable, true).map_err(|error| error.to_string())?;
    let (of_table, uses) = admin.table.store.tokens(&Meter::default()).await.map_err(|error| error.to_string())?;
    let all = configured.iter().map(Known::from).chain(of_table.into_iter().map(Known::from));
    let now = ambient::now().to_string();
    Ok(all
        .map(|token| {
            json!({
                "label": token.label,
                "tenant": token.tenant,
                "from": token.source(),
                "scope": scope_name(token.scope),
                "until": token.until,
                "isExpired": token.is_expired(&now),
                "created": token.created,
                "lastUsed": uses.get(&token.digest),
            })
        })
        .collect())
}

async fn list(admin: Admin, as_json: bool) -> Result<String, String> {
    let rows = rows(&admin).await?;
    if as_json {
        return Ok(format!("{:#}", Value::Array(rows)));
    }
    if rows.is_empty() {
        return Ok("There is no token. `scimlet token create LABEL` makes one.".to_owned());
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let mut lines = vec![["TENANT", "LABEL", "FROM", "SCOPE", "UNTIL", "LAST USED"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let until = text(row, "until") + if row["isExpired"] == true { " (over)" } else { "" };
        [text(row, "tenant"), text(row, "label"), text(row, "from"), text(row, "scope"), until, text(row, "lastUsed")]
    }));
    Ok(scimlet::local::columns::aligned(&lines))
}

async fn revoke(admin: &Admin, label: &str, yes: bool, as_json: bool) -> Result<String, String> {
    let (tokens, _) = admin.table.store.tokens(&Meter::default()).await.map_err(|error| error.to_string())?;
    let of_tenant = tokens.into_iter().filter(|token| token.tenant == admin.tenant());
    let found: Vec<TableToken> = of_tenant.filter(|token| token.label == label || token.digest == label).collect();
    let Some(token) = found.first() else {
        return Err(format!(
            "The table has no token '{label}' of the tenant '{}'. `scimlet token list` shows them; one of the \
             configuration is taken out of SCIM_TOKEN_SHA256.",
            admin.tenant()
        ));
    };
    confirm(&format!("Revoke the token '{}' of the tenant '{}'?", token.label, token.tenant), yes)?;
    admin.table.store.delete_token(&token.digest).await.map_err(failed)?;
    if as_json {
        return Ok(format!("{:#}", json!({ "revoked": token.label, "tenant": token.tenant })));
    }
    Ok(format!("The token '{}' is revoked. It is refused from now on.", token.label))
}

async fn check(table: TableArgs, as_json: bool) -> Result<String, String> {
    if std::io::stdin().is_terminal() {
        eprint!("Token: ");
        let _shown = std::io::stderr().flush();
    }
    let mut text = String::new();
    let is_terminal = std::io::stdin().is_terminal();
    let read =
        if is_terminal { std::io::stdin().read_line(&mut text) } else { std::io::stdin().read_to_string(&mut text) };
    read.map_err(|error| format!("No token can be read: {error}."))?;
    let token = text.trim();
    if token.is_empty() {
        return Err("Paste the token, or pipe it into the command.".to_owned());
    }
    let configured = Tokens::read(ambient::variable, true).map_err(|error| error.to_string())?;
    let known = match configured.owner(token) {
        Some(owner) => Some(Known::from(owner)),
        None => {
            let admin = table.open().await?;
            let digest = hex(&digest(token));
            let found = admin.table.store.token(&digest, &Meter::default()).await;
            found.map_err(|error| error.to_string())?.map(Known::from)
        }
    };
    let Some(known) = known else {
        return Err(
            "No token that is configured here, and none of the table. Compare SCIM_TOKEN_SHA256 with what the functions \
             have, or make a new token."
                .to_owned(),
        );
    };
    let (is_expired, from) = (known.is_expired(&ambient::now().to_string()), known.source());
    let Known { tenant, label, scope, until, .. } = known;
    if is_expired {
        let until = until.unwrap_or_default();
        return Err(format!(
            "It was '{label}' of the tenant '{tenant}', from the {from}, valid until {until}: it is refused. Make a new \
             one with `scimlet token create`."
        ));
    }
    if as_json {
        let known =
            json!({ "label": label, "tenant": tenant, "scope": scope_name(scope), "until": until, "from": from });
        return Ok(format!("{known:#}"));
    }
    let scope = if scope == Scope::Read { ", which may only read" } else { "" };
    let until = until.map(|day| format!(", valid until {day}")).unwrap_or_default();
    Ok(format!("It is '{label}' of the tenant '{tenant}'{scope}{until}, from the {from}."))
}
