//! What every queue does.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::content::Content;
use crate::error::{QueueError, SettleError};
use crate::id::QueueId;
use crate::lease::{Lease, LeaseRequest, LeaseToken, Leased};
use crate::message::{Enqueued, NewMessage};
use crate::query::{Action, Filter, Page, Stats};
use crate::quota::{QuotaReceipt, QuotaSpend};
use crate::record::Record;
use crate::settlement::Settlement;
use crate::state::State;

/// A queue of mail.
///
/// Every method may be dropped at any await: then it was done whole, or not at all. What is returned as `Ok` is as
/// durable as the store is.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Stores a message. Returned means stored: it will be in exactly one terminal state one day.
    ///
    /// A message whose idempotency key is in use is stored no second time: the first one's name is returned.
    ///
    /// # Errors
    /// [`QueueError::Full`], [`QueueError::Conflict`] for a key that stands for another message, or the store's own.
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, QueueError>;

    /// Takes messages that are ready: higher priority first, tenants in turn within one, then the oldest due.
    ///
    /// Leases that have run out are ended first: their messages are ready again and counted as ambiguous, or held if
    /// their sender wants that and [`mark`](Self::mark) was called; expired messages are dead.
    ///
    /// # Errors
    /// The store's own.
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError>;

    /// Returns when [`lease`](Self::lease) may have something: a message was enqueued, became due, or was given back.
    /// May return too early, and never later than a second after a message is ready.
    async fn wait(&self);

    /// Lets leases run for so long from now; returns the ones that were lost.
    ///
    /// # Errors
    /// The store's own.
    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError>;

    /// Writes down that the last octet of the content is about to leave: from here on, the message may be delivered.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`]: then it must not leave. The store's own: then it must not leave either.
    async fn mark(&self, lease: LeaseToken) -> Result<(), QueueError>;

    /// Writes down what came of a lease, and returns the state that the message is in now.
    ///
    /// # Errors
    /// [`SettleError`] gives lease and settlement back. [`QueueError::LeaseLost`] is final; the store's own may pass.
    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<State, Box<SettleError>>;

    /// Spends from quotas: from all of them, or from none.
    ///
    /// # Errors
    /// The store's own. A quota that has no room is no error: the inner `Err` says when it will.
    async fn spend(&self, quotas: &[QuotaSpend]) -> Result<Result<QuotaReceipt, crate::Timestamp>, QueueError>;

    /// Gives back what was spent for a message that did not go out.
    ///
    /// # Errors
    /// The store's own.
    async fn refund(&self, receipt: QuotaReceipt) -> Result<(), QueueError>;

    /// A message with its history; nothing where there is none of that name.
    ///
    /// # Errors
    /// The store's own.
    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError>;

    /// The content of a message; nothing where there is none of that name.
    ///
    /// # Errors
    /// The store's own.
    async fn content(&self, id: QueueId) -> Result<Option<Content>, QueueError>;

    /// Messages, newest first.
    ///
    /// # Errors
    /// The store's own.
    async fn list(&self, filter: &Filter) -> Result<Page, QueueError>;

    /// Does something with a message by hand, and returns the state that it is in now.
    ///
    /// # Errors
    /// [`QueueError::Unknown`], [`QueueError::NotAllowed`], or the store's own.
    async fn act(&self, id: QueueId, action: Action) -> Result<State, QueueError>;

    /// Forgets messages that were finished so long ago or longer; returns how many.
    ///
    /// # Errors
    /// The store's own.
    async fn purge(&self, older_than: Duration) -> Result<u64, QueueError>;

    /// How many messages there are.
    ///
    /// # Errors
    /// The store's own.
    async fn stats(&self) -> Result<Stats, QueueError>;

    /// The clock that the queue goes by.
    fn clock(&self) -> &Clock;
}
