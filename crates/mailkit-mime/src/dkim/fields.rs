//! The fields of a finished header block.

use super::canonical::is_blank;
use super::error::DkimError;

/// One header field as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The field without its last CRLF.
    pub(super) whole: &'a [u8],
    pub(super) name: &'a [u8],
}

/// Reads `fields` (RFC 5322 §3.6) with CRLF behind each line; `field-name` may have blanks behind it,
/// as in §4.5.
pub(super) fn parse(header: &[u8]) -> Result<Vec<Field<'_>>, DkimError> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut start = 0;
    let mut position = 0;
    for (number, line) in (1..).zip(header.split_inclusive(|byte| *byte == b'\n')) {
        let text = line.strip_suffix(b"\r\n").ok_or(DkimError::HeaderLineEnd { line: number })?;
        if memchr::memchr(b'\r', text).is_some() {
            return Err(DkimError::HeaderLineEnd { line: number });
        }
        let malformed = DkimError::MalformedHeader { line: number };
        let end = position + text.len();
        if text.first().copied().is_some_and(is_blank) {
            let last = fields.last_mut().ok_or(malformed)?;
            last.whole = header.get(start..end).unwrap_or_default();
        } else {
            let colon = memchr::memchr(b':', text).ok_or_else(|| malformed.clone())?;
            let name = text.get(..colon).unwrap_or_default().trim_ascii_end();
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                return Err(malformed);
            }
            fields.push(Field { whole: text, name });
            start = position;
        }
        position += line.len();
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_folds_and_lose_their_last_line_end() {
        let fields = parse(b"A: 1\r\n\t2\r\n \r\nB :\xff\r\n").unwrap();
        assert_eq!(fields.iter().map(|field| field.whole).collect::<Vec<_>>(), [&b"A: 1\r\n\t2\r\n "[..], b"B :\xff"]);
        assert_eq!(fields[1].name, b"B");
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_header_is_refused_with_its_line() {
        for header in ["A: 1\r\nB: 2", "A: 1\r\nB: 2\n", "A: 1\r\nB:\r2\r\n", "A: 1\r\nB: 2\r\r\n"] {
            assert_eq!(parse(header.as_bytes()).unwrap_err(), DkimError::HeaderLineEnd { line: 2 }, "{header:?}");
        }
        for header in ["A: 1\r\n\r\n", "A: 1\r\nB 2\r\n", "A: 1\r\n: 2\r\n", "A: 1\r\nB c: 2\r\n"] {
            assert_eq!(parse(header.as_bytes()).unwrap_err(), DkimError::MalformedHeader { line: 2 }, "{header:?}");
        }
        assert_eq!(parse(b" A: 1\r\n").unwrap_err(), DkimError::MalformedHeader { line: 1 });
    }
}
