//! Why a configuration makes no sense.

use std::fmt;
use std::path::PathBuf;

use mailkit_address::{ErrorMessage, chained_display};

/// Why a configuration makes no sense.
#[derive(Debug)]
pub struct ConfigError {
    pub(super) file: Option<PathBuf>,
    pub(super) line: Option<usize>,
    pub(super) problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    Unreadable(std::io::Error),
    Setting(String),
}

impl ConfigError {
    /// The line that it is about, counted from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, Problem::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}

impl ErrorMessage for ConfigError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.problem {
            Problem::Unreadable(_) => f.write_str("the file cannot be read"),
            // In one line: the parser parts its words by line ends.
            Problem::Setting(words) => f.write_str(&words.trim_end().replace('\n', ", ")),
        }
    }
}

chained_display!(ConfigError);

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Unreadable(error) => Some(error),
            Problem::Setting(_) => None,
        }
    }
}
