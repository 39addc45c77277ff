//! From bytes to replies: one grammar rule, one function, and limits against replies without end.

use std::fmt;

use mailkit_address::is_unprintable;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::{char, one_of};
use nom::combinator::{all_consuming, map_opt, opt, rest};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use super::{EnhancedStatus, Reply, ReplyCode};
use crate::sasl::Redactor;

/// The longest reply line that is read, in octets without its line end. RFC 5321 §4.5.3.1.5 allows 512; servers send more.
pub const MAX_LINE: usize = 4096;
/// The most lines that one reply may have. EHLO replies of real servers have up to about 25.
pub const MAX_LINES: usize = 256;
/// The most octets that one reply may have.
pub const MAX_REPLY: usize = 64 * 1024;

/// How the peer broke the reply grammar or its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// A line of more than [`MAX_LINE`] octets; its first words are kept.
    LineTooLong(String),
    /// A reply of more than [`MAX_LINES`] lines.
    TooManyLines,
    /// A reply of more than [`MAX_REPLY`] octets.
    TooLong,
    /// A line that does not begin with a reply code; its first words are kept.
    NotAReply(String),
    /// The lines of one reply carry different codes.
    CodeChanged(ReplyCode, ReplyCode),
    /// The first byte is that of a TLS record.
    SpeaksTls,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong(words) => write!(f, "a reply line of more than {MAX_LINE} octets, beginning `{words}`"),
            Self::TooManyLines => write!(f, "a reply of more than {MAX_LINES} lines"),
            Self::TooLong => write!(f, "a reply of more than {MAX_REPLY} octets"),
            Self::NotAReply(words) => write!(f, "not an SMTP reply: `{words}`"),
            Self::CodeChanged(first, then) => write!(f, "one reply with two codes, {first} and then {then}"),
            Self::SpeaksTls => f.write_str("this port speaks TLS from the first byte: use smtps://"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// Turns the bytes of a connection into replies, however they are cut.
///
/// Feed what was read, then take replies until there is none. What stays buffered between two calls is less than
/// one line, and a reply beyond the limits is an error, so memory is bounded whatever the peer sends.
///
/// ```
/// use mailkit_smtp::ReplyDecoder;
/// let mut decoder = ReplyDecoder::new();
/// decoder.feed(b"250-first\r\n25");
/// assert!(decoder.next_reply().unwrap().is_none());
/// decoder.feed(b"0 last\r\n");
/// assert_eq!(decoder.next_reply().unwrap().unwrap().text(), "first\nlast");
/// ```
#[derive(Default)]
pub struct ReplyDecoder {
    buffer: Vec<u8>,
    /// How much of `buffer` has been taken.
    taken: usize,
    partial: Option<Partial>,
}

/// The lines of a reply whose last line has not come yet.
struct Partial {
    reply: Reply,
    lines: usize,
    octets: usize,
}

/// Leaves out what was read: a server may repeat a password.
impl fmt::Debug for ReplyDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyDecoder").field("buffered", &self.buffered()).finish_non_exhaustive()
    }
}

