//! One look at a text: what its encoding depends on.

use super::MAX_LINE;
use super::marks::{BLOCK, Marker, Marks};
use super::quoted_printable::UNBROKEN;

/// What one look at a text tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Its length with CRLF line ends.
    pub(super) length: u64,
    longest_line: usize,
    /// Whether a byte is neither a blank, a line end nor printable ASCII.
    unprintable: bool,
    /// Whether a mailbox file would change a line (`From ` at its start).
    has_from_line: bool,
    /// The length in quoted-printable if no line needed a soft break: never above the true one.
    pub(super) unbroken: u64,
    /// Whether a line needs one. Of a small text that has to be encoded it is said without a look at its lines.
    pub(super) breaks: bool,
}

impl Survey {
    /// Looks at a text, which is small up to so many bytes.
    pub(super) fn of(text: &[u8], small: u64) -> Self {
        // To set up the look takes ten times as long.
        if text.is_empty() {
            return Self::default();
        }
        Self::by(Marker::new(), text, small)
    }

    fn by(marker: Marker, text: &[u8], small: u64) -> Self {
        marker.run(
            #[inline(always)]
            || {
                let mut scan = Scan::of(text, text.len() as u64 <= small);
                let (blocks, rest) = text.as_chunks();
                for block in blocks {
                    scan.block(marker.marks(block));
                }
                scan.block(marker.marks_of_part(rest));
                scan.finish()
            },
        )
    }

    pub(super) fn is_seven_bit(&self) -> bool {
        !self.unprintable && self.longest_line <= MAX_LINE && !self.has_from_line
    }
}

/// The look at work: a block at a time.
struct Scan<'a> {
    text: &'a [u8],
    is_small: bool,
    survey: Survey,
    /// Where the next block starts, and the line.
    at: Place,
    line: Place,
    /// CRs and LFs so far, and the pairs of them.
    ends: usize,
    pairs: usize,
    /// Whether the block before ended in a line end, a CR, a blank: a bit each.
    after_end: u64,
    after_return: u64,
    after_blank: u64,
}

/// A place in the text, and how many bytes before it quoted-printable escapes.
#[derive(Clone, Copy, Default)]
struct Place {
    at: usize,
    escapes: usize,
}

impl<'a> Scan<'a> {
    fn of(text: &'a [u8], is_small: bool) -> Self {
        Self {
            text,
            is_small,
            survey: Survey::default(),
            at: Place::default(),
            line: Place::default(),
            ends: 0,
            pairs: 0,
            after_end: 1,
            after_return: 0,
            after_blank: 0,
        }
    }

    #[inline(always)]
    fn block(&mut self, marks: Marks) {
        let ends = marks.ends;
        let first = marks.starters & (ends << 1 | self.after_end);
        let last = marks.blanks & (ends >> 1);
        let escapes = marks.escapes() | first | last;
        self.at.escapes += (self.after_blank & ends & 1) as usize;
        self.survey.unprintable |= marks.unprintable != ends;
        if !(self.is_small && self.survey.unprintable) {
            self.each_line(ends, escapes);
        }
        self.survey.has_from_line |= first != 0 && self.has_from(first);
        let behind_return = marks.returns << 1 | self.after_return;
        self.ends += ends.count_ones() as usize;
        self.pairs += (ends & !marks.returns & behind_return).count_ones() as usize;
        self.at = Place { at: self.at.at + BLOCK, escapes: self.at.escapes + escapes.count_ones() as usize };
        (self.after_end, self.after_return, self.after_blank) = (ends >> 63, marks.returns >> 63, marks.blanks >> 63);
    }

    #[inline(always)]
    fn each_line(&mut self, mut ends: u64, escapes: u64) {
        while ends != 0 {
            let before = (ends & ends.wrapping_neg()) - 1;
            let end = Place {
                at: self.at.at + ends.trailing_zeros() as usize,
                escapes: self.at.escapes + (escapes & before).count_ones() as usize,
            };
            self.end_line(end);
            self.line = Place { at: end.at + 1, ..end };
            ends &= ends - 1;
        }
    }

