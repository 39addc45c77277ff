//! The rows of the table, and the search for the first match.

use super::{Disposition, FailureClass, Refusal, Step, Subject};

/// One row. An empty list matches everything.
struct Row {
    steps: &'static [Step],
    codes: &'static [u16],
    /// Subject and detail; `ANY` as the detail stands for every one.
    enhanced: &'static [(u16, u16)],
    /// Lower-case parts of the text, of which one has to be there.
    texts: &'static [&'static str],
    /// Whether it is for 4yz only.
    transient: bool,
    /// Whether it asks for other recipients to have been accepted before.
    behind_others: bool,
    subject: Subject,
    class: FailureClass,
}

const ANY: u16 = u16::MAX;

use Step::{Auth, Content, Data, Ehlo, Greeting, Mail, Rcpt, StartTls};

/// Before MAIL: the whole session is refused.
const OPENING: &[Step] = &[Step::Connect, Step::Tls, Greeting, Ehlo, StartTls, Auth];
const TRANSACTION: &[Step] = &[Mail, Rcpt, Data, Content];

impl Row {
    const fn new(subject: Subject, class: FailureClass) -> Self {
        Self {
            steps: &[],
            codes: &[],
            enhanced: &[],
            texts: &[],
            transient: false,
            behind_others: false,
            subject,
            class,
        }
    }

    const fn route(class: FailureClass) -> Self {
        Self::new(Subject::Route, class)
    }

    const fn sender(class: FailureClass) -> Self {
        Self::new(Subject::Sender, class)
    }

    const fn message(class: FailureClass) -> Self {
        Self::new(Subject::Message, class)
    }

    const fn at(mut self, steps: &'static [Step]) -> Self {
        self.steps = steps;
        self
    }

    const fn codes(mut self, codes: &'static [u16]) -> Self {
        self.codes = codes;
        self
    }

    const fn enhanced(mut self, enhanced: &'static [(u16, u16)]) -> Self {
        self.enhanced = enhanced;
        self
    }

    const fn texts(mut self, texts: &'static [&'static str]) -> Self {
        self.texts = texts;
        self
    }

    const fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    const fn behind_others(mut self) -> Self {
        self.behind_others = true;
        self
    }

    fn matches(&self, step: Step, refusal: &Refusal<'_>, text: &str) -> bool {
        let is_enhanced = |(subject, detail): &(u16, u16)| {
            refusal.enhanced.is_some_and(|found| found.0 == *subject && (*detail == ANY || found.1 == *detail))
        };
        (!self.transient || refusal.code < 500)
            && (self.steps.is_empty() || self.steps.contains(&step))
            && (self.codes.is_empty() || self.codes.contains(&refusal.code))
            && (self.enhanced.is_empty() || self.enhanced.iter().any(is_enhanced))
            && (self.texts.is_empty() || self.texts.iter().any(|part| text.contains(part)))
            && (!self.behind_others || refusal.others_accepted)
    }
}

/// Texts by which servers say what their codes leave open. Real replies have been read for them.
const TOO_MANY_CONNECTIONS: &[&str] = &[
    "too many concurrent",
    "too many connections",
    "too many sessions",
    "maximum number of connections",
    "concurrent connections limit",
    "connection limit exceeded",
];
const ACCOUNT_LIMIT: &[&str] = &[
    // Gmail (5.4.5), Yahoo, Outlook.com, cPanel's Exim, Amazon SES, SendGrid, Zoho, NetEase.
    "sending limit",
    "sending quota",
    "sending rate exceeded limit",
    "message quota exceeded",
    "daily limit for message recipients",
    "exceeded the max emails per hour",
    "max defers and failures per hour",
    "submissionquotaexceeded",
    "maximum credits exceeded",
    "mail rate exceeded limit",
    "unusual sending activity",
    "mi:sfq",
];
const RATE: &[&str] = &[
    "rate limit",
    "too many messages",
    "too many emails",
    "too much mail",
    "too fast",
    "throttl",
    "slow down",
    "sending rate exceeded",
];
const GREYLISTED: &[&str] = &["greylist", "graylist", "grey list", "gray list", "grey-list", "postgrey"];
const MAILBOX_FULL: &[&str] =
    &["mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded", "out of storage"];
