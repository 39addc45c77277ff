//! The base64 text in which AUTH lines carry the mechanisms' bytes (RFC 4954 §4)

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{decoded_len_estimate, encoded_len};
use zeroize::Zeroizing;

/// The longest base64 text of one AUTH line, without its CRLF, in bytes.
///
/// RFC 4954 §4 sets 12288 octets for the line with its end.
pub const MAX_BASE64: usize = 12_288 - 2;

/// The base64 form of a response or challenge, wiped on drop.
///
/// Nothing becomes an empty text, as a line of its own wants it; as initial response behind AUTH it is
/// [`encode_initial_response`] that is needed.
///
/// ```
/// use mailkit_smtp::sasl::encode_base64;
///
/// assert_eq!(*encode_base64(b"\0tim\0tanstaaftanstaaf"), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
/// ```
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> Zeroizing<String> {
    // Reserved whole, so that growing never leaves an unwiped copy behind.
    let length = encoded_len(bytes.len(), true).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(length));
    STANDARD.encode_string(bytes, &mut text);
    text
}

/// As [`encode_base64`], but nothing becomes `=`: so RFC 4954 §4 writes an initial response that is empty,
/// not absent.
///
/// ```
/// use mailkit_smtp::sasl::encode_initial_response;
///
/// assert_eq!(*encode_initial_response(b""), "=");
/// ```
#[must_use]
pub fn encode_initial_response(bytes: &[u8]) -> Zeroizing<String> {
    if bytes.is_empty() {
        return Zeroizing::new("=".to_owned());
    }
    encode_base64(bytes)
}

/// The bytes of a base64 text: standard alphabet, padding obligatory, no stray bits; `=` alone is nothing.
///
/// # Errors
/// [`InvalidBase64`] if the text is anything else, or longer than [`MAX_BASE64`].
///
/// ```
/// use mailkit_smtp::sasl::decode_base64;
///
/// assert_eq!(**decode_base64("dGlt")?, *b"tim");
/// assert!(decode_base64("=")?.is_empty());
/// assert!(decode_base64("dGk").is_err());
/// # Ok::<(), mailkit_smtp::sasl::InvalidBase64>(())
/// ```
pub fn decode_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, InvalidBase64> {
    if text.len() > MAX_BASE64 {
        return Err(InvalidBase64::TooLong { length: text.len() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(decoded_len_estimate(text.len())));
    if text != "=" {
        STANDARD.decode_vec(text, &mut bytes).map_err(|_| InvalidBase64::Malformed)?;
    }
    Ok(bytes)
}

/// A text that is no base64 of an AUTH line. It may hold a secret, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidBase64 {
    /// Not base64: a foreign character, missing or misplaced padding, or stray bits at the end.
    Malformed,
    /// More than [`MAX_BASE64`] bytes.
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl fmt::Display for InvalidBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not valid base64"),
            Self::TooLong { length } => {
                write!(f, "{length} bytes of base64, more than the {MAX_BASE64} of RFC 4954")
            }
        }
    }
}

impl Error for InvalidBase64 {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(&*decode_base64(&encode_base64(&bytes)).unwrap(), &bytes);
            prop_assert_eq!(&*decode_base64(&encode_initial_response(&bytes)).unwrap(), &bytes);
        }

        #[test]
        fn what_decodes_has_one_spelling(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Ok(bytes) = decode_base64(&text) && text != "=" {
                prop_assert_eq!(&*encode_base64(&bytes), &text);
            }
        }
    }

    #[test]
    fn anything_but_the_strict_form_is_refused() {
        for text in ["dGlt=", "dGk", "dGl", "dG lt", "dGlt\r\n", "==", "dGk_", "dG=t", "dGl="] {
            assert_eq!(decode_base64(text).unwrap_err(), InvalidBase64::Malformed, "{text:?}");
        }
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused_unread() {
        let error = decode_base64(&"A".repeat(MAX_BASE64 + 1)).unwrap_err();
        assert_eq!(error, InvalidBase64::TooLong { length: MAX_BASE64 + 1 });
    }
}
