//! The server's half of an exchange

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::mem;

#[cfg(any(feature = "cram-md5", feature = "scram"))]
use super::MIN_NONCE;
#[cfg(feature = "cram-md5")]
use super::cram_md5;
#[cfg(feature = "scram")]
use super::scram;
use super::{Mechanism, Secret, bearer, plain};

/// Where a server looks its users up.
///
/// ```
/// use std::collections::BTreeMap;
/// use mailkit_smtp::sasl::{Secret, Users};
///
/// let users = BTreeMap::from([("ann".to_owned(), Secret::new("s3cret"))]);
/// assert!(users.password("ann").is_some_and(|password| password.matches("s3cret")));
/// assert!(users.password("bob").is_none());
/// ```
pub trait Users {
    /// The password of a user; for OAUTHBEARER and XOAUTH2 the token that is accepted. An empty one lets
    /// nobody in.
    fn password(&self, user: &str) -> Option<Secret>;
}

impl Users for BTreeMap<String, Secret> {
    fn password(&self, user: &str) -> Option<Secret> {
        self.get(user).cloned()
    }
}

/// What the server does next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerStep {
    /// Send 334 and this, raw: base64 is the caller's. The answer goes to [`ServerExchange::respond`].
    Challenge(Vec<u8>),
    /// Send 235: the client is this user.
    Accepted {
        /// The user's name, as [`Users`] knows it.
        user: String,
    },
    /// Refuse.
    Rejected(Rejection),
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Unknown user or wrong secret, which of them is not told: 535 5.7.8.
    BadCredentials,
    /// The client broke the mechanism's grammar: 501 5.5.2.
    Malformed(&'static str),
    /// The build lacks the mechanism: 504 5.5.4.
    Unavailable(Mechanism),
    /// Ours: the nonce has too few bytes to be unpredictable: 454 4.7.0.
    ShortNonce,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredentials => f.write_str("the user or the password is wrong"),
            Self::Malformed(what) => write!(f, "the response is malformed: {what}"),
            Self::Unavailable(mechanism) => write!(f, "{mechanism} is not available"),
            Self::ShortNonce => f.write_str("the server has no unpredictable nonce"),
        }
    }
}

impl Error for Rejection {}

/// One login, seen from the server. Dropped when the client cancels with `*`.
///
/// A wrong user costs the same work as a wrong password, so that time does not tell them apart.
///
/// ```
/// use std::collections::BTreeMap;
/// use mailkit_smtp::sasl::{Mechanism, Rejection, Secret, ServerExchange, ServerStep};
///
/// let users = BTreeMap::from([("ann".to_owned(), Secret::new("s3cret"))]);
/// let (mut exchange, step) =
///     ServerExchange::start(Mechanism::Login, None, &users, &[9; 18], "mail.example.com");
/// assert_eq!(step, ServerStep::Challenge(b"Username:".to_vec()));
/// assert_eq!(exchange.respond(b"ann", &users), ServerStep::Challenge(b"Password:".to_vec()));
/// let step = exchange.respond(b"guess", &users);
/// assert_eq!(step, ServerStep::Rejected(Rejection::BadCredentials));
/// ```
pub struct ServerExchange {
    mechanism: Mechanism,
    state: State,
}

enum State {
    ExpectPlain,
    ExpectLoginUser,
    ExpectLoginPassword {
        user: String,
    },
    ExpectToken,
    /// The client's answer to the reason why its token is refused.
    ExpectTokenDummy,
    #[cfg(feature = "cram-md5")]
    ExpectCramDigest {
        challenge: Vec<u8>,
    },
    #[cfg(feature = "scram")]
    ExpectScramFirst {
        nonce: String,
        hostname: String,
    },
    #[cfg(feature = "scram")]
    ExpectScramFinal(scram::ExpectClientFinal),
    /// The client's empty answer to the server's signature.
    #[cfg(feature = "scram")]
    ExpectScramEnd {
        user: String,
    },
    Over,
}

impl ServerExchange {
    /// Begins with an AUTH command and its initial response, if it carried one (decoded; `=` is an empty
    /// one). The nonce, of at least [`MIN_NONCE`](super::MIN_NONCE) unpredictable bytes, and the server's
    /// own name go into the challenges of CRAM-MD5 and SCRAM.
    pub fn start(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        users: &dyn Users,
        nonce: &[u8],
        hostname: &str,
    ) -> (Self, ServerStep) {
        let over = |rejection| {
            let state = State::Over;
            (Self { mechanism, state }, ServerStep::Rejected(rejection))
        };
        let (state, challenge) = match first_state(mechanism, nonce, hostname) {
            Ok(first) => first,
            Err(rejection) => return over(rejection),
        };
        let mut exchange = Self { mechanism, state };
        let step = match initial {
            None => ServerStep::Challenge(challenge),
            Some(_) if mechanism == Mechanism::CramMd5 => {
                return over(Rejection::Malformed("CRAM-MD5 has no initial response"));
            }
            Some(response) => exchange.respond(response, users),
        };
        (exchange, step)
    }

