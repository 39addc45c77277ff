//! Cuts content that comes in chunks into lines of bounded length.

use memchr::memchr;

/// A longer line is handed on in pieces, so that no line is in memory whole. No boundary is that long.
const LONGEST: usize = 8 * 1024;

/// A line without its end, or a piece of a long one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    /// The piece starts the line.
    pub(super) starts: bool,
    /// A line end follows.
    pub(super) ends: bool,
}

#[derive(Debug)]
pub(super) struct Lines {
    /// The start of a line whose end has not come.
    held: Vec<u8>,
    starts: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { held: Vec::new(), starts: true }
    }

    pub(super) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(Line<'_>)) {
        let mut rest = chunk;
        while let Some((line, after)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
            let starts = std::mem::replace(&mut self.starts, true);
            if self.held.is_empty() {
                take(Line { text: without_end(line), starts, ends: true });
            } else {
                self.held.extend_from_slice(line);
                take(Line { text: without_end(&self.held), starts, ends: true });
                self.held.clear();
            }
            rest = after;
        }
        self.held.extend_from_slice(rest);
        if self.held.len() > LONGEST {
            // A CR may belong to the line end.
            let kept = usize::from(self.held.last() == Some(&b'\r'));
            let starts = std::mem::replace(&mut self.starts, false);
            take(Line { text: self.held.get(..self.held.len() - kept).unwrap_or_default(), starts, ends: false });
            self.held.drain(..self.held.len() - kept);
        }
    }

    /// The last line, where it has no end.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Line<'_>)) {
        if !self.held.is_empty() {
            take(Line { text: &self.held, starts: self.starts, ends: false });
            self.held.clear();
        }
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool, bool)> {
        let (mut lines, mut found) = (Lines::new(), Vec::new());
        let mut take = |line: Line<'_>| found.push((line.text.to_vec(), line.starts, line.ends));
        chunks.iter().for_each(|chunk| lines.push(chunk, &mut take));
        lines.finish(&mut take);
        found
    }

    #[test]
    fn a_line_is_whole_wherever_the_chunks_are_cut() {
        let wanted = [(b"ab".to_vec(), true, true), (Vec::new(), true, true), (b"c".to_vec(), true, false)];
        for chunks in [&[&b"ab\r\n\r\nc"[..]][..], &[b"a", b"b\r", b"\n\r", b"\nc"], &[b"ab\r\n", b"", b"\r\n", b"c"]] {
            assert_eq!(lines(chunks), wanted);
        }
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_its_cr_stays_with_its_lf() {
        let long = [vec![b'a'; LONGEST + 1], vec![b'\r']].concat();
        let found = lines(&[&long, b"\nb\r\n"]);
        let wanted = [(vec![b'a'; LONGEST + 1], true, false), (Vec::new(), false, true), (b"b".to_vec(), true, true)];
        assert_eq!(found, wanted);
    }
}
