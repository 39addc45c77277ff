//! How a body is made fit for transport: transfer encodings (RFC 2045 §6) and their choice.

mod base64;
mod lines;
mod quoted_printable;

use self::base64::Base64Lines;
pub(crate) use self::base64::encode as encode_base64;
use self::lines::Lines;
pub(crate) use self::lines::{each_line, is_canonical};
use self::quoted_printable::QuotedPrintable;
pub(crate) use self::quoted_printable::hex_escape;

/// RFC 5322 §2.1.1 and RFC 2045 §2.7: bytes in a line, without its CRLF.
pub(crate) const MAX_LINE: usize = 998;

/// Where encoded bytes go.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts what would be written.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) u64);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

/// What happens to text between the caller and the wire. Line ends become CRLF in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    /// As it is, but for its line ends.
    Identity,
    QuotedPrintable,
    Base64,
}

impl TextEncoding {
    /// The encoding for this text over a path of seven bits, and the size of the result.
    ///
    /// Text that can travel as it is does; otherwise the smaller encoding is taken.
    pub(crate) fn choose(text: &[u8]) -> (Self, u64) {
        let survey = Survey::of(text);
        if survey.is_seven_bit() {
            return (Self::Identity, survey.length);
        }
        let base64 = base64::encoded_size(survey.length);
        if survey.length + 2 * survey.unprintable > base64 {
            return (Self::Base64, base64);
        }
        let quoted_printable = Self::QuotedPrintable.size_of(text);
        if quoted_printable <= base64 { (Self::QuotedPrintable, quoted_printable) } else { (Self::Base64, base64) }
    }

    /// The exact size of the encoded text.
    pub(crate) fn size_of(self, text: &[u8]) -> u64 {
        let mut count = Count::default();
        let mut encoder = self.encoder();
        encoder.push(text, &mut count);
        encoder.finish(&mut count);
        count.0
    }

    /// The value of Content-Transfer-Encoding for seven-bit text.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Identity => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }

    pub(crate) fn encoder(self) -> TextEncoder {
        match self {
            Self::Identity => TextEncoder::Identity(Lines::default()),
            Self::QuotedPrintable => TextEncoder::QuotedPrintable(QuotedPrintable::default()),
            Self::Base64 => TextEncoder::Base64(Lines::default(), Box::default()),
        }
    }
}

/// An encoding at work: takes text in pieces of any size.
#[derive(Debug)]
pub(crate) enum TextEncoder {
    Identity(Lines),
    QuotedPrintable(QuotedPrintable),
    Base64(Lines, Box<Base64Lines>),
}

impl TextEncoder {
    pub(crate) fn push(&mut self, text: &[u8], out: &mut impl Sink) {
        match self {
            Self::Identity(lines) => lines.push(text, out),
            Self::QuotedPrintable(encoder) => encoder.push(text, out),
            Self::Base64(lines, encoder) => lines.push(text, &mut Feed { encoder, out }),
        }
    }

    pub(crate) fn finish(&mut self, out: &mut impl Sink) {
        match self {
            Self::Identity(_) => {}
            Self::QuotedPrintable(encoder) => encoder.finish(out),
            Self::Base64(_, encoder) => encoder.finish(out),
        }
    }
}

/// Leads the output of one stage into the next.
struct Feed<'a, S> {
    encoder: &'a mut Base64Lines,
    out: &'a mut S,
}

impl<S: Sink> Sink for Feed<'_, S> {
    fn put(&mut self, bytes: &[u8]) {
        self.encoder.push(bytes, self.out);
    }
}

/// What one look at a text tells.
#[derive(Debug, Default)]
struct Survey {
    /// Its length with CRLF line ends.
    length: u64,
    longest_line: usize,
    /// Bytes other than blanks, line ends and printable ASCII.
    unprintable: u64,
    /// Whether a mailbox file would change a line (`From ` at its start).
    has_from_line: bool,
}

impl Survey {
    fn of(text: &[u8]) -> Self {
        let mut survey = Self::default();
        each_line(text, |line, ended| {
            survey.length += line.len() as u64 + if ended { 2 } else { 0 };
            survey.longest_line = survey.longest_line.max(line.len());
            let unprintable = |byte: &&u8| !matches!(byte, b'\t' | b' '..=b'~');
            survey.unprintable += line.iter().filter(unprintable).count() as u64;
            survey.has_from_line |= line.starts_with(b"From ");
        });
        survey
    }

    fn is_seven_bit(&self) -> bool {
        self.unprintable == 0 && self.longest_line <= MAX_LINE && !self.has_from_line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_can_travel_as_it_is_does() {
        let longest = "x".repeat(998);
        for text in ["", "Hello,\n\nyou.\n", "blanks \n\t\n.\n..\n", &longest] {
            assert_eq!(TextEncoding::choose(text.as_bytes()).0, TextEncoding::Identity, "{text:?}");
        }
    }

    #[test]
    fn other_text_takes_the_smaller_encoding() {
        let too_long = "x".repeat(999);
        for (text, wanted) in [
            ("Gr\u{fc}\u{df}e aus dem Norden, wo es kalt ist", TextEncoding::QuotedPrintable),
            ("\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}", TextEncoding::Base64),
            ("a bell \x07 in a long line of text", TextEncoding::QuotedPrintable),
            ("Dear all,\nFrom here on\n", TextEncoding::QuotedPrintable),
            (&too_long, TextEncoding::QuotedPrintable),
        ] {
            assert_eq!(TextEncoding::choose(text.as_bytes()).0, wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_size_is_exact_and_never_above_either_encoding(
            text in "(?s)([ -~]{0,30}|[\\r\\n\\t\\x00-\\x1f]|.){0,60}"
        ) {
            let text = text.as_bytes();
            let (encoding, size) = TextEncoding::choose(text);
            prop_assert_eq!(size, encoding.size_of(text));
            if encoding != TextEncoding::Identity {
                prop_assert!(size <= TextEncoding::QuotedPrintable.size_of(text));
                prop_assert!(size <= TextEncoding::Base64.size_of(text));
            }
        }
    }
}
