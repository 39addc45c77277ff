//! What can be wrong with a server URL.

use std::fmt;
use std::io;
use std::path::PathBuf;

use mailkit_address::{ErrorMessage, chained_display};
use mailkit_smtp::sasl::{InvalidCredentials, Mechanism};

use crate::host::HostError;

/// Why a server URL was refused. Never holds a password, nor a text that may contain one.
#[derive(Debug)]
#[non_exhaustive]
pub enum UrlError {
    /// The text does not begin with a known scheme and `://`.
    Scheme {
        /// The scheme, where it looks like one.
        found: Option<String>,
        /// The schemes that are known.
        allowed: &'static str,
    },
    /// A control character, written out or percent-encoded.
    ControlCharacter {
        /// The part of the URL: `URL`, `user`, `password`, or a parameter.
        field: &'static str,
    },
    /// A percent sign without two hexadecimal digits behind it.
    Percent {
        /// The part of the URL.
        field: &'static str,
    },
    /// The percent-decoded bytes are no UTF-8.
    NotUtf8 {
        /// The part of the URL.
        field: &'static str,
    },
    /// An `@` stands behind the host: most likely the password holds `/`, `?` or `#` as such.
    NotEncoded,
    /// The host is missing or none.
    Host(HostError),
    /// The port is no number from 1 to 65535.
    Port,
    /// A path or fragment behind the host.
    Trailing,
    /// A Unix socket's URL has no absolute path, or a host before it.
    SocketPath,
    /// A password, but no user.
    UserMissing,
    /// A user, but no password.
    PasswordMissing,
    /// A password in the URL and a password file as well.
    PasswordTwice,
    /// The password file cannot be read.
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// User or password cannot be used for a login.
    Credentials(InvalidCredentials),
    /// A parameter that does not exist.
    UnknownParameter {
        /// Its name, as far as it can be shown.
        name: String,
        /// The parameters that exist.
        allowed: &'static str,
    },
    /// A parameter given twice.
    RepeatedParameter {
        /// Its name.
        name: &'static str,
    },
    /// A parameter with a value that it does not have.
    BadValue {
        /// The parameter.
        name: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A parameter that the scheme does not have.
    NotForScheme {
        /// The parameter.
        name: &'static str,
        /// The scheme.
        scheme: &'static str,
    },
    /// A parameter that is of no use without another.
    Incomplete {
        /// The parameter that is given.
        given: &'static str,
        /// The parameter that is missing.
        missing: &'static str,
    },
    /// A login mechanism that this build lacks.
    MechanismNotBuilt(Mechanism),
    /// The proxy's URL is wrong; the source says how.
    Proxy(Box<Self>),
}

impl UrlError {
    /// Whether trying again may help: never, a URL does not mend by itself.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        false
    }
}

impl ErrorMessage for UrlError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme { found: Some(found), allowed } => {
                write!(f, "the scheme {found:?} is unknown: use {allowed}")
            }
            Self::Scheme { found: None, allowed } => write!(f, "the URL has no scheme: use {allowed}"),
            Self::ControlCharacter { field } => write!(f, "the {field} holds a control character"),
            Self::Percent { field } => write!(
                f,
                "the {field} holds a percent sign without two hexadecimal digits behind it: write it %25"
            ),
            Self::NotUtf8 { field } => write!(f, "the {field} is no UTF-8 once percent-decoded"),
            Self::NotEncoded => f.write_str(
                "an @ stands behind the host: in a password write / as %2F, ? as %3F, # as %23, in a parameter @ as %40",
            ),
            Self::Host(error) => write!(f, "{error}"),
            Self::Port => f.write_str(
                "the port is no number from 1 to 65535 (an IPv6 address goes in brackets, a colon in a password is %3A)",
            ),
            Self::Trailing => f.write_str("something stands behind the host: only parameters (?name=value) may"),
            Self::SocketPath => f.write_str("a Unix socket is written lmtp+unix:///absolute/path, without a host"),
            Self::UserMissing => f.write_str("there is a password, but no user"),
            Self::PasswordMissing => f.write_str(
                "there is a user, but no password: write user:password@, or password-file=PATH, or set MAILKIT_PASSWORD \
                 (in a configuration, `password` may stand beside `server`)",
            ),
            Self::PasswordTwice => f.write_str("there is a password and a password-file: only one may be given"),
            Self::PasswordFile { path, source } => {
                write!(f, "the password file {} cannot be read: {source}", path.display())
            }
            Self::Credentials(error) => write!(f, "{error}"),
            Self::UnknownParameter { name, allowed } => {
                write!(f, "the parameter {name:?} is unknown: there are {allowed}")
            }
            Self::RepeatedParameter { name } => write!(f, "the parameter {name} is given twice"),
            Self::BadValue { name, value, allowed } => {
                write!(f, "the parameter {name} cannot be {value:?}: use {allowed}")
            }
            Self::NotForScheme { name, scheme } => write!(f, "the parameter {name} has no meaning with {scheme}://"),
            Self::Incomplete { given, missing } => {
                write!(f, "the parameter {given} is given, but {missing} is missing")
            }
            Self::MechanismNotBuilt(mechanism) => write!(
                f,
                "the login mechanism {mechanism} is not part of this build: enable the feature {}",
                mechanism.feature().unwrap_or_default()
            ),
            Self::Proxy(_) => f.write_str("the parameter proxy is no proxy URL"),
        }
    }
}

chained_display!(UrlError);

impl std::error::Error for UrlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Proxy(inner) => Some(inner.as_ref()),
            // The host's, the login's and the file's own words are already in ours.
            _ => None,
        }
    }
}

impl From<HostError> for UrlError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Control => Self::ControlCharacter { field: "host" },
            other => Self::Host(other),
        }
    }
}
