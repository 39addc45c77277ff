//! The classes of failures: what each means for the message and for its route.

use std::time::Duration;

use super::Subject;
use crate::enum_text::string_enum;

/// The class of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "code that acts on classes must handle a new one")]
pub enum FailureClass {
    /// The connection could not be opened, or failed or timed out before the content had been sent completely.
    Connection,
    /// The server closes the connection (421), because of load or because it shuts down.
    Closing,
    /// The server allows no more concurrent connections.
    TooManyConnections,
    /// The server asks for a lower rate.
    Rate,
    /// Greylisting (RFC 6647): the server accepts mail of an unknown sender at a later attempt only.
    Greylisted,
    /// The mailbox of the recipient is full.
    MailboxFull,
    /// Any other temporary refusal.
    Temporary,
    /// The content was sent completely, and no answer came: the message may have been delivered.
    Ambiguous,
    /// Refused permanently.
    Permanent,
    /// The login, the certificate or the settings of the route are wrong, whatever the message.
    Login,
    /// The content cannot be read from the local store now: neither the message nor the route is at fault.
    Content,
    /// A defect of the sending program: the delivery panicked, or dropped the message.
    Defect,
    /// The account at the server has reached a sending limit.
    AccountLimit,
    /// The server does not accept mail of this sender.
    SenderRefused,
    /// The server does not accept the size or a parameter that MAIL announces.
    Unsupported,
    /// The server accepts no more recipients in one transaction.
    TooManyRecipients,
    /// The server lacks an extension that the message needs, or its size limit is too low.
    Capability,
    /// A local rule forbids the recipient.
    NotAllowed,
}

/// What a class means.
struct Meaning {
    name: &'static str,
    /// What the failure is about, if the reply does not say more.
    subject: Subject,
    /// Whether it counts as a failure for the breaker and the concurrency limit of the route.
    breaker: bool,
    /// The minimum time until the next attempt, in seconds; the retry settings may make it longer.
    wait: u64,
}

impl FailureClass {
    /// All classes.
    pub const ALL: [Self; 18] = [
        Self::Connection,
        Self::Closing,
        Self::TooManyConnections,
        Self::Rate,
        Self::Greylisted,
        Self::MailboxFull,
        Self::Temporary,
        Self::Ambiguous,
        Self::Permanent,
        Self::Login,
        Self::Content,
        Self::Defect,
        Self::AccountLimit,
        Self::SenderRefused,
        Self::Unsupported,
        Self::TooManyRecipients,
        Self::Capability,
        Self::NotAllowed,
    ];

    const fn meaning(self) -> Meaning {
        let (name, subject, breaker, wait) = match self {
            Self::Connection => ("connection", Subject::Route, true, 0),
            Self::Closing => ("closing", Subject::Route, true, 0),
            Self::TooManyConnections => ("too-many-connections", Subject::Route, true, 0),
            // Most servers count per minute.
            Self::Rate => ("rate", Subject::Route, true, 60),
            // Postgrey, and most others, take a message after 5 minutes.
            Self::Greylisted => ("greylisted", Subject::Message, false, 300),
            // The owner of the mailbox has to delete something.
            Self::MailboxFull => ("mailbox-full", Subject::Message, false, 900),
            Self::Temporary => ("temporary", Subject::Message, false, 0),
            Self::Ambiguous => ("ambiguous", Subject::Message, true, 0),
            Self::Permanent => ("permanent", Subject::Message, false, 0),
            // Servers lock accounts after a few wrong logins.
            Self::Login => ("login", Subject::Route, true, 60),
            Self::Content => ("content", Subject::Message, false, 0),
            Self::Defect => ("defect", Subject::Message, false, 0),
            Self::AccountLimit => ("account-limit", Subject::Route, false, 0),
            Self::SenderRefused => ("sender-refused", Subject::Sender, false, 0),
            Self::Unsupported => ("unsupported", Subject::Sender, false, 0),
            Self::TooManyRecipients => ("too-many-recipients", Subject::Message, false, 0),
            Self::Capability => ("capability", Subject::Route, false, 0),
            Self::NotAllowed => ("not_allowed", Subject::Message, false, 0),
        };
        Meaning { name, subject, breaker, wait }
    }

    /// The name of the class, as logs and metrics use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.meaning().name
    }

    /// What the failure is about, if the reply does not say more.
    #[must_use]
    pub const fn subject(self) -> Subject {
        self.meaning().subject
    }

    /// Whether the breaker of the route counts it as a failure, if the failure is about the route.
    #[must_use]
    pub const fn counts_for_breaker(self) -> bool {
        self.meaning().breaker
    }

    /// Whether it says nothing about the route: the fault is local, or nothing was sent.
    #[must_use]
    pub const fn is_neutral(self) -> bool {
        matches!(self, Self::Content | Self::Defect | Self::Capability | Self::NotAllowed)
    }

    /// The minimum time until the message is tried again.
    #[must_use]
    pub const fn min_wait(self) -> Duration {
        Duration::from_secs(self.meaning().wait)
    }

    /// Whether the failure came before MAIL, so that the server cannot have counted the message.
    #[must_use]
    pub const fn is_before_mail(self) -> bool {
        matches!(self, Self::Connection | Self::TooManyConnections | Self::Login | Self::Capability)
    }
}

string_enum!(FailureClass);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_reads_back_from_its_name() {
        for class in FailureClass::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
    }
}