const TOO_MANY_RECIPIENTS: &[&str] = &["too many recipients", "too many rcpt", "rp:drc"];
const LOGIN_MISSING: &[&str] = &[
    "authentication required",
    "authentication is required",
    "requires authentication",
    "authentication needed",
    "need authentication",
    "auth required",
    "must authenticate",
    "must be authenticated",
    "please authenticate",
    "authenticate first",
    "authenticate before",
    "auth first",
    "log in first",
    "login first",
    // Not "unauthenticated" alone: Gmail says that of mail without SPF and DKIM.
    "client not authenticated",
    "client was not authenticated",
    "user not authenticated",
    "not authenticated to send",
    "unauthenticated senders not allowed",
    "not logged in",
    "authentication unsuccessful",
    "temporary authentication failure",
    "basic authentication is",
    "smtpclientauthentication is disabled",
];
const TLS_MISSING: &[&str] = &[
    "must issue a starttls",
    "issue a starttls",
    "starttls first",
    "starttls command first",
    "starttls is required",
    "starttls required",
    "must use starttls",
    "must use tls",
    "use of tls",
    "tls not available",
    "tls required",
    "tls is required",
    "requires tls",
    "requires starttls",
    "encryption required",
    "encryption is required",
    "encrypted connection",
];
/// Servers that check the sender, the client or the right to relay only behind RCPT, as Postfix does by default
/// (`smtpd_delay_reject`).
const CHECKED_LATE: &[&str] = &[
    "sender address rejected",
    "sender rejected",
    "sender verify failed",
    "not owned by user",
    "client host",
    "relay access denied",
    "relaying denied",
    "relay not permitted",
    "relaying not allowed",
    "relaying is not",
    "not permitted to relay",
    "not allowed to relay",
    "unable to relay",
    "do not relay",
];

/// A server that refuses RCPT since it lost, or never took, the MAIL in front of it.
const OUT_OF_SEQUENCE: &[&str] = &[
    "bad sequence",
    "out of sequence",
    "need mail",
    "mail first",
    "mail from first",
    "sender not yet",
    "sender first",
];

