//! Why a server could not be launched, and what a test does about it.

use std::error::Error;
use std::path::Path;
use std::{fmt, io};

/// Set (to anything) by the gate: a missing server then fails the test instead of skipping it.
pub const REQUIRE_REAL: &str = "MAILKIT_REQUIRE_REAL";

/// Why a launcher gave no server.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError {
    /// The program is not installed here; `package` is Debian's name for what holds it.
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The program starts only as root, and this process is not.
    NotRoot {
        /// The program that was to be started.
        program: &'static str,
    },
    /// A file, folder, port or process could not be had.
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended, or did not answer in time; `log` is what it wrote.
    NotReady {
        /// The program that was started.
        program: &'static str,
        /// What was seen instead of its greeting.
        seen: String,
        /// Its log until then.
        log: String,
    },
    /// The certificates could not be made.
    Certificate(crate::CertificateError),
}

impl LaunchError {
    /// Whether nothing is wrong but the place: the server is not installed, or may not start here.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::NotRoot { .. })
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program, package } => {
                write!(f, "{program} is not installed (on Debian: apt-get install {package})")
            }
            Self::NotRoot { program } => write!(f, "{program} starts only as root"),
            Self::Io { doing, .. } => write!(f, "{doing} failed"),
            Self::NotReady { program, seen, log } => {
                write!(f, "{program} did not become ready: {seen}; its log:\n{log}")
            }
            Self::Certificate(_) => f.write_str("no certificates for the server"),
        }
    }
}

impl Error for LaunchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Certificate(source) => Some(source),
            _ => None,
        }
    }
}

/// The server, or `None` with a word on standard error where this machine has none: the test then returns.
///
/// # Panics
///
/// When the server is installed and yet did not start, and whenever there is none while
/// [`REQUIRE_REAL`] is set.
pub fn available<T>(launched: Result<T, LaunchError>) -> Option<T> {
    match launched {
        Ok(server) => Some(server),
        Err(error) if error.is_unavailable() && std::env::var_os(REQUIRE_REAL).is_none() => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            panic!("{error}{cause}")
        }
    }
}

/// The first of the paths that exists.
pub(crate) fn program(
    program: &'static str,
    package: &'static str,
    candidates: &[&'static str],
) -> Result<&'static str, LaunchError> {
    candidates.iter().copied().find(|path| Path::new(path).exists()).ok_or(LaunchError::Missing { program, package })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "x did not become ready: nothing")]
    fn a_server_that_is_there_but_broken_is_never_skipped() {
        available::<()>(Err(LaunchError::NotReady { program: "x", seen: "nothing".into(), log: String::new() }));
    }

    #[test]
    fn a_program_that_is_nowhere_is_named_with_its_package() {
        let error = program("postwoman", "postwoman-core", &["/nowhere/postwoman"]).unwrap_err();
        assert!(error.is_unavailable());
        assert!(error.to_string().contains("apt-get install postwoman-core"));
    }
}
