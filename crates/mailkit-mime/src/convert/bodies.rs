//! How bodies are written: encoded, or mended where they are encoded already.

use super::plan::Body;
use crate::encoding::{Base64Lines, TextEncoder, TextEncoding, hex_escape};

/// A line of quoted-printable has at most 76 characters, the `=` of a soft break among them (RFC 2045 §6.7).
const MOST: usize = 76;

/// `=` and two digits.
const ESCAPE: usize = 3;

/// The most octets that are kept together behind a `=` that follows another. Programs differ in which of the two the digits
/// belong to.
const MAX_ESCAPE: usize = 30;

/// A body on its way.
#[derive(Debug)]
pub(super) enum Writer {
    Kept,
    QuotedPrintable(TextEncoder),
    Base64(Box<Base64Lines>),
    MendQuotedPrintable(Mend),
    MendBase64 { column: usize },
}

/// Quoted-printable with octets in it that may not stand there.
#[derive(Debug, Default)]
pub(super) struct Mend {
    column: usize,
    /// The start of what may be an escape.
    escape: Vec<u8>,
}

impl Writer {
    pub(super) fn of(body: Body) -> Self {
        match body {
            Body::Kept => Self::Kept,
            Body::QuotedPrintable => Self::QuotedPrintable(TextEncoding::QuotedPrintable.encoder()),
            Body::Base64 => Self::Base64(Box::default()),
            Body::MendQuotedPrintable => Self::MendQuotedPrintable(Mend::default()),
            Body::MendBase64 => Self::MendBase64 { column: 0 },
        }
    }

    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Kept => out.extend_from_slice(piece),
            Self::QuotedPrintable(encoder) => encoder.push(piece, out),
            Self::Base64(encoder) => encoder.push(piece, out),
            Self::MendQuotedPrintable(mend) => mend.push(piece, out),
            Self::MendBase64 { column } => mend_base64(column, piece, out),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::QuotedPrintable(encoder) => encoder.finish(out),
            Self::Base64(encoder) => encoder.finish(out),
            Self::MendQuotedPrintable(mend) => mend.end_escape(out),
            Self::Kept | Self::MendBase64 { .. } => {}
        }
    }
}

impl Mend {
    /// Escapes what may not stand there, and breaks lines that are too long.
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if piece == b"\r\n" {
            self.end_escape(out);
            self.column = 0;
            out.extend_from_slice(piece);
            return;
        }
        for octet in piece {
            let passes = matches!(octet, b'\t' | b' '..=b'~');
            if !passes {
                if !self.escape.is_empty() {
                    // It is none, and must not become one with what is written next.
                    self.escape.splice(..1, *b"=3D");
                    self.end_escape(out);
                }
                self.unit(&hex_escape(*octet), out);
            } else if !self.escape.is_empty() || *octet == b'=' {
                self.escape.push(*octet);
                let behind = self.escape.iter().rev().take_while(|octet| **octet != b'=').count();
                if behind + 1 == ESCAPE || self.escape.len() == MAX_ESCAPE {
                    self.end_escape(out);
                }
            } else {
                self.unit(&[*octet], out);
            }
        }
    }

    /// Writes what looked like an escape so far.
    fn end_escape(&mut self, out: &mut Vec<u8>) {
        let escape = std::mem::take(&mut self.escape);
        if !escape.is_empty() {
            self.unit(&escape, out);
        }
        self.escape = escape;
        self.escape.clear();
    }

    /// Writes what is not cut.
    fn unit(&mut self, unit: &[u8], out: &mut Vec<u8>) {
        if self.column + unit.len() + 1 > MOST {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
            // What stands in a line of its own now must not look like a boundary.
            if let [b'-'] = unit {
                self.column = ESCAPE;
                return out.extend_from_slice(&hex_escape(b'-'));
            }
        }
        self.column += unit.len();
        out.extend_from_slice(unit);
    }
}

/// Leaves out what is not of its alphabet, as every decoder does (RFC 2045 §6.8), and ends lines after 76.
fn mend_base64(column: &mut usize, piece: &[u8], out: &mut Vec<u8>) {
    if piece == b"\r\n" {
        *column = 0;
        out.extend_from_slice(piece);
        return;
    }
    for octet in piece.iter().filter(|octet| octet.is_ascii() && **octet != 0) {
        if *column == MOST {
            out.extend_from_slice(b"\r\n");
            *column = 0;
        }
        out.push(*octet);
        *column += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(body: Body, text: &str) -> String {
        let (mut writer, mut out) = (Writer::of(body), Vec::new());
        writer.push(text.as_bytes(), &mut out);
        writer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn mended_quoted_printable_decodes_to_the_same() {
        let decode = |text: &str| quoted_printable::decode(text, quoted_printable::ParseMode::Robust).unwrap();
        for text in ["a=C3=A9b", &"=C3=A9".repeat(300), &"x".repeat(3000)] {
            let mended = mended(Body::MendQuotedPrintable, text);
            assert_eq!(decode(&mended), decode(text));
            assert!(mended.lines().all(|line| line.len() <= 76));
        }
        assert_eq!(mended(Body::MendQuotedPrintable, "caf\u{e9}=20"), "caf=C3=A9=20");
    }

    #[test]
    fn mended_base64_has_its_alphabet_in_short_lines() {
        assert_eq!(mended(Body::MendBase64, "aGk\u{e9}="), "aGk=");
        assert!(mended(Body::MendBase64, &"a".repeat(3000)).lines().all(|line| line.len() <= 76));
    }
}
