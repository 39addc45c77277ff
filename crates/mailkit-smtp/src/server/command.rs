//! Command lines: which of them are in order, and what is asked or said.

use super::input::Line;
use super::state::{Open, Progress, State};
use super::stock::{self, Stock};
use super::{Error, Question, Server, ServerTls};
use crate::client::Protocol;
use crate::command::BDAT_FORM;
use crate::sasl::Mechanisms;
use crate::{Command, CommandError, Extensions, Reply};

/// The first octet of a TLS record that carries a ClientHello.
const TLS_HANDSHAKE: u8 = 0x16;

impl Server {
    /// Takes one line and does what it says.
    pub(super) fn read_line(&mut self) -> Progress {
        let unsecured_start = matches!(self.state, State::ExpectHello) && !self.secured;
        if unsecured_start && self.input.pending().first() == Some(&TLS_HANDSHAKE) {
            self.end(Some(Error::SpeaksTls));
            return Progress::Made;
        }
        let range = match self.input.take_line() {
            Line::Unfinished => return Progress::Starved,
            Line::TooLong => {
                self.handle_long_line();
                return Progress::Made;
            }
            Line::Whole(range) => range,
        };
        self.mark(self.now);
        if matches!(self.state, State::ExpectResponse(_)) {
            return self.read_response(range);
        }
        let parsed = Command::parse(self.input.get(range.clone()));
        if !parsed.as_ref().is_ok_and(|command| !matches!(command, Command::Auth { .. })) {
            self.input.wipe(range);
        }
        match parsed {
            Ok(command) => self.handle_command(command),
            Err(error) => {
                self.handle_senseless(&error);
                Progress::Made
            }
        }
    }

    fn handle_long_line(&mut self) {
        self.mark(self.now);
        if matches!(self.state, State::ExpectResponse(_)) {
            self.state = State::ExpectCommand;
            self.reject_in_stock(stock::TOO_LONG_RESPONSE);
        } else {
            self.reject_in_stock(stock::TOO_LONG);
        }
    }

    fn handle_senseless(&mut self, error: &CommandError) {
        // Of the commands with an address, MAIL is the one that comes without a transaction.
        let address = matches!(error, CommandError::Address(_) | CommandError::Parameter(_));
        self.mail_refused |= address && self.transaction.is_none();
        let reply = match error {
            CommandError::Unknown | CommandError::Garbage => stock::UNKNOWN.with_text(&error.to_string()),
            CommandError::Syntax(BDAT_FORM) => {
                self.say(stock::UNREADABLE_CHUNK);
                return self.end(Some(Error::UnreadableChunk));
            }
            CommandError::Syntax(_) => stock::SYNTAX.with_text(&error.to_string()),
            CommandError::Address(cause) => stock::BAD_ADDRESS.with_text(&format!("{error}: {cause}")),
            CommandError::Parameter(cause) => stock::SYNTAX.with_text(&format!("{error}: {cause}")),
        };
        self.reject(&reply);
    }

    fn handle_command(&mut self, command: Command<'static>) -> Progress {
        if matches!(self.state, State::ExpectQuit) && !matches!(command, Command::Quit | Command::Bdat { .. }) {
            return self.refuse(stock::QUIT_ONLY);
        }
        match command {
            Command::Ehlo(name) => self.handle_hello(name.into_owned(), Protocol::Smtp, true),
            Command::Helo(name) => self.handle_hello(name.into_owned(), Protocol::Smtp, false),
            Command::Lhlo(name) => self.handle_hello(name.into_owned(), Protocol::Lmtp, true),
            Command::StartTls => self.handle_start_tls(),
            Command::Auth { mechanism, initial } => self.handle_auth(&mechanism, initial.as_ref()),
            Command::Mail { path, parameters } => self.handle_mail(path.into_owned(), parameters.into_owned()),
            Command::Rcpt { path, parameters } => self.handle_rcpt(path.into_owned(), parameters.into_owned()),
            Command::Data => self.handle_data(),
            Command::Bdat { size, last } => self.handle_bdat(size, last),
            Command::Rset => {
                self.drop_transaction();
                self.agree(stock::OK)
            }
            Command::Noop => self.agree(stock::OK),
            Command::Vrfy(_) => self.agree(stock::CANNOT_VERIFY),
            Command::Expn(_) => self.refuse(stock::NOT_HERE),
            Command::Help => self.agree(stock::HELP),
            Command::Quit => {
                self.say(stock::BYE);
                self.end(None);
                Progress::Made
            }
        }
    }

    fn handle_hello(&mut self, name: String, protocol: Protocol, extended: bool) -> Progress {
        if protocol != self.config.protocol {
            // RFC 2033 §4.1: the greeting of the one is unknown to the other.
            return self.refuse(stock::UNKNOWN);
        }
        let offered = if extended { self.offer() } else { Extensions::default() };
        Progress::Event(self.ask(Open::Hello(Box::new(offered)), Question::Hello { name }))
    }

    /// What is offered as the session stands.
    fn offer(&self) -> Extensions {
        let template = &self.config.extensions;
        let login = !self.config.users.is_empty() && (self.secured || self.config.cleartext_auth);
        Extensions {
            start_tls: self.config.tls == ServerTls::StartTls && !self.secured,
            require_tls: template.require_tls && self.secured,
            auth: if login { template.auth.clone() } else { Mechanisms::new() },
            ..template.clone()
        }
    }

    fn handle_start_tls(&mut self) -> Progress {
        if self.secured {
            return self.refuse(stock::SECURED_ALREADY);
        }
        if self.config.tls != ServerTls::StartTls {
            return self.refuse(stock::NOT_HERE);
        }
        if !matches!(self.state, State::ExpectCommand) {
            return self.refuse(stock::HELLO_FIRST);
        }
        if self.transaction.is_some() {
            return self.refuse(stock::NOT_NOW);
        }
        // What came along was sent in clear, and would be taken for what came under TLS (RFC 3207 §6).
        if !self.input.pending().is_empty() {
            self.say(stock::INJECTED);
            self.end(Some(Error::InjectedBeforeTls));
            return Progress::Made;
        }
        Progress::Event(self.ask(Open::StartTls, Question::StartTls))
    }

    pub(super) fn agree(&mut self, stock: Stock) -> Progress {
        self.say(stock);
        Progress::Made
    }

    /// Refuses a command that the client should have known better than to send.
    pub(super) fn refuse(&mut self, stock: Stock) -> Progress {
        self.reject_in_stock(stock);
        Progress::Made
    }

    pub(super) fn refuse_with(&mut self, reply: &Reply) -> Progress {
        self.reject(reply);
        Progress::Made
    }

    fn reject_in_stock(&mut self, stock: Stock) {
        self.reject(&stock.to_reply());
    }
}