    /// Notes the line that ends there.
    #[inline(always)]
    fn end_line(&mut self, end: Place) {
        let length = end.at - self.line.at;
        self.survey.longest_line = self.survey.longest_line.max(length);
        self.survey.breaks |= length + 2 * (end.escapes - self.line.escapes) > UNBROKEN;
    }

    /// Whether one of the bytes that are marked starts `From `.
    fn has_from(&self, mut marked: u64) -> bool {
        let mut found = false;
        while marked != 0 {
            let at = self.at.at + marked.trailing_zeros() as usize;
            found |= self.text.get(at..).unwrap_or_default().starts_with(b"From ");
            marked &= marked - 1;
        }
        found
    }

    fn finish(mut self) -> Survey {
        let is_blank = matches!(self.text, [.., b' ' | b'\t']);
        let end = Place { at: self.text.len(), escapes: self.at.escapes + usize::from(is_blank) };
        // Behind the last line end there may be nothing, which is no line.
        self.end_line(end);
        let length = self.text.len() + self.ends - 2 * self.pairs;
        let breaks = self.survey.breaks || (self.is_small && self.survey.unprintable);
        Survey { length: length as u64, unbroken: (length + 2 * end.escapes) as u64, breaks, ..self.survey }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What every processor sees.
    fn seen(text: &[u8]) -> Survey {
        let [survey, portable] = Marker::all().map(|marker| Survey::by(marker, text, 0));
        assert_eq!(survey, portable, "{text:?}");
        survey
    }

    /// The same, a byte at a time.
    fn slowly(text: &[u8]) -> Survey {
        let mut survey = Survey::default();
        for (line, end) in lines(text) {
            let unprintable = line.iter().filter(|byte| !matches!(byte, b'\t' | b' '..=b'~')).count();
            let equals = line.iter().filter(|&&byte| byte == b'=').count();
            let unbroken = unbroken_size(line, unprintable + equals);
            let written_end = if end == 0 { 0 } else { 2 };
            survey.length += line.len() as u64 + written_end;
            survey.unbroken += unbroken as u64 + written_end;
            survey.longest_line = survey.longest_line.max(line.len());
            survey.unprintable |= unprintable > 0;
            survey.has_from_line |= line.starts_with(b"From ");
            survey.breaks |= unbroken > UNBROKEN;
        }
        survey
    }

    /// How long a line becomes before soft breaks, without its end.
    fn unbroken_size(line: &[u8], escapes: usize) -> usize {
        let first = matches!(line, [b'F' | b'.', ..]);
        let last = matches!(line, [.., b' ' | b'\t']);
        line.len() + 2 * (escapes + usize::from(first) + usize::from(last))
    }

    /// Lines without their ends, and how long these are.
    fn lines(mut text: &[u8]) -> Vec<(&[u8], usize)> {
        let mut lines = Vec::new();
        while !text.is_empty() {
            let at = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
            let end = match &text[at..] {
                [] => 0,
                [b'\r', b'\n', ..] => 2,
                _ => 1,
            };
            lines.push((&text[..at], end));
            text = &text[at + end..];
        }
        lines
    }

    #[test]
    fn every_byte_is_seen_for_what_it_is_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut text = *b"a ~!<>\tA a ~!<>zAb{|";
                text[at] = byte;
                assert_eq!(seen(&text), slowly(&text), "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn every_two_bytes_are_seen_together_at_the_border_of_blocks() {
        let bytes = b"aF.= \t\r\n\xff";
        let pairs = bytes.iter().flat_map(|&first| bytes.iter().map(move |&second| [first, second]));
        for pair in pairs {
            for at in BLOCK - 2..=BLOCK {
                let mut text = [b'a'; 2 * BLOCK];
                text[at..at + 2].copy_from_slice(&pair);
                assert_eq!(seen(&text), slowly(&text), "{pair:?} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn sees_what_a_slow_look_sees(
            text in "(?s)([ -~]{0,120}|[\\r\\n\\t =F.]{0,5}|\\x00|From |é|.){0,30}"
        ) {
            prop_assert_eq!(seen(text.as_bytes()), slowly(text.as_bytes()));
        }
    }
}
