//! One look at a text: what its encoding depends on.

use super::MAX_LINE;
use super::marks::{BLOCK, Marker, Marks};
use super::quoted_printable::{UNBROKEN, unbroken_size};

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
    /// Whether a line needs one.
    pub(super) breaks: bool,
}

impl Survey {
    pub(super) fn of(text: &[u8]) -> Self {
        Marker::run(
            #[inline(always)]
            |marker| {
                let mut scan = Scan { survey: Self::default(), text, start: 0, escapes: 0 };
                let (blocks, rest) = text.as_chunks();
                for (index, block) in blocks.iter().enumerate() {
                    scan.block(index * BLOCK, marker.marks(block));
                }
                scan.block(blocks.len() * BLOCK, marker.marks_of_part(rest));
                if scan.start < text.len() {
                    scan.line(text.len(), 0);
                }
                scan.survey
            },
        )
    }

    pub(super) fn is_seven_bit(&self) -> bool {
        !self.unprintable && self.longest_line <= MAX_LINE && !self.has_from_line
    }
}

/// The look at work: a block at a time.
struct Scan<'a> {
    survey: Survey,
    text: &'a [u8],
    /// Where the line starts.
    start: usize,
    /// How many bytes of the line quoted-printable escapes, so far.
    escapes: usize,
}

impl Scan<'_> {
    #[inline(always)]
    fn block(&mut self, at: usize, marks: Marks) {
        let escapes = marks.escapes();
        self.survey.unprintable |= marks.unprintable != marks.ends;
        let (mut ends, mut counted) = (marks.ends, 0);
        while ends != 0 {
            let before = (ends & ends.wrapping_neg()) - 1;
            let count = (escapes & before).count_ones() as usize;
            self.escapes += count - counted;
            self.end_line(at + ends.trailing_zeros() as usize);
            counted = count;
            ends &= ends - 1;
        }
        self.escapes += escapes.count_ones() as usize - counted;
    }

    /// Ends the line at the CR or LF there.
    #[inline(always)]
    fn end_line(&mut self, at: usize) {
        let before = at.checked_sub(1).and_then(|before| self.text.get(before));
        let completes_crlf = at == self.start && before == Some(&b'\r') && self.text.get(at) == Some(&b'\n');
        if !completes_crlf {
            self.line(at, 2);
        }
        self.start = at + 1;
        self.escapes = 0;
    }

    /// Notes the line that ends before `at`, and its end of so many bytes.
    #[inline(always)]
    fn line(&mut self, at: usize, end: u64) {
        let line = self.text.get(self.start..at).unwrap_or_default();
        let unbroken = unbroken_size(line, self.escapes);
        self.survey.length += line.len() as u64 + end;
        self.survey.unbroken += unbroken as u64 + end;
        self.survey.longest_line = self.survey.longest_line.max(line.len());
        self.survey.has_from_line |= line.starts_with(b"From ");
        self.survey.breaks |= unbroken > UNBROKEN;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
                assert_eq!(Survey::of(&text), slowly(&text), "{byte:#x} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn sees_what_a_slow_look_sees(
            text in "(?s)([ -~]{0,120}|[\\r\\n\\t=]{0,5}|\\x00|From |é|.){0,30}"
        ) {
            prop_assert_eq!(Survey::of(text.as_bytes()), slowly(text.as_bytes()));
        }
    }
}
