//! The classes of failure: what each means for the message and for its route.

use std::fmt;
use std::time::Duration;

/// What kind of trouble an attempt had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever acts on classes shall notice a new one")]
pub enum Class {
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
}

/// What a class means: one row of the table.
struct Meaning {
    name: &'static str,
    /// Whether the route failed, not the message: it counts for the breaker, and shrinks the window.
    route: bool,
    /// The least time until the next attempt, in seconds; the retry settings may make it more.
    wait: u64,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 12] = [
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
    ];

    const fn meaning(self) -> Meaning {
        let (name, route, wait) = match self {
            Self::Connection => ("connection", true, 0),
            Self::Closing => ("closing", true, 0),
            Self::TooManyConnections => ("too-many-connections", true, 0),
            // Limits are mostly kept by the minute.
            Self::Rate => ("rate", true, 60),
            // Postgrey, and most others, take a message after 5 minutes.
            Self::Greylisted => ("greylisted", false, 300),
            // A person has to clear it up.
            Self::MailboxFull => ("mailbox-full", false, 900),
            Self::Temporary => ("temporary", false, 0),
            Self::Ambiguous => ("ambiguous", true, 0),
            Self::Permanent => ("permanent", false, 0),
            // Servers lock accounts after a few wrong logins.
            Self::Login => ("login", true, 60),
            Self::Content => ("content", false, 0),
            Self::Defect => ("defect", false, 0),
        };
        Meaning { name, route, wait }
    }

    /// The word for it, as logs and metrics use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.meaning().name
    }

    /// Whether it speaks against the route rather than against the message.
    #[must_use]
    pub const fn is_of_route(self) -> bool {
        self.meaning().route
    }

    /// Whether it says nothing of the route, since the fault is on our side.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Content | Self::Defect)
    }

    /// The least time until the message is tried again.
    #[must_use]
    pub const fn least_wait(self) -> Duration {
        Duration::from_secs(self.meaning().wait)
    }

    /// Whether nothing of the message can have reached a mailbox, nor a server's count of messages.
    pub(crate) const fn is_before_mail(self) -> bool {
        matches!(self, Self::Connection | Self::TooManyConnections | Self::Login)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Words by which servers tell what a code leaves open, in small letters: real replies have been read for them.
const WORDS: [(Class, &[&str]); 4] = [
    (
        Class::TooManyConnections,
        &["too many concurrent", "too many connections", "too many sessions", "maximum number of connections"],
    ),
    (Class::Greylisted, &["greylist", "graylist", "grey list", "gray list", "postgrey"]),
    (Class::Rate, &["rate limit", "too many messages", "too many emails", "too fast", "throttl", "slow down"]),
    (Class::MailboxFull, &["mailbox full", "mailbox is full", "over quota", "quota exceeded", "out of storage"]),
];

/// The class of a refusal: by its reply code (RFC 5321 §4.2), its enhanced status code (RFC 3463), and its words.
///
/// `at_recipient` says whether it answered RCPT, and so speaks of one mailbox only.
///
/// ```
/// use mailkit_dispatch::{Class, class_of};
///
/// assert_eq!(class_of(550, Some("5.1.1"), "no such user", true), Class::Permanent);
/// assert_eq!(class_of(421, None, "4.7.0 Too many concurrent SMTP connections", false), Class::TooManyConnections);
/// assert_eq!(class_of(451, Some("4.7.1"), "Greylisted, please come back", true), Class::Greylisted);
/// ```
#[must_use]
pub fn class_of(code: u16, enhanced: Option<&str>, text: &str, at_recipient: bool) -> Class {
    if code >= 500 {
        return Class::Permanent;
    }
    let text = text.to_ascii_lowercase();
    let by_words =
        WORDS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word))).map(|(class, _)| *class);
    match (by_words, enhanced, code) {
        (Some(Class::MailboxFull), _, _) if !at_recipient => Class::Temporary,
        (Some(class), _, _) => class,
        (None, Some("4.2.2"), _) | (None, _, 452) if at_recipient => Class::MailboxFull,
        (None, _, 421) => Class::Closing,
        (None, _, 454) if !at_recipient => Class::Login,
        (None, ..) => Class::Temporary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_real_servers_find_their_class() {
        let cases = [
            (
                421,
                "4.7.0",
                "mx.example too many concurrent SMTP connections from this IP",
                false,
                Class::TooManyConnections,
            ),
            (421, "4.3.2", "Service not available, closing transmission channel", false, Class::Closing),
            (
                450,
                "4.2.0",
                "<a@b>: Recipient address rejected: Greylisted, see http://postgrey.example/",
                true,
                Class::Greylisted,
            ),
            (452, "4.2.2", "The recipient's inbox is out of storage space", true, Class::MailboxFull),
            (452, "4.3.1", "Insufficient system storage", false, Class::Temporary),
            (
                450,
                "4.2.1",
                "The user is receiving mail at a rate that prevents delivery; rate limited",
                true,
                Class::Rate,
            ),
            (454, "4.7.0", "Throttling failure: Maximum sending rate exceeded", false, Class::Rate),
            (454, "4.7.0", "Temporary authentication failure", false, Class::Login),
            (451, "4.3.0", "Local error in processing", false, Class::Temporary),
            (552, "5.2.2", "Mailbox full", true, Class::Permanent),
        ];
        for (code, enhanced, text, at_recipient, class) in cases {
            assert_eq!(class_of(code, Some(enhanced), text, at_recipient), class, "{code} {text}");
        }
    }

    #[test]
    fn no_two_classes_share_a_word() {
        let names: std::collections::BTreeSet<_> = Class::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(names.len(), Class::ALL.len());
    }
}
