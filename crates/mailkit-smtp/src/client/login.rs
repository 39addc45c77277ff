//! The login: which mechanism is tried, the exchange, and what follows a refusal.

use super::{Client, ClientConfig, Error, Event, Expect, Phase};
use crate::command::write_auth_response;
use crate::sasl::{
    ClientExchange, ExchangeContext, Mechanism, Mechanisms, SaslError, Secret, decode_base64, encode_base64,
    encode_initial_response,
};
use crate::{Command, Reply, Severity, Step};

/// The longest AUTH command with its CRLF: RFC 4954 §4 leaves it at the limit of RFC 5321 §4.5.3.1.4.
const MAX_AUTH: usize = 512;

/// The most challenges that a login may take; the longest mechanism known here takes 2.
const MAX_CHALLENGES: u8 = 8;

/// Where the login stands.
#[derive(Default)]
pub(super) struct Login {
    exchange: Option<ClientExchange>,
    challenges: u8,
    /// The mechanisms that were tried, in order; the last one is in use.
    tried: Vec<Mechanism>,
    /// What the server answered to those that it refused; what it says of the secret is kept before all else.
    refusal: Option<Reply>,
}

impl Client {
    /// The mechanism by which the client is logged in.
    #[must_use]
    pub fn login_mechanism(&self) -> Option<Mechanism> {
        self.login.tried.last().copied().filter(|_| self.phase == Phase::Ready)
    }

    /// Whether the next input may cost a lot of work, since a password is made into keys (SCRAM). A caller that has other
    /// things to do hands it in on a thread for blocking work.
    #[must_use]
    pub fn is_costly(&self) -> bool {
        self.login.exchange.as_ref().is_some_and(ClientExchange::is_costly)
    }

    pub(super) fn log_in(&mut self) {
        let Some(credentials) = &self.config.credentials else { return self.open() };
        if !self.secured && !self.config.cleartext_auth {
            return self.fail(Error::CleartextAuth);
        }
        if self.extensions.auth == Mechanisms::new() {
            return self.fail(Error::NoAuth { secured: self.secured });
        }
        match self.extensions.auth.choose(credentials, self.config.mechanism) {
            Ok(strongest) => {
                let worked = self.config.preferred_mechanism.filter(|worked| self.candidates().contains(worked));
                self.log_in_by(worked.unwrap_or(strongest));
            }
            Err(error) => self.fail(Error::NoMechanism(error)),
        }
    }

    /// The mechanisms that both sides have and that were not tried, strongest first.
    fn candidates(&self) -> Vec<Mechanism> {
        let Some(credentials) = &self.config.credentials else { return Vec::new() };
        let all = self.extensions.auth.in_common(credentials, self.config.mechanism);
        all.filter(|mechanism| !self.login.tried.contains(mechanism)).collect()
    }

    fn log_in_by(&mut self, mechanism: Mechanism) {
        let Some(credentials) = &self.config.credentials else { return };
        self.login.tried.push(mechanism);
        let ClientConfig { host, port, nonce, .. } = &self.config;
        let start = || ClientExchange::start(mechanism, credentials, ExchangeContext { host, port: *port, nonce });
        match with_initial_response(start, MAX_AUTH - "AUTH  \r\n".len() - mechanism.name().len()) {
            Ok((exchange, initial)) => {
                self.login.challenges = 0;
                self.login.exchange = Some(exchange);
                if let (Some(secrets), Some(initial)) = (&mut self.secrets, &initial) {
                    secrets.add(initial.expose());
                }
                // In one piece: a buffer that grows leaves a copy of the secret behind.
                self.out.reserve(MAX_AUTH);
                self.send(&Command::Auth { mechanism: mechanism.name().into(), initial }, Expect::Auth);
            }
            // Characters that this mechanism cannot carry: another one can.
            Err(SaslError::UnsuitablePassword) if !self.candidates().is_empty() => self.try_next(),
            Err(error) => self.fail(Error::Sasl(error)),
        }
    }

    fn try_next(&mut self) {
        if let Some(next) = self.candidates().first().copied() {
            self.log_in_by(next);
        }
    }

