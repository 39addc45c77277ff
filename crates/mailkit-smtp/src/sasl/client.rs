//! The client's half of an exchange

use std::fmt;
use std::mem;

use mailkit_address::is_unprintable;
use zeroize::Zeroizing;

#[cfg(feature = "cram-md5")]
use super::cram_md5;
#[cfg(feature = "scram")]
use super::scram;
use super::{Credentials, Mechanism, Redactor, SaslError, Secret, ServerFault, bearer, plain};

/// How much of a server's failure message is kept, in characters.
const MAX_WORDS: usize = 512;

/// What an exchange needs to know beside the credentials.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeContext<'a> {
    /// The server's name, for OAUTHBEARER; may be empty.
    pub host: &'a str,
    /// The server's port, for OAUTHBEARER; 0 if it has none.
    pub port: u16,
    /// At least [`MIN_NONCE`](super::MIN_NONCE) unpredictable bytes, for SCRAM; never the same twice.
    pub nonce: &'a [u8],
}

/// One login, seen from the client.
///
/// ```text
///  start ──► initial_response ──► AUTH NAME [response]
///                                   │
///              respond ◄── 334 ◄────┤
///                 └────────────────►┤
///                                  235 ──► finish
/// ```
///
/// After an error of [`respond`](Self::respond) the caller cancels with `*` (RFC 4954 §4).
///
/// ```
/// use mailkit_smtp::sasl::{ClientExchange, Credentials, ExchangeContext, Mechanism};
///
/// let credentials = Credentials::password("ann", "s3cret")?;
/// let context = ExchangeContext { host: "mail.example.com", port: 587, nonce: &[7; 18] };
/// let mut exchange = ClientExchange::start(Mechanism::Login, &credentials, context)?;
/// assert!(exchange.initial_response().is_none());
/// assert_eq!(**exchange.respond(b"Username:")?, *b"ann");
/// assert_eq!(**exchange.respond(b"Password:")?, *b"s3cret");
/// exchange.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientExchange {
    mechanism: Mechanism,
    initial: Option<Zeroizing<Vec<u8>>>,
    state: State,
    server_proven: bool,
    server_words: Option<String>,
    redactor: Redactor,
}

#[expect(clippy::enum_variant_names, reason = "a state is named by what it awaits")]
enum State {
    ExpectUserPrompt {
        user: String,
        password: Secret,
    },
    ExpectPasswordPrompt {
        password: Secret,
    },
    /// A challenge would be the server's reason for refusing the token.
    ExpectTokenVerdict,
    #[cfg(feature = "cram-md5")]
    ExpectCramChallenge {
        user: String,
        password: Secret,
    },
    #[cfg(feature = "scram")]
    ExpectScramFirst(scram::ExpectServerFirst),
    #[cfg(feature = "scram")]
    ExpectScramFinal(scram::ExpectServerFinal),
    /// All is said: the reply decides.
    ExpectOutcome,
}

impl ClientExchange {
    /// Prepares an exchange. A password serves as the token of a token mechanism.
    ///
    /// # Errors
    /// [`SaslError`], always of ours: the mechanism is not compiled in, needs a password where a token was
    /// given, or the context is unfit (host, nonce).
    pub fn start(
        mechanism: Mechanism,
        credentials: &Credentials,
        context: ExchangeContext<'_>,
    ) -> Result<Self, SaslError> {
        credentials.check()?;
        if !mechanism.takes_token() && matches!(credentials, Credentials::Token { .. }) {
            return Err(SaslError::NeedsPassword(mechanism));
        }
        if let Some(position) = context.host.bytes().position(|byte| byte.is_ascii_control()) {
            return Err(SaslError::InvalidHost { position });
        }
        let (initial, state) = first_state(mechanism, credentials, &context)?;
        let redactor = Redactor::new(credentials);
        Ok(Self { mechanism, initial, state, server_proven: false, server_words: None, redactor })
    }

