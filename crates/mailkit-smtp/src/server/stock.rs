//! The replies that the machine gives in its own words: one table.

use std::io::Write as _;

use crate::{EnhancedStatus, Reply, ReplyCode};

/// A reply that needs no memory of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock {
    code: ReplyCode,
    enhanced: Option<EnhancedStatus>,
    text: &'static str,
}

impl Stock {
    const fn plain(code: u16, text: &'static str) -> Self {
        match ReplyCode::new(code) {
            Some(code) => Self { code, enhanced: None, text },
            None => panic!("no reply code"),
        }
    }

    /// The enhanced status is `subject.detail` in the class of the code.
    const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        let class = match code / 100 {
            2 => 2,
            4 => 4,
            _ => 5,
        };
        Self { enhanced: EnhancedStatus::new(class, subject, detail), ..Self::plain(code, text) }
    }

    pub(super) fn to_reply(self) -> Reply {
        self.with_text(self.text)
    }

    /// Appends the reply as it goes over the wire.
    pub(super) fn write_to(self, with_status: bool, out: &mut Vec<u8>) {
        let code = self.code.get();
        // A vector takes everything that is written to it.
        let _ = match self.enhanced.filter(|_| with_status) {
            Some(status) => write!(out, "{code} {status} {}\r\n", self.text),
            None => write!(out, "{code} {}\r\n", self.text),
        };
    }

    /// The same codes with more precise words.
    pub(super) fn with_text(self, text: &str) -> Reply {
        Reply::new(self.code, self.enhanced, text)
    }
}

pub(super) const GREETING: Stock = Stock::plain(220, "");
pub(super) const HELLO: Stock = Stock::plain(250, "");
pub(super) const GO_AHEAD_WITH_TLS: Stock = Stock::new(220, 0, 0, "go ahead");
pub(super) const BYE: Stock = Stock::new(221, 0, 0, "bye");
pub(super) const HELP: Stock = Stock::new(214, 0, 0, "see RFC 5321");
pub(super) const CHALLENGE: Stock = Stock::plain(334, "");
pub(super) const LOGGED_IN: Stock = Stock::new(235, 7, 0, "logged in");
pub(super) const OK: Stock = Stock::new(250, 0, 0, "ok");
pub(super) const SENDER_OK: Stock = Stock::new(250, 1, 0, "sender ok");
pub(super) const RECIPIENT_OK: Stock = Stock::new(250, 1, 5, "recipient ok");
pub(super) const ACCEPTED: Stock = Stock::new(250, 0, 0, "message accepted");
pub(super) const CANNOT_VERIFY: Stock = Stock::new(252, 5, 0, "cannot verify; send to it and see");
pub(super) const GO_ON: Stock = Stock::plain(354, "go on; end with a dot on a line of its own");

pub(super) const TIMED_OUT: Stock = Stock::new(421, 4, 2, "waited too long; closing");
pub(super) const TOO_MANY_ERRORS: Stock = Stock::new(421, 7, 0, "too many errors; closing");
pub(super) const INJECTED: Stock = Stock::new(421, 5, 1, "nothing may follow STARTTLS; closing");
pub(super) const UNREADABLE_CHUNK: Stock = Stock::new(421, 5, 4, "syntax: BDAT size [LAST]; closing");
pub(super) const TOO_MANY_MESSAGES: Stock = Stock::new(451, 5, 3, "too many messages on this connection");
pub(super) const TOO_MANY_RECIPIENTS: Stock = Stock::new(452, 5, 3, "too many recipients");
pub(super) const NO_NONCE: Stock = Stock::new(454, 7, 0, "the login cannot be checked now");

pub(super) const TOO_LONG: Stock = Stock::new(500, 5, 2, "line too long");
pub(super) const TOO_LONG_RESPONSE: Stock = Stock::new(500, 5, 6, "line too long");
pub(super) const UNKNOWN: Stock = Stock::new(500, 5, 2, "command not recognized");
pub(super) const SYNTAX: Stock = Stock::new(501, 5, 4, "syntax error");
pub(super) const BAD_RESPONSE: Stock = Stock::new(501, 5, 2, "the response makes no sense");
pub(super) const CANCELLED: Stock = Stock::new(501, 7, 0, "login cancelled");
pub(super) const HOLD_TOO_LONG: Stock = Stock::new(501, 5, 4, "held no longer than FUTURERELEASE says");
pub(super) const NOT_HERE: Stock = Stock::new(502, 5, 1, "command not implemented");
pub(super) const HELLO_FIRST: Stock = Stock::new(503, 5, 1, "greet first");
pub(super) const MAIL_FIRST: Stock = Stock::new(503, 5, 1, "MAIL comes first");
pub(super) const RCPT_FIRST: Stock = Stock::new(503, 5, 1, "no valid recipients");
pub(super) const MAIL_TWICE: Stock = Stock::new(503, 5, 1, "one transaction at a time");
pub(super) const NOT_NOW: Stock = Stock::new(503, 5, 1, "not in a transaction");
pub(super) const SECURED_ALREADY: Stock = Stock::new(503, 5, 1, "TLS is on already");
pub(super) const LOGGED_IN_ALREADY: Stock = Stock::new(503, 5, 1, "logged in already");
pub(super) const CHUNKS_BEGUN: Stock = Stock::new(503, 5, 1, "BDAT was used: DATA is out of order");
pub(super) const BINARY_BY_CHUNKS: Stock = Stock::new(503, 5, 1, "binary content goes by BDAT");
pub(super) const QUIT_ONLY: Stock = Stock::new(503, 5, 1, "no service here; QUIT");
pub(super) const NO_MECHANISM: Stock = Stock::new(504, 5, 4, "mechanism not offered");
pub(super) const TLS_FIRST: Stock = Stock::new(530, 7, 0, "STARTTLS comes first");
pub(super) const LOGIN_FIRST: Stock = Stock::new(530, 7, 0, "log in first");
pub(super) const BAD_CREDENTIALS: Stock = Stock::new(535, 7, 8, "user or password wrong");
pub(super) const ENCRYPTION_FIRST: Stock = Stock::new(538, 7, 11, "a login needs TLS");
pub(super) const TOO_LARGE: Stock = Stock::new(552, 3, 4, "message too large");
pub(super) const BAD_ADDRESS: Stock = Stock::new(553, 1, 3, "not a mail address");
pub(super) const NOT_ASCII: Stock = Stock::new(553, 6, 7, "a non-ASCII address needs SMTPUTF8");
pub(super) const ALL_REFUSED: Stock = Stock::new(554, 5, 1, "no valid recipients");
pub(super) const BAD_PARAMETER: Stock = Stock::new(555, 5, 4, "parameter not recognized");
