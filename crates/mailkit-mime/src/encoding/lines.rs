//! Line ends: what counts as one, and how all become CRLF.

use memchr::memchr2;

/// Copies text and makes every line end CRLF: a bare CR and a bare LF each end a line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    after_cr: bool,
}

impl Lines {
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        while let Some(at) = memchr2(b'\r', b'\n', input) {
            let (line, end) = input.split_at(at);
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
            input = match end {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        out.extend_from_slice(input);
    }
}

/// How long a text is once every line end is CRLF.
pub(crate) fn canonical_size(text: &[u8]) -> u64 {
    /// A count in a byte cannot run over within so many.
    const BLOCK: usize = 192;
    let count = |block: &[u8], wanted: u8| -> u8 { block.iter().map(|&byte| u8::from(byte == wanted)).sum() };
    let singles: u64 =
        text.chunks(BLOCK).map(|block| u64::from(count(block, b'\r')) + u64::from(count(block, b'\n'))).sum();
    let after = text.get(1..).unwrap_or_default();
    let pairs: u64 = text
        .chunks(BLOCK)
        .zip(after.chunks(BLOCK))
        .map(|(these, next)| {
            let pair = |(&this, &next): (&u8, &u8)| u8::from(this == b'\r') & u8::from(next == b'\n');
            u64::from(these.iter().zip(next).map(pair).sum::<u8>())
        })
        .sum();
    text.len() as u64 + singles - 2 * pairs
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
    use proptest::prelude::*;

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
            assert_eq!(canonical_size(given.as_bytes()), wanted.len() as u64, "{given:?}");
        }
    }

    #[test]
    fn a_crlf_cut_in_two_is_one_line_end() {
        assert_eq!(canonical(&[b"a\r", b"", b"\nb"]), b"a\r\nb");
        assert_eq!(canonical(&[b"a\r", b"b"]), b"a\r\nb");
    }

    proptest! {
        #[test]
        fn the_size_is_known_without_writing(text in "[a\\r\\n]{0,600}") {
            prop_assert_eq!(canonical_size(text.as_bytes()), canonical(&[text.as_bytes()]).len() as u64);
        }
    }
}
