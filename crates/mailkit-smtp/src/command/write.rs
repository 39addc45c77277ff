//! The choke point: every line that leaves is written here, and none of them can carry a control character.

use std::fmt::{self, Write as _};

use super::Command;

/// A value that cannot go into a protocol line. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArgument {
    field: &'static str,
    position: usize,
    byte: Option<u8>,
}

impl InvalidArgument {
    /// Which argument it is: `EHLO name`, `MAIL FROM`, `RCPT TO`, a parameter, `AUTH response`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Refuses a value that is not printable US-ASCII of 1 to `most` octets, before an encoding could hide it.
    pub(crate) fn check_printable(field: &'static str, value: &str, most: usize) -> Result<(), Self> {
        let stray = value.bytes().enumerate().find(|(at, byte)| *at >= most || !matches!(byte, b' '..=b'~'));
        match stray {
            Some((position, byte)) => Err(Self { field, position, byte: Some(byte) }),
            None if value.is_empty() => Err(Self { field, position: 0, byte: None }),
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
        match self.byte {
            None => write!(f, "{} is empty", self.field),
            Some(b' ') => write!(f, "{} has a blank at {}", self.field, self.position),
            Some(byte) if !byte.is_ascii() => {
                write!(f, "{} has a non-ASCII character at {}", self.field, self.position)
            }
            Some(b'!'..=b'~') => write!(f, "{} has more than {} octets", self.field, self.position),
            Some(byte) => write!(f, "{} has a control character (0x{byte:02x}) at {}", self.field, self.position),
        }
    }
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
            return Err(InvalidArgument { field, position: 0, byte: None });
        }
        match self.out.iter().skip(from).position(|byte| byte.is_ascii_control()) {
            Some(position) => Err(InvalidArgument { field, position, byte: self.out.get(from + position).copied() }),
            None if self.out.len() == from => Err(InvalidArgument { field, position: 0, byte: None }),
            None => Ok(self),
        }
    }

    /// An argument in which a blank would begin another one.
    fn word(&mut self, field: &'static str, value: &str) -> Result<&mut Self, InvalidArgument> {
        match value.bytes().position(|byte| byte == b' ') {
            Some(position) => Err(InvalidArgument { field, position, byte: Some(b' ') }),
            None => self.text(field, value),
        }
    }

    fn parameter(&mut self, keyword: &str, value: Option<&str>) -> Result<(), InvalidArgument> {
        let line = self.fixed(" ").word("parameter keyword", keyword)?;
        if let Some(value) = value {
            line.fixed("=").word("parameter value", value)?;
        }
        Ok(())
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
