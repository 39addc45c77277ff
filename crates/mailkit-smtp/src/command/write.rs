//! The choke point: every line that leaves is written here, and none of them can carry a control character.

use std::fmt::{self, Write as _};

use super::Command;

/// A value that cannot go into a protocol line. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArgument {
    field: &'static str,
    position: usize,
    fault: Fault,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    Blank,
    Control(char),
    NonAscii,
    TooLong,
    NotAllowed(char),
}

impl InvalidArgument {
    /// Which argument it is: `EHLO name`, `MAIL FROM`, `RCPT TO`, a parameter, `AUTH response`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Refuses a value that is not printable US-ASCII of 1 to `most` octets, before an encoding could hide it.
    pub(crate) fn check_printable(field: &'static str, value: &str, most: usize) -> Result<(), Self> {
        let stray = value.char_indices().find_map(|(at, c)| match c {
            c if breaks_lines(c) => Some((at, Fault::Control(c))),
            c if !c.is_ascii() => Some((at, Fault::NonAscii)),
            _ if at >= most => Some((at, Fault::TooLong)),
            _ => None,
        });
        match stray {
            Some((position, fault)) => Err(Self { field, position, fault }),
            None if value.is_empty() => Err(Self { field, position: 0, fault: Fault::Empty }),
            None => Ok(()),
        }
    }

    /// The octet in the argument at which the offending one stands.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for InvalidArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, position, fault } = self;
        match fault {
            Fault::Empty => write!(f, "{field} is empty"),
            Fault::Blank => write!(f, "{field} has a blank at {position}"),
            Fault::NonAscii => write!(f, "{field} has a non-ASCII character at {position}"),
            Fault::TooLong => write!(f, "{field} has more than {position} octets"),
            Fault::Control(c) => write!(f, "{field} has a control character (0x{:02x}) at {position}", u32::from(*c)),
            Fault::NotAllowed(c) => {
                write!(f, "{field} has a character that is not allowed there (`{c}`) at {position}")
            }
        }
    }
}

/// Whether it ends lines, or moves a terminal: C0, DEL, C1, and the separators of lines and paragraphs.
pub(crate) fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

impl std::error::Error for InvalidArgument {}

impl Command<'_> {
    /// Appends the command line with its CRLF.
    ///
    /// ```
    /// use mailkit_smtp::Command;
    /// let mut out = Vec::new();
    /// Command::Ehlo("client.example.com".into()).write_to(&mut out)?;
    /// assert_eq!(out, b"EHLO client.example.com\r\n");
    /// assert_eq!(Command::Ehlo("a\r\nQUIT".into()).write_to(&mut out).unwrap_err().field(), "EHLO name");
    /// assert_eq!(out, b"EHLO client.example.com\r\n");
    /// # Ok::<(), mailkit_smtp::InvalidArgument>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`] for a control character in any argument, or a blank where it would begin another one;
    /// `out` is left as it was.
    pub fn write_to(&self, out: &mut Vec<u8>) -> Result<(), InvalidArgument> {
        let mut line = Line::begin(out);
        self.write_words(&mut line)?;
        line.end();
        Ok(())
    }

    fn write_words(&self, line: &mut Line<'_>) -> Result<(), InvalidArgument> {
        match self {
            Self::Ehlo(name) => line.fixed("EHLO ").word("EHLO name", name)?,
            Self::Helo(name) => line.fixed("HELO ").word("EHLO name", name)?,
            Self::Lhlo(name) => line.fixed("LHLO ").word("EHLO name", name)?,
            Self::StartTls => line.fixed("STARTTLS"),
            Self::Auth { mechanism, initial } => {
                let line = line.fixed("AUTH ").word("AUTH mechanism", mechanism)?;
                match initial {
                    Some(response) => line.fixed(" ").word("AUTH response", response.expose())?,
                    None => line,
                }
            }
            Self::Mail { path, parameters } => {
                let line = line.fixed("MAIL FROM:").text("MAIL FROM", path)?;
                parameters.each(|keyword, value| line.parameter(keyword, value))?;
                line
            }
            Self::Rcpt { path, parameters } => {
                let line = line.fixed("RCPT TO:").text("RCPT TO", path)?;
                parameters.each(|keyword, value| line.parameter(keyword, value))?;
                line
            }
            Self::Data => line.fixed("DATA"),
            Self::Bdat { size, last } => {
                let line = line.fixed("BDAT ").text("BDAT size", size)?;
                if *last { line.fixed(" LAST") } else { line }
            }
            Self::Rset => line.fixed("RSET"),
            Self::Noop => line.fixed("NOOP"),
            Self::Vrfy(text) => line.fixed("VRFY ").text("VRFY argument", text)?,
            Self::Expn(text) => line.fixed("EXPN ").text("EXPN argument", text)?,
            Self::Help => line.fixed("HELP"),
            Self::Quit => line.fixed("QUIT"),
        };
        Ok(())
    }
}

