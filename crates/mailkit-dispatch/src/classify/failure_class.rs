//! The classes of failure: what each means for the message and for its route.

use std::time::Duration;

use super::Subject;
use crate::enum_text::string_enum;

/// What kind of trouble an attempt had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever acts on classes shall notice a new one")]
pub enum FailureClass {
    /// No connection, or it broke or timed out before the content had left whole.
    Connection,
    /// The server closes the connection (421): it sheds load, or goes down.
    Closing,
    /// The server serves no more connections of ours at once.
    TooManyConnections,
    /// The server asks to come slower.
    Rate,
    /// The server takes mail of unknown senders at a second attempt only.
    Greylisted,
    /// A mailbox is full.
    MailboxFull,
    /// Any other refusal for now.
    Temporary,
    /// The content had left whole, and no answer came: nobody can know.
    Ambiguous,
    /// Refused for good.
    Permanent,
    /// The login, the certificate or the settings of the route are wrong: the message is innocent.
    Login,
    /// The content could not be read here for now: neither the message nor the route is at fault.
    Content,
    /// A fault of the sending program: it panicked, or dropped the message.
    Defect,
    /// The account of the route has sent as much as it may for now.
    AccountLimit,
    /// The route does not take mail of this sender.
    SenderRefused,
    /// The route does not take the size, or a parameter, with which MAIL announces the message.
    Unsupported,
    /// The server takes no more recipients in one transaction.
    TooManyRecipients,
    /// The server of the route lacks an extension or the size that the message needs.
    Capability,
    /// A rule of the sender's own forbids the recipient.
    NotAllowed,
}

/// What a class means: one row of the table.
struct Meaning {
    name: &'static str,
    /// What it is about, where no reply says more.
    subject: Subject,
    /// Whether the breaker of the route counts it as a failure, and its window shrinks.
    breaker: bool,
    /// The least time until the next attempt, in seconds; the retry settings may make it more.
    wait: u64,
}

impl FailureClass {
    /// All of them.
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
            // Limits are mostly kept by the minute.
            Self::Rate => ("rate", Subject::Route, true, 60),
            // Postgrey, and most others, take a message after 5 minutes.
            Self::Greylisted => ("greylisted", Subject::Message, false, 300),
            // A person has to clear it up.
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

    /// The word for it, as logs and metrics use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.meaning().name
    }

    /// What it is about, where no reply says more.
    #[must_use]
    pub const fn subject(self) -> Subject {
        self.meaning().subject
    }

    /// Whether the breaker of the route counts it as a failure.
    #[must_use]
    pub const fn counts_for_breaker(self) -> bool {
        self.meaning().breaker
    }

    /// Whether it says nothing about the route: the fault is on our side, or nothing was sent.
    #[must_use]
    pub const fn is_neutral(self) -> bool {
        matches!(self, Self::Content | Self::Defect | Self::Capability | Self::NotAllowed)
    }

    /// The least time until the message is tried again.
    #[must_use]
    pub const fn min_wait(self) -> Duration {
        Duration::from_secs(self.meaning().wait)
    }

    /// Whether nothing of the message can have reached a mailbox, nor a server's count of messages.
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
