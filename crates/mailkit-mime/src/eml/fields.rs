//! The fields in the header of a finished message: names, values and where they stand.

use std::ops::Range;

use memchr::memchr2;

use crate::error::{EmlError, SHOWN, shown};
use crate::header::name::is_field_name;

/// One field in the header of a finished message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    value: &'a [u8],
    /// Where the value starts.
    value_start: usize,
    /// Where all its lines stand, line ends included.
    pub(crate) range: Range<usize>,
}

impl Field<'_> {
    /// The value without its line ends and the blanks around it (RFC 5322 §2.2.3). Bytes that
    /// are not UTF-8 become U+FFFD.
    pub(crate) fn unfolded(&self) -> String {
        let bytes: Vec<u8> = self.value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        String::from_utf8_lossy(&bytes).trim_matches([' ', '\t']).to_owned()
    }
}

/// Reads the fields up to the empty line or the end.
///
/// A bare CR and a bare LF end a line as CRLF does: they will be CRLF on the wire, so nothing
/// hides behind one. A name may have blanks before its colon (RFC 5322 §4.5).
pub(crate) fn read(message: &[u8]) -> Result<Vec<Field<'_>>, EmlError> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut start = 0;
    for number in 1.. {
        let rest = message.get(start..).unwrap_or_default();
        let (line, length) = first_line(rest);
        if line.is_empty() {
            break;
        }
        let end = start + length;
        let continued = matches!(line.first(), Some(b' ' | b'\t'));
        let begun = if continued { None } else { field(line, start..end) };
        match (fields.last_mut(), begun) {
            (Some(last), _) if continued => extend(last, message, end),
            (_, Some(field)) => fields.push(field),
            _ => {
                let text = shown(&String::from_utf8_lossy(line), SHOWN);
                return Err(EmlError::MalformedHeader { line: number, text });
            }
        }
        start = end;
    }
    if fields.is_empty() { Err(EmlError::NoHeader) } else { Ok(fields) }
}

/// The first line without its end, and its length with it.
pub(super) fn first_line(text: &[u8]) -> (&[u8], usize) {
    let Some(at) = memchr2(b'\r', b'\n', text) else {
        return (text, text.len());
    };
    let (line, end) = text.split_at(at);
    let end_length = if end.starts_with(b"\r\n") { 2 } else { 1 };
    (line, at + end_length)
}

fn field(line: &[u8], range: Range<usize>) -> Option<Field<'_>> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at(colon);
    let name = str::from_utf8(name).ok()?.trim_end_matches([' ', '\t']);
    let value_start = range.start + colon + 1;
    is_field_name(name.as_bytes()).then_some(Field { name, value: value.get(1..)?, value_start, range })
}

/// Adds a line to a field, without a look at those before it.
fn extend<'a>(field: &mut Field<'a>, message: &'a [u8], end: usize) {
    field.range.end = end;
    field.value = message.get(field.value_start..end).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_values(message: &str) -> Vec<(String, String)> {
        let fields = read(message.as_bytes()).unwrap();
        fields.iter().map(|field| (field.name.to_owned(), field.unfolded())).collect()
    }

    #[test]
    fn rfc_5322_section_2_2_3_folded_fields_are_unfolded() {
        let fields = names_and_values("A: one\r\n two\r\n\tthree\r\nB : x: y\n\r\nC: no\r\n");
        let wanted = [("A", "one two\tthree"), ("B", "x: y")];
        assert_eq!(fields, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        for end in ["\r\n", "\n", "\r"] {
            let message = format!("A: 1{end}B: 2{end}{end}C: 3{end}");
            let fields = read(message.as_bytes()).unwrap();
            let names: Vec<_> = fields.iter().map(|field| field.name).collect();
            assert_eq!(names, ["A", "B"]);
            assert_eq!(fields[1].range.end, message.find("C:").unwrap() - end.len());
        }
    }

    #[test]
    fn a_line_that_is_no_field_is_named() {
        for (message, line) in [
            ("From ann Mon Nov 23\nA: b\n", 1),
            ("A: b\nno colon\n", 2),
            (" A: b\n", 1),
            ("A: b\n: c\n", 2),
            ("A: b\n\u{e4}: c\n", 2),
            ("A: b\r\n c\r\nA B: c\r\n", 3),
        ] {
            let error = read(message.as_bytes()).unwrap_err();
            assert!(
                matches!(error, EmlError::MalformedHeader { line: found, .. } if found == line),
                "{message:?}: {error}"
            );
        }
        assert_eq!(read(b""), Err(EmlError::NoHeader));
        assert_eq!(read(b"\r\nA: b\r\n"), Err(EmlError::NoHeader));
    }
}
