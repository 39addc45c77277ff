//! Commands: RFC 5321 §4.1 and its extensions, as values that are parsed and printed.

mod parse;
mod write;

use std::borrow::Cow;

use mailkit_address::{ForwardPath, ReversePath};

use crate::parameter::{MailParameters, RcptParameters};
use crate::sasl::Secret;

pub(crate) use parse::BDAT_FORM;
pub use parse::{CommandError, MAX_COMMAND};
pub use write::InvalidArgument;
pub(crate) use write::{breaks_lines, write_auth_response};

/// One command line.
///
/// [`Command::parse`] and [`Command::write_to`] are inverses. Both the client and the server machine stand on them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `EHLO name` (RFC 5321 §4.1.1.1).
    Ehlo(Cow<'a, str>),
    /// `HELO name`, the greeting of servers without extensions.
    Helo(Cow<'a, str>),
    /// `LHLO name`, the greeting of LMTP (RFC 2033 §4.1).
    Lhlo(Cow<'a, str>),
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// `AUTH mechanism [initial-response]` (RFC 4954 §4); the response is in base64, `=` for an empty one.
    Auth {
        /// The mechanism's name.
        mechanism: Cow<'a, str>,
        /// What the client says first, where the mechanism lets it.
        initial: Option<Secret>,
    },
    /// `MAIL FROM:<reverse-path> [parameters]` (RFC 5321 §4.1.1.2).
    Mail {
        /// Where failures are reported to.
        path: Cow<'a, ReversePath>,
        /// What follows the path.
        parameters: Cow<'a, MailParameters>,
    },
    /// `RCPT TO:<forward-path> [parameters]` (RFC 5321 §4.1.1.3).
    Rcpt {
        /// Who is to get the message.
        path: Cow<'a, ForwardPath>,
        /// What follows the path.
        parameters: Cow<'a, RcptParameters>,
    },
    /// `DATA` (RFC 5321 §4.1.1.4).
    Data,
    /// `BDAT size [LAST]` (RFC 3030 §2); so many octets of content follow the line.
    Bdat {
        /// Octets of content that follow.
        size: u64,
        /// Whether these are the last ones.
        last: bool,
    },
    /// `RSET` (RFC 5321 §4.1.1.5).
    Rset,
    /// `NOOP` (RFC 5321 §4.1.1.9); its argument has no meaning and is dropped.
    Noop,
    /// `VRFY string` (RFC 5321 §4.1.1.6).
    Vrfy(Cow<'a, str>),
    /// `EXPN string` (RFC 5321 §4.1.1.7).
    Expn(Cow<'a, str>),
    /// `HELP` (RFC 5321 §4.1.1.8); its argument is dropped.
    Help,
    /// `QUIT` (RFC 5321 §4.1.1.10).
    Quit,
}
