//! Replies: RFC 5321 §4.2, with the enhanced status codes of RFC 2034 and RFC 3463.

mod decode;

use std::fmt;

use mailkit_address::is_unprintable;

pub use decode::{MAX_LINE, MAX_LINES, MAX_REPLY, ReplyDecoder, ReplyError};

/// What the first digit of a reply code says (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 5321 knows these four and no more")]
pub enum Severity {
    /// 2yz: done.
    PositiveCompletion,
    /// 3yz: go on with what the command announced.
    PositiveIntermediate,
    /// 4yz: refused for now; the same may succeed later.
    TransientNegative,
    /// 5yz: refused for good.
    PermanentNegative,
}

/// The three digits that open a reply, from 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The code for a number, or `None` where it is not from 200 to 599.
    ///
    /// ```
    /// use mailkit_smtp::{ReplyCode, Severity};
    /// assert_eq!(ReplyCode::new(451).unwrap().severity(), Severity::TransientNegative);
    /// assert!(ReplyCode::new(99).is_none());
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 200 && code <= 599 { Some(Self(code)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What its first digit says.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.0 / 100 {
            2 => Severity::PositiveCompletion,
            3 => Severity::PositiveIntermediate,
            4 => Severity::TransientNegative,
            _ => Severity::PermanentNegative,
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An enhanced status code such as `5.1.1` (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedStatus {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// The status `class.subject.detail`; `None` unless the class is 2, 4 or 5 and the others are at most 999.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        if matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999 {
            Some(Self { class, subject, detail })
        } else {
            None
        }
    }

    /// 2 (success), 4 (persistent transient failure) or 5 (permanent failure).
    #[must_use]
    pub const fn class(self) -> u8 {
        self.class
    }

    /// What the status is about: 1 addressing, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 security.
    #[must_use]
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// The precise condition within the subject.
    #[must_use]
    pub const fn detail(self) -> u16 {
        self.detail
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A whole reply: its code, its enhanced status where there is one, and the server's own words.
///
/// Control characters in the words, and those that turn text around, were replaced when they were read, so that they can
/// be printed to a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply {
    code: ReplyCode,
    enhanced: Option<EnhancedStatus>,
    text: String,
}

impl Reply {
    /// A reply with the given words; lines are parted by `\n`.
    ///
    /// Control characters other than the line break, and characters that turn text around, become U+FFFD.
    #[must_use]
    pub fn new(code: ReplyCode, enhanced: Option<EnhancedStatus>, text: &str) -> Self {
        let text = text.chars().map(|c| if is_unprintable(c) && c != '\n' { '\u{fffd}' } else { c }).collect();
        Self { code, enhanced, text }
    }

    /// The reply code.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced status code, where the server gave one of the same class as the reply code.
    #[must_use]
    pub const fn enhanced(&self) -> Option<EnhancedStatus> {
        self.enhanced
    }

    /// The server's words without the codes; lines are parted by `\n`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The words, line by line. There is always at least one line, maybe an empty one.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// What the first digit of the code says.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether this is a 2yz reply. A 354 is not a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.severity() == Severity::PositiveCompletion
    }

    /// Whether the same may succeed later (4yz).
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.severity() == Severity::TransientNegative
    }

    /// Whether the server says that it closes the connection (421, RFC 5321 §3.8).
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.code.0 == 421
    }

    /// Appends the reply as it goes over the wire, with CRLF line ends.
    ///
    /// ```
    /// use mailkit_smtp::{EnhancedStatus, Reply, ReplyCode};
    /// let reply = Reply::new(ReplyCode::new(250).unwrap(), EnhancedStatus::new(2, 1, 0), "one\ntwo");
    /// let mut wire = Vec::new();
    /// reply.write_to(&mut wire);
    /// assert_eq!(wire, b"250-2.1.0 one\r\n250 2.1.0 two\r\n");
    /// ```
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines = self.lines().peekable();
        while let Some(line) = lines.next() {
            out.extend_from_slice(self.code.0.to_string().as_bytes());
            out.push(if lines.peek().is_some() { b'-' } else { b' ' });
            if let Some(enhanced) = self.enhanced {
                out.extend_from_slice(enhanced.to_string().as_bytes());
                out.push(b' ');
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// One line: `550 5.1.1 no such user`; the lines of a longer reply are joined by blanks.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.lines().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}
