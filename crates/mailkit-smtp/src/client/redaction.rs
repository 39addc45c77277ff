//! Servers repeat what they do not understand, and a login may be just that: no error, report or name hands it on.

use std::borrow::Cow;

use super::{Client, Error};
use crate::sasl::{Redactor, SaslError, ServerFault};
use crate::{Extensions, Reply, ReplyError};

impl Client {
    /// The error without the password, the token, and what was sent of them in this session.
    pub(super) fn redacted(&self, error: Error) -> Error {
        let Some(secrets) = &self.secrets else { return error };
        let hide = |reply| without(secrets, reply);
        match error {
            Error::Unexpected(step, reply) => Error::Unexpected(step, hide(reply)),
            Error::Unsolicited(step, reply) => Error::Unsolicited(step, hide(reply)),
            Error::Refused(step, reply) => Error::Refused(step, hide(reply)),
            Error::LoginRefused { tried, reply } => Error::LoginRefused { tried, reply: hide(reply) },
            Error::OtherProtocol(protocol, reply) => Error::OtherProtocol(protocol, hide(reply)),
            Error::Closing(step, reply) => Error::Closing(step, hide(reply)),
            Error::Disconnected(step, text) => Error::Disconnected(step, redact_text(secrets, text)),
            Error::TimedOut(step, limit, text) => Error::TimedOut(step, limit, redact_text(secrets, text)),
            Error::Sasl(SaslError::Server { mechanism, fault: ServerFault::Refused(text) }) => {
                let fault = ServerFault::Refused(redact_text(secrets, text));
                Error::Sasl(SaslError::Server { mechanism, fault })
            }
            Error::NoMechanism(mut error) => {
                error.offered.iter_mut().for_each(|name| *name = redact_text(secrets, std::mem::take(name)));
                Error::NoMechanism(error)
            }
            other => other,
        }
    }

    /// The reply without them. A refusal of MAIL may still be what a server says to the login, which it took for a command.
    pub(super) fn redacted_reply(&self, reply: Reply) -> Reply {
        match &self.secrets {
            Some(secrets) => without(secrets, reply),
            None => reply,
        }
    }

    /// What the server offers, without them in what is only shown.
    pub(super) fn redacted_extensions(&self, mut offered: Extensions) -> Extensions {
        if let Some(secrets) = &self.secrets {
            offered.change_words(|text| *text = redact_text(secrets, std::mem::take(text)));
        }
        offered
    }

    /// How the peer broke the grammar, in a text that was searched for secrets before they were cut.
    pub(super) fn redacted_fault(&self, fault: ReplyError) -> ReplyError {
        let line = || self.decoder.next_line_without(self.secrets.as_ref());
        match fault {
            ReplyError::NotAReply(_) => ReplyError::NotAReply(line()),
            ReplyError::LineTooLong(_) => ReplyError::LineTooLong(line()),
            other => other,
        }
    }

    /// What has come of a line that has not ended.
    pub(super) fn unfinished(&self) -> String {
        self.decoder.next_line_without(self.secrets.as_ref())
    }
}

fn without(secrets: &Redactor, reply: Reply) -> Reply {
    match secrets.redact(reply.text()) {
        Cow::Borrowed(_) => reply,
        Cow::Owned(text) => Reply::new(reply.code(), reply.enhanced(), &text),
    }
}

fn redact_text(secrets: &Redactor, text: String) -> String {
    match secrets.redact(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClientConfig, Security, TransactionOptions};
    use super::*;
    use crate::sasl::{Credentials, Mechanism};
    use std::time::Instant;

    /// What is said of a login that the server answers like this; `{}` stands for the line that carried the password.
    #[expect(clippy::disallowed_methods, reason = "any moment will do for the beginning")]
    fn said(mechanism: Mechanism, answer: &str) -> String {
        let now = Instant::now();
        let credentials = Credentials::password("ann", "s3cret-pw").unwrap();
        let config = ClientConfig {
            security: Security::Established,
            credentials: Some(credentials),
            mechanism: Some(mechanism),
            ..ClientConfig::new("client")
        };
        let mut client = Client::new(config, now);
        let mut line = String::new();
        let prompts =
            [&b"220 mx\r\n250-mx\r\n250 AUTH PLAIN LOGIN\r\n"[..], b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"];
        for prompt in prompts.iter().take(if mechanism == Mechanism::Plain { 1 } else { 3 }) {
            for reply in prompt.split_inclusive(|byte| *byte == b'\n') {
                client.handle_input(now, reply);
                let sent = client.poll_transmit().to_vec();
                if !sent.is_empty() {
                    line = String::from_utf8(sent.clone()).unwrap();
                }
                client.handle_transmitted(now, sent.len());
            }
        }
        client.handle_input(now, answer.replace("{}", line.trim_end()).as_bytes());
        client.handle_eof();
        let error = client.error().unwrap();
        format!("{error}: {error:?}")
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do for the beginning")]
    fn nor_into_the_report_of_a_message() {
        let now = Instant::now();
        let config = ClientConfig {
            security: Security::Established,
            credentials: Some(Credentials::password("ann", "s3cret-pw").unwrap()),
            ..ClientConfig::new("client")
        };
        let mut client = Client::new(config, now);
        client.handle_input(now, b"220 mx\r\n");
        client.handle_transmitted(now, client.poll_transmit().len());
        client.handle_input(now, b"250-mx\r\n250 AUTH PLAIN\r\n");
        let login = String::from_utf8(client.poll_transmit().to_vec()).unwrap();
        client.handle_transmitted(now, login.len());
        client.handle_input(now, b"235 ok\r\n");
        let bob = mailkit_address::Address::parse("bob@example.org").unwrap();
        let envelope = mailkit_address::Envelope::null_sender(vec![bob]).unwrap();
        client.begin(now, envelope, &TransactionOptions::default()).unwrap();
        client.handle_transmitted(now, client.poll_transmit().len());
        client.handle_input(now, format!("500 5.5.1 unknown: {login}").as_bytes());
        let said: String = std::iter::from_fn(|| client.poll_event()).map(|event| format!("{event:?}")).collect();
        assert!(said.contains("unknown: AUTH PLAIN ***"), "{said}");
    }

    #[test]
    fn a_server_that_repeats_the_login_does_not_bring_it_into_an_error() {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            for answer in [
                "500 5.5.1 unknown: {}\r\n",
                "535-5.7.8 bad {}\r\n535 5.7.8 s3cret-pw is wrong\r\n",
                "421 {}\r\n",
                "354 {}\r\n",
                "235 ok\r\n250 {}\r\n",
                "what is {}\r\n",
                "500 {}",
            ] {
                let said = said(mechanism, answer);
                for secret in ["s3cret", "AGFubgBzM2", "czNjcmV0"] {
                    assert!(!said.contains(secret), "{mechanism} {answer:?}: {said}");
                }
            }
            assert!(said(mechanism, "500 5.5.1 unknown: {} here\r\n").contains("unknown: "));
        }
    }
}
