//! What became of a message, recipient by recipient.

use mailkit_address::Address;

use crate::client::BeginError;
use crate::{Reply, Step};

/// What became of one recipient of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The server has taken the message for this recipient.
    Accepted(Reply),
    /// The server has refused this recipient, or the message, in these words. 4yz may succeed later, 5yz not.
    Refused {
        /// The command that was refused.
        step: Step,
        /// The server's words.
        reply: Reply,
    },
    /// A rule of the sender's own forbids to send to this recipient: nothing was. The text names the rule.
    Forbidden(String),
    /// The server cannot be told this recipient's address, as one with non-ASCII characters without SMTPUTF8: it was not
    /// named, and nothing was sent to it. Another route may reach it.
    Unaddressable(BeginError),
    /// The conversation ended before the whole content had left: the message was not delivered by this attempt.
    Unsent,
    /// The conversation ended after the whole content had left and before the server answered:
    /// the message may have been delivered. Sending it again may deliver it twice.
    Ambiguous,
}

impl Status {
    /// Whether the server has taken the message.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// Whether another attempt may succeed, without a risk of a second copy.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { reply, .. } => reply.is_temporary(),
            Self::Unsent => true,
            Self::Accepted(_) | Self::Forbidden(_) | Self::Unaddressable(_) | Self::Ambiguous => false,
        }
    }

    /// Whether nobody can know if the message was delivered.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous)
    }

    /// The server's words, where it said any.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Accepted(reply) | Self::Refused { reply, .. } => Some(reply),
            Self::Forbidden(_) | Self::Unaddressable(_) | Self::Unsent | Self::Ambiguous => None,
        }
    }
}

/// One recipient and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientReport {
    /// The recipient.
    pub address: Address,
    /// What became of it.
    pub status: Status,
}

impl RecipientReport {
    /// Puts the two together.
    #[must_use]
    pub const fn new(address: Address, status: Status) -> Self {
        Self { address, status }
    }
}

/// The outcome of one transaction: an entry for each recipient, in the order of the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The recipients.
    pub recipients: Vec<RecipientReport>,
    /// How often the client had to wait for the server before it could go on: 1 with CHUNKING and PIPELINING,
    /// 2 with PIPELINING alone, 3 and one per recipient with neither.
    pub round_trips: u32,
}

impl Report {
    /// A report about the given recipients.
    #[must_use]
    pub const fn new(recipients: Vec<RecipientReport>, round_trips: u32) -> Self {
        Self { recipients, round_trips }
    }

    /// Whether every recipient was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.recipients.iter().all(|recipient| recipient.status.is_accepted())
    }

    /// Whether for some recipient nobody can know if the message was delivered.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.status.is_ambiguous())
    }

    /// Voids every answer: the replies it came from may have been those to something else. Where DATA was refused, the
    /// content has not left.
    pub fn doubt(&mut self) {
        let at_data = |status: &Status| matches!(status, Status::Refused { step: Step::Data, .. });
        let unsent = self.recipients.iter().any(|recipient| at_data(&recipient.status));
        self.void(if unsent { &Status::Unsent } else { &Status::Ambiguous });
    }

    /// Puts this in the place of every answer.
    pub(crate) fn void(&mut self, status: &Status) {
        for recipient in &mut self.recipients {
            if recipient.status.reply().is_some() {
                recipient.status = status.clone();
            }
        }
    }

    /// The recipients that were accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &Address> {
        self.recipients.iter().filter(|recipient| recipient.status.is_accepted()).map(|recipient| &recipient.address)
    }

    /// The recipients that were refused, and the server's words.
    pub fn refused(&self) -> impl Iterator<Item = (&Address, &Reply)> {
        self.recipients.iter().filter_map(|recipient| match &recipient.status {
            Status::Refused { reply, .. } => Some((&recipient.address, reply)),
            _ => None,
        })
    }

    /// Adds the outcome of another transaction for the same message, as when a server limits the recipients of one.
    pub fn merge(&mut self, other: Self) {
        if self.recipients.is_empty() {
            self.recipients = other.recipients;
        } else {
            self.recipients.extend(other.recipients);
        }
        self.round_trips += other.round_trips;
    }
}
