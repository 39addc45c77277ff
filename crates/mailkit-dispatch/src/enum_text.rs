//! Enums as text: what `FromStr` answers when no variant has the name.

use std::error::Error;
use std::fmt;

/// The most characters of a wrong value that an error repeats.
const MAX_SHOWN: usize = 64;

/// A text that names no variant of an enum.
///
/// ```
/// use mailkit_dispatch::FailureClass;
///
/// let error = "mailbox-ful".parse::<FailureClass>().unwrap_err();
/// assert!(error.to_string().starts_with("`mailbox-ful` is not one of `connection`, `closing`,"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseEnumError {
    value: String,
    expected: Vec<&'static str>,
}

impl fmt::Display for ParseEnumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not one of ", self.value.escape_debug())?;
        for (number, name) in self.expected.iter().enumerate() {
            write!(f, "{}`{name}`", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Error for ParseEnumError {}

/// The variant that `as_str` gives this name.
pub(crate) fn parse<T: Copy>(value: &str, variants: &[T], as_str: fn(T) -> &'static str) -> Result<T, ParseEnumError> {
    variants.iter().copied().find(|variant| as_str(*variant) == value).ok_or_else(|| ParseEnumError {
        value: value.chars().take(MAX_SHOWN).collect(),
        expected: variants.iter().copied().map(as_str).collect(),
    })
}

/// `Display` and `FromStr` of an enum that has `ALL` and `as_str`.
macro_rules! string_enum {
    ($($name:ident),+) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::enum_text::ParseEnumError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::enum_text::parse(text, &Self::ALL, Self::as_str)
            }
        }
    )+};
}
pub(crate) use string_enum;
