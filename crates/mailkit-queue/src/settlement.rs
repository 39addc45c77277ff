//! The result of a leased message: what a worker reports when it settles a lease.

use mailkit_address::Address;

use crate::clock::Timestamp;
use crate::record::RecipientRecord;
use crate::string_enum::string_enum;

/// What a worker reports when it settles a lease: see [`Queue::settle`](crate::Queue::settle).
///
/// ```
/// use mailkit_queue::{AttemptOutcome, Next, RecipientOutcome, RecipientStatus, Settlement};
///
/// let accepted = RecipientOutcome::new("bob@example.org".parse()?, RecipientStatus::Accepted).with_code(250);
/// let settlement = Settlement::attempt("primary", AttemptOutcome::Accepted, Next::Dead).with_recipients(vec![accepted]);
/// assert!(settlement.counts);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// The route of the attempt. `None` if there was no attempt: then nothing is added to the history.
    pub route: Option<String>,
    /// Whether the attempt counts in the number of attempts of the message. A failure of the route does not count; it is
    /// only recorded in the history.
    pub counts: bool,
    /// The outcome of the attempt as a whole.
    pub outcome: AttemptOutcome,
    /// The class of the failure, if anything failed.
    pub class: Option<String>,
    /// The message for the attempt as a whole: the server's reply, a failed connection, a time-out.
    pub text: String,
    /// The outcomes of recipients. A recipient that is not listed keeps its status.
    pub recipients: Vec<RecipientOutcome>,
    /// The state that the message goes to.
    pub next: Next,
}

impl Settlement {
    /// An attempt on a route, which counts.
    #[must_use]
    pub fn attempt(route: impl Into<String>, outcome: AttemptOutcome, next: Next) -> Self {
        Self { route: Some(route.into()), counts: true, outcome, next, ..Self::untouched() }
    }

    /// No attempt was made: the message is ready again, in the position that it had.
    #[must_use]
    pub fn untouched() -> Self {
        Self {
            route: None,
            counts: false,
            outcome: AttemptOutcome::default(),
            class: None,
            text: String::new(),
            recipients: Vec::new(),
            next: Next::Ready,
        }
    }

    /// No attempt was made: the message is scheduled for that time.
    #[must_use]
    pub fn not_before(at: Timestamp) -> Self {
        Self { next: Next::At(at), ..Self::untouched() }
    }

    /// Sets whether the attempt [counts](Self::counts).
    #[must_use]
    pub const fn with_counts(mut self, counts: bool) -> Self {
        self.counts = counts;
        self
    }

    /// Sets the class of the failure.
    #[must_use]
    pub fn with_class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// Sets the message for the attempt as a whole.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Sets the outcomes of recipients.
    #[must_use]
    pub fn with_recipients(mut self, recipients: Vec<RecipientOutcome>) -> Self {
        self.recipients = recipients;
        self
    }

    /// Sets the state that the message goes to.
    #[must_use]
    pub const fn with_next(mut self, next: Next) -> Self {
        self.next = next;
        self
    }
}

string_enum! {
    /// The outcome of an attempt as a whole.
    #[derive(Default)]
    AttemptOutcome, "an outcome: accepted, temporary, permanent, ambiguous, network or partial", "stores and senders must handle a new one" {
        /// The server accepted the message for every recipient.
        Accepted = "accepted",
        /// The server accepted no recipient, and another attempt may succeed.
        #[default]
        Temporary = "temporary",
        /// The server refused every recipient for good.
        Permanent = "permanent",
        /// The message may have been delivered.
        Ambiguous = "ambiguous",
        /// The connection failed before the server answered for the message.
        Network = "network",
        /// Some recipients were accepted and others were not.
        Partial = "partial",
    }
}

/// The state that a message goes to when it is settled.
///
/// Whatever `Next` says, a message that was accepted for all recipients is [sent](crate::State::Sent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every store must handle a new one")]
pub enum Next {
    /// It is ready again, in the position that it had.
    Ready,
    /// It is scheduled for that time. If the time is past, it is ready since now.
    At(Timestamp),
    /// It is dead: it is not sent to the recipients that were not accepted.
    Dead,
    /// It is held: it may have been delivered, and an operator decides.
    Held,
}

/// The outcome of one recipient in an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientOutcome {
    /// The recipient.
    pub address: Address,
    /// The new status.
    pub status: RecipientStatus,
    /// The server's reply code (RFC 5321 §4.2), if it gave one.
    pub code: Option<u16>,
    /// The server's enhanced status code (RFC 3463), if it gave one.
    pub enhanced: Option<String>,
    /// The text of the server's reply, or mailkit's own message if there was no reply.
    pub text: String,
}

impl RecipientOutcome {
    /// The outcome of a recipient, without a reply of the server.
    #[must_use]
    pub const fn new(address: Address, status: RecipientStatus) -> Self {
        Self { address, status, code: None, enhanced: None, text: String::new() }
    }

    /// Sets the server's reply code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Option<u16>>) -> Self {
        self.code = code.into();
        self
    }

    /// Sets the server's enhanced status code.
    #[must_use]
    pub fn with_enhanced(mut self, enhanced: impl Into<Option<String>>) -> Self {
        self.enhanced = enhanced.into();
        self
    }

    /// Sets the text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The record of the recipient after this outcome.
    #[must_use]
    pub fn to_record(&self) -> RecipientRecord {
        let Self { address, status, code, enhanced, text } = self;
        RecipientRecord {
            code: *code,
            enhanced: enhanced.clone(),
            text: text.clone(),
            ..RecipientRecord::new(address.clone(), *status)
        }
    }
}

string_enum! {
    /// The status of one recipient.
    RecipientStatus, "a status: pending, accepted, temporary, permanent or ambiguous", "stores and senders must handle a new one" {
        /// No attempt had an outcome yet.
        Pending = "pending",
        /// The server accepted the message for this recipient. It is never sent to it again.
        Accepted = "accepted",
        /// Refused for now, or not reached.
        Temporary = "temporary",
        /// Refused for good. It is never sent to this recipient again, unless an operator retries the message.
        Permanent = "permanent",
        /// The message may have been delivered to this recipient.
        Ambiguous = "ambiguous",
    }
}

impl RecipientStatus {
    /// Whether the recipient is open: another attempt includes it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Accepted | Self::Permanent)
    }
}
