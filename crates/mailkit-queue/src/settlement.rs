//! What came of a lease.

use mailkit_address::Address;

use crate::clock::Timestamp;
use crate::message::string_enum;

/// What came of an attempt, or that there was none: see [`Queue::settle`](crate::Queue::settle).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Settlement {
    /// The route that was tried; `None` where none was: then it is no attempt, and nothing goes into the history.
    pub route: Option<String>,
    /// Whether what was tried is an attempt of the message. A failure of the route is none: it is remembered, and not
    /// counted.
    pub counts: bool,
    /// What came of the attempt as a whole.
    pub outcome: AttemptOutcome,
    /// The class of the failure, if anything failed.
    pub class: Option<String>,
    /// What was said of the attempt as a whole: the server's reply, a connection that failed, a time-out.
    pub text: String,
    /// What became of recipients; those that are not named stay as they were.
    pub recipients: Vec<RecipientOutcome>,
    /// Where the message goes from here.
    pub next: Next,
}

impl Settlement {
    /// The message was not tried, and is as ready as before.
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

    /// The message was not tried, and shall not be before that time.
    #[must_use]
    pub fn not_before(at: Timestamp) -> Self {
        Self { next: Next::At(at), ..Self::untouched() }
    }
}

string_enum! {
    /// What came of an attempt as a whole.
    #[derive(Default)]
    AttemptOutcome, "an outcome: accepted, temporary, permanent, ambiguous, network or partial" {
        /// The server accepted the message for every recipient.
        Accepted = "accepted",
        /// Nobody accepted it, and another attempt may succeed.
        #[default]
        Temporary = "temporary",
        /// The server refused it for every recipient, for good.
        Permanent = "permanent",
        /// It may have been delivered: nobody can know.
        Ambiguous = "ambiguous",
        /// The connection failed before the server said anything about the message.
        Network = "network",
        /// Some recipients were accepted and others were not.
        Partial = "partial",
    }
}

/// Where a message goes when it is settled.
///
/// Whatever is said, a message whose recipients were all accepted is [sent](crate::State::Sent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every store shall notice a new one")]
pub enum Next {
    /// It is ready again at once, in the place that it had.
    Ready,
    /// It is scheduled for that time; ready as of now, where the time is over.
    At(Timestamp),
    /// It is over: recipients that were not accepted are lost, and the message is dead.
    Dead,
    /// It may have been delivered: a person decides.
    Held,
}

/// What became of one recipient in an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct RecipientOutcome {
    /// The recipient.
    pub address: Address,
    /// What became of it.
    pub status: RecipientStatus,
    /// The server's reply code (RFC 5321 §4.2), where it gave one.
    pub code: Option<u16>,
    /// The server's enhanced status code (RFC 3463), where it gave one.
    pub enhanced: Option<String>,
    /// The server's words, or ours where it said none.
    pub text: String,
}

/// What is known of one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every store shall notice a new one")]
pub enum RecipientStatus {
    /// Nothing yet.
    Pending,
    /// The server has taken the message for this recipient: it is never sent there again.
    Accepted,
    /// Refused for now, or not reached.
    Temporary,
    /// Refused for good: it is never sent there again, unless by hand.
    Permanent,
    /// Nobody can know.
    Ambiguous,
}

impl RecipientStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Accepted, Self::Temporary, Self::Permanent, Self::Ambiguous];

    /// The word for it, as JSON uses it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Whether another attempt is for this recipient too.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Accepted | Self::Permanent)
    }
}
