//! Why no message came of what was given.

mod eml;
mod encode;
mod field;
mod shown;

use std::error::Error;
use std::fmt;

pub use self::eml::EmlError;
pub use self::encode::EncodeError;
pub use self::field::{FieldError, FieldProblem};
pub(crate) use self::shown::{SHOWN, shown};

/// Everything that is wrong with the fields given to a [`MessageBuilder`](crate::MessageBuilder). `{}` shows it on one
/// line, `{:#}` each field on a line of its own.
///
/// ```
/// use mailkit_mime::{Message, Stamps};
/// use time::macros::datetime;
///
/// let errors = Message::builder(Stamps::new(datetime!(2026-11-23 07:00 UTC), 1))
///     .from("ann")
///     .to("bob@example.org")
///     .header("X-Id", "1\r\nBcc: eve@example.net")
///     .build()
///     .unwrap_err();
/// let fields: Vec<_> = errors.iter().map(|error| error.field()).collect();
/// assert_eq!(fields, ["From", "X-Id"]);
/// assert!(format!("{errors:#}").lines().eq(errors.iter().map(|error| error.to_string())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildErrors {
    errors: Vec<FieldError>,
}

impl BuildErrors {
    pub(crate) fn new(errors: Vec<FieldError>) -> Self {
        Self { errors }
    }

    /// The errors: at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.errors.iter()
    }
}

impl<'a> IntoIterator for &'a BuildErrors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str(if f.alternate() { "\n" } else { "; " })?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl Error for BuildErrors {}