impl ReplyDecoder {
    /// An empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what was read from the peer.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply, or `None` until more was fed.
    ///
    /// # Errors
    /// [`ReplyError`] where the peer breaks the grammar or a limit. The conversation is over then.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let pending = self.buffer.get(self.taken..).unwrap_or_default();
            if self.partial.is_none() && matches!(pending.first(), Some(0x15 | 0x16)) {
                return Err(ReplyError::SpeaksTls);
            }
            let Some(end) = memchr::memchr(b'\n', pending) else {
                // One more than the limit: the CR of a line that is just within it.
                if pending.len() > MAX_LINE + 1 {
                    return Err(ReplyError::LineTooLong(readable(pending)));
                }
                return Ok(None);
            };
            let line = pending.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > MAX_LINE {
                return Err(ReplyError::LineTooLong(readable(line)));
            }
            let Ok((_, (code, more, text))) = all_consuming(reply_line).parse(line) else {
                return Err(ReplyError::NotAReply(readable(line)));
            };
            let octets = line.len();
            let partial = match self.partial.take() {
                None => Partial::begin(code, text, octets),
                Some(partial) => partial.join(code, text, octets)?,
            };
            self.taken += end + 1;
            if !more {
                return Ok(Some(partial.reply));
            }
            self.partial = Some(partial);
        }
    }

    /// Whether bytes or lines are held that no reply has used up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken == self.buffer.len() && self.partial.is_none()
    }

    /// How many bytes are held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.taken + self.partial.as_ref().map_or(0, |partial| partial.reply.text.len())
    }

    /// The line that stands next, whether it has ended or not, for an error's words: without secrets.
    pub(crate) fn next_line_without(&self, secrets: Option<&Redactor>) -> String {
        let pending = self.buffer.get(self.taken..).unwrap_or_default();
        let line = memchr::memchr(b'\n', pending).and_then(|end| pending.get(..end)).unwrap_or(pending);
        readable_without(secrets, line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// What has come of a line that has not ended, for an error's words.
    #[must_use]
    pub fn unfinished(&self) -> String {
        readable(self.buffer.get(self.taken..).unwrap_or_default())
    }
}

impl Partial {
    fn begin(code: ReplyCode, text: &[u8], octets: usize) -> Self {
        let (enhanced, text) = match enhanced_status(text) {
            Ok((rest, status)) if u16::from(status.class()) == code.get() / 100 => (Some(status), rest),
            _ => (None, text),
        };
        Self { reply: Reply { code, enhanced, text: words(text) }, lines: 1, octets }
    }

    fn join(mut self, code: ReplyCode, text: &[u8], octets: usize) -> Result<Self, ReplyError> {
        if code != self.reply.code {
            return Err(ReplyError::CodeChanged(self.reply.code, code));
        }
        self.lines += 1;
        self.octets += octets;
        if self.lines > MAX_LINES {
            return Err(ReplyError::TooManyLines);
        }
        if self.octets > MAX_REPLY {
            return Err(ReplyError::TooLong);
        }
        // RFC 2034 §4: every line repeats the status.
        let text = match enhanced_status(text) {
            Ok((rest, status)) if Some(status) == self.reply.enhanced => rest,
            _ => text,
        };
        self.reply.text.push('\n');
        self.reply.text.push_str(&words(text));
        Ok(self)
    }
}

/// RFC 5321 §4.2, and a bare code without a blank, which is legal too:
/// `Reply-line = Reply-code [ ( SP / "-" ) [ textstring ] ]`
fn reply_line(input: &[u8]) -> IResult<&[u8], (ReplyCode, bool, &[u8])> {
    let (input, code) = reply_code(input)?;
    let (input, separator) = opt(one_of(" -")).parse(input)?;
    let (input, text) = match separator {
        Some(_) => rest(input)?,
        None => (input, &b""[..]),
    };
    Ok((input, (code, separator == Some('-'), text)))
}

/// `Reply-code = %x32-35 %x30-35 %x30-39`; the middle digit is taken as any, as servers do.
fn reply_code(input: &[u8]) -> IResult<&[u8], ReplyCode> {
    map_opt(take_while_m_n(3, 3, |byte: u8| byte.is_ascii_digit()), |digits| number(digits).and_then(ReplyCode::new))
        .parse(input)
}

/// RFC 3463 §2: `status-code = class "." subject "." detail`, followed by a blank or the end.
fn enhanced_status(input: &[u8]) -> IResult<&[u8], EnhancedStatus> {
    let digits = || map_opt(take_while_m_n(1, 3, |byte: u8| byte.is_ascii_digit()), number);
    let (input, class) = terminated(one_of("245"), char('.')).parse(input)?;
    let (input, (subject, detail)) = (digits(), preceded(char('.'), digits())).parse(input)?;
    let (input, blank) = opt(tag(&b" "[..])).parse(input)?;
    let status = class.to_digit(10).and_then(|class| EnhancedStatus::new(u8::try_from(class).ok()?, subject, detail));
    match status {
        Some(status) if blank.is_some() || input.is_empty() => Ok((input, status)),
        _ => Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Verify))),
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The peer's words as text that is safe to print.
fn words(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && bytes.iter().all(|byte| matches!(byte, 0x20..=0x7e))
    {
        return text.to_owned();
    }
    String::from_utf8_lossy(bytes).chars().map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect()
}

/// The first 120 characters of what a peer sent, for an error.
fn readable(bytes: &[u8]) -> String {
    readable_without(None, bytes)
}

