//! What carries messages away, and what it says of each.

use std::time::Duration;

use async_trait::async_trait;
use mailkit_queue::{RecipientOutcome, RecipientStatus};

use super::jobs::Jobs;
use crate::classify::Disposition;

/// Carries messages of one route to their server.
///
/// ```
/// use mailkit_dispatch::{Deliver, Jobs, Outcome};
///
/// struct Swallow;
///
/// #[async_trait::async_trait]
/// impl Deliver for Swallow {
///     async fn deliver(&self, jobs: &mut Jobs) {
///         while let Some(job) = jobs.next().await {
///             let outcome = Outcome::accepted(job.message().recipients(), "250 2.0.0 taken");
///             job.finish(outcome);
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Deliver: Send + Sync + 'static {
    /// Delivers jobs over one slot (one connection), each riding behind the last where it can, until `jobs` gives no
    /// more or the slot is broken. It runs as often at once as the route has slots.
    ///
    /// The slot is opened *before* the first job is taken: a job is counted against the limits when it is taken, and
    /// shall leave then. Where the slot cannot be opened, [`Jobs::connection_failed`] says so.
    ///
    /// Every job taken is to be [finished](crate::Job::finish). One that is dropped, in a panic too, counts as a failed
    /// attempt that may have delivered. A panic before any job was taken counts as a slot that could not be opened.
    async fn deliver(&self, jobs: &mut Jobs);
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by whoever delivers")]
pub struct Outcome {
    /// What became of each recipient. One that is not named was not reached.
    pub recipients: Vec<RecipientResult>,
    /// What went wrong with the transaction or its connection, where something did.
    pub failure: Option<DeliveryFailure>,
}

impl Outcome {
    /// All were accepted, in these words.
    #[must_use]
    pub fn accepted(recipients: &[mailkit_address::Address], reply: &str) -> Self {
        let accepted = |address: &mailkit_address::Address| {
            RecipientOutcome::new(address.clone(), RecipientStatus::Accepted).with_code(250).with_text(words).into()
        };
        Self { recipients: recipients.iter().map(accepted).collect(), failure: None }
    }

    /// Nobody was reached.
    #[must_use]
    pub const fn failed(failure: DeliveryFailure) -> Self {
        Self { recipients: Vec::new(), failure: Some(failure) }
    }
}

/// What became of one recipient, and whose fault it was where it was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by whoever delivers")]
pub struct RecipientResult {
    /// What became of the recipient.
    pub outcome: RecipientOutcome,
    /// Whose fault it was, by [`classify`](crate::classify); `None` leaves it to the status.
    pub fault: Option<Disposition>,
}

impl From<RecipientOutcome> for RecipientResult {
    fn from(outcome: RecipientOutcome) -> Self {
        Self { outcome, fault: None }
    }
}

/// What went wrong as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by whoever delivers")]
pub struct DeliveryFailure {
    /// Whose fault it is, and of what kind.
    pub fault: Disposition,
    /// The server's words, or ours: which step, what happened.
    pub message: String,
    /// The least time until another attempt, where the server named one.
    pub retry_after: Option<Duration>,
    /// For a [capability](crate::FailureClass::Capability) that the route lacks: whether the route could carry the message if it
    /// were converted. It is offered the message again when no other route can carry it as it is.
    pub can_convert: bool,
}

impl DeliveryFailure {
    /// DeliveryFailure of a kind, in these words.
    pub fn new(fault: impl Into<Disposition>, message: impl Into<String>) -> Self {
        Self { fault: fault.into(), message: message.into(), retry_after: None, can_convert: false }
    }
}
