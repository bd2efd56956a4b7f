//! What can go wrong with the table, in words that no client reads.

/// A call to the table that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB asks for fewer requests.
    #[error("DynamoDB throttles: {0}")]
    Throttled(String),
    /// No answer, or not in time.
    #[error("DynamoDB cannot be reached: {0}")]
    Unavailable(String),
    /// An answer that says the request or the table is wrong.
    #[error("DynamoDB refuses {operation}: {message}")]
    Refused {
        /// Name of the DynamoDB operation.
        operation: &'static str,
        /// DynamoDB's code and message.
        message: String,
    },
    /// An item that does not have the shape this version writes.
    #[error("item {pk} / {sk} has no usable '{attribute}'")]
    Corrupt {
        /// Partition key, without the value that a lookup key holds.
        pk: String,
        /// Sort key.
        sk: String,
        /// The item attribute.
        attribute: &'static str,
    },
    /// An item, or all items of a transaction, larger than DynamoDB takes.
    #[error("the items need {bytes} bytes of {limit}")]
    TooLarge {
        /// How many it would take.
        bytes: usize,
        /// How many there are.
        limit: usize,
    },
    /// More actions than a transaction holds.
    #[error("the transaction needs {needed} actions")]
    TooManyActions {
        /// How many it would take.
        needed: usize,
    },
}

/// Why a transaction was not carried out. Nothing of it was written.
#[derive(Debug)]
pub enum CommitError {
    /// What was read is no longer so, or another transaction is at the same items: read again and decide anew.
    Moved,
    /// Another resource holds a unique value.
    Taken {
        /// `User.userName`, …
        attribute: String,
        /// Id of the resource that holds it.
        holder: Option<String>,
    },
    /// Members that were to be changed do not exist.
    Gone(Vec<String>),
    /// The table failed.
    Store(StoreError),
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
