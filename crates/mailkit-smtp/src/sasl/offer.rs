//! What a server offers, and the choice from it

use std::error::Error;
use std::fmt;

use super::{Credentials, Mechanism};

/// How many foreign names are kept for error texts, and how long each may be (RFC 4422 §3.1 allows 20).
const FOREIGN_NAMES: usize = 8;
const FOREIGN_NAME_LENGTH: usize = 20;

/// A set of mechanisms, as EHLO's `AUTH` line lists them.
///
/// Names that this crate does not know are kept for error texts, a few of them and clipped.
///
/// ```
/// use mailkit_smtp::sasl::{Mechanism, Mechanisms};
///
/// let offered = Mechanisms::parse("LOGIN GSSAPI plain");
/// assert!(offered.contains(Mechanism::Plain));
/// assert!(!offered.contains(Mechanism::CramMd5));
/// assert_eq!(offered.to_string(), "PLAIN LOGIN");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mechanisms {
    known: u8,
    foreign: Vec<String>,
    clipped: bool,
}

impl Mechanisms {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { known: 0, foreign: Vec::new(), clipped: false }
    }

    /// All that this build speaks.
    ///
    /// ```
    /// use mailkit_smtp::sasl::{Mechanism, Mechanisms};
    ///
    /// assert!(Mechanisms::available().iter().all(Mechanism::available));
    /// ```
    #[must_use]
    pub fn available() -> Self {
        Mechanism::ALL.into_iter().filter(|mechanism| mechanism.available()).collect()
    }

    /// Reads the words behind `AUTH`, in any case, separated by spaces.
    #[must_use]
    pub fn parse(words: &str) -> Self {
        let mut offered = Self::new();
        offered.add_words(words);
        offered
    }

    /// Adds the words of a further line: some servers send `AUTH` twice, or `AUTH=` beside `AUTH`.
    pub fn add_words(&mut self, words: &str) {
        for word in words.split_ascii_whitespace() {
            match Mechanism::parse(word) {
                Some(mechanism) => self.insert(mechanism),
                None => self.add_foreign(word),
            }
        }
    }

    /// Adds one mechanism.
    pub fn insert(&mut self, mechanism: Mechanism) {
        self.known |= bit(mechanism);
    }

    /// Whether the mechanism is among them.
    #[must_use]
    pub const fn contains(&self, mechanism: Mechanism) -> bool {
        self.known & bit(mechanism) != 0
    }

    /// Whether there is none that this crate knows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// The known ones, strongest first.
    pub fn iter(&self) -> impl Iterator<Item = Mechanism> + use<> {
        let known = self.known;
        Mechanism::ALL.into_iter().filter(move |mechanism| known & bit(*mechanism) != 0)
    }

    /// The strongest mechanism that is offered, compiled in and fit for the credentials; or `only`, if that
    /// is all three.
    ///
    /// A password serves as the token where `only` names OAUTHBEARER or XOAUTH2: that is how a server URL
    /// carries one.
    ///
    /// # Errors
    /// [`NoCommonMechanism`] says what was offered and what could have been used.
    ///
    /// ```
    /// use mailkit_smtp::sasl::{Credentials, Mechanism, Mechanisms};
    ///
    /// let credentials = Credentials::password("ann", "s3cret")?;
    /// let offered = Mechanisms::parse("XOAUTH2 LOGIN PLAIN");
    /// assert_eq!(offered.choose(&credentials, None)?, Mechanism::Plain);
    /// assert_eq!(offered.choose(&credentials, Some(Mechanism::Login))?, Mechanism::Login);
    /// assert_eq!(offered.choose(&credentials, Some(Mechanism::XOAuth2))?, Mechanism::XOAuth2);
    ///
    /// let error = Mechanisms::parse("NTLM").choose(&credentials, None).unwrap_err();
    /// assert!(error.to_string().contains("the server offers NTLM"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn choose(&self, credentials: &Credentials, only: Option<Mechanism>) -> Result<Mechanism, NoCommonMechanism> {
        let usable = usable(credentials, only);
        usable.iter().copied().find(|mechanism| self.contains(*mechanism)).ok_or_else(|| NoCommonMechanism {
            offered: self.names(),
            more_offered: self.clipped,
            usable,
            only,
        })
    }

    /// The mechanisms that both sides have, strongest first.
    pub(crate) fn in_common(
        &self,
        credentials: &Credentials,
        only: Option<Mechanism>,
    ) -> impl Iterator<Item = Mechanism> {
        usable(credentials, only).into_iter().filter(|mechanism| self.contains(*mechanism))
    }

    fn names(&self) -> Vec<String> {
        self.iter().map(|mechanism| mechanism.name().to_owned()).chain(self.foreign.iter().cloned()).collect()
    }

    /// Changes the names that are not known here.
    pub(crate) fn change_foreign(&mut self, change: impl FnMut(&mut String)) {
        self.foreign.iter_mut().for_each(change);
    }

    fn add_foreign(&mut self, word: &str) {
        let name: String = word.chars().filter(char::is_ascii_graphic).take(FOREIGN_NAME_LENGTH).collect();
        if name.is_empty() || self.foreign.contains(&name) {
            return;
        }
        if self.foreign.len() < FOREIGN_NAMES {
            self.foreign.push(name);
        } else {
            self.clipped = true;
        }
    }
}

impl FromIterator<Mechanism> for Mechanisms {
    fn from_iter<I: IntoIterator<Item = Mechanism>>(mechanisms: I) -> Self {
        let mut set = Self::new();
        set.extend(mechanisms);
        set
    }
}

impl Extend<Mechanism> for Mechanisms {
    fn extend<I: IntoIterator<Item = Mechanism>>(&mut self, mechanisms: I) {
        for mechanism in mechanisms {
            self.insert(mechanism);
        }
    }
}