const ROWS: &[Row] = &[
    // A loop, a message that is too large, content that is refused: the message, in whatever step it is said
    // (RFC 3463 §3.4 X.3.4, §3.5 X.4.6, §3.7 X.6.x). Zoho and others use X.4.6 for limits of the account.
    Row::route(FailureClass::AccountLimit).enhanced(&[(4, 6)]).texts(ACCOUNT_LIMIT),
    Row::message(FailureClass::Temporary).at(TRANSACTION).enhanced(&[(3, 4), (4, 6), (6, ANY)]).transient(),
    Row::message(FailureClass::Permanent).at(TRANSACTION).enhanced(&[(3, 4), (4, 6), (6, ANY)]),
    // How often or how much the account may send: Google's use of X.4.5, Microsoft's X.1.90 and X.7.705; else the text.
    Row::route(FailureClass::AccountLimit).texts(ACCOUNT_LIMIT),
    // For now, X.4.5 means what RFC 3463 §3.5 says, congestion: Gmail's "421 4.4.5 Server busy".
    Row::route(FailureClass::Closing).enhanced(&[(4, 5)]).at(TRANSACTION).transient(),
    Row::route(FailureClass::AccountLimit).enhanced(&[(4, 5), (1, 90), (7, 705)]).at(TRANSACTION),
    // Connections: Office 365's 432 4.3.2, and 421 or 4yz with a text (RFC 5321 §3.8; RFC 7505 does not apply here).
    Row::route(FailureClass::TooManyConnections).texts(TOO_MANY_CONNECTIONS),
    Row::route(FailureClass::TooManyConnections).codes(&[432]).enhanced(&[(3, 2)]),
    // A server that closes the connection (RFC 5321 §3.8, §4.2.3).
    Row::route(FailureClass::Rate).codes(&[421]).texts(RATE),
    Row::route(FailureClass::Closing).codes(&[421]),
    // The session is refused before it began (RFC 5321 §3.1, §4.2.4, RFC 7504 for 521 and 554).
    Row::route(FailureClass::Rate).at(OPENING).texts(RATE),
    Row::route(FailureClass::Closing).at(&[Greeting, Ehlo]).transient(),
    Row::route(FailureClass::Connection).at(&[Step::Connect, Greeting, Ehlo]),
    // STARTTLS (RFC 3207 §4) and AUTH (RFC 4954 §4, §6), for whatever reason and with whatever code.
    Row::route(FailureClass::Login).at(&[Step::Tls, StartTls, Auth]),
    // A login or TLS is missing, and the server says so at MAIL or later: 530 of RFC 3207 §4 and RFC 4954 §6; 432, 534,
    // 535, 538 of RFC 4954 §6; 525 of RFC 5248. As enhanced codes: RFC 4954 §6 (X.7.8, X.7.9, X.7.11, X.7.12), RFC 5248
    // (X.7.10, X.7.13, X.7.14), Microsoft's X.7.57 (not authenticated) and X.7.139 (login switched off).
    // Yahoo says X.7.9 behind the content where the domain's own policy (DMARC) speaks against the message.
    Row::message(FailureClass::Permanent).at(&[Content]).enhanced(&[(7, 9)]).texts(&["policy", "dmarc", "dkim", "spf"]),
    Row::route(FailureClass::Login).codes(&[432, 524, 525, 530, 534, 535, 538]),
    Row::route(FailureClass::Login).enhanced(&[
        (7, 8),
        (7, 9),
        (7, 10),
        (7, 11),
        (7, 12),
        (7, 13),
        (7, 14),
        (7, 57),
        (7, 139),
    ]),
    Row::route(FailureClass::Login).at(&[Mail, Rcpt, Data]).texts(LOGIN_MISSING),
    Row::route(FailureClass::Login).at(&[Mail, Rcpt, Data]).texts(TLS_MISSING),
    // The system as a whole takes no mail now (RFC 3463 §3.4 X.3.2): shutdown, load, maintenance.
    Row::route(FailureClass::Closing).at(&[Mail, Data]).enhanced(&[(3, 2)]).transient(),
    // The server does not know, not take or not expect the command itself (RFC 5321 §4.2.4, §4.3.2).
    Row::route(FailureClass::Connection).at(&[Mail, Data]).codes(&[500, 502, 503]),
    Row::route(FailureClass::Connection).at(&[Rcpt]).codes(&[502, 503]).texts(OUT_OF_SEQUENCE),
    // Too many recipients for one transaction (RFC 5321 §4.5.3.1.10; RFC 3463 §3.6 X.5.3).
    Row::message(FailureClass::TooManyRecipients).at(&[Rcpt]).enhanced(&[(5, 3)]),
    Row::message(FailureClass::TooManyRecipients).at(&[Rcpt]).texts(TOO_MANY_RECIPIENTS),
    // A full mailbox at RCPT (RFC 3463 §3.3 X.2.2), which the plain codes leave open (RFC 5321 §4.2.3).
    Row::message(FailureClass::MailboxFull).at(&[Rcpt, Data, Content]).enhanced(&[(2, 2)]).transient(),
    Row::message(FailureClass::MailboxFull).at(&[Rcpt, Data, Content]).texts(MAILBOX_FULL).transient(),
    Row::message(FailureClass::Permanent).at(&[Rcpt]).enhanced(&[(2, 2)]),
    Row::message(FailureClass::Permanent).at(&[Rcpt]).texts(MAILBOX_FULL),
    Row::message(FailureClass::TooManyRecipients).at(&[Rcpt]).codes(&[452, 552]).behind_others(),
    // Greylisting (RFC 6647 §2): of the recipient, or of all mail of this sender.
    Row::sender(FailureClass::Greylisted).at(&[Mail]).texts(GREYLISTED).transient(),
    Row::message(FailureClass::Greylisted).texts(GREYLISTED).transient(),
    // The rate at which a mailbox receives (X.1.x, X.2.x) is the recipient's; any other is that of our sending.
    Row::message(FailureClass::Rate).at(&[Rcpt]).enhanced(&[(1, ANY), (2, ANY)]).texts(RATE).transient(),
    Row::route(FailureClass::Rate).texts(RATE).transient(),
    // The sender: any other refusal of MAIL (RFC 5321 §3.3), the sender's address or system (RFC 3463 §3.2 X.1.7,
    // X.1.8), and what servers check behind RCPT though it is about the sender. Not the address: the size (RFC 1870
    // §6.1), or a parameter of the command (RFC 5321 §4.1.1.11).
    Row::sender(FailureClass::SenderRefused).at(&[Mail]).enhanced(&[(1, ANY), (7, ANY)]),
    Row::sender(FailureClass::Unsupported).at(&[Mail]).codes(&[504, 552, 555]),
    Row::sender(FailureClass::SenderRefused).at(&[Mail]),
    Row::sender(FailureClass::SenderRefused).enhanced(&[(1, 7), (1, 8)]),
    Row::sender(FailureClass::SenderRefused).at(&[Rcpt]).texts(CHECKED_LATE),
    // A recipient, or the message (RFC 5321 §3.3, §4.2.1).
    Row::message(FailureClass::MailboxFull).at(&[Rcpt]).codes(&[452]),
    Row::message(FailureClass::Temporary).transient(),
    Row::message(FailureClass::Permanent),
];

/// The first row that matches.
pub(super) fn find(step: Step, refusal: &Refusal<'_>) -> Disposition {
    let text = refusal.text.to_ascii_lowercase();
    let row = ROWS.iter().find(|row| row.matches(step, refusal, &text));
    let (subject, class) = row.map_or((Subject::Message, FailureClass::Permanent), |row| (row.subject, row.class));
    let may_last = match subject {
        Subject::Route => false,
        Subject::Sender => true,
        // Too many recipients is about one transaction only, whatever the reply code.
        Subject::Message => class != FailureClass::TooManyRecipients,
    };
    Disposition { subject, class, is_permanent: may_last && refusal.code >= 500 }
}

#[cfg(test)]
mod tests;