    /// The mechanism in use.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the message that may go out with the AUTH command, raw; `None` if the server speaks first.
    ///
    /// Not taken (the line would be too long), it is the answer to the empty challenge that follows.
    ///
    /// ```
    /// # use mailkit_smtp::sasl::{ClientExchange, Credentials, ExchangeContext, Mechanism};
    /// # let credentials = Credentials::password("ann", "s3cret")?;
    /// # let context = ExchangeContext { host: "", port: 0, nonce: &[] };
    /// let mut exchange = ClientExchange::start(Mechanism::Plain, &credentials, context)?;
    /// assert_eq!(**exchange.respond(b"")?, *b"\0ann\0s3cret");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initial_response(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.initial.take()
    }

    /// Answers a challenge. Both are raw: base64 is the caller's.
    ///
    /// # Errors
    /// [`SaslError::Server`] if the server broke the mechanism, refused within it, or is an impostor. The
    /// exchange is over then.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, SaslError> {
        if let Some(initial) = self.initial.take() {
            if challenge.is_empty() {
                return Ok(initial);
            }
            self.state = State::ExpectOutcome;
            return Err(self.fault(ServerFault::Malformed("the client speaks first")));
        }
        match mem::replace(&mut self.state, State::ExpectOutcome) {
            // The order is the protocol: the prompts' words vary from server to server.
            State::ExpectUserPrompt { user, password } => {
                self.state = State::ExpectPasswordPrompt { password };
                Ok(Zeroizing::new(user.into_bytes()))
            }
            State::ExpectPasswordPrompt { password } => Ok(Zeroizing::new(password.expose().as_bytes().to_vec())),
            State::ExpectTokenVerdict => {
                self.server_words = Some(self.clipped(&printable(challenge)));
                Ok(Zeroizing::new(match self.mechanism {
                    Mechanism::OAuthBearer => bearer::OAUTHBEARER_ANSWER.to_vec(),
                    _ => Vec::new(),
                }))
            }
            #[cfg(feature = "cram-md5")]
            State::ExpectCramChallenge { user, password } => {
                if challenge.is_empty() {
                    return Err(self.fault(ServerFault::Malformed("it is empty")));
                }
                Ok(cram_md5::response(&user, password.expose(), challenge))
            }
            #[cfg(feature = "scram")]
            State::ExpectScramFirst(state) => {
                let (response, next) = state.respond(challenge).map_err(|fault| self.fault(fault))?;
                self.state = State::ExpectScramFinal(next);
                Ok(response)
            }
            #[cfg(feature = "scram")]
            State::ExpectScramFinal(state) => {
                state.verify(challenge).map_err(|fault| self.fault(fault))?;
                self.server_proven = true;
                Ok(Zeroizing::new(Vec::new()))
            }
            State::ExpectOutcome => Err(self.fault(ServerFault::UnexpectedChallenge)),
        }
    }

    /// Whether the next challenge costs a lot of work: SCRAM derives its keys from the password by it, in up to
    /// [`MAX_ITERATIONS`](super::MAX_ITERATIONS) rounds.
    #[must_use]
    pub const fn is_costly(&self) -> bool {
        #[cfg(feature = "scram")]
        return matches!(self.state, State::ExpectScramFirst(_));
        #[cfg(not(feature = "scram"))]
        false
    }

    /// Says whether a 235 may be believed.
    ///
    /// # Errors
    /// [`ServerFault::MissingSignature`] if the mechanism lets the server prove itself (SCRAM) and it has
    /// not: whoever answered does not know the password.
    pub fn finish(&self) -> Result<(), SaslError> {
        if self.mechanism == Mechanism::ScramSha256 && !self.server_proven {
            return Err(self.fault(ServerFault::MissingSignature));
        }
        Ok(())
    }

    /// The server's own words about a refused token (JSON, by RFC 7628 §3.2.2), without the token, clipped and without
    /// control characters.
    ///
    /// ```
    /// # use mailkit_smtp::sasl::{ClientExchange, Credentials, ExchangeContext, Mechanism};
    /// # let credentials = Credentials::token("ann", "expired")?;
    /// # let context = ExchangeContext { host: "", port: 0, nonce: &[] };
    /// let mut exchange = ClientExchange::start(Mechanism::OAuthBearer, &credentials, context)?;
    /// let _ = exchange.initial_response();
    /// assert_eq!(**exchange.respond(br#"{"status":"invalid_token"}"#)?, *b"\x01");
    /// assert_eq!(exchange.server_words(), Some(r#"{"status":"invalid_token"}"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn server_words(&self) -> Option<&str> {
        self.server_words.as_deref()
    }

    fn fault(&self, fault: ServerFault) -> SaslError {
        let fault = match fault {
            ServerFault::Refused(words) => ServerFault::Refused(self.clipped(&words)),
            fault => fault,
        };
        SaslError::server(self.mechanism, fault)
    }

    /// A server's words without the secret, which may be longer than what is kept of them.
    fn clipped(&self, words: &str) -> String {
        self.redactor.redact(words).chars().take(MAX_WORDS).collect()
    }
}

/// Shows the mechanism only: everything else is secret or leads to it.
impl fmt::Debug for ClientExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientExchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

type Start = (Option<Zeroizing<Vec<u8>>>, State);

fn first_state(
    mechanism: Mechanism,
    credentials: &Credentials,
    context: &ExchangeContext<'_>,
) -> Result<Start, SaslError> {
    let user = credentials.user();
    let secret = credentials.secret();
    Ok(match mechanism {
        Mechanism::Plain => (Some(plain::message(user, secret.expose())), State::ExpectOutcome),
        Mechanism::Login => {
            let (user, password) = (user.to_owned(), secret.clone());
            (None, State::ExpectUserPrompt { user, password })
        }
        Mechanism::XOAuth2 => {
            let message = bearer::xoauth2(user, secret.expose());
            (Some(message), State::ExpectTokenVerdict)
        }
        Mechanism::OAuthBearer => {
            let message = bearer::oauthbearer(user, secret.expose(), context);
            (Some(message), State::ExpectTokenVerdict)
        }
        #[cfg(feature = "cram-md5")]
        Mechanism::CramMd5 => {
            let (user, password) = (user.to_owned(), secret.clone());
            (None, State::ExpectCramChallenge { user, password })
        }
        #[cfg(feature = "scram")]
        Mechanism::ScramSha256 => {
            let (message, state) = scram::ExpectServerFirst::start(user, secret, context.nonce)?;
            (Some(message), State::ExpectScramFirst(state))
        }
        #[cfg(not(all(feature = "cram-md5", feature = "scram")))]
        other => return Err(SaslError::NotCompiledIn(other)),
    })
}

/// The peer's bytes as one line of text fit for an error.
pub(super) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|letter| if is_unprintable(letter) { ' ' } else { letter }).collect()
}
