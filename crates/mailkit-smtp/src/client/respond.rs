//! The replies: each is matched to the command it answers.

use super::transaction::{Stage, Transaction};
use super::{Client, Error, Event, Expect, Phase};
use crate::client::Protocol;
use crate::{Reply, Severity, Step};

impl Client {
    pub(super) fn handle_reply(&mut self, reply: Reply) {
        let step = self.step();
        let expected = self.expected.pop_front();
        if reply.is_closing() {
            return self.fail(Error::Closing(step, reply));
        }
        match expected {
            None => self.handle_early(reply),
            Some(Expect::Greeting) => self.handle_greeting(reply),
            Some(Expect::Ehlo) => self.handle_ehlo(reply),
            Some(Expect::Helo) => self.handle_helo(reply),
            Some(Expect::StartTls) => self.handle_start_tls(reply),
            Some(Expect::Auth) => self.handle_auth(reply),
            Some(Expect::Noop) => {}
            Some(Expect::Quit) => self.leave(),
            Some(Expect::Data(id)) => self.handle_go(id, reply),
            // A 3yz has a meaning behind AUTH and DATA only.
            Some(_) if reply.severity() == Severity::PositiveIntermediate => {
                self.fail(Error::Unexpected(step, reply));
            }
            Some(Expect::Reset(_)) if !reply.is_success() => self.fail(Error::Unexpected(step, reply)),
            Some(Expect::Reset(id)) => self.answer(id, |_| {}),
            Some(Expect::Mail(id)) => self.answer(id, |transaction| {
                if !reply.is_success() {
                    transaction.refuse(Step::Mail, &reply);
                }
            }),
            Some(Expect::Rcpt(id, recipient)) => {
                self.answer(id, |transaction| transaction.answer_rcpt(recipient, reply));
            }
            Some(Expect::Chunk(id)) => self.handle_chunk(id, &reply),
            Some(Expect::Content(id)) => self.handle_content(id, &reply),
        }
    }

    /// Applies a reply to its transaction.
    fn answer(&mut self, id: u64, apply: impl FnOnce(&mut Transaction)) {
        let pipelining = self.pipelining();
        if let Some(transaction) = self.transactions.iter_mut().find(|transaction| transaction.id == id) {
            transaction.due -= 1;
            transaction.turn |= !pipelining;
            apply(transaction);
        }
    }

    /// Nothing was asked. A refusal in the middle of the content of DATA is meant for it, as by a server that will not
    /// read more than it takes; the content cannot be ended without its dot, so the conversation is over all the same.
    fn handle_early(&mut self, reply: Reply) {
        let refusal = matches!(reply.severity(), Severity::TransientNegative | Severity::PermanentNegative);
        match self.transactions.back_mut().filter(|last| refusal && !last.chunking && last.stage == Stage::Content) {
            Some(transaction) => {
                transaction.refuse(Step::Content, &reply);
                self.fail(Error::Unexpected(Step::Content, reply));
            }
            None => self.fail(Error::Unsolicited(reply)),
        }
    }

    /// The reply to DATA.
    fn handle_go(&mut self, id: u64, reply: Reply) {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let Some(transaction) = self.transactions.iter_mut().find(|transaction| transaction.id == id) else { return };
        transaction.due -= 1;
        transaction.turn = true;
        match reply.severity() {
            Severity::PositiveIntermediate if !transaction.is_doomed() => transaction.stage = Stage::Content,
            // RFC 2920 §3.1: every recipient was refused and the server wants the content all the same: it gets an
            // empty one. In LMTP nobody could say how many replies that would have (RFC 2033 §4.2).
            Severity::PositiveIntermediate if !lmtp => {
                transaction.encoder.finish(&mut self.out);
                transaction.stage = Stage::Sent;
                transaction.due += 1;
                transaction.count_turn();
                self.expected.push_back(Expect::Content(id));
            }
            Severity::TransientNegative | Severity::PermanentNegative => {
                transaction.refuse(Step::Data, &reply);
                transaction.stage = Stage::Sent;
                self.stale = true;
            }
            _ => self.fail(Error::Unexpected(Step::Data, reply)),
        }
    }

    /// The reply to a chunk that is not the last.
    fn handle_chunk(&mut self, id: u64, reply: &Reply) {
        self.answer(id, |transaction| {
            if !reply.is_success() {
                transaction.refuse(Step::Content, reply);
            }
        });
    }

    /// A reply to the end of the content.
    fn handle_content(&mut self, id: u64, reply: &Reply) {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let mut more = false;
        let mut stale = false;
        self.answer(id, |transaction| {
            stale = transaction.chunking && !reply.is_success();
            if lmtp {
                more = transaction.answer_content_once(reply);
                transaction.due += usize::from(more);
            } else {
                transaction.answer_content(reply);
            }
        });
        self.stale |= stale;
        if more {
            self.expected.push_front(Expect::Content(id));
        }
    }

    fn leave(&mut self) {
        self.phase = Phase::Closed;
        self.events.push_back(Event::Closed);
    }
}
