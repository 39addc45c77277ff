//! A message as it is enqueued.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use mailkit_address::Envelope;

use crate::clock::Timestamp;
use crate::content::Content;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::record::Record;
use crate::state::State;

/// A message for [`Queue::enqueue`](crate::Queue::enqueue), with what its sender wishes.
///
/// ```
/// use mailkit_address::Envelope;
/// use mailkit_queue::{NewMessage, Priority};
///
/// let envelope = Envelope::null_sender(vec!["bob@example.org".parse()?])?;
/// let mut message = NewMessage::new(envelope, "Subject: hello\r\n\r\nHello.\r\n");
/// message.priority = Priority::High;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewMessage {
    /// From whom to whom.
    pub envelope: Envelope,
    /// Header and body, in the form that asks the least of a server. It stays the same on all attempts.
    pub content: Content,
    /// The Message-ID in its angle brackets, for who looks at the queue.
    pub message_id: Option<String>,
    /// The subject, for who looks at the queue.
    pub subject: Option<String>,
    /// What the transaction with a server asks for.
    pub delivery: DeliveryOptions,
    /// Makes one record of any number of enqueues.
    pub idempotency: Option<IdempotencyKey>,
    /// Not before this time; a time that is over is now.
    pub send_at: Option<Timestamp>,
    /// Not after this time: it is dead then.
    pub expires_at: Option<Timestamp>,
    /// What goes first.
    pub priority: Priority,
    /// The only route that may take it.
    pub route: Option<String>,
    /// Who sends it: tenants share fairly.
    pub tenant: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What happens when nobody can know whether it was delivered.
    pub on_ambiguous: OnAmbiguous,
    /// The trace that it belongs to, as the W3C header `traceparent` has it.
    pub traceparent: Option<String>,
    /// The id that it had in another queue, which it keeps; `None` gives it a new one. A message whose id is in the
    /// queue already is a duplicate.
    pub id: Option<QueueId>,
    /// When it was enqueued in another queue; `None` means now. The window of its key begins then, and it may be past its
    /// last moment.
    pub created_at: Option<Timestamp>,
}

impl NewMessage {
    /// A message without wishes.
    #[must_use]
    pub fn new(envelope: Envelope, content: impl Into<Content>) -> Self {
        Self {
            envelope,
            content: content.into(),
            message_id: None,
            subject: None,
            delivery: DeliveryOptions::default(),
            idempotency: None,
            send_at: None,
            expires_at: None,
            priority: Priority::default(),
            route: None,
            tenant: None,
            tags: Vec::new(),
            on_ambiguous: OnAmbiguous::default(),
            traceparent: None,
            id: None,
            created_at: None,
        }
    }

    /// Checks that it can be sent before it expires. A message from another queue, which has a `created_at`, passes:
    /// where its time is over it ends dead, where somebody sees it.
    ///
    /// # Errors
    /// [`QueueError::Expired`] where `expires_at` is not after `now`, or not after `send_at`.
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), QueueError> {
        let Some(expires_at) = self.expires_at.filter(|_| self.created_at.is_none()) else { return Ok(()) };
        let earliest = self.send_at.map_or(now, |at| at.max(now));
        match expires_at > earliest {
            true => Ok(()),
            false => Err(QueueError::Expired { expires_at, send_at: self.send_at.filter(|at| *at >= expires_at) }),
        }
    }

    /// The key that must be looked up for it, at a time and with the queue's window: `None` for a message from another
    /// queue whose key stands for nothing any more.
    #[must_use]
    pub fn active_key(&self, now: Timestamp, key_window: Duration) -> Option<&IdempotencyKey> {
        let used_at = self.created_at.map_or(now, |at| at.min(now));
        self.idempotency.as_ref().filter(|_| used_at + key_window > now)
    }

    /// The message that this is the archive copy of, by its key; `None` for any other.
    ///
    /// A queue takes such a copy in although it is full: its original is about to end, and cannot end before.
    #[must_use]
    pub fn archive_of(&self) -> Option<QueueId> {
        Record::archived_by_key(&self.idempotency.as_ref()?.key)
    }
}

