//! The quoted-printable encoding of bodies (RFC 2045 §6.7).

use super::Sink;

/// RFC 2045 §6.7 (5) allows 76; the last column stays free for the `=` of a soft break.
const LAST_COLUMN: usize = 75;

/// Encodes text as quoted-printable (RFC 2045 §6.7), line ends of any kind as CRLF.
///
/// What comes out does not depend on how the input was cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct QuotedPrintable {
    column: usize,
    after_cr: bool,
    /// A blank is written raw only once something follows it on its line.
    blank: Option<u8>,
}

impl QuotedPrintable {
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut impl Sink) {
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        loop {
            let run = input.iter().position(|&byte| !is_plain(byte)).unwrap_or(input.len());
            let (plain, rest) = input.split_at(run);
            self.plain(plain, out);
            input = match rest {
                [] => return,
                [b'\r'] => {
                    self.end_line(out);
                    self.after_cr = true;
                    return;
                }
                [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => {
                    self.end_line(out);
                    rest
                }
                [byte, rest @ ..] => {
                    self.flush_blank(out);
                    self.escape(*byte, out);
                    rest
                }
            };
        }
    }

    pub(crate) fn finish(&mut self, out: &mut impl Sink) {
        if let Some(blank) = self.blank.take() {
            self.escape(blank, out);
        }
    }

    fn plain(&mut self, run: &[u8], out: &mut impl Sink) {
        let Some((&last, before)) = run.split_last() else {
            return;
        };
        self.flush_blank(out);
        if is_blank(last) {
            self.literal(before, out);
            self.blank = Some(last);
        } else {
            self.literal(run, out);
        }
    }

    fn literal(&mut self, mut run: &[u8], out: &mut impl Sink) {
        while let Some((&first, after_first)) = run.split_first() {
            // `From ` may gain a `>` in a mailbox file, and a line with only a dot ends SMTP's
            // DATA: neither can happen to a line that starts otherwise.
            if self.column == 0 && matches!(first, b'F' | b'.') {
                self.escape(first, out);
                run = after_first;
                continue;
            }
            let room = LAST_COLUMN - self.column;
            if run.len() <= room {
                out.put(run);
                self.column += run.len();
                return;
            }
            let (now, later) = run.split_at(room);
            out.put(now);
            self.soft_break(out);
            run = later;
        }
    }

    fn escape(&mut self, byte: u8, out: &mut impl Sink) {
        if self.column + 3 > LAST_COLUMN {
            self.soft_break(out);
        }
        out.put(&hex_escape(byte));
        self.column += 3;
    }

    fn flush_blank(&mut self, out: &mut impl Sink) {
        if let Some(blank) = self.blank.take() {
            self.literal(&[blank], out);
        }
    }

    fn end_line(&mut self, out: &mut impl Sink) {
        self.finish(out);
        out.put(b"\r\n");
        self.column = 0;
    }

    fn soft_break(&mut self, out: &mut impl Sink) {
        out.put(b"=\r\n");
        self.column = 0;
    }
}

/// `=XX`, as quoted-printable and the Q encoding write a byte.
pub(crate) fn hex_escape(byte: u8) -> [u8; 3] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    [b'=', digit(byte >> 4), digit(byte & 15)]
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'<' | b'>'..=b'~')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = QuotedPrintable::default();
        let mut out = Vec::new();
        for piece in pieces {
            encoder.push(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn rfc_2045_section_6_7_rules() {
        for (rule, given, wanted) in [
            ("(1) general", "\u{e9}\0\x7f", "=C3=A9=00=7F"),
            ("(1) the sign itself", "a=b", "a=3Db"),
            ("(2) literal", "!<>~", "!<>~"),
            ("(3) blank inside", "a b\tc", "a b\tc"),
            ("(3) blank at the end", "a \r\nb\t\r\nc  ", "a=20\r\nb=09\r\nc =20"),
            ("(3) blank alone", " \n\t", "=20\r\n=09"),
            ("(4) line ends", "a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd"),
            ("mailbox files", "From x\nfoo\n.\n", "=46rom x\r\nfoo\r\n=2E\r\n"),
        ] {
            let encoded = String::from_utf8(encode(&[given.as_bytes()])).unwrap();
            assert_eq!(encoded, wanted, "{rule}");
        }
    }

    #[test]
    fn rfc_2045_section_6_7_rule_5_soft_breaks() {
        let encoded = encode(&["x".repeat(76).as_bytes()]);
        assert_eq!(encoded, format!("{}=\r\nx", "x".repeat(75)).as_bytes());
        let escapes = encode(&["=".repeat(26).as_bytes()]);
        assert_eq!(escapes, format!("{}=\r\n=3D", "=3D".repeat(25)).as_bytes());
        let blanks = encode(&[" ".repeat(77).as_bytes()]);
        assert_eq!(blanks, format!("{}=\r\n =20", " ".repeat(75)).as_bytes());
    }

    proptest! {
        #[test]
        fn decodes_to_the_canonical_text(text in "(?s)[ \\t\\r\\nFr.=a-eé€😀]{0,400}") {
            let encoded = encode(&[text.as_bytes()]);
            for line in encoded.split(|&byte| byte == b'\n') {
                prop_assert!(line.len() <= 77, "with its CR");
                prop_assert!(!line.starts_with(b"From ") && line != b".\r" && line != b".");
            }
            let decoded = quoted_printable::decode(&encoded, quoted_printable::ParseMode::Strict);
            let canonical = text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
            prop_assert_eq!(String::from_utf8(decoded.unwrap()).unwrap(), canonical);
        }

        #[test]
        fn does_not_depend_on_the_cuts(
            text in "(?s)[ \\t\\r\\nF.=aé]{0,200}", cuts in prop::collection::vec(0_usize..400, 0..6)
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut start = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(&bytes[start..cut]);
                start = cut;
            }
            pieces.push(&bytes[start..]);
            prop_assert_eq!(encode(&pieces), encode(&[bytes]));
        }
    }
}
