//! A string that is never shown and is wiped when dropped

use std::fmt;
use std::hint::black_box;

use zeroize::Zeroizing;

/// A password or token: wiped on drop, never shown by `Debug`, without `Display`.
///
/// ```
/// use mailkit_smtp::sasl::Secret;
///
/// let secret = Secret::new("pencil");
/// assert_eq!(secret.expose(), "pencil");
/// assert!(secret.matches("pencil"));
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the string over. A `String` is moved, not copied, so no second copy of it stays behind.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself. The name is the warning: every use of it is worth a look.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this secret, in a time that depends on the candidate's length alone.
    ///
    /// ```
    /// use mailkit_smtp::sasl::Secret;
    ///
    /// assert!(!Secret::new("pencil").matches("pencils"));
    /// assert!(!Secret::new("pencil").matches("penci"));
    /// ```
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        let own = self.0.as_bytes();
        let mut difference = u8::from(own.len() != candidate.len());
        for (at, byte) in candidate.bytes().enumerate() {
            difference |= black_box(byte ^ own.get(at).copied().unwrap_or_default());
        }
        black_box(difference) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn matching_is_equality(own in ".{0,12}", candidate in ".{0,12}") {
            prop_assert_eq!(Secret::new(own.as_str()).matches(&candidate), own == candidate);
            prop_assert!(Secret::new(own.as_str()).matches(&own));
        }
    }

    #[test]
    fn an_empty_secret_matches_only_nothing() {
        assert!(Secret::new("").matches(""));
        assert!(!Secret::new("").matches("\0"));
        assert!(!Secret::new("\0").matches(""));
    }

    #[test]
    fn debug_shows_nothing_even_inside_a_holder() {
        assert_eq!(format!("{:?}", Some(Secret::from("hunter2"))), "Some(Secret(***))");
    }
}
