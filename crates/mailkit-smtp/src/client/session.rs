//! Opening the session: greeting, EHLO, STARTTLS, the login. What each reply leads to.

use super::{Client, ClientConfig, Error, Event, Expect, Phase, Protocol, Security};
use crate::command::write_auth_response;
use crate::sasl::{
    ClientExchange, ExchangeContext, Mechanisms, SaslError, Secret, decode_base64, encode_base64,
    encode_initial_response,
};
use crate::{Command, Extensions, Reply, Severity, Step};

/// The longest AUTH command with its CRLF: RFC 4954 §4 leaves it at the limit of RFC 5321 §4.5.3.1.4.
const MAX_AUTH: usize = 512;

/// The most challenges that a login may take; the longest mechanism known here takes 2.
const MAX_CHALLENGES: u8 = 8;

impl Client {
    pub(super) fn handle_greeting(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveCompletion => {
                self.learn_name(&reply);
                self.say_hello();
            }
            Severity::PositiveIntermediate => self.fail(Error::Unexpected(Step::Greeting, reply)),
            _ => self.fail(Error::Refused(Step::Greeting, reply)),
        }
    }

    fn learn_name(&mut self, reply: &Reply) {
        self.server_name = reply.text().split_whitespace().next().unwrap_or_default().to_owned();
    }

    pub(super) fn say_hello(&mut self) {
        self.extensions = Extensions::default();
        let name = self.config.name.clone().into();
        let command = match self.config.protocol {
            Protocol::Smtp => Command::Ehlo(name),
            Protocol::Lmtp => Command::Lhlo(name),
        };
        self.send(&command, Expect::Ehlo);
    }

    pub(super) fn handle_ehlo(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveCompletion => {
                if self.server_name.is_empty() {
                    // After STARTTLS there is no greeting: the reply to EHLO begins with the name too (§4.1.1.1).
                    self.learn_name(&reply);
                }
                self.extensions = Extensions::parse(reply.lines().skip(1));
                self.secure_or_log_in();
            }
            Severity::PositiveIntermediate => self.fail(Error::Unexpected(Step::Ehlo, reply)),
            // RFC 5321 §3.2: a server of before EHLO.
            Severity::PermanentNegative if self.config.protocol == Protocol::Smtp => {
                let name = self.config.name.clone().into();
                self.send(&Command::Helo(name), Expect::Helo);
            }
            _ => self.fail(Error::Refused(Step::Ehlo, reply)),
        }
    }

    pub(super) fn handle_helo(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveCompletion => self.secure_or_log_in(),
            Severity::PositiveIntermediate => self.fail(Error::Unexpected(Step::Ehlo, reply)),
            _ => self.fail(Error::Refused(Step::Ehlo, reply)),
        }
    }

    fn secure_or_log_in(&mut self) {
        let wanted = !self.secured && matches!(self.config.security, Security::Required | Security::Opportunistic);
        match (wanted, self.extensions.start_tls, self.config.security) {
            (true, true, _) => self.send(&Command::StartTls, Expect::StartTls),
            (true, false, Security::Required) => self.fail(Error::NoStartTls),
            _ => self.log_in(),
        }
    }

    pub(super) fn handle_start_tls(&mut self, reply: Reply) {
        match (reply.severity(), self.config.security) {
            (Severity::PositiveCompletion, _) => {
                self.phase = Phase::Securing;
                self.extensions = Extensions::default();
                self.server_name.clear();
                self.events.push_back(Event::StartTls);
            }
            (Severity::PositiveIntermediate, _) => self.fail(Error::Unexpected(Step::StartTls, reply)),
            (_, Security::Opportunistic) => self.log_in(),
            _ => self.fail(Error::Refused(Step::StartTls, reply)),
        }
    }

    fn log_in(&mut self) {
        let Some(credentials) = &self.config.credentials else { return self.open() };
        if !self.secured && !self.config.cleartext_auth {
            return self.fail(Error::CleartextAuth);
        }
        if self.extensions.auth == Mechanisms::new() {
            return self.fail(Error::NoAuth { secured: self.secured });
        }
        let mechanism = match self.extensions.auth.choose(credentials, self.config.mechanism) {
            Ok(mechanism) => mechanism,
            Err(error) => return self.fail(Error::NoMechanism(error)),
        };
        let ClientConfig { host, port, nonce, .. } = &self.config;
        let start = || ClientExchange::start(mechanism, credentials, ExchangeContext { host, port: *port, nonce });
        match with_initial_response(start, MAX_AUTH - "AUTH  \r\n".len() - mechanism.name().len()) {
            Ok((exchange, initial)) => {
                self.challenges = 0;
                self.exchange = Some(exchange);
                self.responses.extend(initial.clone());
                // In one piece: a buffer that grows leaves a copy of the secret behind.
                self.out.reserve(MAX_AUTH);
                self.send(&Command::Auth { mechanism: mechanism.name().into(), initial }, Expect::Auth);
            }
            Err(error) => self.fail(Error::Sasl(error)),
        }
    }

    pub(super) fn handle_auth(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveIntermediate => match self.answer_challenge(&reply) {
                Ok(()) => self.expected.push_back(Expect::Auth),
                Err(error) => self.fail(error),
            },
            Severity::PositiveCompletion => match self.exchange.take().map_or(Ok(()), |exchange| exchange.finish()) {
                Ok(()) => self.open(),
                Err(error) => self.fail(Error::Sasl(error)),
            },
            _ => {
                let words = self.exchange.take().and_then(|exchange| exchange.server_words().map(str::to_owned));
                let reply = match words {
                    Some(words) => Reply::new(reply.code(), reply.enhanced(), &format!("{}\n{words}", reply.text())),
                    None => reply,
                };
                self.fail(Error::Refused(Step::Auth, reply));
            }
        }
    }

    fn answer_challenge(&mut self, reply: &Reply) -> Result<(), Error> {
        self.challenges += 1;
        let Some(exchange) = self.exchange.as_mut().filter(|_| self.challenges <= MAX_CHALLENGES) else {
            return Err(Error::Unexpected(Step::Auth, reply.clone()));
        };
        let challenge = decode_base64(reply.text().trim()).map_err(|_| Error::Unexpected(Step::Auth, reply.clone()))?;
        let response = encode_base64(&exchange.respond(&challenge).map_err(Error::Sasl)?);
        self.out.reserve(response.len() + "\r\n".len());
        write_auth_response(&response, &mut self.out).map_err(Error::Argument)?;
        self.responses.push(Secret::new(response.as_str()));
        Ok(())
    }

    fn open(&mut self) {
        self.phase = Phase::Ready;
        self.events.push_back(Event::Ready);
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
