//! The survey of a text that is not in memory: it is read once, in pieces.

use memchr::{memchr, memchr2};

use super::quoted_printable::UNBROKEN;
use super::{MAX_LINE, TextEncoding, base64};

/// How much of the start of a line is kept: a delimiter (`--=_`, a number, `_`, 32 digits) is not longer.
const LINE_START: usize = 64;

/// How many boundaries a text may hold before it is encoded, which hides them.
const MAX_BOUNDARIES: usize = 256;

/// What is known of a text without holding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextSurvey {
    /// How long it is as it was given.
    pub(crate) length: u64,
    /// How long it is with CRLF line ends.
    pub(crate) canonical: u64,
    /// Its last octet.
    pub(crate) last: Option<u8>,
    /// The encoding over a path of seven bits, and the size of the result.
    pub(crate) encoding: TextEncoding,
    pub(crate) encoded: u64,
    /// Whether it is `8bit` data (RFC 2045 §2.8) that mailbox files leave alone.
    pub(crate) fits_eight_bit: bool,
}

/// Collects a survey from pieces of any size.
#[derive(Debug)]
pub(crate) struct TextScan {
    length: u64,
    canonical: u64,
    last: Option<u8>,
    longest_line: u64,
    unprintable: bool,
    has_nul: bool,
    has_from_line: bool,
    /// The length in quoted-printable without soft breaks, and whether a line needs one.
    unbroken: u64,
    breaks: bool,
    boundaries: Vec<u128>,
    too_many_boundaries: bool,
    after_cr: bool,
    line: Line,
}

/// The line that is being read.
#[derive(Debug)]
struct Line {
    length: u64,
    escapes: u64,
    start: [u8; LINE_START],
    last: u8,
}

impl Line {
    const EMPTY: Self = Self { length: 0, escapes: 0, start: [0; LINE_START], last: 0 };

    fn start(&self) -> &[u8] {
        let kept = usize::try_from(self.length).unwrap_or(LINE_START);
        self.start.get(..kept).unwrap_or(&self.start)
    }

    /// The number in the boundary that the line may be a delimiter of.
    fn boundary_number(&self) -> Option<u128> {
        let number = self.start().strip_prefix(b"--=_")?;
        let at = memchr(b'_', number)?;
        let digits = number.get(at + 1..)?.get(..32)?;
        u128::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    }
}

impl Default for TextScan {
    fn default() -> Self {
        Self {
            length: 0,
            canonical: 0,
            last: None,
            longest_line: 0,
            unprintable: false,
            has_nul: false,
            has_from_line: false,
            unbroken: 0,
            breaks: false,
            boundaries: Vec::new(),
            too_many_boundaries: false,
            after_cr: false,
            line: Line::EMPTY,
        }
    }
}

