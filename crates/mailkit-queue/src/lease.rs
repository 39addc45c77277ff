//! The right to deliver a message, for a time.

use std::num::NonZeroU32;
use std::time::Duration;

use mailkit_address::{Address, Envelope};

use crate::clock::Timestamp;
use crate::content::Content;
use crate::id::QueueId;
use crate::message::{DeliveryOptions, OnAmbiguous, Priority};

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// How many messages at the most.
    pub max: NonZeroU32,
    /// For how long.
    pub duration: Duration,
    /// Messages that only these routes may take are left where they are.
    pub skip_routes: Vec<String>,
}

impl LeaseRequest {
    /// So many messages for so long, of any route.
    #[must_use]
    pub const fn new(max: NonZeroU32, duration: Duration) -> Self {
        Self { max, duration, skip_routes: Vec::new() }
    }
}

/// Names a lease: the message, and a number that grows with each lease of it. A store changes nothing for a token
/// that is not the last one it gave, or whose time is over and another took the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data, made by stores")]
pub struct LeaseToken {
    /// The message.
    pub id: QueueId,
    /// How often it was leased, this time included.
    pub fence: u64,
}

/// The right to deliver a message. [`Queue::settle`](crate::Queue::settle) takes it away for good, so that nothing is
/// settled twice; dropped, it runs out by itself.
#[derive(Debug)]
#[must_use = "a lease that is not settled runs out, and the message counts as maybe delivered"]
pub struct Lease {
    token: LeaseToken,
}

impl Lease {
    /// For stores: the lease that they just wrote down.
    pub const fn new(token: LeaseToken) -> Self {
        Self { token }
    }

    /// Which lease it is: for renewing, and for the mark before the last octet.
    #[must_use]
    pub const fn token(&self) -> LeaseToken {
        self.token
    }

    /// The message's name in the queue.
    #[must_use]
    pub const fn id(&self) -> QueueId {
        self.token.id
    }
}

/// A message that was leased.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "made by stores, taken apart by workers")]
pub struct Leased {
    /// The right to settle it.
    pub lease: Lease,
    /// When the lease runs out, unless it is renewed.
    pub expires_at: Timestamp,
    /// From whom to whom: only the recipients that are still to be delivered to.
    pub envelope: Envelope,
    /// Header and body.
    pub content: Content,
    /// The Message-ID in its angle brackets.
    pub message_id: Option<String>,
    /// What the transaction with a server asks for.
    pub delivery: DeliveryOptions,
    /// What goes first.
    pub priority: Priority,
    /// The only route that may take it.
    pub route: Option<String>,
    /// Who sends it.
    pub tenant: Option<String>,
    /// What happens when nobody can know whether it was delivered.
    pub on_ambiguous: OnAmbiguous,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// Since when it is to be delivered: when it first became due, or was taken up again by hand.
    pub open_since: Timestamp,
    /// When it has to be dead, if not delivered.
    pub message_expires_at: Option<Timestamp>,
    /// How many attempts were made before this one.
    pub attempts: u32,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

impl Leased {
    /// The recipients that are still to be delivered to.
    #[must_use]
    pub fn recipients(&self) -> &[Address] {
        self.envelope.recipients()
    }
}
