//! The trait that every queue implements.

use std::time::Duration;

use async_trait::async_trait;

use crate::change::{Changes, Cursor};
use crate::clock::Clock;
use crate::content::Content;
use crate::control::{Control, ControlPut, ControlValue, Expected};
use crate::error::{EnqueueAllError, QueueError};
use crate::health::{Health, Verification};
use crate::id::QueueId;
use crate::lease::{LeaseRequest, LeaseToken, Leased};
use crate::limit::{Acquired, LimitRequest, Permit};
use crate::message::{Enqueued, NewMessage};
use crate::query::{Command, Filter, Page, Stats};
use crate::record::Record;
use crate::settlement::Settlement;
use crate::state::State;
use crate::text::{ConsumerName, ControlKey};

/// A queue of mail.
///
/// Every method is cancel safe: if its future is dropped at an await, the method was done completely or not at all. A result
/// that is `Ok` is as durable as the store is.
///
/// # Time
///
/// [`lease`](Self::lease) brings the queue up to date: messages that are due become ready, expired leases end, expired
/// messages become dead, and messages that finished longer ago than
/// [`QueueSettings::retention`](crate::QueueSettings::retention) are removed. A store may remove them later and on its own.
///
/// **Consistency**: [`get`](Self::get), [`list`](Self::list) and [`stats`](Self::stats) need not bring the queue up to date.
/// They may return the state that a message had before its due time, its expiry or the end of its lease had passed.
///
/// A held message waits for an operator. It does not expire, and only a [`purge`](Self::purge) that names its state removes
/// it.
///
/// A message that expires becomes dead, and the text of its open recipients contains the word "expired". A leased message
/// does not expire before its lease is settled or ended; if it would be ready or scheduled after that, it becomes dead
/// instead.
///
/// # Ambiguous attempts
///
/// [`Stats::ambiguous_total`](crate::Stats::ambiguous_total) counts each attempt after which nobody can know whether the
/// message was delivered. It grows by one for
///
/// - a settlement with the status [`Ambiguous`](crate::RecipientStatus::Ambiguous) for at least one recipient that was open,
///   whatever state the message goes to;
/// - an expired lease, unless the message has the policy [`Hold`](crate::OnAmbiguous::Hold) and no
///   [commit point](Self::record_commit_point) was recorded under the lease.
///
/// Nothing else counts: no command of an operator, and no recipient that was ambiguous before.
///
/// # Batches
///
/// A batch does what single calls one after the other would do, in one step: nobody sees a part of it, and it is done
/// completely or not at all. Each item has a result of its own, in the order of the batch; an item that is refused changes
/// nothing, and the others are done. The batch as a whole fails only if the store does, and then nothing was changed.
///
/// A store implements the batches. The methods for one item call them.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Stores a message. If the result is `Ok`, the message is stored and will end in exactly one terminal state.
    ///
    /// If the idempotency key of the message stands for a message already, nothing is stored, and the id and the state of
    /// that message are returned, also if the queue is full. A key stands for its message during
    /// [`QueueSettings::key_window`](crate::QueueSettings::key_window), which begins when the message is enqueued, also after
    /// the message was sent and removed. A key does not stand for a message that was cancelled, or that was removed without
    /// having been sent.
    ///
    /// A message with an id that is in the queue already is a duplicate as well, unless it was enqueued under another key.
    ///
    /// # Errors
    /// [`QueueError::Full`]; [`QueueError::Conflict`] if the key stands for another message; [`QueueError::Exists`] if
    /// another message has the id; [`QueueError::Expired`] if the message would expire before it could be sent;
    /// [`QueueError::Content`]; or an error of the store.
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, QueueError> {
        only(self.enqueue_many(vec![message]).await?)
    }

    /// Stores messages as [`enqueue`](Self::enqueue) does. A message whose key or id is that of an earlier one in the same
    /// batch is its duplicate.
    ///
    /// # Errors
    /// An error of the store.
    async fn enqueue_many(&self, messages: Vec<NewMessage>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError>;

    /// Stores messages as [`enqueue_many`](Self::enqueue_many) does, but none of them if one is refused. A duplicate is not
    /// refused.
    ///
    /// # Errors
    /// [`EnqueueAllError`] says which message was refused and why. Nothing was stored.
    async fn enqueue_all(&self, messages: Vec<NewMessage>) -> Result<Vec<Enqueued>, EnqueueAllError>;

    /// Leases ready messages: higher priorities first, tenants in turn within a priority, the oldest due message first
    /// within a tenant.
    ///
    /// Expired leases are ended first. Their messages are ready again, in the position that they had, and counted as
    /// ambiguous. A message with the policy [`Hold`](crate::OnAmbiguous::Hold) is held with ambiguous recipients if its
    /// [commit point](Self::record_commit_point) was recorded; if not, it is ready again and not counted.
    ///
    /// Tenants also take turns from one call to the next. The messages without a tenant count as one tenant.
    ///
    /// # Errors
    /// An error of the store.
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError>;

    /// Waits until [`lease`](Self::lease) may return messages: one was enqueued, became due, or was settled as ready.
    ///
    /// It may return too early. It returns at most one second after a message is ready.
    async fn wait(&self);

    /// Extends leases to this duration from now, and returns the tokens that are stale. An expired lease is extended if
    /// the store has not ended it yet.
    ///
    /// # Errors
    /// An error of the store.
    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError>;

    /// Records the commit point of an attempt: the last octet of the content is about to be sent, and from then on the
    /// message may be delivered.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`] if the token is stale or the lease has expired; or an error of the store. After an error
    /// the last octet must not be sent.
    async fn record_commit_point(&self, lease: LeaseToken) -> Result<(), QueueError> {
        only(self.record_commit_points(&[lease]).await?)
    }

    /// Records commit points as [`record_commit_point`](Self::record_commit_point) does.
    ///
    /// # Errors
    /// An error of the store. After it the last octet of none of the messages must be sent.
    async fn record_commit_points(&self, leases: &[LeaseToken]) -> Result<Vec<Result<(), QueueError>>, QueueError>;

    /// Settles a lease with the outcome of the attempt, and returns the new state of the message.
    ///
    /// If every recipient was accepted, the message is sent. If no recipient is open and not all were accepted, it is dead.
    /// Otherwise it goes to the state in [`Settlement::next`]; [`Next::Ready`](crate::Next::Ready) gives it the position
    /// that it had. Outcomes of recipients that are not open, or not recipients of the message, are ignored. An attempt with a
    /// route is recorded in the history, of which a store keeps at least the last 50 attempts.
    ///
    /// An expired lease is settled like any other if the store has not ended it yet.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`] if the token is stale, which is final; or an error of the store, after which the same call may
    /// succeed later.
    async fn settle(&self, lease: LeaseToken, settlement: &Settlement) -> Result<State, QueueError> {
        only(self.settle_many(&[(lease, settlement)]).await?)
    }

    /// Settles leases as [`settle`](Self::settle) does.
    ///
    /// # Errors
    /// An error of the store.
    async fn settle_many(
        &self,
        settlements: &[(LeaseToken, &Settlement)],
    ) -> Result<Vec<Result<State, QueueError>>, QueueError>;

    /// Acquires permits from limits: from all of them, or from none.
    ///
    /// # Errors
    /// An error of the store. A limit without room is no error: the answer is [`Acquired::Full`].
    async fn acquire(&self, requests: &[LimitRequest]) -> Result<Acquired, QueueError>;

    /// Releases the permit of a message that was not sent.
    ///
    /// # Errors
    /// An error of the store.
    async fn release(&self, permit: Permit) -> Result<(), QueueError>;

    /// Returns a message with its history. Returns `None` if the queue has no message with this id.
    ///
    /// # Errors
    /// An error of the store.
    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError>;

    /// Returns the content of a message. Returns `None` if the queue has no message with this id, or if the message was
    /// sent or cancelled and the store has removed its content.
    ///
    /// # Errors
    /// An error of the store.
    async fn content(&self, id: QueueId) -> Result<Option<Content>, QueueError>;

    /// Returns one page of the messages that match a filter, newest first.
    ///
    /// # Errors
    /// An error of the store.
    async fn list(&self, filter: &Filter) -> Result<Page, QueueError>;

    /// Applies an operator's command to a message, and returns the new state of the message.
    ///
    /// Retrying a dead message resets its number of attempts, and recipients that were not accepted become pending; the
    /// history stays. A message that is retried or released is ready at once. If its expiry is in the past, the expiry is
    /// cleared.
    ///
    /// # Errors
    /// [`QueueError::Unknown`], [`QueueError::NotAllowed`], or an error of the store.
    async fn apply(&self, id: QueueId, command: Command) -> Result<State, QueueError> {
        only(self.apply_many(&[id], command).await?)
    }

    /// Applies a command to messages as [`apply`](Self::apply) does.
    ///
    /// # Errors
    /// An error of the store.
    async fn apply_many(&self, ids: &[QueueId], command: Command)
    -> Result<Vec<Result<State, QueueError>>, QueueError>;

    /// Removes messages that came into one of these terminal states at least this long ago, and returns their number. States
    /// that are not terminal are ignored.
    ///
    /// # Errors
    /// An error of the store.
    async fn purge(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError>;

    /// Returns the numbers of messages by state.
    ///
    /// # Errors
    /// An error of the store.
    async fn stats(&self) -> Result<Stats, QueueError>;

    /// Returns the control with this key, and `None` if there is none or it has expired.
    ///
    /// # Errors
    /// An error of the store.
    async fn control_get(&self, _key: &ControlKey) -> Result<Option<Control>, QueueError> {
        Err(QueueError::Unsupported { what: "controls" })
    }

    /// Stores the value of a control if the present control meets the condition. A value of `None` removes the control. With
    /// a `ttl` the control expires after that time.
    ///
    /// A change raises [`controls_version`](Self::controls_version) and ends the [`wait`](Self::wait) of all workers. Removing
    /// a control that does not exist changes nothing.
    ///
    /// # Errors
    /// [`QueueError::Full`], or an error of the store.
    async fn control_put(
        &self,
        _key: &ControlKey,
        _value: Option<ControlValue>,
        _expected: Expected,
        _ttl: Option<Duration>,
    ) -> Result<ControlPut, QueueError> {
        Err(QueueError::Unsupported { what: "controls" })
    }

    /// Returns controls whose keys begin with the prefix, in the order of their keys. The list starts behind the key `after`,
    /// and has up to `limit` controls, at most 1,000.
    ///
    /// # Errors
    /// An error of the store.
    async fn control_list(
        &self,
        _prefix: &str,
        _after: Option<&ControlKey>,
        _limit: usize,
    ) -> Result<Vec<(ControlKey, Control)>, QueueError> {
        Err(QueueError::Unsupported { what: "controls" })
    }

    /// Returns the version of the controls, which every change of a control raises. The expiry of a control does not raise it.
    ///
    /// # Errors
    /// An error of the store.
    async fn controls_version(&self) -> Result<u64, QueueError> {
        Err(QueueError::Unsupported { what: "controls" })
    }

    /// Registers a consumer of the changes, and returns the cursor from which it reads. A consumer that is already registered
    /// gets its stored cursor.
    ///
    /// Changes are logged while at least one consumer is registered, and are kept until every consumer has passed them. A
    /// consumer is dropped with an error in the log if it has stored no cursor for
    /// [`CONSUMER_SILENCE`](crate::CONSUMER_SILENCE), or if more changes wait for it than the store keeps.
    ///
    /// # Errors
    /// [`QueueError::Full`] if [`MAX_CONSUMERS`](crate::MAX_CONSUMERS) are registered, or an error of the store.
    async fn register_consumer(&self, _name: &ConsumerName) -> Result<Cursor, QueueError> {
        Err(QueueError::Unsupported { what: "a log of changes" })
    }

    /// Stores the position of a consumer. A consumer calls this also when there are no changes, to show that it is alive. A
    /// cursor before the stored one does not change it.
    ///
    /// # Errors
    /// [`QueueError::UnknownConsumer`], or an error of the store.
    async fn store_cursor(&self, _name: &ConsumerName, _cursor: Cursor) -> Result<(), QueueError> {
        Err(QueueError::Unsupported { what: "a log of changes" })
    }

    /// Removes a consumer. Does nothing if no consumer has this name.
    ///
    /// # Errors
    /// An error of the store.
    async fn drop_consumer(&self, _name: &ConsumerName) -> Result<(), QueueError> {
        Err(QueueError::Unsupported { what: "a log of changes" })
    }

    /// Returns up to `max` changes after the cursor, in commit order; at most [`Changes::MAX`](crate::Changes::MAX).
    ///
    /// A change never appears behind a cursor that was returned: a reader that continues at [`Changes::next`] receives every
    /// change. A reader need not be a registered consumer.
    ///
    /// # Errors
    /// An error of the store.
    async fn changes(&self, _after: Cursor, _max: usize) -> Result<Changes, QueueError> {
        Err(QueueError::Unsupported { what: "a log of changes" })
    }

    /// Describes the store. Reads no messages.
    ///
    /// # Errors
    /// An error of the store: it cannot be used.
    async fn check(&self) -> Result<Health, QueueError> {
        Err(QueueError::Unsupported { what: "a description of itself" })
    }

    /// Reads all data of the store and reports problems. With `repair`, problems with only one possible repair are repaired,
    /// such as wrong counters. The time is proportional to the size of the store; other calls are served meanwhile.
    ///
    /// # Errors
    /// An error of the store. Damage is not an error but a problem in the result, as far as the store can be read.
    async fn verify(&self, _repair: bool) -> Result<Verification, QueueError> {
        Err(QueueError::Unsupported { what: "a check of its data" })
    }

    /// Finishes the running calls and closes the store. Later calls may fail. Acknowledged data is safe without this call.
    ///
    /// # Errors
    /// An error of the store.
    async fn close(&self) -> Result<(), QueueError> {
        Ok(())
    }

    /// Returns the clock that the queue uses.
    fn clock(&self) -> &Clock;
}

/// The result of the only item of a batch.
fn only<T>(mut results: Vec<Result<T, QueueError>>) -> Result<T, QueueError> {
    results
        .pop()
        .unwrap_or_else(|| Err(QueueError::Failed("the store returned no result for an item of a batch".into())))
}