impl TextScan {
    pub(crate) fn push(&mut self, mut text: &[u8]) {
        let Some(last) = text.last() else { return };
        self.last = Some(*last);
        self.length += text.len() as u64;
        if std::mem::take(&mut self.after_cr) {
            text = text.strip_prefix(b"\n").unwrap_or(text);
        }
        while let Some(at) = memchr2(b'\r', b'\n', text) {
            let (line, end) = text.split_at(at);
            self.within_line(line);
            self.end_line(2);
            text = match end {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.within_line(text);
    }

    fn within_line(&mut self, text: &[u8]) {
        let Some(last) = text.last() else { return };
        let line = &mut self.line;
        let kept = usize::try_from(line.length).unwrap_or(LINE_START).min(LINE_START);
        line.start.iter_mut().skip(kept).zip(text).for_each(|(slot, octet)| *slot = *octet);
        let unprintable = text.iter().filter(|octet| !matches!(octet, b'\t' | b' '..=b'~')).count();
        let equals = text.iter().filter(|octet| **octet == b'=').count();
        line.length += text.len() as u64;
        line.escapes += (unprintable + equals) as u64;
        line.last = *last;
        self.unprintable |= unprintable > 0;
        self.has_nul |= unprintable > 0 && memchr(0, text).is_some();
    }

    /// Counts the line, whose end takes `end` octets.
    fn end_line(&mut self, end: u64) {
        let line = std::mem::replace(&mut self.line, Line::EMPTY);
        let first = matches!(line.start(), [b'F' | b'.', ..]);
        let last = matches!(line.last, b' ' | b'\t');
        let unbroken = line.length + 2 * (line.escapes + u64::from(first) + u64::from(last));
        self.canonical += line.length + end;
        self.unbroken += unbroken + end;
        self.breaks |= unbroken > UNBROKEN as u64;
        self.longest_line = self.longest_line.max(line.length);
        self.has_from_line |= line.start().starts_with(b"From ");
        if let Some(number) = line.boundary_number()
            && !self.boundaries.contains(&number)
        {
            if self.boundaries.len() < MAX_BOUNDARIES {
                self.boundaries.push(number);
            } else {
                self.too_many_boundaries = true;
            }
        }
    }

    /// The survey, and the numbers of the boundaries that the text may hold. `quoted_printable` measures the text in that
    /// encoding; it is called only where the choice depends on it.
    pub(crate) fn finish<E>(
        mut self,
        quoted_printable: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(TextSurvey, Vec<u128>), E> {
        if self.line.length > 0 {
            self.end_line(0);
        }
        let may_stand = self.longest_line <= MAX_LINE as u64 && !self.has_from_line && !self.too_many_boundaries;
        let base64 = base64::encoded_size(self.canonical);
        let (encoding, encoded) = if may_stand && !self.unprintable {
            (TextEncoding::Identity, self.canonical)
        } else if self.unbroken > base64 {
            (TextEncoding::Base64, base64)
        } else {
            let quoted_printable = if self.breaks { quoted_printable()? } else { self.unbroken };
            if quoted_printable <= base64 {
                (TextEncoding::QuotedPrintable, quoted_printable)
            } else {
                (TextEncoding::Base64, base64)
            }
        };
        let survey = TextSurvey {
            length: self.length,
            canonical: self.canonical,
            last: self.last,
            encoding,
            encoded,
            fits_eight_bit: may_stand && !self.has_nul,
        };
        Ok((survey, self.boundaries))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn survey(pieces: &[&[u8]]) -> (TextSurvey, Vec<u128>) {
        let mut scan = TextScan::default();
        pieces.iter().for_each(|piece| scan.push(piece));
        let size = TextEncoding::QuotedPrintable.size_of(&pieces.concat());
        scan.finish(|| Ok::<_, Infallible>(size)).unwrap()
    }

    proptest! {
        #[test]
        fn a_text_in_pieces_is_encoded_as_in_memory(
            text in "(?s)([ -~]{0,120}|[\\r\\n\\t =F.]{0,5}|\\x00|From |\\nFrom |é|.){0,30}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let (survey, _) = survey(&pieces);
            prop_assert_eq!((survey.encoding, survey.encoded), TextEncoding::choose(text, 0));
            prop_assert_eq!(survey.canonical, TextEncoding::Identity.size_of(text));
            prop_assert_eq!(survey.length, text.len() as u64);
            prop_assert_eq!(survey.last, text.last().copied());
            prop_assert_eq!(survey.fits_eight_bit, crate::layout::fits_eight_bit(text));
        }
    }

    #[test]
    fn boundaries_at_line_starts_are_found_wherever_the_text_is_cut() {
        let text =
            b"a\r\n--=_12_000000000000000000000000000000fe--\nx --=_1_00000000000000000000000000000001\n--=_0_1\n";
        for at in 0..text.len() {
            assert_eq!(survey(&[&text[..at], &text[at..]]).1, [0xfe], "{at}");
        }
    }

    #[test]
    fn a_text_with_very_many_boundaries_is_encoded() {
        let text: String = (0..=MAX_BOUNDARIES).map(|number| format!("--=_0_{number:032x}\n")).collect();
        let (survey, boundaries) = survey(&[text.as_bytes()]);
        assert_ne!(survey.encoding, TextEncoding::Identity);
        assert!(!survey.fits_eight_bit && boundaries.len() == MAX_BOUNDARIES);
    }
}
