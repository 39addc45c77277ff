//! From a command line to a command: one grammar rule, one function.

use std::borrow::Cow;
use std::fmt;

use mailkit_address::{AddressError, ForwardPath, ReversePath};
use mailkit_address::{ErrorMessage, chained_display};
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::{digit1, space0, space1};
use nom::combinator::{all_consuming, map_res, opt, verify};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use super::{Command, breaks_lines};
use crate::parameter::{InvalidParameter, MailParameters, RcptParameters};
use crate::sasl::Secret;

/// The longest command line that is read, in octets without its line end.
/// RFC 4954 §4 asks for room for 12288 octets of an AUTH response; all other commands need less.
pub const MAX_COMMAND: usize = 12 * 1024 + 512;

/// The right form of BDAT; a server that cannot read it does not know how many octets follow.
pub(crate) const BDAT_FORM: &str = "BDAT size [LAST]";

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The verb is none that is known here (500).
    Unknown,
    /// The line has control characters or is not UTF-8 (500).
    Garbage,
    /// The verb is known, its argument is not what the grammar asks for; the right form is given (501).
    Syntax(&'static str),
    /// The path is no address (553).
    Address(AddressError),
    /// A parameter has a senseless value (501).
    Parameter(InvalidParameter),
}

impl ErrorMessage for CommandError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("command not recognized"),
            Self::Garbage => f.write_str("control characters or broken UTF-8 in the command"),
            Self::Syntax(form) => write!(f, "syntax: {form}"),
            Self::Address(_) => f.write_str("not a mail address"),
            Self::Parameter(_) => f.write_str("parameter not understood"),
        }
    }
}

chained_display!(CommandError);

impl std::error::Error for CommandError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            Self::Parameter(error) => Some(error),
            _ => None,
        }
    }
}

impl Command<'static> {
    /// Parses a command line without its line end.
    ///
    /// ```
    /// use mailkit_smtp::Command;
    /// assert!(matches!(Command::parse(b"bdat 86 last"), Ok(Command::Bdat { size: 86, last: true })));
    /// ```
    ///
    /// # Errors
    /// [`CommandError`] says what is wrong, and with that which reply the server owes.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let line = std::str::from_utf8(line).map_err(|_| CommandError::Garbage)?;
        if line.chars().any(|c| breaks_lines(c) && c != '\t') {
            return Err(CommandError::Garbage);
        }
        let (argument, verb) = verb(line).map_err(|_| CommandError::Unknown)?;
        let bare =
            |command: Self, form| if argument.is_empty() { Ok(command) } else { Err(CommandError::Syntax(form)) };
        let some = |form| {
            if argument.is_empty() { Err(CommandError::Syntax(form)) } else { Ok(Cow::Owned(argument.to_owned())) }
        };
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => Ok(Self::Ehlo(some("EHLO name")?)),
            "HELO" => Ok(Self::Helo(some("HELO name")?)),
            "LHLO" => Ok(Self::Lhlo(some("LHLO name")?)),
            "STARTTLS" => bare(Self::StartTls, "STARTTLS"),
            "AUTH" => auth(argument),
            "MAIL" => mail(argument),
            "RCPT" => rcpt(argument),
            "DATA" => bare(Self::Data, "DATA"),
            "BDAT" => bdat(argument),
            "RSET" => bare(Self::Rset, "RSET"),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy(some("VRFY string")?)),
            "EXPN" => Ok(Self::Expn(some("EXPN string")?)),
            "HELP" => Ok(Self::Help),
            "QUIT" => bare(Self::Quit, "QUIT"),
            _ => Err(CommandError::Unknown),
        }
    }
}

