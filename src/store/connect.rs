//! The client, and the table where it may be created: on a local engine. On AWS the template creates it.

use super::attempts::Attempts;
use super::{Store, StoreError};
use crate::ambient;
use crate::config::Table;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_smithy_http_client::tls;
use std::time::Duration;

/// Item attribute after whose time, in seconds since 1970, DynamoDB deletes an item.
pub const TTL_ATTRIBUTE: &str = "expiresAt";

/// Connects to the table that the configuration names. No call is made.
pub async fn connect(table: &Table) -> Store {
    connect_through(table, https()).await
}

/// Connects to the table on the embedded engine, which is in this process.
#[cfg(feature = "local")]
pub async fn connect_to_embedded(table: &Table) -> Store {
    connect_through(table, super::once::once(https())).await
}

/// rustls on ring; a plain http endpoint goes through the same client.
fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

async fn connect_through(table: &Table, http_client: SharedHttpClient) -> Store {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(15))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .retry_config(RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(timeouts);
    if let Some(endpoint) = &table.endpoint {
        loader = loader.endpoint_url(endpoint);
        // A local engine takes any credentials and region; what the environment has goes first.
        if ambient::variable("AWS_ACCESS_KEY_ID").is_none() {
            loader = loader.credentials_provider(Credentials::new("local", "local", None, None, "scimlet"));
        }
        if ambient::variable("AWS_REGION").or_else(|| ambient::variable("AWS_DEFAULT_REGION")).is_none() {
            loader = loader.region(Region::from_static("us-east-1"));
        }
    }
    let config = aws_sdk_dynamodb::config::Builder::from(&loader.load().await).interceptor(Attempts).build();
    Store::new(aws_sdk_dynamodb::Client::from_conf(config), &table.name)
}

impl Store {
    /// `DescribeTable`, and `CreateTable` with `UpdateTimeToLive` when it is missing.
    ///
    /// # Errors
    ///
    /// When the engine cannot be reached or refuses.
    pub async fn create_table_if_missing(&self) -> Result<(), StoreError> {
        let described = self.client().describe_table().table_name(self.table()).send().await;
        match described {
            Ok(_) => return Ok(()),
            Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
            }
            Err(error) => return Err(super::calls::store_error("DescribeTable", &error)),
        }
        let refused = |message: String| StoreError::Refused { operation: "CreateTable", message };
        let mut create = self.client().create_table().table_name(self.table()).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [(super::keys::PK, KeyType::Hash), (super::keys::SK, KeyType::Range)] {
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
            let attribute =
                AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
            create = create
                .key_schema(key.map_err(|error| refused(error.to_string()))?)
                .attribute_definitions(attribute.map_err(|error| refused(error.to_string()))?);
        }
        create.send().await.map_err(|error| super::calls::store_error("CreateTable", &error))?;
        let ttl = TimeToLiveSpecification::builder().attribute_name(TTL_ATTRIBUTE).enabled(true).build();
        self.client()
            .update_time_to_live()
            .table_name(self.table())
            .time_to_live_specification(ttl.map_err(|error| refused(error.to_string()))?)
            .send()
            .await
            .map_err(|error| super::calls::store_error("UpdateTimeToLive", &error))?;
        Ok(())
    }
}
