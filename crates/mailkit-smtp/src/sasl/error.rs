//! What can go wrong while logging in, by whose fault

use std::error::Error;
use std::fmt;

use mailkit_address::{ErrorMessage, chained_display};

use super::{InvalidCredentials, Mechanism};

/// Why a client cannot go on with an exchange. The variant says whose fault it is.
///
/// A refusal by reply code (535) is none of these: the reply itself says it.
///
/// ```
/// use mailkit_smtp::sasl::{ClientExchange, Credentials, ExchangeContext, Mechanism};
///
/// let credentials = Credentials::token("ann", "ya29")?;
/// let context = ExchangeContext { host: "mail.example.com", port: 587, nonce: &[7; 18] };
/// let error = ClientExchange::start(Mechanism::Plain, &credentials, context).unwrap_err();
/// assert!(!error.blames_server());
/// assert_eq!(error.to_string(), "PLAIN needs a password, and a token was given");
/// # Ok::<(), mailkit_smtp::sasl::InvalidCredentials>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslError {
    /// Ours: the user or the secret cannot be sent.
    Credentials(InvalidCredentials),
    /// Ours: the build lacks the mechanism.
    NotCompiledIn(Mechanism),
    /// Ours: the mechanism proves a password, and a token was given.
    NeedsPassword(Mechanism),
    /// Ours: the host of the context holds a control character.
    InvalidHost {
        /// Its byte offset.
        position: usize,
    },
    /// Ours: the nonce of the context has too few bytes to be unpredictable.
    ShortNonce {
        /// How many are needed.
        needed: usize,
        /// How many were given.
        given: usize,
    },
    /// Ours: a password that RFC 4013 does not allow, such as one with unassigned or private characters.
    UnsuitablePassword,
    /// The server's: it broke the mechanism, or is not what it says it is.
    Server {
        /// The mechanism in use.
        mechanism: Mechanism,
        /// What the server did.
        fault: ServerFault,
    },
}

impl SaslError {
    /// Whether the server is to blame.
    #[must_use]
    pub const fn blames_server(&self) -> bool {
        matches!(self, Self::Server { .. })
    }

    pub(super) const fn server(mechanism: Mechanism, fault: ServerFault) -> Self {
        Self::Server { mechanism, fault }
    }
}

/// What the server did wrong in an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerFault {
    /// It asked once more after the client had said everything.
    UnexpectedChallenge,
    /// It sent a challenge that breaks the mechanism's grammar.
    Malformed(&'static str),
    /// It refused inside the exchange (SCRAM's `e=`), in these words.
    Refused(String),
    /// It asked for an extension that the client must not ignore (SCRAM's `m=`).
    MandatoryExtension,
    /// Its nonce does not continue the client's: the message belongs to another exchange.
    ForeignNonce,
    /// It asks for fewer rounds of key derivation than the password needs to stay safe.
    TooFewIterations {
        /// The rounds that it asked for.
        asked: u32,
        /// The fewest that are accepted.
        minimum: u32,
    },
    /// It asks for so many rounds of key derivation that they would only burn the client's time.
    TooManyIterations {
        /// The most that are accepted.
        maximum: u32,
    },
    /// Its signature is wrong: it does not know the password, so it is not the server it claims to be.
    WrongSignature,
    /// It reported success without the signature that proves who it is.
    MissingSignature,
}

impl ErrorMessage for SaslError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(_) => f.write_str("the login cannot be sent"),
            Self::NotCompiledIn(mechanism) => match mechanism.feature() {
                Some(feature) => write!(f, "{mechanism} is not compiled in: build with the feature {feature:?}"),
                None => write!(f, "{mechanism} is not compiled in"),
            },
            Self::NeedsPassword(mechanism) => {
                write!(f, "{mechanism} needs a password, and a token was given")
            }
            Self::InvalidHost { position } => {
                write!(f, "the server's name contains a control character at byte {position}")
            }
            Self::ShortNonce { needed, given } => {
                write!(f, "a nonce of {given} bytes can be guessed: at least {needed} are needed")
            }
            Self::UnsuitablePassword => {
                f.write_str("the user or password has characters that SCRAM cannot carry (RFC 4013)")
            }
            Self::Server { mechanism, fault } => write!(f, "{mechanism}: {fault}"),
        }
    }
}

chained_display!(SaslError);

impl Error for SaslError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Credentials(invalid) => Some(invalid),
            _ => None,
        }
    }
}

impl From<InvalidCredentials> for SaslError {
    fn from(invalid: InvalidCredentials) -> Self {
        Self::Credentials(invalid)
    }
}

impl fmt::Display for ServerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedChallenge => f.write_str("the server sent a challenge after the exchange was complete"),
            Self::Malformed(what) => write!(f, "the server's challenge is malformed: {what}"),
            Self::Refused(words) => write!(f, "the server refused: {words}"),
            Self::MandatoryExtension => f.write_str("the server requires an extension that is not known here"),
            Self::ForeignNonce => f.write_str("the server's nonce does not continue the one that was sent"),
            Self::TooFewIterations { asked, minimum } => {
                write!(f, "the server asks for {asked} iterations, fewer than the {minimum} of RFC 7677")
            }
            Self::TooManyIterations { maximum } => {
                write!(f, "the server asks for more than {maximum} iterations")
            }
            Self::WrongSignature => {
                f.write_str("the server's signature is wrong: it does not know the password and may be an impostor")
            }
            Self::MissingSignature => f.write_str(
                "the server reported success without proving that it knows the password: it may be an impostor",
            ),
        }
    }
}
