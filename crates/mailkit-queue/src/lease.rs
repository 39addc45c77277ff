//! Leases: the right to deliver a message for a limited time.

use std::num::NonZeroU32;
use std::time::Duration;

use mailkit_address::{Address, Envelope};

use crate::clock::Timestamp;
use crate::content::Content;
use crate::id::QueueId;
use crate::message::{DeliveryOptions, OnAmbiguous, Priority};
use crate::text::{Tenant, Traceparent};

/// A worker's request for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// The maximum number of messages.
    pub max: NonZeroU32,
    /// The duration of the leases.
    pub duration: Duration,
    /// Messages that are pinned to one of these routes are not leased.
    pub skip_routes: Vec<String>,
}

impl LeaseRequest {
    /// A request for at most `max` messages of any route.
    #[must_use]
    pub const fn new(max: NonZeroU32, duration: Duration) -> Self {
        Self { max, duration, skip_routes: Vec::new() }
    }

    /// Sets the routes whose pinned messages are not leased.
    #[must_use]
    pub fn with_skip_routes(mut self, skip_routes: Vec<String>) -> Self {
        self.skip_routes = skip_routes;
        self
    }
}

/// Identifies a lease by its message and a fencing token, a number that grows with each lease of the message.
///
/// A token is stale once the lease was settled, or once it has expired and the store has ended it. A request with a stale
/// token changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LeaseToken {
    /// The message.
    pub id: QueueId,
    /// How often the message was leased, including this lease.
    pub fence: u64,
}

impl LeaseToken {
    /// The token of a lease.
    #[must_use]
    pub const fn new(id: QueueId, fence: u64) -> Self {
        Self { id, fence }
    }
}

/// A leased message. The worker settles it with its [token](Self::token); a lease that is not settled expires.
#[derive(Debug)]
#[non_exhaustive]
pub struct Leased {
    /// The token of the lease.
    pub token: LeaseToken,
    /// When the lease expires, unless it is renewed.
    pub expires_at: Timestamp,
    /// The reverse path and the open recipients: those that the message is still to be delivered to.
    pub envelope: Envelope,
    /// Header and body.
    pub content: Content,
    /// The Message-ID in its angle brackets.
    pub message_id: Option<String>,
    /// The options of the transaction with a server.
    pub delivery: DeliveryOptions,
    /// The priority.
    pub priority: Priority,
    /// The only route that may send the message. `None` allows every route.
    pub route: Option<String>,
    /// The tenant that sends the message.
    pub tenant: Option<Tenant>,
    /// What happens when the message may have been delivered.
    pub on_ambiguous: OnAmbiguous,
    /// When the message was enqueued.
    pub created_at: Timestamp,
    /// When the message first became due, or when an operator retried or released it.
    pub open_since: Timestamp,
    /// When the message expires.
    pub message_expires_at: Option<Timestamp>,
    /// The number of attempts before this one.
    pub attempts: u32,
    /// The trace that the message belongs to.
    pub traceparent: Option<Traceparent>,
}

impl Leased {
    /// A leased message that was enqueued at `created_at`, with the default options and no attempts.
    #[must_use]
    pub fn new(
        token: LeaseToken,
        expires_at: Timestamp,
        envelope: Envelope,
        content: impl Into<Content>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            token,
            expires_at,
            envelope,
            content: content.into(),
            message_id: None,
            delivery: DeliveryOptions::default(),
            priority: Priority::default(),
            route: None,
            tenant: None,
            on_ambiguous: OnAmbiguous::default(),
            created_at,
            open_since: created_at,
            message_expires_at: None,
            attempts: 0,
            traceparent: None,
        }
    }

    /// The id of the message.
    #[must_use]
    pub const fn id(&self) -> QueueId {
        self.token.id
    }

    /// The open recipients.
    #[must_use]
    pub fn recipients(&self) -> &[Address] {
        self.envelope.recipients()
    }
}
