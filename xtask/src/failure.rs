//! What an xtask command ends with when it does not end well.

use std::fmt;

/// A failure in words that say what to do.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure described by `text`.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
