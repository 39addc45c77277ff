//! The trait that sends the messages of a route, and the results that it reports.

use std::time::Duration;

use async_trait::async_trait;
use mailkit_queue::{RecipientOutcome, RecipientStatus};

use super::jobs::Jobs;
use super::setters::setters;
use crate::classify::Disposition;

/// Sends the messages of one route to its server.
///
/// ```
/// use mailkit_dispatch::{Deliver, Jobs, Outcome};
///
/// struct AcceptAll;
///
/// #[async_trait::async_trait]
/// impl Deliver for AcceptAll {
///     async fn deliver(&self, jobs: &mut Jobs) {
///         while let Some(job) = jobs.next().await {
///             let outcome = Outcome::accepted(job.message().recipients(), "250 2.0.0 Ok");
///             job.finish(outcome);
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Deliver: Send + Sync + 'static {
    /// Delivers jobs through one delivery slot (one connection) until `jobs` ends or the connection fails. One call
    /// runs for each slot that the route has open.
    ///
    /// If the protocol allows it, take the next job before the last one is answered, and pipeline its commands.
    ///
    /// Open the connection *before* taking the first job: a job is counted against the limits when it is taken, and
    /// should be sent then. If the connection cannot be opened, call [`Jobs::connection_failed`].
    ///
    /// [Finish](crate::Job::finish) every job. A job that is dropped, also by a panic, counts as a failed attempt that
    /// may have delivered the message. A panic before the first job counts as a connection that could not be opened.
    async fn deliver(&self, jobs: &mut Jobs);
}

/// The result of an attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The result for each recipient. A recipient that is missing here was not reached.
    pub recipients: Vec<RecipientResult>,
    /// What failed about the transaction or its connection as a whole, if anything did.
    pub failure: Option<DeliveryFailure>,
}

impl Outcome {
    /// The results of the recipients, without a failure of the whole.
    #[must_use]
    pub const fn new(recipients: Vec<RecipientResult>) -> Self {
        Self { recipients, failure: None }
    }

    /// All recipients were accepted with this reply.
    #[must_use]
    pub fn accepted(recipients: &[mailkit_address::Address], reply: &str) -> Self {
        let accepted = |address: &mailkit_address::Address| {
            RecipientOutcome::new(address.clone(), RecipientStatus::Accepted).with_code(250).with_text(reply).into()
        };
        Self::new(recipients.iter().map(accepted).collect())
    }

    /// No recipient was reached.
    #[must_use]
    pub const fn failed(failure: DeliveryFailure) -> Self {
        Self { recipients: Vec::new(), failure: Some(failure) }
    }
}

setters!(Outcome {
    /// Sets what failed about the transaction or its connection as a whole.
    with_failure(failure: Option<DeliveryFailure>);
});

/// The result for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientResult {
    /// The status of the recipient, with the server's reply.
    pub outcome: RecipientOutcome,
    /// Why the recipient was not accepted, as [`classify`](crate::classify()) says. `None` derives it from the status.
    pub fault: Option<Disposition>,
}

impl RecipientResult {
    /// A result whose fault follows from its status.
    #[must_use]
    pub const fn new(outcome: RecipientOutcome) -> Self {
        Self { outcome, fault: None }
    }
}

setters!(RecipientResult {
    /// Sets why the recipient was not accepted.
    with_fault(fault: Option<Disposition>);
});

impl From<RecipientOutcome> for RecipientResult {
    fn from(outcome: RecipientOutcome) -> Self {
        Self::new(outcome)
    }
}

/// A failure of a transaction or of its connection as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryFailure {
    /// What the failure is about, and its class.
    pub fault: Disposition,
    /// The error message or the server's reply, with the step that failed.
    pub message: String,
    /// The minimum time until another attempt, if the server named one.
    pub retry_after: Option<Duration>,
    /// Whether the route could send the message if it were converted, for a
    /// [capability](crate::FailureClass::Capability) that the route lacks. The route is offered the message again when
    /// no other route can send it as it is.
    pub can_convert: bool,
}

impl DeliveryFailure {
    /// A failure with this classification and this error message.
    pub fn new(fault: impl Into<Disposition>, message: impl Into<String>) -> Self {
        Self { fault: fault.into(), message: message.into(), retry_after: None, can_convert: false }
    }
}

setters!(DeliveryFailure {
    /// Sets the minimum time until another attempt.
    with_retry_after(retry_after: Option<Duration>);
    /// Sets whether the route could send the message if it were converted.
    with_can_convert(can_convert: bool);
});
