//! Opening the session: greeting, EHLO, STARTTLS. What each reply leads to.

use super::{Client, Error, Event, Expect, Phase, Protocol, Security};
use crate::{Command, Extensions, Reply, Severity, Step};

impl Client {
    pub(super) fn handle_greeting(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveCompletion => {
                self.learn_name(&reply);
                self.send_ehlo();
            }
            Severity::PositiveIntermediate => self.fail(Error::Unexpected(Step::Greeting, reply)),
            _ => self.fail(Error::Refused(Step::Greeting, reply)),
        }
    }

    fn learn_name(&mut self, reply: &Reply) {
        let reply = self.redacted_reply(reply.clone());
        self.server_name = reply.text().split_whitespace().next().unwrap_or_default().to_owned();
    }

    pub(super) fn send_ehlo(&mut self) {
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
                self.extensions = self.redacted_extensions(Extensions::parse(reply.lines().skip(1)));
                self.secure_or_log_in();
            }
            Severity::PositiveIntermediate => self.fail(Error::Unexpected(Step::Ehlo, reply)),
            // RFC 5321 §3.2: a server of before EHLO.
            Severity::PermanentNegative if self.config.protocol == Protocol::Smtp => {
                let name = self.config.name.clone().into();
                self.send(&Command::Helo(name), Expect::Helo);
            }
            // LHLO is known to every server of LMTP (RFC 2033 §4.1).
            Severity::PermanentNegative if is_unknown_command(&reply) => {
                self.fail(Error::OtherProtocol(Protocol::Smtp, reply));
            }
            _ => self.fail(Error::Refused(Step::Ehlo, reply)),
        }
    }

    pub(super) fn handle_helo(&mut self, reply: Reply) {
        match reply.severity() {
            Severity::PositiveCompletion => self.secure_or_log_in(),
            Severity::PositiveIntermediate => self.fail(Error::Unexpected(Step::Ehlo, reply)),
            // A server that knows neither EHLO nor HELO.
            Severity::PermanentNegative if is_unknown_command(&reply) => {
                self.fail(Error::OtherProtocol(Protocol::Lmtp, reply));
            }
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
            // Any other agreement is the answer to something else: the server does not wait for a handshake.
            (Severity::PositiveCompletion, _) if reply.code().get() != 220 => {
                self.fail(Error::Unexpected(Step::StartTls, reply));
            }
            (Severity::PositiveCompletion, _) => {
                // STARTTLS was the last thing that was sent, or its reply would not be its answer.
                debug_assert!(self.poll_transmit().is_empty());
                self.phase = Phase::Securing;
                self.extensions = Extensions::default();
                self.server_name.clear();
                self.emit(Event::StartTls);
            }
            (Severity::PositiveIntermediate, _) => self.fail(Error::Unexpected(Step::StartTls, reply)),
            (_, Security::Opportunistic) => self.log_in(),
            _ => self.fail(Error::Refused(Step::StartTls, reply)),
        }
    }
}

/// Whether the reply says that the command is unknown, not implemented, or not the one to begin with (RFC 5321 §4.2.2,
/// RFC 3463 §3.6 X.5.1), and nothing of the name that was given.
fn is_unknown_command(reply: &Reply) -> bool {
    let is_invalid_command = reply.enhanced().is_some_and(|status| (status.subject(), status.detail()) == (5, 1));
    matches!(reply.code().get(), 500 | 502 | 503) || is_invalid_command
}
