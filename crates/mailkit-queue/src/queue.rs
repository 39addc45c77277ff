//! What every queue does.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::content::Content;
use crate::error::{QueueError, SettleError};
use crate::id::QueueId;
use crate::lease::{Lease, LeaseRequest, LeaseToken, Leased};
use crate::limit::{LimitRequest, Permit};
use crate::message::{Enqueued, NewMessage};
use crate::query::{Command, Filter, Page, Stats};
use crate::record::Record;
use crate::settlement::Settlement;
use crate::state::State;

/// A queue of mail.
///
/// Every method may be dropped at any await: then it was done whole, or not at all. What is returned as `Ok` is as
/// durable as the store is.
///
/// # Time
///
/// Time passes in [`lease`](Self::lease) at the latest: what is due is ready then, leases that have run out are ended,
/// what has expired is dead, what was finished longer ago than [`QueueSettings::retention`](crate::QueueSettings) is
/// forgotten, also later and by itself. Who only looks may still see a message where it was. A held message waits for a
/// person: it does not expire, and is forgotten only by a [`purge`](Queue::purge) that names its state.
///
/// A message that expires is dead, and the text of its open recipients says so ("expired"). While it is leased, the
/// worker's word comes first: one that would be ready or scheduled after that is dead at once.
///
/// # Ambiguous moments
///
/// [`Stats::ambiguous_total`](crate::Stats) counts each moment in which nobody could know whether a message was delivered,
/// once: a settlement that says [`Ambiguous`](crate::RecipientStatus::Ambiguous) of at least one recipient that was open,
/// wherever the message goes then; and a lease that ran out, unless the message is to be held and was not
/// [marked](Self::record_commit_point). Nothing else counts: not what a person does, and not what was ambiguous before.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Stores a message. Returned means stored: it will be in exactly one terminal state one day.
    ///
    /// A message whose idempotency key stands for a message already is not stored again: the id and the state of the first
    /// one are returned, also when the queue is full. A key stands for its message for
    /// [`QueueSettings::key_window`](crate::QueueSettings) from the time at which that was enqueued, also when it was sent
    /// and forgotten since. It stands neither for a message that was cancelled nor for one that was forgotten without
    /// having been sent.
    ///
    /// A message that brings its id, and whose id is in the queue, is a duplicate as well, unless it was enqueued under
    /// another key.
    ///
    /// # Errors
    /// [`QueueError::Full`], [`QueueError::Conflict`] for a key that stands for another message,
    /// [`QueueError::Exists`] for an id that another message has, [`QueueError::Expired`] for a message that would expire
    /// before it could be sent, [`QueueError::Content`], or the store's own.
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, QueueError>;

    /// Takes messages that are ready: higher priority first, tenants in turn within one, then the oldest due.
    ///
    /// Leases that have run out are ended first: their messages are ready again, in the place that they had, and counted
    /// as ambiguous. One that is to be held is so if [`record_commit_point`](Self::record_commit_point) was called, and its open recipients are
    /// ambiguous then; if not, it is ready again and not counted.
    ///
    /// Tenants take turns also from one call to the next; messages without one are a tenant of their own.
    ///
    /// # Errors
    /// The store's own.
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError>;

    /// Returns when [`lease`](Self::lease) may have something: a message was enqueued, became due, or was given back.
    /// May return too early, and never later than a second after a message is ready.
    async fn wait(&self);

    /// Lets leases run for so long from now; returns the ones that were lost. One that has run out is renewed while
    /// nobody has ended it.
    ///
    /// # Errors
    /// The store's own.
    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError>;

    /// Writes down that the last octet of the content is about to leave: from here on, the message may be delivered.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], also for a lease that has run out: then it must not leave. The store's own: then it must not leave either.
    async fn record_commit_point(&self, lease: LeaseToken) -> Result<(), QueueError>;

    /// Writes down what came of a lease, and returns the state that the message is in now.
    ///
    /// Where every recipient was accepted it is sent; where none is open and not all were accepted it is dead; else it
    /// goes where [`Settlement::next`] says. [`Next::Ready`](crate::Next::Ready) gives it the place that it had. What is
    /// said of a recipient that is not open, or none of the message's, is left out. With a route it is an attempt: it is
    /// counted and goes into the history, of which a store keeps at least the last 50.
    ///
    /// A lease that has run out is settled like any other while nobody has ended it.
    ///
    /// # Errors
    /// [`SettleError`] gives lease and settlement back. [`QueueError::LeaseLost`] is final; the store's own may pass.
    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<State, Box<SettleError>>;

    /// Spends from quotas: from all of them, or from none.
    ///
    /// # Errors
    /// The store's own. A quota that has no room is no error: the inner `Err` says when it will.
    async fn acquire(&self, requests: &[LimitRequest]) -> Result<Result<Permit, crate::Timestamp>, QueueError>;

    /// Gives back what was spent for a message that did not go out.
    ///
    /// # Errors
    /// The store's own.
    async fn release(&self, permit: Permit) -> Result<(), QueueError>;

    /// A message with its history; nothing where there is none of that name.
    ///
    /// # Errors
    /// The store's own.
    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError>;

    /// The content of a message; nothing where there is none of that name. A store may let go of the content of those
    /// sent or cancelled.
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
    /// A dead message that is retried starts afresh: recipients that were not accepted are pending, and its attempts are
    /// counted from none; the history stays. What is retried or released is ready at once, and loses a last moment that is
    /// over.
    ///
    /// # Errors
    /// [`QueueError::Unknown`], [`QueueError::NotAllowed`], or the store's own.
    async fn apply(&self, id: QueueId, command: Command) -> Result<State, QueueError>;

    /// Forgets messages that came into one of these terminal states so long ago or longer; returns how many. Other states
    /// forget nothing.
    ///
    /// # Errors
    /// The store's own.
    async fn purge(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError>;

    /// How many messages there are.
    ///
    /// # Errors
    /// The store's own.
    async fn stats(&self) -> Result<Stats, QueueError>;

    /// The clock that the queue goes by.
    fn clock(&self) -> &Clock;
}
