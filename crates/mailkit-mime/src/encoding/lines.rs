//! Line ends: what counts as one, and how all become CRLF.

use memchr::{memchr, memchr_iter, memchr2};

use super::Sink;

/// Copies text and makes every line end CRLF: a bare CR and a bare LF each end a line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    after_cr: bool,
}

impl Lines {
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut impl Sink) {
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        while let Some(at) = memchr2(b'\r', b'\n', input) {
            let (line, end) = input.split_at(at);
            out.put(line);
            out.put(b"\r\n");
            input = match end {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        out.put(input);
    }
}

/// Whether every line end is CRLF and the last line has one.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    let mut last = None;
    for at in memchr_iter(b'\n', text) {
        let start = last.map_or(0, |end| end + 1);
        let Some([line @ .., b'\r']) = text.get(start..at) else {
            return false;
        };
        if memchr(b'\r', line).is_some() {
            return false;
        }
        last = Some(at);
    }
    last.map_or(0, |end| end + 1) == text.len()
}

/// The lines of a text without their ends, and whether the last one has an end.
pub(crate) fn each_line(mut text: &[u8], mut see: impl FnMut(&[u8], bool)) {
    while let Some(at) = memchr2(b'\r', b'\n', text) {
        let (line, end) = text.split_at(at);
        see(line, true);
        text = match end {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => &[],
        };
    }
    if !text.is_empty() {
        see(text, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(pieces: &[&[u8]]) -> Vec<u8> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(piece, &mut out);
        }
        out
    }

    #[test]
    fn every_kind_of_line_end_becomes_crlf() {
        for (given, wanted) in [
            ("", ""),
            ("a", "a"),
            ("a\nb", "a\r\nb"),
            ("a\rb", "a\r\nb"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n"),
        ] {
            assert_eq!(canonical(&[given.as_bytes()]), wanted.as_bytes(), "{given:?}");
        }
    }

    #[test]
    fn a_crlf_cut_in_two_is_one_line_end() {
        assert_eq!(canonical(&[b"a\r", b"", b"\nb"]), b"a\r\nb");
        assert_eq!(canonical(&[b"a\r", b"b"]), b"a\r\nb");
    }

    #[test]
    fn only_whole_crlf_lines_are_canonical() {
        for (text, wanted) in [
            ("", true),
            ("a\r\n\r\n", true),
            ("a", false),
            ("a\r\nb", false),
            ("a\n", false),
            ("\n", false),
            ("a\rb\r\n", false),
            ("a\r\r\n", false),
            ("a\r\n\r", false),
        ] {
            assert_eq!(is_canonical(text.as_bytes()), wanted, "{text:?}");
        }
    }
}