/// The same without secrets, which are looked for before the words are cut.
fn readable_without(secrets: Option<&Redactor>, bytes: &[u8]) -> String {
    const SHOWN: usize = 120;
    match secrets {
        Some(secrets) => secrets.redact(&words(bytes)).chars().take(SHOWN).collect(),
        // A character has at most four octets.
        None => words(bytes.get(..4 * SHOWN).unwrap_or(bytes)).chars().take(SHOWN).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &[u8], cut: usize) -> Result<Vec<Reply>, ReplyError> {
        let mut decoder = ReplyDecoder::new();
        let mut replies = Vec::new();
        for piece in input.chunks(cut.max(1)) {
            decoder.feed(piece);
            while let Some(reply) = decoder.next_reply()? {
                replies.push(reply);
            }
            assert!(decoder.buffered() <= MAX_LINE + MAX_REPLY + piece.len());
        }
        Ok(replies)
    }

    fn one(input: &[u8]) -> Reply {
        all(input, input.len()).unwrap().remove(0)
    }

    #[test]
    fn a_bare_code_without_a_blank_is_a_whole_reply() {
        assert_eq!(one(b"250\r\n"), Reply::new(ReplyCode(250), None, ""));
        assert_eq!(one(b"250-\r\n250\r\n").text(), "\n");
    }

    #[test]
    fn the_enhanced_status_is_taken_only_with_the_class_of_the_code() {
        assert_eq!(one(b"550 5.1.1 no such user\r\n").enhanced(), EnhancedStatus::new(5, 1, 1));
        let odd = one(b"550 4.1.1 no such user\r\n");
        assert_eq!((odd.enhanced(), odd.text()), (None, "4.1.1 no such user"));
        assert_eq!(one(b"250 2.0.0\r\n").enhanced(), EnhancedStatus::new(2, 0, 0));
        assert_eq!(one(b"250 2.0.0x ok\r\n").enhanced(), None);
    }

    #[test]
    fn an_end_by_lf_alone_is_tolerated() {
        assert_eq!(one(b"220-a\n220 b\n").text(), "a\nb");
    }

    #[test]
    fn words_that_would_move_a_terminal_are_made_harmless() {
        assert_eq!(one(b"554 \x1b[2Jgone\x07\r\n").text(), "\u{fffd}[2Jgone\u{fffd}");
        let turned = "554 a\u{202e}b\u{2066}c\u{85}d\u{2028}e\u{200f}\r\n";
        assert_eq!(one(turned.as_bytes()).text(), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}");
    }

    #[test]
    fn what_is_no_reply_is_named() {
        assert_eq!(
            all(b"HTTP/1.1 400 Bad Request\r\n", 7),
            Err(ReplyError::NotAReply("HTTP/1.1 400 Bad Request".into()))
        );
        assert_eq!(all(b"199 no\r\n", 1), Err(ReplyError::NotAReply("199 no".into())));
        assert_eq!(all(b"250x\r\n", 1), Err(ReplyError::NotAReply("250x".into())));
        assert_eq!(all(b"\r\n", 1), Err(ReplyError::NotAReply(String::new())));
        assert_eq!(all(b"\x15\x03\x01\x00\x02\x02\x46", 1), Err(ReplyError::SpeaksTls));
        assert_eq!(all(b"250-a\r\n251 b\r\n", 3), Err(ReplyError::CodeChanged(ReplyCode(250), ReplyCode(251))));
    }

    #[test]
    fn a_reply_without_end_is_an_error_not_memory() {
        assert!(matches!(all(&b"9".repeat(100_000), 1000), Err(ReplyError::LineTooLong(_))));
        assert_eq!(all(&b"250-x\r\n".repeat(1000), 100), Err(ReplyError::TooManyLines));
        let long = [b"250-".as_slice(), &b"x".repeat(4000), b"\r\n"].concat().repeat(100);
        assert_eq!(all(&long, 1000), Err(ReplyError::TooLong));
        let just = [b"250 ".as_slice(), &b"x".repeat(MAX_LINE - 4), b"\r\n"].concat();
        assert!(all(&just, 1).is_ok());
    }

    fn reply() -> impl Strategy<Value = Reply> {
        let status = prop::option::of((0u16..1000, 0u16..1000));
        (200u16..600, status, "[ -~\u{80}-\u{ff}\u{4e00}]{0,30}(\n[ -~]{0,30}){0,4}").prop_filter_map(
            "text that itself looks like a status",
            |(code, status, text)| {
                let enhanced = status.and_then(|(s, d)| EnhancedStatus::new(u8::try_from(code / 100).ok()?, s, d));
                let plain = text.split('\n').all(|line| enhanced_status(line.as_bytes()).is_err());
                plain.then(|| Reply::new(ReplyCode(code), enhanced, &text))
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_equal_however_it_is_cut(replies in prop::collection::vec(reply(), 1..5), cut in 1usize..50) {
            let mut wire = Vec::new();
            for reply in &replies {
                reply.write_to(&mut wire);
            }
            prop_assert_eq!(all(&wire, cut).unwrap(), replies);
        }

        #[test]
        fn any_bytes_give_the_same_result_however_they_are_cut(input in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..20) {
            prop_assert_eq!(all(&input, cut), all(&input, input.len()));
        }
    }
}