/// Appends a line of an AUTH exchange: what the client answers to a challenge, in base64, or `*` to give up.
pub(crate) fn write_auth_response(response: &str, out: &mut Vec<u8>) -> Result<(), InvalidArgument> {
    let mut line = Line::begin(out);
    if !response.is_empty() {
        line.word("AUTH response", response)?;
    }
    line.end();
    Ok(())
}

/// A line being written; dropped before its end, it leaves nothing behind.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    whole: bool,
}

impl<'a> Line<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, whole: false }
    }

    fn fixed(&mut self, text: &'static str) -> &mut Self {
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    /// An argument that may have blanks inside, such as a path with a quoted local part.
    fn text(&mut self, field: &'static str, value: impl fmt::Display) -> Result<&mut Self, InvalidArgument> {
        let from = self.out.len();
        if write!(Appender(self.out), "{value}").is_err() {
            return Err(InvalidArgument { field, position: 0, fault: Fault::Empty });
        }
        self.checked(field, from)
    }

    /// An argument in which a blank would begin another one.
    fn word(&mut self, field: &'static str, value: &str) -> Result<&mut Self, InvalidArgument> {
        if let Some(position) = value.bytes().position(|byte| byte == b' ') {
            return Err(InvalidArgument { field, position, fault: Fault::Blank });
        }
        let from = self.out.len();
        self.out.extend_from_slice(value.as_bytes());
        self.checked(field, from)
    }

    /// Refuses what was written from this octet on, if nothing was, or if it holds a character that breaks lines.
    fn checked(&mut self, field: &'static str, from: usize) -> Result<&mut Self, InvalidArgument> {
        let written = self.out.get(from..).unwrap_or_default();
        if written.is_empty() {
            return Err(InvalidArgument { field, position: 0, fault: Fault::Empty });
        }
        // Nearly all arguments are plain ASCII. The whole is looked at without a branch for each octet.
        if !written.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
            let text = String::from_utf8_lossy(written);
            if let Some((position, c)) = text.char_indices().find(|(_, c)| breaks_lines(*c)) {
                return Err(InvalidArgument { field, position, fault: Fault::Control(c) });
            }
        }
        Ok(self)
    }

    /// RFC 5321 §4.1.2: `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`, `esmtp-value = 1*(%d33-60 / %d62-126)`.
    fn parameter(&mut self, keyword: &str, value: Option<&str>) -> Result<(), InvalidArgument> {
        self.fixed(" ").keyword(keyword)?;
        match value {
            Some(value) => self.fixed("=").value(value),
            None => Ok(()),
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), InvalidArgument> {
        let is_allowed = |(at, c): (usize, char)| c.is_ascii_alphanumeric() || at > 0 && c == '-';
        if !keyword.is_empty() && keyword.char_indices().all(is_allowed) {
            self.out.extend_from_slice(keyword.as_bytes());
            return Ok(());
        }
        self.word("parameter keyword", keyword)?;
        match keyword.char_indices().find(|item| !is_allowed(*item)) {
            Some((position, c)) => {
                Err(InvalidArgument { field: "parameter keyword", position, fault: Fault::NotAllowed(c) })
            }
            None => Ok(()),
        }
    }

    fn value(&mut self, value: &str) -> Result<(), InvalidArgument> {
        self.word("parameter value", value)?;
        match value.bytes().position(|byte| byte == b'=') {
            Some(position) => {
                Err(InvalidArgument { field: "parameter value", position, fault: Fault::NotAllowed('=') })
            }
            None => Ok(()),
        }
    }

    fn end(mut self) {
        self.out.extend_from_slice(b"\r\n");
        self.whole = true;
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.out.truncate(self.start);
        }
    }
}

struct Appender<'a>(&'a mut Vec<u8>);