    /// The mechanism in use.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the client's answer to the last challenge, raw, and says what follows.
    pub fn respond(&mut self, response: &[u8], users: &dyn Users) -> ServerStep {
        let step = match mem::replace(&mut self.state, State::Over) {
            State::ExpectPlain => {
                plain::parse(response).and_then(|(user, password)| log_in(users, user, |own| own.matches(password)))
            }
            State::ExpectLoginUser => text(response).map(|user| {
                let user = user.to_owned();
                self.state = State::ExpectLoginPassword { user };
                ServerStep::Challenge(b"Password:".to_vec())
            }),
            State::ExpectLoginPassword { user } => {
                text(response).and_then(|password| log_in(users, &user, |own| own.matches(password)))
            }
            State::ExpectToken => self.judge_token(response, users),
            State::ExpectTokenDummy => Err(Rejection::BadCredentials),
            #[cfg(feature = "cram-md5")]
            State::ExpectCramDigest { challenge } => cram_md5::parse(response).and_then(|(user, digest)| {
                log_in(users, user, |own| cram_md5::verify(own.expose(), &challenge, digest))
            }),
            #[cfg(feature = "scram")]
            State::ExpectScramFirst { nonce, hostname } => scram::ExpectClientFinal::start(response, &nonce, &hostname)
                .map(|(challenge, next)| {
                    self.state = State::ExpectScramFinal(next);
                    ServerStep::Challenge(challenge)
                }),
            #[cfg(feature = "scram")]
            State::ExpectScramFinal(state) => state.respond(response, users).map(|(challenge, user)| {
                self.state = State::ExpectScramEnd { user };
                ServerStep::Challenge(challenge)
            }),
            #[cfg(feature = "scram")]
            State::ExpectScramEnd { user } if response.is_empty() => Ok(ServerStep::Accepted { user }),
            #[cfg(feature = "scram")]
            State::ExpectScramEnd { .. } => Err(Rejection::Malformed("nothing may follow the server's signature")),
            State::Over => Err(Rejection::Malformed("the exchange is over")),
        };
        step.unwrap_or_else(ServerStep::Rejected)
    }

    fn judge_token(&mut self, response: &[u8], users: &dyn Users) -> Result<ServerStep, Rejection> {
        let (user, token) = bearer::parse(self.mechanism, response)?;
        let verdict = log_in(users, &user, |own| own.matches(token));
        if verdict != Err(Rejection::BadCredentials) {
            return verdict;
        }
        self.state = State::ExpectTokenDummy;
        Ok(ServerStep::Challenge(match self.mechanism {
            Mechanism::OAuthBearer => bearer::OAUTHBEARER_FAILURE.to_vec(),
            _ => bearer::XOAUTH2_FAILURE.to_vec(),
        }))
    }
}

/// Shows the mechanism only: a state holds what the client sent.
impl fmt::Debug for ServerExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerExchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// The user's secret, or a stand-in to work on where there is none; and whether it is real.
pub(super) fn secret_or_decoy(users: &dyn Users, user: &str) -> (Secret, bool) {
    match users.password(user) {
        Some(secret) if !secret.expose().is_empty() => (secret, true),
        _ => (Secret::new("decoy"), false),
    }
}

/// The first state, and the challenge if the client brings no initial response.
#[cfg_attr(
    not(any(feature = "cram-md5", feature = "scram")),
    expect(unused_variables, reason = "only the optional mechanisms need them")
)]
fn first_state(mechanism: Mechanism, nonce: &[u8], hostname: &str) -> Result<(State, Vec<u8>), Rejection> {
    Ok(match mechanism {
        Mechanism::Plain => (State::ExpectPlain, Vec::new()),
        Mechanism::Login => (State::ExpectLoginUser, b"Username:".to_vec()),
        Mechanism::XOAuth2 | Mechanism::OAuthBearer => (State::ExpectToken, Vec::new()),
        #[cfg(any(feature = "cram-md5", feature = "scram"))]
        _ if nonce.len() < MIN_NONCE => return Err(Rejection::ShortNonce),
        #[cfg(feature = "cram-md5")]
        Mechanism::CramMd5 => {
            let challenge = cram_md5::challenge(nonce, hostname);
            (State::ExpectCramDigest { challenge: challenge.clone() }, challenge)
        }
        #[cfg(feature = "scram")]
        Mechanism::ScramSha256 => {
            let nonce = super::encode_base64(nonce).to_string();
            let hostname = hostname.to_owned();
            (State::ExpectScramFirst { nonce, hostname }, Vec::new())
        }
        #[cfg(not(all(feature = "cram-md5", feature = "scram")))]
        other => return Err(Rejection::Unavailable(other)),
    })
}

fn text(response: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(response).map_err(|_| Rejection::Malformed("it is not UTF-8"))
}

fn log_in(users: &dyn Users, user: &str, proves: impl FnOnce(&Secret) -> bool) -> Result<ServerStep, Rejection> {
    let (secret, known) = secret_or_decoy(users, user);
    // Not `&&`: the proof is weighed even where it cannot count.
    if proves(&secret) & known {
        let user = user.to_owned();
        Ok(ServerStep::Accepted { user })
    } else {
        Err(Rejection::BadCredentials)
    }
}
