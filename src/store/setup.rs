//! Whether the table that the configuration names can be used, asked before the first request.

use super::keys::{Key, PK, SK};
use super::{Store, calls};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::time::Duration;

/// In which the table has to answer. Lambda gives the start of a function 10 s.
const PROBE_TIME: Duration = Duration::from_secs(5);
/// No tenant's partition has this name: theirs begin with `T#`.
const NOBODY: &str = "NONE";

/// Why the table cannot be used: which variable to look at, and what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum SetupError {
    #[error(
        "TABLE_NAME is '{table}', and the region {region} (AWS_REGION) has no such table. Set TABLE_NAME to the TableName among the outputs of the stack; table and functions are in one region."
    )]
    Missing { table: String, region: String },
    #[error(
        "TABLE_NAME is '{table}', whose keys are not the strings {PK} and {SK}, or which is no name of a table: {message}. Set TABLE_NAME to a table that template.yaml made, or to a copy of one."
    )]
    OtherKeys { table: String, message: String },
    #[error(
        "TABLE_NAME is '{table}' in the region {region} (AWS_REGION), and the credentials do not allow to read it: {message}. If it is the right table, give the role the rights that it has in template.yaml."
    )]
    NotAllowed { table: String, region: String, message: String },
    #[error(
        "AWS does not accept the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN): {message}. Renew them."
    )]
    Credentials { message: String },
    #[error(
        "There are no AWS credentials for the table '{table}' (TABLE_NAME). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; `aws sts get-caller-identity` shows whether they work."
    )]
    NoCredentials { table: String },
    #[error("AWS_REGION is not set. Set it to the region of the table '{table}' (TABLE_NAME).")]
    NoRegion { table: String },
    #[error(
        "TABLE_NAME is '{table}', and DynamoDB in the region {region} (AWS_REGION) does not answer: {message}. A function in a VPC needs a gateway endpoint for DynamoDB. If DYNAMODB_ENDPOINT is set, start the engine there or unset it."
    )]
    Unreachable { table: String, region: String, message: String },
}

impl Store {
    /// Reads an item that nobody has: opens the connection and finds out whether the table is there, has the keys of
    /// this version and may be read. Takes 5 s at most and half a read unit.
    ///
    /// # Errors
    ///
    /// [`SetupError`], one sentence that names the variable.
    pub async fn probe(&self) -> Result<(), SetupError> {
        if self.client().config().region().is_none() {
            return Err(SetupError::NoRegion { table: self.table().to_owned() });
        }
        let key = calls::key_item(&Key { pk: NOBODY.into(), sk: NOBODY.into() });
        let read = self.client().get_item().table_name(self.table()).set_key(Some(key)).send();
        match tokio::time::timeout(PROBE_TIME, read).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.explained(&error)),
            Err(_elapsed) => Err(self.unreachable(&format!("no answer in {} s", PROBE_TIME.as_secs()))),
        }
    }

    fn explained<E, R>(&self, error: &SdkError<E, R>) -> SetupError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let SdkError::ServiceError(service) = error else {
            // Any of them: the first cause may be that of one provider of credentials, such as a metadata service.
            return if calls::causes(error).any(|cause| cause.to_string().contains("credentials")) {
                SetupError::NoCredentials { table: self.table().to_owned() }
            } else {
                self.unreachable(&calls::innermost(error))
            };
        };
        let (table, region) = (self.table().to_owned(), self.region());
        let code = service.err().code().unwrap_or("unknown");
        let message = service.err().message().unwrap_or(code).trim_end_matches('.').to_owned();
        match code {
            "ResourceNotFoundException" => SetupError::Missing { table, region },
            "ValidationException" => SetupError::OtherKeys { table, message },
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationTokenException" => SetupError::Credentials { message },
            _ if code.contains("AccessDenied") => SetupError::NotAllowed { table, region, message },
            _ => self.unreachable(&format!("{code}: {message}")),
        }
    }

    fn unreachable(&self, message: &str) -> SetupError {
        let message = message.trim_end_matches('.').to_owned();
        SetupError::Unreachable { table: self.table().to_owned(), region: self.region(), message }
    }

    fn region(&self) -> String {
        self.client().config().region().map_or_else(|| "(unset)".to_owned(), ToString::to_string)
    }
}
