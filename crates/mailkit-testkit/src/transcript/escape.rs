//! Bytes written as text: the escapes of `C|` and `S|` lines.

use super::TranscriptProblem;

/// Reads `\r \n \t \0 \\ \s` and `\xNN`; all else stands for itself.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, TranscriptProblem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, length) = one(escaped).ok_or_else(|| {
            TranscriptProblem::BadEscape(format!("\\{}", escaped.chars().take(3).collect::<String>()))
        })?;
        bytes.push(byte);
        rest = escaped.get(length..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte that an escape stands for, and the escape's length without its backslash.
fn one(escaped: &str) -> Option<(u8, usize)> {
    let byte = match escaped.as_bytes().first()? {
        b'r' => b'\r',
        b'n' => b'\n',
        b't' => b'\t',
        b's' => b' ',
        b'0' => 0,
        b'\\' => b'\\',
        b'x' => return Some((u8::from_str_radix(escaped.get(1..3)?, 16).ok()?, 3)),
        _ => return None,
    };
    Some((byte, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_and_text_between() {
        assert_eq!(decode("a\\r\\n\\t\\0\\\\\\s\\xffé").unwrap(), b"a\r\n\t\0\\ \xff\xc3\xa9");
    }

    #[test]
    fn an_escape_cut_short_is_refused() {
        for text in ["\\", "\\x", "\\xé", "a\\xz0"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
