//! Who logs in, and with what

use std::error::Error;
use std::fmt;

use super::Secret;

/// A user and a secret, free of control characters. `Debug` shows the user only.
///
/// The variants can be matched but not built: the constructors check what goes in.
///
/// ```
/// use mailkit_smtp::sasl::Credentials;
///
/// let credentials = Credentials::password("ann", "s3cret")?;
/// assert_eq!(credentials.user(), "ann");
/// assert!(!format!("{credentials:?}").contains("s3cret"));
///
/// let error = Credentials::password("ann\r\nRSET", "s3cret").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the user contains a control character at byte 3"
/// );
/// # Ok::<(), mailkit_smtp::sasl::InvalidCredentials>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// A user and a password.
    #[non_exhaustive]
    Password {
        /// The name to log in as.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A user and an OAuth 2.0 bearer token.
    #[non_exhaustive]
    Token {
        /// The name to log in as; empty leaves it to the token (OAUTHBEARER alone allows that).
        user: String,
        /// The access token.
        token: Secret,
    },
}

impl Credentials {
    /// A login by password.
    ///
    /// # Errors
    /// [`InvalidCredentials`] if either holds a C0 control character (NUL is one) or DEL, or is empty:
    /// RFC 4616 §2 separates its fields by NUL and wants each filled.
    pub fn password(user: impl Into<String>, password: impl Into<Secret>) -> Result<Self, InvalidCredentials> {
        let credentials = Self::Password { user: user.into(), password: password.into() };
        credentials.check()?;
        Ok(credentials)
    }

    /// A login by OAuth 2.0 bearer token.
    ///
    /// # Errors
    /// [`InvalidCredentials`] if either holds a C0 control character or DEL, or the token is empty.
    ///
    /// ```
    /// use mailkit_smtp::sasl::{CredentialField, Credentials};
    ///
    /// assert!(Credentials::token("ann@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg").is_ok());
    ///
    /// let error = Credentials::token("ann@example.com", "ya29\n").unwrap_err();
    /// assert_eq!((error.field, error.position), (CredentialField::Token, 4));
    /// ```
    pub fn token(user: impl Into<String>, token: impl Into<Secret>) -> Result<Self, InvalidCredentials> {
        let credentials = Self::Token { user: user.into(), token: token.into() };
        credentials.check()?;
        Ok(credentials)
    }

    /// The name to log in as.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Password { user, .. } | Self::Token { user, .. } => user,
        }
    }

    /// The password or the token.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Password { password, .. } => password,
            Self::Token { token, .. } => token,
        }
    }

    /// Checks again what the constructors checked: a match by `&mut` can have changed it since.
    pub(super) fn check(&self) -> Result<(), InvalidCredentials> {
        match self {
            Self::Password { user, password } => {
                filled(CredentialField::User, user)?;
                free_of_controls(CredentialField::User, user)?;
                filled(CredentialField::Password, password.expose())?;
                free_of_controls(CredentialField::Password, password.expose())
            }
            Self::Token { user, token } => {
                free_of_controls(CredentialField::User, user)?;
                filled(CredentialField::Token, token.expose())?;
                free_of_controls(CredentialField::Token, token.expose())
            }
        }
    }
}

/// Which part of the [`Credentials`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialField {
    /// The user.
    User,
    /// The password.
    Password,
    /// The bearer token.
    Token,
}

impl fmt::Display for CredentialField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Password => "password",
            Self::Token => "token",
        })
    }
}

/// A user, password or token that no mechanism could carry. Shows the place, never the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidCredentials {
    /// The part that is wrong.
    pub field: CredentialField,
    /// The byte offset of the first control character; 0 if the part is empty.
    pub position: usize,
    /// Whether it is wrong for being empty.
    pub empty: bool,
}

impl fmt::Display for InvalidCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.empty {
            write!(f, "the {} is empty", self.field)
        } else {
            write!(f, "the {} contains a control character at byte {}", self.field, self.position)
        }
    }
}

impl Error for InvalidCredentials {}

fn filled(field: CredentialField, value: &str) -> Result<(), InvalidCredentials> {
    if value.is_empty() {
        return Err(InvalidCredentials { field, position: 0, empty: true });
    }
    Ok(())
}

fn free_of_controls(field: CredentialField, value: &str) -> Result<(), InvalidCredentials> {
    match value.bytes().position(|byte| byte.is_ascii_control()) {
        None => Ok(()),
        Some(position) => Err(InvalidCredentials { field, position, empty: false }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_refused_in_every_field() {
        for control in (0_u8..0x20).chain([0x7f]) {
            let bad = format!("ab{}", char::from(control));
            let at = |error: InvalidCredentials| (error.field, error.position);
            assert_eq!(at(Credentials::password(bad.as_str(), "x").unwrap_err()), (CredentialField::User, 2));
            assert_eq!(at(Credentials::password("u", bad.as_str()).unwrap_err()), (CredentialField::Password, 2));
            assert_eq!(at(Credentials::token(bad.as_str(), "x").unwrap_err()), (CredentialField::User, 2));
            assert_eq!(at(Credentials::token("u", bad.as_str()).unwrap_err()), (CredentialField::Token, 2));
        }
    }

    #[test]
    fn empty_parts_are_refused_except_the_user_of_a_token() {
        assert!(Credentials::password("", "x").unwrap_err().empty);
        let error = Credentials::password("u", "").unwrap_err();
        assert_eq!(error.to_string(), "the password is empty");
        assert!(Credentials::token("u", "").unwrap_err().empty);
        assert!(Credentials::token("", "x").is_ok());
    }

    #[test]
    fn debug_shows_the_user_only() {
        let shown = format!("{:?}", Credentials::password("ann", "hunter2").unwrap());
        assert!(shown.contains("ann") && !shown.contains("hunter2"));
    }
}
