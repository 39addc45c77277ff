//! The mechanisms, their names and their order

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A SASL mechanism that this crate speaks.
///
/// The variants stand strongest first, and so they compare: the smaller is preferred.
///
/// | secret | order | why |
/// |---|---|---|
/// | password | SCRAM-SHA-256 | never shows the password, and the server proves that it knows it |
/// | | CRAM-MD5 | never shows the password: a server (or whoever broke its TLS) learns only a digest to guess at |
/// | | PLAIN | shows the password to the server, in one round trip |
/// | | LOGIN | shows the password to the server, in three; no specification |
/// | token | OAUTHBEARER | RFC 7628, binds the token to host and port |
/// | | XOAUTH2 | its forerunner, without them |
///
/// CRAM-MD5 obliges the server to keep something as good as the password. That is the choice of the
/// server, made before anybody logs in; a client that answers with PLAIN instead does not undo it and only
/// shows more.
///
/// ```
/// use mailkit_smtp::sasl::Mechanism;
///
/// assert_eq!(Mechanism::parse("scram-sha-256"), Some(Mechanism::ScramSha256));
/// assert!(Mechanism::ScramSha256 < Mechanism::Plain);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// SCRAM-SHA-256 (RFC 5802, RFC 7677); needs the feature `scram`.
    ScramSha256,
    /// CRAM-MD5 (RFC 2195); needs the feature `cram-md5`.
    CramMd5,
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN (draft-murchison-sasl-login, never an RFC).
    Login,
    /// OAUTHBEARER (RFC 7628).
    OAuthBearer,
    /// XOAUTH2 (Google's and Microsoft's documentation).
    XOAuth2,
}

impl Mechanism {
    /// All mechanisms, compiled in or not, strongest first.
    pub const ALL: [Self; 6] =
        [Self::ScramSha256, Self::CramMd5, Self::Plain, Self::Login, Self::OAuthBearer, Self::XOAuth2];

    /// The registered name, as EHLO and AUTH carry it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::CramMd5 => "CRAM-MD5",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// The mechanism of a name, in any case.
    ///
    /// ```
    /// use mailkit_smtp::sasl::Mechanism;
    ///
    /// assert_eq!(Mechanism::parse("Plain"), Some(Mechanism::Plain));
    /// assert_eq!(Mechanism::parse("GSSAPI"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether this build can speak it: the feature that it needs is on.
    ///
    /// ```
    /// use mailkit_smtp::sasl::Mechanism;
    ///
    /// assert!(Mechanism::Plain.available());
    /// assert_eq!(Mechanism::CramMd5.available(), cfg!(feature = "cram-md5"));
    /// ```
    #[must_use]
    pub const fn available(self) -> bool {
        match self {
            Self::ScramSha256 => cfg!(feature = "scram"),
            Self::CramMd5 => cfg!(feature = "cram-md5"),
            Self::Plain | Self::Login | Self::OAuthBearer | Self::XOAuth2 => true,
        }
    }

    /// The feature of this crate that brings it, if it is not always there.
    #[must_use]
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Self::ScramSha256 => Some("scram"),
            Self::CramMd5 => Some("cram-md5"),
            Self::Plain | Self::Login | Self::OAuthBearer | Self::XOAuth2 => None,
        }
    }

    /// Whether it carries a token (OAuth 2.0) and not a password.
    #[must_use]
    pub const fn takes_token(self) -> bool {
        matches!(self, Self::OAuthBearer | Self::XOAuth2)
    }

    /// Whether the secret itself travels: without TLS, everybody on the way reads it.
    #[must_use]
    pub const fn shows_secret(self) -> bool {
        !matches!(self, Self::ScramSha256 | Self::CramMd5)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no known mechanism, as in a URL's `auth=`.
///
/// ```
/// use mailkit_smtp::sasl::Mechanism;
///
/// let error = "kerberos".parse::<Mechanism>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown login mechanism \"kerberos\": \
///      use scram-sha-256, cram-md5, plain, login, oauthbearer or xoauth2"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMechanism {
    /// The name as it was given.
    pub name: String,
}

impl fmt::Display for UnknownMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown login mechanism {:?}: use ", self.name)?;
        let mut rest = Mechanism::ALL.len();
        for mechanism in Mechanism::ALL {
            rest -= 1;
            f.write_str(&mechanism.name().to_ascii_lowercase())?;
            f.write_str(match rest {
                0 => "",
                1 => " or ",
                _ => ", ",
            })?;
        }
        Ok(())
    }
}

impl Error for UnknownMechanism {}

/// Reads the names of a server URL's `auth=`: `plain`, `login`, `cram-md5`, `xoauth2`, `oauthbearer`,
/// `scram-sha-256`, in any case. They are known even where the build lacks the mechanism:
/// see [`Mechanism::available`].
impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name).ok_or_else(|| UnknownMechanism { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_in_any_case() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(mechanism.name()), Some(mechanism));
            assert_eq!(mechanism.name().to_ascii_lowercase().parse(), Ok::<_, UnknownMechanism>(mechanism));
        }
    }

    #[test]
    fn the_list_stands_in_the_order_of_strength() {
        assert!(Mechanism::ALL.is_sorted());
    }

    #[test]
    fn what_needs_no_feature_is_available() {
        for mechanism in Mechanism::ALL {
            assert!(mechanism.available() || mechanism.feature().is_some());
        }
    }
}
