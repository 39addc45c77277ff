//! Content on the wire: line ends and dot-stuffing, in one pass (RFC 5321 §2.3.8, §4.5.2).

/// What is done to content on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Line ends are made CRLF and lines that begin with a dot get another one: for DATA.
    Stuffed,
    /// Line ends are made CRLF: for BDAT.
    Lines,
    /// Nothing: for BDAT with BODY=BINARYMIME.
    Binary,
}

/// Encodes content that comes in pieces. The first octet counts as the start of a line.
#[derive(Debug)]
pub(crate) struct ContentEncoder {
    encoding: Encoding,
    line_start: bool,
    /// The last piece ended in a CR, which went out as CRLF: an LF that follows belongs to it.
    skip_lf: bool,
}

impl ContentEncoder {
    pub(crate) const fn new(encoding: Encoding) -> Self {
        Self { encoding, line_start: true, skip_lf: false }
    }

    /// Appends a piece. What needs no change is copied in runs as long as possible.
    pub(crate) fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.encoding == Encoding::Binary || piece.is_empty() {
            out.extend_from_slice(piece);
            return;
        }
        let piece = if std::mem::take(&mut self.skip_lf) { piece.strip_prefix(b"\n").unwrap_or(piece) } else { piece };
        if self.needs_no_change(piece) {
            self.line_start = piece.last().map_or(self.line_start, |last| *last == b'\n');
            out.extend_from_slice(piece);
            return;
        }
        let (mut copied, mut at) = (0, 0);
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            if self.line_start && rest.first() == Some(&b'.') && self.encoding == Encoding::Stuffed {
                out.extend_from_slice(piece.get(copied..at).unwrap_or_default());
                out.push(b'.');
                copied = at;
            }
            let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
                self.line_start = false;
                break;
            };
            self.line_start = true;
            if matches!(rest.get(end..end + 2), Some(b"\r\n")) {
                at += end + 2;
                continue;
            }
            out.extend_from_slice(piece.get(copied..at + end).unwrap_or_default());
            out.extend_from_slice(b"\r\n");
            self.skip_lf = end + 1 == rest.len() && rest.last() == Some(&b'\r');
            at += end + 1;
            copied = at;
        }
        out.extend_from_slice(piece.get(copied..).unwrap_or_default());
    }

    /// Whether every CR and LF of the piece belongs to a CRLF within it, and no line of it begins with a dot: what
    /// nearly all content is like, and seen in a fraction of the time that line by line takes.
    fn needs_no_change(&self, piece: &[u8]) -> bool {
        if self.line_start && piece.first() == Some(&b'.') {
            return false;
        }
        let mut line_ends = 0;
        for at in memchr::memchr_iter(b'\n', piece) {
            if at == 0 || piece.get(at - 1) != Some(&b'\r') || piece.get(at + 1) == Some(&b'.') {
                return false;
            }
            line_ends += 1;
        }
        memchr::memchr_iter(b'\r', piece).count() == line_ends
    }

    /// Appends what the end needs: a line end where there is none, and the dot where the content is stuffed.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.encoding != Encoding::Binary && !self.line_start {
            out.extend_from_slice(b"\r\n");
            self.line_start = true;
        }
        if self.encoding == Encoding::Stuffed {
            out.extend_from_slice(b".\r\n");
        }
    }
}

/// Decodes what follows the 354 of DATA, up to `<CRLF>.<CRLF>` and nothing that merely looks like it:
/// a bare CR or LF is content (RFC 5321 §4.1.1.4), never part of the end.
#[derive(Debug, Default)]
pub(crate) struct StuffedDecoder {
    seen: Seen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    /// The start of a line: the beginning, or behind a CRLF.
    #[default]
    LineStart,
    /// A dot at the start of a line; it is dropped.
    Dot,
    /// A dot at the start of a line and a CR.
    DotCr,
    /// A CR elsewhere.
    Cr,
    /// Anything else.
    Inside,
}

impl StuffedDecoder {
    /// Appends the content in `input`; returns how much of it was used, and whether the end was reached.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some((&byte, rest)) = input.get(at..).and_then(<[u8]>::split_first) {
            at += 1;
            self.seen = match (self.seen, byte) {
                (Seen::LineStart, b'.') => Seen::Dot,
                (Seen::Dot, b'\r') => Seen::DotCr,
                (Seen::DotCr, b'\n') => {
                    self.seen = Seen::LineStart;
                    return (at, true);
                }
                (before, byte) => {
                    // The CR behind a lone dot was held back: it is content after all.
                    if before == Seen::DotCr {
                        out.push(b'\r');
                    }
                    out.push(byte);
                    match byte {
                        b'\n' if before == Seen::Cr => Seen::LineStart,
                        b'\r' => Seen::Cr,
                        _ => {
                            let run = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
                            out.extend_from_slice(rest.get(..run).unwrap_or_default());
                            at += run;
                            Seen::Inside
                        }
                    }
                }
            };
        }
        (at, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(encoding: Encoding, content: &[u8], cut: usize) -> Vec<u8> {
        let mut encoder = ContentEncoder::new(encoding);
        let mut out = Vec::new();
        content.chunks(cut.max(1)).for_each(|piece| encoder.encode(piece, &mut out));
        encoder.finish(&mut out);
        out
    }

    /// The slow and plain way to say what line ends should become.
    fn canonical(content: &[u8]) -> Vec<u8> {
        let text: String = content.iter().map(|byte| char::from(*byte)).collect();
        let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        let mut bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
        if !bytes.is_empty() && !bytes.ends_with(b"\r\n") {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    #[test]
    fn dots_at_every_kind_of_line_start_are_stuffed() {
        for (content, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b".", b"..\r\n.\r\n"),
            (b".a\r\n", b"..a\r\n.\r\n"),
            (b"a\r\n\r\n.b\r\n", b"a\r\n\r\n..b\r\n.\r\n"),
            (b"a\n.b", b"a\r\n..b\r\n.\r\n"),
            (b"a\r.b", b"a\r\n..b\r\n.\r\n"),
            (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
            (b"a.b\r\n", b"a.b\r\n.\r\n"),
        ] {
            for cut in 1..=content.len().max(1) {
                assert_eq!(encoded(Encoding::Stuffed, content, cut), wire, "{content:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn nothing_but_the_true_end_ends_the_content() {
        for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n.\r\r\n", "\n.\r"] {
            let input = format!("a{end}b");
            let mut out = Vec::new();
            let (_, done) = StuffedDecoder::default().decode(input.as_bytes(), &mut out);
            assert!(!done, "{end:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_canonical_lines(content in "[a.\r\n]{0,40}", cut in 1usize..8, read in 1usize..8) {
            let mut wire = encoded(Encoding::Stuffed, content.as_bytes(), cut);
            wire.extend_from_slice(b"MAIL");
            let (mut decoder, mut out, mut at) = (StuffedDecoder::default(), Vec::new(), 0);
            loop {
                let end = (at + read).min(wire.len());
                let (used, done) = decoder.decode(&wire[at..end], &mut out);
                at += used;
                if done {
                    break;
                }
                prop_assert!(at < wire.len());
            }
            prop_assert_eq!(&wire[at..], b"MAIL");
            prop_assert_eq!(out, canonical(content.as_bytes()));
            prop_assert_eq!(encoded(Encoding::Lines, content.as_bytes(), cut), canonical(content.as_bytes()));
        }

        #[test]
        fn binary_content_is_left_alone(content in prop::collection::vec(any::<u8>(), 0..60), cut in 1usize..8) {
            prop_assert_eq!(encoded(Encoding::Binary, &content, cut), content);
        }
    }
}
