//! The forms in which header and body are hashed (RFC 6376 §3.4), and that of header fields.

use std::fmt;

/// How much a server on the way may change before a signature breaks (RFC 6376 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6376 names two, and nothing has been added to them")]
pub enum Canonicalization {
    /// Nothing: only empty lines at the end of the body do not count.
    Simple,
    /// White space: its runs count as one space, at the end of a line as nothing, and header fields
    /// may be folded anew.
    Relaxed,
}

impl Canonicalization {
    /// The word in `c=`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Relaxed => "relaxed",
        }
    }

    /// Appends a header field, given without its last CRLF, in this form and without its last CRLF.
    pub(super) fn field(self, field: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Simple => out.extend_from_slice(field),
            Self::Relaxed => relaxed_field(field, out),
        }
    }
}

impl fmt::Display for Canonicalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the byte is WSP (RFC 5234 appendix B.1).
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The relaxed form of a header field (RFC 6376 §3.4.2).
fn relaxed_field(field: &[u8], out: &mut Vec<u8>) {
    let mut parts = field.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let value = parts.next().unwrap_or_default();
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let mut blank = false;
    let mut begun = false;
    for byte in value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        if is_blank(byte) {
            blank = true;
            continue;
        }
        if blank && begun {
            out.push(b' ');
        }
        blank = false;
        begun = true;
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(form: Canonicalization, field: &str) -> String {
        let mut out = Vec::new();
        form.field(field.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_header_of_rfc_6376_section_3_4_5_in_both_forms() {
        for (field, relaxed) in [("A: X", "a:X"), ("B : Y\t\r\n\tZ  ", "b:Y Z")] {
            assert_eq!(canonical(Canonicalization::Relaxed, field), relaxed);
            assert_eq!(canonical(Canonicalization::Simple, field), field);
        }
    }

    #[test]
    fn relaxed_unfolds_joins_blanks_and_keeps_every_other_byte() {
        for (field, relaxed) in [
            ("Subject:", "subject:"),
            ("Subject:  \t ", "subject:"),
            ("SUBJECT \t: a:b", "subject:a:b"),
            ("Subject:\r\n a\r\n \r\n\tb", "subject:a b"),
            ("Subject: a\u{a0} b\u{e9}\u{b}", "subject:a\u{a0} b\u{e9}\u{b}"),
        ] {
            assert_eq!(canonical(Canonicalization::Relaxed, field), relaxed);
        }
    }
}
