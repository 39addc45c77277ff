//! The caller's answers: what is said, and where it leads.

use std::time::Instant;

use super::state::{Open, State};
use super::stock::{self, Stock};
use super::{Error, Server, ServerConfig};
use crate::client::Protocol;
use crate::{EnhancedStatus, Extensions, Reply, Severity};

impl Server {
    /// Answers the question as the machine proposes. Does nothing where none is open.
    pub fn accept(&mut self, now: Instant) {
        if let Some(open) = self.question.take() {
            self.mark(now);
            match &open {
                Open::Hello(offered) => self.put(&hello(&self.config.name, offered)),
                Open::Greeting => self.put(&greeting(&self.config)),
                _ => (0..self.replies_due(&open)).for_each(|_| self.say(proposal(&open))),
            }
            self.conclude(open, None);
        }
    }

    /// Answers the question in other words: a refusal, mostly. A 421 ends the session. In LMTP, at the end of the
    /// content, every recipient gets this reply. Does nothing where no question is open.
    ///
    /// An enhanced status is sent only where it was offered, and added where it is missing (RFC 2034 §4).
    pub fn answer(&mut self, now: Instant, reply: &Reply) {
        if let Some(open) = self.question.take() {
            self.mark(now);
            if reply.is_closing() {
                return self.dismiss(reply);
            }
            (0..self.replies_due(&open)).for_each(|_| self.put(reply));
            let agreed = reply.severity() == self.proposed_severity(&open);
            self.conclude(open, (!agreed).then(|| reply.clone()));
        }
    }

    /// Answers the end of the content in LMTP: a reply for each accepted recipient, in their order. Where there are too
    /// few, the rest gets the last one again. Elsewhere the first reply is the answer.
    pub fn answer_each(&mut self, now: Instant, replies: &[Reply]) {
        let Some(first) = replies.first() else { return self.accept(now) };
        let due = self.question.as_ref().map_or(0, |open| self.replies_due(open));
        if due < 2 {
            return self.answer(now, first);
        }
        if let Some(open) = self.question.take() {
            self.mark(now);
            let last = replies.last().unwrap_or(first);
            for reply in replies.iter().chain(std::iter::repeat(last)).take(due) {
                if reply.is_closing() {
                    return self.dismiss(reply);
                }
                self.put(reply);
            }
            let agreed = replies.iter().take(due).any(Reply::is_success);
            self.conclude(open, (!agreed).then(|| last.clone()));
        }
    }

    /// What [`accept`](Self::accept) would say; `None` where no question is open.
    #[must_use]
    pub fn proposed(&self) -> Option<Reply> {
        self.question.as_ref().map(|open| match open {
            Open::Greeting => greeting(&self.config),
            Open::Hello(offered) => hello(&self.config.name, offered),
            open => proposal(open).to_reply(),
        })
    }

    fn proposed_severity(&self, open: &Open) -> Severity {
        match open {
            Open::Data => Severity::PositiveIntermediate,
            _ => Severity::PositiveCompletion,
        }
    }

    /// How many replies the answer has.
    fn replies_due(&self, open: &Open) -> usize {
        match (open, &self.transaction) {
            (Open::Content, Some(transaction)) => self.replies_to_content(transaction.recipients),
            _ => 1,
        }
    }

    pub(super) fn replies_to_content(&self, recipients: usize) -> usize {
        if self.config.protocol == Protocol::Lmtp { recipients } else { 1 }
    }

    /// Ends the session in these words, best a 421 (RFC 5321 §3.8): a shutdown, a server that is too busy. An open
    /// question has its answer with that.
    pub fn close(&mut self, now: Instant, reply: &Reply) {
        if !self.is_closed() {
            self.mark(now);
            self.dismiss(reply);
        }
    }

    fn dismiss(&mut self, reply: &Reply) {
        self.put(reply);
        self.end(Some(Error::Dismissed(reply.clone())));
    }

    /// Goes where the answer leads; `refusal` holds it where it was no agreement.
    fn conclude(&mut self, open: Open, refusal: Option<Reply>) {
        match (open, refusal) {
            (Open::Greeting, Some(_)) => self.state = State::ExpectQuit,
            (Open::Greeting, None) => {}
            (Open::Hello(offered), None) => {
                self.offered = *offered;
                self.drop_transaction();
                self.state = State::ExpectCommand;
            }
            (Open::StartTls, None) => self.state = State::ExpectTls(false),
            (Open::Login(user), None) => self.user = Some(user),
            (open, refusal) => self.conclude_transaction(open, refusal),
        }
    }

    /// Appends one of the machine's own replies.
    pub(super) fn say(&mut self, stock: Stock) {
        stock.write_to(self.offered.enhanced_status_codes, &mut self.out);
    }

    /// Appends a reply; its enhanced status goes along where, and only where, that was offered (RFC 2034 §4).
    pub(super) fn put(&mut self, reply: &Reply) {
        let (code, text) = (reply.code(), reply.text());
        let status = match (reply.severity(), code.get(), self.offered.enhanced_status_codes) {
            (Severity::PositiveIntermediate, ..) | (.., false) => None,
            // The replies to EHLO and HELO have none.
            (Severity::PositiveCompletion, ..) if reply.enhanced().is_none() => None,
            (_, code, true) => {
                let class = u8::try_from(code / 100).unwrap_or_default();
                reply.enhanced().or_else(|| EnhancedStatus::new(class, 0, 0))
            }
        };
        if status == reply.enhanced() {
            reply.write_to(&mut self.out);
        } else {
            Reply::new(code, status, text).write_to(&mut self.out);
        }
    }
}

/// What is said where the caller accepts.
const fn proposal(open: &Open) -> Stock {
    match open {
        Open::StartTls => stock::GO_AHEAD_WITH_TLS,
        Open::Login(_) => stock::LOGGED_IN,
        Open::Mail(_) => stock::SENDER_OK,
        Open::Rcpt(_) => stock::RECIPIENT_OK,
        Open::Data => stock::GO_ON,
        Open::Content => stock::ACCEPTED,
        Open::Greeting | Open::Hello(_) | Open::Chunk => stock::OK,
    }
}

fn greeting(config: &ServerConfig) -> Reply {
    let protocol = if config.protocol == Protocol::Lmtp { "LMTP" } else { "ESMTP" };
    stock::GREETING.with_text(&format!("{} {protocol}", config.name))
}

/// The reply to EHLO, LHLO and HELO: its first line greets, the others offer.
fn hello(name: &str, offered: &Extensions) -> Reply {
    let mut text = name.to_owned();
    for line in offered.lines() {
        text.push('\n');
        text.push_str(&line);
    }
    stock::HELLO.with_text(&text)
}
