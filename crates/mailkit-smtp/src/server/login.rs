//! AUTH (RFC 4954): the exchange that leads to a login.

use std::ops::Range;
use std::sync::Arc;

use super::state::{Open, Progress, State};
use super::stock;
use super::{Question, Server};
use crate::sasl::{Mechanism, Rejection, Secret, ServerExchange, ServerStep, decode_base64, encode_base64};

impl Server {
    pub(super) fn handle_auth(&mut self, mechanism: &str, initial: Option<&Secret>) -> Progress {
        if !matches!(self.state, State::ExpectCommand) {
            return self.refuse(stock::HELLO_FIRST);
        }
        if self.user.is_some() {
            return self.refuse(stock::LOGGED_IN_ALREADY);
        }
        if self.transaction.is_some() {
            return self.refuse(stock::NOT_NOW);
        }
        if self.config.users.is_empty() {
            return self.refuse(stock::NOT_HERE);
        }
        if !self.secured && self.config.require_tls {
            return self.refuse(stock::TLS_FIRST);
        }
        if !self.secured && !self.config.cleartext_auth {
            return self.refuse(stock::ENCRYPTION_FIRST);
        }
        let offered = |mechanism: &Mechanism| self.offered.auth.contains(*mechanism);
        let Some(mechanism) = Mechanism::parse(mechanism).filter(offered) else {
            return self.refuse(stock::NO_MECHANISM);
        };
        let Ok(initial) = initial.map(|initial| decode_base64(initial.expose())).transpose() else {
            return self.refuse(stock::BAD_RESPONSE);
        };
        let initial = initial.as_ref().map(|bytes| bytes.as_slice());
        let (exchange, step) =
            ServerExchange::start(mechanism, initial, &*self.config.users, &self.config.nonce, &self.config.name);
        self.follow(exchange, step)
    }

    /// Takes the line that answers a challenge.
    pub(super) fn read_response(&mut self, range: Range<usize>) -> Progress {
        let State::ExpectResponse(mut exchange) = std::mem::replace(&mut self.state, State::ExpectCommand) else {
            return Progress::Made;
        };
        let line = self.input.get(range.clone());
        let response = match line {
            b"*" => Err(stock::CANCELLED),
            _ => std::str::from_utf8(line).ok().and_then(|line| decode_base64(line).ok()).ok_or(stock::BAD_RESPONSE),
        };
        self.input.wipe(range);
        match response {
            Ok(response) => {
                let users = Arc::clone(&self.config.users);
                let step = exchange.respond(&response, &*users);
                self.follow(exchange, step)
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn follow(&mut self, exchange: ServerExchange, step: ServerStep) -> Progress {
        match step {
            ServerStep::Challenge(challenge) => {
                self.put(&stock::CHALLENGE.with_text(&encode_base64(&challenge)));
                self.state = State::ExpectResponse(exchange);
                Progress::Made
            }
            ServerStep::Accepted { user } => {
                Progress::Event(self.ask(Open::Login(user.clone()), Question::Login { user }))
            }
            ServerStep::Rejected(rejection) => self.refuse(match rejection {
                Rejection::BadCredentials => stock::BAD_CREDENTIALS,
                Rejection::Malformed(_) => stock::BAD_RESPONSE,
                Rejection::Unavailable(_) => stock::NO_MECHANISM,
                Rejection::ShortNonce => stock::NO_NONCE,
            }),
        }
    }
}