/// The verb and what follows it, without the blanks around.
fn verb(line: &str) -> IResult<&str, &str> {
    let (argument, verb) =
        terminated(take_while1(|c: char| c.is_ascii_alphabetic()), space0).parse(line.trim_end_matches([' ', '\t']))?;
    let attached = line.len() > verb.len() && !line.get(verb.len()..).unwrap_or_default().starts_with([' ', '\t']);
    if attached {
        return Err(nom::Err::Error(nom::error::Error::new(line, nom::error::ErrorKind::Space)));
    }
    Ok((argument, verb))
}

/// RFC 4954 §4: `auth-command = "AUTH" SP sasl-mech [SP initial-response]`
fn auth(argument: &str) -> Result<Command<'static>, CommandError> {
    let mut words = argument.split_ascii_whitespace();
    let (mechanism, initial, rest) = (words.next(), words.next(), words.next());
    match (mechanism, rest) {
        (Some(mechanism), None) => {
            Ok(Command::Auth { mechanism: Cow::Owned(mechanism.to_owned()), initial: initial.map(Secret::from) })
        }
        _ => Err(CommandError::Syntax("AUTH mechanism [initial-response]")),
    }
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]`; blanks behind the colon are tolerated.
fn mail(argument: &str) -> Result<Command<'static>, CommandError> {
    let path = path_of(argument, "FROM:").ok_or(CommandError::Syntax("MAIL FROM:<address> [parameters]"))?;
    let (path, rest) = ReversePath::parse_prefix(path).map_err(CommandError::Address)?;
    let mut parameters = MailParameters::default();
    each_parameter(rest, |keyword, value| parameters.set(keyword, value))?;
    Ok(Command::Mail { path: Cow::Owned(path), parameters: Cow::Owned(parameters) })
}

/// `rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters]`; blanks behind the colon are tolerated.
fn rcpt(argument: &str) -> Result<Command<'static>, CommandError> {
    let path = path_of(argument, "TO:").ok_or(CommandError::Syntax("RCPT TO:<address> [parameters]"))?;
    let (path, rest) = ForwardPath::parse_prefix(path).map_err(CommandError::Address)?;
    let mut parameters = RcptParameters::default();
    each_parameter(rest, |keyword, value| parameters.set(keyword, value))?;
    Ok(Command::Rcpt { path: Cow::Owned(path), parameters: Cow::Owned(parameters) })
}

fn path_of<'a>(argument: &'a str, word: &'static str) -> Option<&'a str> {
    let parsed: IResult<&str, &str> = terminated(tag_no_case(word), space0).parse(argument);
    parsed.ok().map(|(path, _)| path).filter(|path| path.starts_with('<'))
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`
fn each_parameter(
    rest: &str,
    mut set: impl FnMut(&str, Option<&str>) -> Result<(), InvalidParameter>,
) -> Result<(), CommandError> {
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return Err(CommandError::Syntax("a blank between the path and its parameters"));
    }
    for word in rest.split_ascii_whitespace() {
        let (_, (keyword, value)) = all_consuming(parameter)
            .parse(word)
            .map_err(|_| CommandError::Syntax("parameters are KEYWORD or KEYWORD=value"))?;
        set(keyword, value).map_err(CommandError::Parameter)?;
    }
    Ok(())
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`, `esmtp-value = 1*(%d33-60 / %d62-126)` and UTF-8 (RFC 6531 §3.3)
fn parameter(word: &str) -> IResult<&str, (&str, Option<&str>)> {
    let keyword =
        verify(take_while1(|c: char| c.is_ascii_alphanumeric() || c == '-'), |text: &str| !text.starts_with('-'));
    let value = preceded(tag_no_case("="), take_while1(|c: char| c > ' ' && c != '='));
    (keyword, opt(value)).parse(word)
}

/// RFC 3030 §2: `bdat-cmd = "BDAT" SP chunk-size [SP end-marker] CR LF`
fn bdat(argument: &str) -> Result<Command<'static>, CommandError> {
    let mut size = map_res(digit1, |digits: &str| digits.parse::<u64>());
    let last = opt(preceded(space1, tag_no_case("LAST")));
    let parsed: IResult<&str, (u64, Option<&str>)> = all_consuming((|input| size.parse(input), last)).parse(argument);
    match parsed {
        Ok((_, (size, last))) => Ok(Command::Bdat { size, last: last.is_some() }),
        Err(_) => Err(CommandError::Syntax(BDAT_FORM)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::{Body, DsnReturn, Hold, HoldUntil, MtPriority, Notify};
    use proptest::prelude::*;

    fn printed(command: &Command<'_>) -> String {
        let mut out = Vec::new();
        command.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap().trim_end_matches("\r\n").to_owned()
    }

    #[test]
    fn lines_as_servers_see_them() {
        for (line, canonical) in [
            ("ehlo mail.example.com", "EHLO mail.example.com"),
            ("MAIL FROM:<>", "MAIL FROM:<>"),
            ("mail from: <ann@example.com> size=12 body=8bitmime", "MAIL FROM:<ann@example.com> SIZE=12 BODY=8BITMIME"),
            ("RCPT TO:<@a.example,@b.example:bob@example.org>", "RCPT TO:<bob@example.org>"),
            ("RCPT TO:<Postmaster>", "RCPT TO:<Postmaster>"),
            ("RCPT TO:<bob@example.org> NOTIFY=delay,failure", "RCPT TO:<bob@example.org> NOTIFY=FAILURE,DELAY"),
            ("BDAT 0 LAST", "BDAT 0 LAST"),
            ("BDAT 12  ", "BDAT 12"),
            ("noop whatever", "NOOP"),
            ("Quit ", "QUIT"),
            ("AUTH PLAIN =", "AUTH PLAIN ="),
        ] {
            assert_eq!(printed(&Command::parse(line.as_bytes()).unwrap()), canonical);
        }
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        use CommandError as E;
        for (line, wanted) in [
            (&b"BLURB"[..], E::Unknown),
            (b"", E::Unknown),
            (b"QUITX", E::Unknown),
            (b"NO\x00OP", E::Garbage),
            (b"EHLO \xff", E::Garbage),
            ("EHLO a\u{85}b".as_bytes(), E::Garbage),
            ("RCPT TO:<a@b.example> X-A=\u{2028}".as_bytes(), E::Garbage),
            (b"EHLO", E::Syntax("EHLO name")),
            (b"DATA now", E::Syntax("DATA")),
            (b"MAIL TO:<a@b.example>", E::Syntax("MAIL FROM:<address> [parameters]")),
            (b"MAIL FROM:a@b.example", E::Syntax("MAIL FROM:<address> [parameters]")),
            (b"MAIL FROM:<> -X=1", E::Syntax("parameters are KEYWORD or KEYWORD=value")),
            (b"MAIL FROM:<> X=1=2", E::Syntax("parameters are KEYWORD or KEYWORD=value")),
            (b"BDAT x", E::Syntax("BDAT size [LAST]")),
            (b"BDAT 5LAST", E::Syntax("BDAT size [LAST]")),
            (b"BDAT LAST", E::Syntax("BDAT size [LAST]")),
            (b"BDAT 99999999999999999999", E::Syntax("BDAT size [LAST]")),
        ] {
            assert_eq!(Command::parse(line).unwrap_err(), wanted, "{}", String::from_utf8_lossy(line));
        }
        assert!(matches!(Command::parse(b"RCPT TO:<ann>"), Err(E::Address(_))));
        for parameters in ["SIZE=x", "HOLDFOR=5 HOLDUNTIL=2030-01-01T00:00:00Z", "HOLDFOR=5 HOLDFOR=6"] {
            let line = format!("MAIL FROM:<> {parameters}");
            assert!(matches!(Command::parse(line.as_bytes()), Err(E::Parameter(_))), "{line}");
        }
    }

    fn mail_parameters() -> impl Strategy<Value = MailParameters> {
        let body = prop::option::of(prop::sample::select(vec![Body::SevenBit, Body::EightBitMime, Body::BinaryMime]));
        let hold = prop_oneof![
            (1u32..999_999_999).prop_map(Hold::For),
            Just(Hold::Until(HoldUntil::new("2026-12-01T08:00:00Z").unwrap()))
        ];
        let words = (prop::option::of("[^\\p{Cc}\\u{2028}\\u{2029}]{1,20}"), prop::option::of("[!-~]{1,20}"));
        let ret = prop::option::of(prop::sample::select(vec![DsnReturn::Full, DsnReturn::Headers]));
        let flags = (any::<bool>(), any::<bool>(), prop::option::of(-9i8..=9));
        (any::<Option<u64>>(), body, ret, flags, words, prop::option::of(hold)).prop_map(
            |(size, body, ret, (smtp_utf8, require_tls, priority), (envid, auth), hold)| MailParameters {
                size,
                body,
                smtp_utf8,
                ret,
                envid,
                require_tls,
                priority: priority.and_then(MtPriority::new),
                hold,
                auth,
                other: Vec::new(),
            },
        )
    }

    #[test]
    fn rfc_3461_section_4_2_an_original_recipient_comes_back_with_every_character_that_can_be_written() {
        // Blanks beyond ASCII are characters of the address, at its end too.
        for original in ["", "\u{a0}", "a\u{3000}", " bob@example.org ", "a+b=c;d@example.org"] {
            let orcpt = Some(("utf-8".to_owned(), original.to_owned()));
            let parameters = RcptParameters { orcpt, ..RcptParameters::default() };
            let path = Cow::Owned(ForwardPath::Postmaster);
            let line = printed(&Command::Rcpt { path, parameters: Cow::Owned(parameters.clone()) });
            let Ok(Command::Rcpt { parameters: parsed, .. }) = Command::parse(line.as_bytes()) else {
                panic!("{line} is not read");
            };
            assert_eq!(parsed.into_owned(), parameters, "{line}");
        }
        for escaped in ["+0D+0A", "+C2+85", "+E2+80+A8"] {
            let line = format!("RCPT TO:<a@b.example> ORCPT=utf-8;{escaped}");
            assert!(matches!(Command::parse(line.as_bytes()), Err(CommandError::Parameter(_))), "{line}");
        }
    }

    proptest! {
        #[test]
        fn mail_with_any_parameters_comes_back(parameters in mail_parameters()) {
            let path = ReversePath::parse("<ann@example.com>").unwrap();
            let line = printed(&Command::Mail { path: Cow::Owned(path.clone()), parameters: Cow::Owned(parameters.clone()) });
            match Command::parse(line.as_bytes()) {
                Ok(Command::Mail { path: back, parameters: parsed }) => {
                    prop_assert_eq!(back.into_owned(), path);
                    prop_assert_eq!(parsed.into_owned(), parameters);
                }
                other => prop_assert!(false, "{line}: {other:?}"),
            }
        }

        #[test]
        fn rcpt_with_any_parameters_comes_back(success: bool, failure: bool, delay: bool, original in "[^\\p{Cc}\\u{2028}\\u{2029}]{1,20}") {
            let parameters = RcptParameters {
                notify: Some(Notify { success, failure, delay }),
                orcpt: Some(("utf-8".into(), original)),
                other: Vec::new(),
            };
            let line = printed(&Command::Rcpt { path: Cow::Owned(ForwardPath::Postmaster), parameters: Cow::Owned(parameters.clone()) });
            match Command::parse(line.as_bytes()) {
                Ok(Command::Rcpt { parameters: parsed, .. }) => prop_assert_eq!(parsed.into_owned(), parameters),
                other => prop_assert!(false, "{line}: {other:?}"),
            }
        }

        #[test]
        fn no_line_makes_the_parser_fall(line in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(command) = Command::parse(&line) {
                let again = printed(&command);
                prop_assert_eq!(printed(&Command::parse(again.as_bytes()).unwrap()), again);
            }
        }
    }
}