/// The known mechanisms as EHLO lists them, strongest first.
impl fmt::Display for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mechanism) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(mechanism.name())?;
        }
        Ok(())
    }
}

/// The server and this side have no mechanism in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoCommonMechanism {
    /// What the server offers, by name; foreign names are clipped.
    pub offered: Vec<String>,
    /// Whether it offers more foreign names than are listed.
    pub more_offered: bool,
    /// What this side could have used, strongest first.
    pub usable: Vec<Mechanism>,
    /// The one that was asked for, if one was.
    pub only: Option<Mechanism>,
}

impl fmt::Display for NoCommonMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no common login mechanism: ")?;
        match self.offered.as_slice() {
            [] => f.write_str("the server offers none")?,
            names => write!(f, "the server offers {}", names.join(", "))?,
        }
        if self.more_offered {
            f.write_str(" and more")?;
        }
        f.write_str("; ")?;
        match (self.only, self.usable.as_slice()) {
            (Some(only), []) if only.available() => {
                write!(f, "{only}, which was asked for, needs a password, not a token")
            }
            (Some(only), []) => {
                write!(f, "{only}, which was asked for, is not compiled in")?;
                match only.feature() {
                    Some(feature) => write!(f, " (feature {feature:?})"),
                    None => Ok(()),
                }
            }
            (Some(only), _) => write!(f, "only {only} was allowed"),
            (None, usable) => {
                let names: Vec<_> = usable.iter().map(|mechanism| mechanism.name()).collect();
                write!(f, "usable here: {}", names.join(", "))
            }
        }
    }
}

impl Error for NoCommonMechanism {}

const fn bit(mechanism: Mechanism) -> u8 {
    1 << mechanism as u8
}

/// What this side could use, strongest first.
fn usable(credentials: &Credentials, only: Option<Mechanism>) -> Vec<Mechanism> {
    let has_token = matches!(credentials, Credentials::Token { .. });
    let fits = |mechanism: Mechanism| match only {
        Some(only) => mechanism == only && (mechanism.takes_token() || !has_token),
        None => mechanism.takes_token() == has_token,
    };
    Mechanism::ALL.into_iter().filter(|mechanism| mechanism.available() && fits(*mechanism)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Credentials {
        Credentials::password("ann", "x").unwrap()
    }

    fn token() -> Credentials {
        Credentials::token("ann", "x").unwrap()
    }

    #[test]
    fn the_strongest_that_both_sides_have_wins() {
        let all = Mechanisms::parse("LOGIN PLAIN XOAUTH2 CRAM-MD5 OAUTHBEARER SCRAM-SHA-256");
        let expected = if cfg!(feature = "scram") {
            Mechanism::ScramSha256
        } else if cfg!(feature = "cram-md5") {
            Mechanism::CramMd5
        } else {
            Mechanism::Plain
        };
        assert_eq!(all.choose(&password(), None), Ok(expected));
        assert_eq!(all.choose(&token(), None), Ok(Mechanism::OAuthBearer));
        let login = Mechanisms::parse("login");
        assert_eq!(login.choose(&password(), None), Ok(Mechanism::Login));
    }

    #[test]
    fn the_error_lists_what_was_offered_with_foreign_names_and_what_was_usable() {
        let error = Mechanisms::parse("GSSAPI XOAUTH2 ntlm").choose(&password(), None).unwrap_err();
        assert_eq!(error.offered, ["XOAUTH2", "GSSAPI", "ntlm"]);
        assert!(error.usable.ends_with(&[Mechanism::Plain, Mechanism::Login]));
        let text = error.to_string();
        assert!(text.starts_with("no common login mechanism: the server offers XOAUTH2, GSSAPI, ntlm; usable here: "));
        assert!(text.ends_with("PLAIN, LOGIN"), "{text}");
    }

    #[test]
    fn a_server_cannot_fill_the_error_text() {
        let words: String = (0..1000).map(|n| format!("X{n}{} ", "Y".repeat(500))).collect();
        let error = Mechanisms::parse(&words).choose(&password(), None).unwrap_err();
        assert_eq!(error.offered.len(), FOREIGN_NAMES);
        assert!(error.offered.iter().all(|name| name.len() <= FOREIGN_NAME_LENGTH));
        assert!(error.more_offered);
        assert!(error.to_string().len() < 400);
    }

    #[test]
    fn the_mechanism_asked_for_is_taken_or_nothing() {
        let offered = Mechanisms::parse("PLAIN LOGIN XOAUTH2");
        assert_eq!(offered.choose(&password(), Some(Mechanism::Login)), Ok(Mechanism::Login));
        assert_eq!(offered.choose(&password(), Some(Mechanism::XOAuth2)), Ok(Mechanism::XOAuth2));
        let error = offered.choose(&token(), Some(Mechanism::Plain)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no common login mechanism: the server offers PLAIN, LOGIN, XOAUTH2; \
             PLAIN, which was asked for, needs a password, not a token"
        );
        let error = offered.choose(&token(), Some(Mechanism::OAuthBearer)).unwrap_err();
        assert!(error.to_string().ends_with("only OAUTHBEARER was allowed"));
    }

    #[test]
    fn a_server_without_login_is_named_so() {
        let error = Mechanisms::parse("").choose(&token(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no common login mechanism: the server offers none; usable here: OAUTHBEARER, XOAUTH2"
        );
    }

    #[test]
    fn printing_and_parsing_are_inverse() {
        for bits in 0..64_u8 {
            let set: Mechanisms = Mechanism::ALL.into_iter().filter(|mechanism| bits & bit(*mechanism) != 0).collect();
            assert_eq!(Mechanisms::parse(&set.to_string()), set);
        }
    }
}