/// What was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Enqueued {
    /// The message's name in the queue.
    pub id: QueueId,
    /// Whether its idempotency key, or its id, was there already, and nothing new was stored.
    pub duplicate: bool,
    /// The state of the message. A duplicate of one that was sent and forgotten since is `sent`.
    pub state: State,
}

/// A key under which a message is enqueued once, however often it is tried.
///
/// The fingerprint tells whether a later message under the key is the same: it is of what the caller means, not of
/// the bytes, since Date and Message-ID differ whenever a message is built again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct IdempotencyKey {
    /// The key.
    pub key: String,
    /// What the message is about.
    pub fingerprint: Fingerprint,
}

/// A digest that differs where messages do.
pub type Fingerprint = [u8; 32];

/// What the transaction with a server asks for, beyond the envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data; written with the rest from default()")]
pub struct DeliveryOptions {
    /// The content has bytes beyond ASCII that may not be encoded: only a server with 8BITMIME takes it (RFC 6152).
    pub needs_8bit: bool,
    /// The header is in UTF-8: only a server with SMTPUTF8 takes it (RFC 6531).
    pub needs_smtp_utf8: bool,
    /// When notifications are wanted (RFC 3461 §4.1); empty leaves it to the server.
    pub notify: Vec<Notify>,
    /// How much of the message a notification brings back (RFC 3461 §4.3).
    pub return_content: Option<ReturnContent>,
    /// What a notification quotes (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// Every hop must use TLS (RFC 8689).
    pub require_tls: bool,
    /// How urgent the transfer is, from -9 to 9, for a server with MT-PRIORITY (RFC 6710).
    pub mt_priority: Option<i8>,
}

/// An enum of words: the words, their parser and their printer from one table.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(clippy::exhaustive_enums, reason = "stores and senders shall notice a new one")]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for it, as JSON and options use it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseEnumError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let unknown = || $crate::ParseEnumError::new(word, $what);
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(unknown)
            }
        }
    };
}
pub(crate) use string_enum;

string_enum! {
    /// What goes first. Among ready messages a higher priority always does.
    #[derive(Default)]
    Priority, "a priority: high, normal or low" {
        /// Before all others.
        High = "high",
        /// As it comes.
        #[default]
        Normal = "normal",
        /// When nothing else is ready.
        Low = "low",
    }
}

string_enum! {
    /// What happens to a message when the connection broke at the moment in which nobody can know whether it was
    /// delivered.
    #[derive(Default)]
    OnAmbiguous, "a policy: resend or hold" {
        /// It goes again, under the same Message-ID, and is counted: a copy too many rather than a message too few.
        #[default]
        Resend = "resend",
        /// It is held for a person to decide.
        Hold = "hold",
    }
}

string_enum! {
    /// When a notification is wanted (RFC 3461 §4.1).
    Notify, "a notification: never, success, failure or delay" {
        /// None at all.
        Never = "never",
        /// When it was delivered.
        Success = "success",
        /// When it was not.
        Failure = "failure",
        /// When it takes long.
        Delay = "delay",
    }
}

string_enum! {
    /// How much of a message a notification brings back (RFC 3461 §4.3).
    ReturnContent, "what to return: full or headers" {
        /// All of it.
        Full = "full",
        /// Its header.
        Headers = "headers",
    }
}

/// A word where another was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseEnumError {
    word: String,
    expected: &'static str,
}

impl ParseEnumError {
    pub(crate) fn new(word: &str, expected: &'static str) -> Self {
        Self { word: word.chars().take(64).collect(), expected }
    }
}

impl fmt::Display for ParseEnumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.word.escape_debug(), self.expected)
    }
}

impl Error for ParseEnumError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_no_other_does() {
        for priority in Priority::ALL {
            assert_eq!(priority.as_str().parse(), Ok(*priority));
        }
        for policy in OnAmbiguous::ALL {
            assert_eq!(policy.as_str().parse(), Ok(*policy));
        }
        let error = "urgent".parse::<Priority>().unwrap_err();
        assert_eq!(error.to_string(), "`urgent` is not a priority: high, normal or low");
        assert!(Priority::High < Priority::Normal, "the order is that of delivery");
    }
}