impl fmt::Write for Appender<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::{MailParameters, RcptParameters};
    use mailkit_address::{ForwardPath, ReversePath};
    use std::borrow::Cow;

    #[test]
    fn no_argument_of_any_command_can_smuggle_a_line() {
        let hostile = "x\r\nRCPT TO:<evil@example.com>";
        let other = vec![("X".to_owned(), Some(hostile.to_owned()))];
        let keyword = vec![(hostile.to_owned(), None)];
        let mail =
            |parameters| Command::Mail { path: Cow::Owned(ReversePath::Null), parameters: Cow::Owned(parameters) };
        let commands = [
            Command::Ehlo(hostile.into()),
            Command::Helo(hostile.into()),
            Command::Lhlo(hostile.into()),
            Command::Auth { mechanism: hostile.into(), initial: None },
            Command::Auth { mechanism: "PLAIN".into(), initial: Some(hostile.into()) },
            Command::Vrfy(hostile.into()),
            Command::Expn(hostile.into()),
            mail(MailParameters { other: other.clone(), ..MailParameters::default() }),
            mail(MailParameters { other: keyword, ..MailParameters::default() }),
            Command::Rcpt {
                path: Cow::Owned(ForwardPath::Postmaster),
                parameters: Cow::Owned(RcptParameters { other, ..RcptParameters::default() }),
            },
        ];
        for command in commands {
            let mut out = b"before".to_vec();
            let error = command.write_to(&mut out).unwrap_err();
            assert_eq!(out, b"before", "{error}");
        }
        assert!(write_auth_response("a\nb", &mut Vec::new()).is_err());
    }

    #[test]
    fn what_ends_a_line_anywhere_is_refused_in_every_argument() {
        for c in ['\0', '\t', '\r', '\n', '\u{7f}', '\u{80}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}'] {
            let hostile = format!("a{c}b");
            let other = vec![("X".to_owned(), Some(hostile.clone()))];
            let mail = MailParameters { other, ..MailParameters::default() };
            for command in [
                Command::Ehlo(hostile.as_str().into()),
                Command::Helo(hostile.as_str().into()),
                Command::Lhlo(hostile.as_str().into()),
                Command::Auth { mechanism: hostile.as_str().into(), initial: None },
                Command::Vrfy(hostile.as_str().into()),
                Command::Mail { path: Cow::Owned(ReversePath::Null), parameters: Cow::Owned(mail) },
            ] {
                let mut out = Vec::new();
                let error = command.write_to(&mut out).unwrap_err();
                assert_eq!((error.position(), out.len()), (1, 0), "{c:?}: {error}");
                assert!(error.to_string().contains("control character"), "{error}");
            }
        }
        assert!(Command::Ehlo("b\u{fc}cher.example".into()).write_to(&mut Vec::new()).is_ok());
    }

    #[test]
    fn a_parameter_is_one_keyword_and_one_value() {
        for (keyword, value) in [("X=1", None), ("X=1", Some("2")), ("-X", None), ("X_1", None), ("X", Some("a=b"))] {
            let other = vec![(keyword.to_owned(), value.map(str::to_owned))];
            let parameters = MailParameters { other, ..MailParameters::default() };
            let command = Command::Mail { path: Cow::Owned(ReversePath::Null), parameters: Cow::Owned(parameters) };
            let mut out = Vec::new();
            let error = command.write_to(&mut out).unwrap_err();
            assert!(error.field().starts_with("parameter ") && out.is_empty(), "{keyword} {value:?}: {error}");
        }
    }

    #[test]
    fn a_value_that_an_encoding_would_hide_is_refused_with_its_place() {
        let long = "x".repeat(101);
        for (value, words) in [
            ("a\r\nb", "ENVID has a control character (0x0d) at 1"),
            ("gr\u{fc}n", "ENVID has a non-ASCII character at 2"),
            (&long, "ENVID has more than 100 octets"),
            ("", "ENVID is empty"),
        ] {
            let error = InvalidArgument::check_printable("ENVID", value, 100).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn values_with_escapes_come_out_escaped() {
        let parameters = MailParameters { envid: Some("a b\r\n+".into()), ..MailParameters::default() };
        let mut out = Vec::new();
        let command = Command::Mail { path: Cow::Owned(ReversePath::Null), parameters: Cow::Owned(parameters) };
        command.write_to(&mut out).unwrap();
        assert_eq!(out, b"MAIL FROM:<> ENVID=a+20b+0D+0A+2B\r\n");
    }
}
