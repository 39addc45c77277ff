//! What was read and not yet understood: lines and pieces are taken from it, however the bytes were cut.

use std::ops::Range;

use zeroize::Zeroize;

use crate::MAX_COMMAND;

#[derive(Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    /// How much of `buffer` has been taken.
    taken: usize,
    /// The rest of a line that was too long is being dropped.
    skipping: bool,
}

/// What stands where a line is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end, to be looked at by [`Input::get`].
    Whole(Range<usize>),
    /// A line of more than [`MAX_COMMAND`] octets was dropped.
    TooLong,
    /// The end of the line has not come yet.
    Unfinished,
}

impl Input {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// What has come and was not taken.
    pub(super) fn pending(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Takes a line. Its end is LF, with or without CR: people type to servers.
    pub(super) fn take_line(&mut self) -> Line {
        let Some(end) = memchr::memchr(b'\n', self.pending()) else {
            // One more than the limit: the CR of a line that is just within it.
            if self.skipping || self.pending().len() > MAX_COMMAND + 1 {
                self.skipping = true;
                self.taken = self.buffer.len();
            }
            return Line::Unfinished;
        };
        let start = self.taken;
        self.taken += end + 1;
        let line = self.get(start..start + end);
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        if std::mem::take(&mut self.skipping) || length > MAX_COMMAND {
            return Line::TooLong;
        }
        Line::Whole(start..start + length)
    }

    /// Takes at most so many octets.
    pub(super) fn take(&mut self, most: u64) -> Range<usize> {
        let octets = self.pending().len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let start = self.taken;
        self.taken += octets;
        start..self.taken
    }

    /// What was taken since the last [`Input::feed`].
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Overwrites what was taken: it held a secret.
    pub(super) fn wipe(&mut self, range: Range<usize>) {
        self.buffer.get_mut(range).unwrap_or_default().zeroize();
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.taken = 0;
        self.skipping = false;
    }

    /// Whether a line has begun and not ended.
    pub(super) fn is_within_line(&self) -> bool {
        self.skipping || !self.pending().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_dropped_in_bounded_memory() {
        let mut input = Input::default();
        for _ in 0..1000 {
            input.feed(&[b'x'; 1000]);
            assert_eq!(input.take_line(), Line::Unfinished);
            assert!(input.buffer.len() <= MAX_COMMAND + 1001);
        }
        input.feed(b"x\r\nNOOP\r\n");
        assert_eq!(input.take_line(), Line::TooLong);
        let Line::Whole(range) = input.take_line() else { panic!("a line") };
        assert_eq!(input.get(range), b"NOOP");
    }

    #[test]
    fn a_line_of_the_limit_is_taken_and_one_octet_more_is_not() {
        for (length, fits) in [(MAX_COMMAND, true), (MAX_COMMAND + 1, false)] {
            let mut input = Input::default();
            input.feed(&vec![b'x'; length]);
            assert_eq!(input.take_line(), Line::Unfinished);
            input.feed(b"\r\n");
            assert_eq!(input.take_line() != Line::TooLong, fits, "{length}");
        }
    }
}
