//! How a body is made fit for transport: transfer encodings (RFC 2045 §6) and their choice.

mod base64;
mod lines;
mod marks;
mod quoted_printable;
mod streamed;
mod survey;

pub(crate) use self::base64::{Base64Lines, encode as encode_base64, encoded_size as base64_size};
pub(crate) use self::lines::each_line;
use self::lines::{Lines, canonical_size};
use self::quoted_printable::QuotedPrintable;
pub(crate) use self::quoted_printable::hex_escape;
pub(crate) use self::streamed::{TextScan, TextSurvey};
use self::survey::Survey;

/// RFC 5322 §2.1.1 and RFC 2045 §2.7: bytes in a line, without its CRLF.
pub(crate) const MAX_LINE: usize = 998;

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
    /// Text that can travel as it is does; otherwise the smaller encoding is taken. The size is
    /// exact if it is above `rough`; else it may be too large, but not above that.
    pub(crate) fn choose(text: &[u8], rough: u64) -> (Self, u64) {
        let survey = Survey::of(text, rough);
        if survey.is_seven_bit() {
            return (Self::Identity, survey.length);
        }
        let base64 = base64::encoded_size(survey.length);
        if survey.unbroken > base64 {
            return (Self::Base64, base64);
        }
        let most = if survey.breaks { quoted_printable::most(survey.unbroken) } else { survey.unbroken };
        if most <= rough.min(base64) {
            return (Self::QuotedPrintable, most);
        }
        let quoted_printable = if survey.breaks { QuotedPrintable::size_of(text) } else { survey.unbroken };
        if quoted_printable <= base64 { (Self::QuotedPrintable, quoted_printable) } else { (Self::Base64, base64) }
    }

    /// The exact size of the encoded text.
    pub(crate) fn size_of(self, text: &[u8]) -> u64 {
        match self {
            Self::Identity => canonical_size(text),
            Self::QuotedPrintable => QuotedPrintable::size_of(text),
            Self::Base64 => base64::encoded_size(canonical_size(text)),
        }
    }

    pub(crate) fn encoder(self) -> TextEncoder {
        match self {
            Self::Identity => TextEncoder::Identity(Lines::default()),
            Self::QuotedPrintable => TextEncoder::QuotedPrintable(QuotedPrintable::default()),
            Self::Base64 => TextEncoder::Base64(Box::default()),
        }
    }
}

/// An encoding at work: takes text in pieces of any size.
#[derive(Debug)]
pub(crate) enum TextEncoder {
    Identity(Lines),
    QuotedPrintable(QuotedPrintable),
    Base64(Box<Base64Text>),
}

/// Base64 of text: its line ends are made CRLF first.
#[derive(Debug, Default)]
pub(crate) struct Base64Text {
    lines: Lines,
    encoder: Base64Lines,
    canonical: Vec<u8>,
}

impl TextEncoder {
    pub(crate) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity(lines) => lines.push(text, out),
            Self::QuotedPrintable(encoder) => encoder.push(text, out),
            Self::Base64(stages) => stages.push(text, out),
        }
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Identity(_) => {}
            Self::QuotedPrintable(encoder) => encoder.finish(out),
            Self::Base64(stages) => stages.encoder.finish(out),
        }
    }
}

impl Base64Text {
    fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        /// What lies between the two stages stays in the processor's cache.
        const PIECE: usize = 8 * 1024;
        for piece in text.chunks(PIECE) {
            self.canonical.clear();
            self.lines.push(piece, &mut self.canonical);
            self.encoder.push(&self.canonical, out);
        }
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
            assert_eq!(TextEncoding::choose(text.as_bytes(), 0).0, TextEncoding::Identity, "{text:?}");
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
            assert_eq!(TextEncoding::choose(text.as_bytes(), 0).0, wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_size_is_exact_and_never_above_either_encoding(
            text in "(?s)([ -~]{0,30}|[\\r\\n\\t\\x00-\\x1f]|.){0,60}"
        ) {
            let text = text.as_bytes();
            let (encoding, size) = TextEncoding::choose(text, 0);
            let (same, most) = TextEncoding::choose(text, 16 * 1024);
            prop_assert_eq!(same, encoding);
            prop_assert!(size <= most);
            for encoding in [TextEncoding::Identity, TextEncoding::QuotedPrintable, TextEncoding::Base64] {
                let mut written = Vec::new();
                let mut encoder = encoding.encoder();
                encoder.push(text, &mut written);
                encoder.finish(&mut written);
                prop_assert_eq!(encoding.size_of(text), written.len() as u64);
            }
            prop_assert_eq!(size, encoding.size_of(text));
            if encoding != TextEncoding::Identity {
                prop_assert!(size <= TextEncoding::QuotedPrintable.size_of(text));
                prop_assert!(size <= TextEncoding::Base64.size_of(text));
            }
        }
    }
}