    pub(super) fn handle_auth(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveIntermediate => {
                let begin = self.written();
                match self.answer_challenge(&reply) {
                    Ok(()) => self.await_reply(Expect::Auth, begin),
                    Err(error) => self.fail(error),
                }
            }
            // RFC 4954 §6: only a 235 says that the login succeeded. Any other agreement is the answer to something else.
            Severity::PositiveCompletion if reply.code().get() != 235 => {
                self.fail(Error::Unexpected(Step::Auth, reply));
            }
            Severity::PositiveCompletion => {
                match self.login.exchange.take().map_or(Ok(()), |exchange| exchange.finish()) {
                    Ok(()) => self.open(),
                    Err(error) => self.fail(Error::Sasl(error)),
                }
            }
            _ => self.handle_refused_login(reply),
        }
    }

    /// Tries the next mechanism, each once, where that may help and shows the secret to nobody who could not have had it.
    /// At most two logins of a connection are refused by 535: servers count those against the account.
    fn handle_refused_login(&mut self, reply: Reply) {
        let words = self.login.exchange.take().and_then(|exchange| exchange.server_words().map(str::to_owned));
        let reply = match words {
            Some(words) => Reply::new(reply.code(), reply.enhanced(), &format!("{}\n{words}", reply.text())),
            None => reply,
        };
        let of_the_secret = |reply: &Reply| reply.code().get() == 535;
        let first = !self.login.refusal.as_ref().is_some_and(of_the_secret);
        let another = match reply.code().get() {
            // The mechanism is refused, not the secret (RFC 4954 §6): 504 does not know it, 534 finds it too weak.
            504 | 534 => true,
            // A server that keeps only a hash of the password cannot check these two. It gets the password itself where
            // its certificate says who it is.
            535 if first => {
                let verified = self.secured && self.config.certificate_verified && !self.is_opportunistic();
                verified && self.login.tried.last().is_some_and(|mechanism| !mechanism.shows_secret())
            }
            _ => false,
        };
        if first || of_the_secret(&reply) {
            self.login.refusal = Some(reply.clone());
        }
        if another && !self.candidates().is_empty() {
            return self.try_next();
        }
        let reply = self.login.refusal.take().unwrap_or(reply);
        self.fail(Error::LoginRefused { tried: self.login.tried.clone(), reply });
    }

    /// A server that hangs up behind a refused login has refused it, whatever was tried next.
    pub(super) fn explained_by_login(&mut self, error: Error) -> Error {
        let hung_up = matches!(
            error,
            Error::Disconnected(Step::Auth, _) | Error::Closing(Step::Auth, _) | Error::TimedOut(Step::Auth, ..)
        );
        match self.login.refusal.take_if(|_| hung_up) {
            Some(reply) => Error::LoginRefused { tried: self.login.tried.clone(), reply },
            None => error,
        }
    }

    fn answer_challenge(&mut self, reply: &Reply) -> Result<(), Error> {
        self.login.challenges += 1;
        let Some(exchange) = self.login.exchange.as_mut().filter(|_| self.login.challenges <= MAX_CHALLENGES) else {
            return Err(Error::Unexpected(Step::Auth, reply.clone()));
        };
        let challenge = decode_base64(reply.text().trim()).map_err(|_| Error::Unexpected(Step::Auth, reply.clone()))?;
        let raw = exchange.respond(&challenge).map_err(Error::Sasl)?;
        let response = encode_base64(&raw);
        if let Some(secrets) = &mut self.secrets {
            secrets.add(&response);
            // What proves the password stands last: CRAM-MD5's digest, SCRAM's `p=`.
            let proof = std::str::from_utf8(&raw).ok().filter(|_| !exchange.mechanism().shows_secret());
            proof.and_then(|proof| proof.rsplit([' ', ',']).next()).into_iter().for_each(|proof| secrets.add(proof));
        }
        self.out.reserve(response.len() + "\r\n".len());
        write_auth_response(&response, &mut self.out).map_err(Error::Argument)?;
        self.trace_line(|| format!("[{} octets of credentials]", response.len()));
        Ok(())
    }

    fn open(&mut self) {
        self.phase = Phase::Ready;
        self.login.refusal = None;
        self.emit(Event::Ready);
    }
}

/// What is traced of an AUTH command.
pub(super) fn masked(mechanism: &str, initial: Option<&Secret>) -> String {
    match initial {
        Some(initial) => format!("AUTH {mechanism} [{} octets of credentials]", initial.expose().len()),
        None => format!("AUTH {mechanism}"),
    }
}

/// Begins an exchange, with its initial response where that fits; else it answers an empty challenge (RFC 4954 §4).
fn with_initial_response(
    start: impl Fn() -> Result<ClientExchange, SaslError>,
    room: usize,
) -> Result<(ClientExchange, Option<Secret>), SaslError> {
    let mut exchange = start()?;
    match exchange.initial_response().map(|raw| encode_initial_response(&raw)) {
        Some(response) if response.len() > room => Ok((start()?, None)),
        response => Ok((exchange, response.map(|response| Secret::new(response.as_str())))),
    }
}
