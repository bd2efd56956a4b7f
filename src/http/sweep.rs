//! The sweep: what stands beside the requests and finishes what one of them left behind.

use super::Api;
use crate::ambient;
use crate::service::redo::Swept;
use crate::store::meter::Meter;
use std::collections::BTreeSet;
use std::time::Duration;

/// How old a change is that no request will commit any more. A request takes 29 s at most.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(15 * 60);

/// Ends, for each tenant that has a token, the changes that no single transaction held and that no request goes on with.
/// Writes one log line if there was something to do. `within` is how long it may take, and `abandoned_after` how old a
/// change is that was staged and that no request will commit any more.
///
/// # Errors
///
/// What the table said of the first tenant that failed; the others are swept all the same.
pub async fn sweep(api: &Api, within: Duration, abandoned_after: Duration) -> Result<Swept, String> {
    let started = ambient::monotonic();
    let mut all = Swept::default();
    let mut failure = None;
    let meter = Meter::default();
    let mut tenants: BTreeSet<String> = api.config.tokens.tenants().into_iter().map(str::to_owned).collect();
    if api.config.table_tokens {
        match api.service.tenants_of_table().await {
            Ok(more) => tenants.extend(more),
            Err(error) => failure = Some(error.to_string()),
        }
    }
    for tenant in &tenants {
        match api.service.sweep(tenant, &meter, started + within, abandoned_after).await {
            Ok(swept) => {
                all.ended += swept.ended;
                all.under_way += swept.under_way;
                all.left += swept.left;
            }
            Err(error) => {
                failure.get_or_insert(error.to_string());
            }
        }
    }
    let cost = meter.cost();
    if failure.is_some() || all.ended + all.left > 0 {
        tracing::info!(
            ended = all.ended,
            under_way = all.under_way,
            left = all.left,
            error = failure.as_deref(),
            dynamodb.calls = cost.calls,
            dynamodb.read_units = cost.read_units,
            dynamodb.write_units = cost.write_units,
            "sweep"
        );
    }
    failure.map_or(Ok(all), Err)
}
