//! The replies: each is matched to the command it answers.

use super::awaited::Awaited;
use super::transaction::{Stage, Transaction};
use super::{Client, Error, Event, Expect, Phase};
use crate::client::Protocol;
use crate::{Reply, Severity, Step};

impl Client {
    pub(super) fn handle_reply(&mut self, reply: Reply) {
        let step = self.step();
        // What is offered, and a challenge, are read as they came; only what is shown of them leaves the secrets out.
        let read = self.expected.front().is_some_and(|awaited| matches!(awaited.expect, Expect::Auth | Expect::Ehlo));
        let reply = if read { reply } else { self.redacted_reply(reply) };
        if reply.is_closing() {
            return self.fail(Error::Closing(step, reply));
        }
        if !self.is_answer() {
            return self.handle_early(reply);
        }
        let expected = self.expected.pop_front();
        match expected.map(|awaited| awaited.expect) {
            None => {}
            Some(Expect::Greeting) => self.handle_greeting(reply),
            Some(Expect::Ehlo) => self.handle_ehlo(reply),
            Some(Expect::Helo) => self.handle_helo(reply),
            Some(Expect::StartTls) => self.handle_start_tls(reply),
            Some(Expect::Auth) => self.handle_auth(reply),
            Some(Expect::Quit) => self.handle_quit_reply(reply, expected),
            Some(Expect::Data(id)) => self.handle_go(id, reply),
            // A 3yz has a meaning behind AUTH and DATA only.
            Some(_) if reply.severity() == Severity::PositiveIntermediate => {
                self.fail(Error::Unexpected(step, reply));
            }
            Some(Expect::Reset(_) | Expect::Noop) if !reply.is_success() => self.fail(Error::Unexpected(step, reply)),
            Some(Expect::Noop) => {}
            Some(Expect::Reset(id)) => self.answer(id, |_| {}),
            Some(Expect::Mail(id)) => self.answer(id, |transaction| {
                if !reply.is_success() {
                    transaction.answers.refuse(Step::Mail, &reply);
                }
            }),
            Some(Expect::Rcpt(id, recipient)) => {
                self.answer(id, |transaction| transaction.answers.answer_rcpt(recipient, reply));
            }
            Some(Expect::Chunk(id)) => self.handle_chunk(id, &reply),
            Some(Expect::Content(id)) => self.handle_content(id, &reply, expected),
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

    /// No command that has left asked for this reply, so the conversation is over. A refusal in the middle of content
    /// that is leaving is meant for it, as by a server that will not read more than it takes; the content cannot be
    /// ended early, so the conversation is over all the same.
    fn handle_early(&mut self, reply: Reply) {
        let refusal = matches!(reply.severity(), Severity::TransientNegative | Severity::PermanentNegative);
        let leaving = self.leaving_content().filter(|_| refusal);
        match self.transactions.iter_mut().find(|transaction| Some(transaction.id) == leaving) {
            Some(transaction) => {
                transaction.answers.refuse(Step::Content, &reply);
                self.fail(Error::Unexpected(Step::Content, reply));
            }
            None => self.fail(Error::Unsolicited(self.step(), reply)),
        }
    }

    /// The reply to DATA.
    fn handle_go(&mut self, id: u64, reply: Reply) {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let begin = self.written();
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
                self.await_reply(Expect::Content(id), begin);
                self.trace_line(|| ".".to_owned());
            }
            Severity::TransientNegative | Severity::PermanentNegative => {
                transaction.answers.refuse(Step::Data, &reply);
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
                transaction.answers.refuse(Step::Content, reply);
            }
        });
    }

    /// A reply to the end of the content.
    fn handle_content(&mut self, id: u64, reply: &Reply, awaited: Option<Awaited>) {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let mut more = false;
        let mut stale = false;
        self.answer(id, |transaction| {
            stale = transaction.chunking && !reply.is_success();
            if lmtp {
                more = transaction.answers.answer_content_once(reply);
                transaction.due += usize::from(more);
            } else {
                transaction.answers.answer_content(reply);
            }
        });
        self.stale |= stale;
        if more {
            // The next reply answers the same octets.
            awaited.into_iter().for_each(|awaited| self.expected.push_front(awaited));
        }
    }

    /// The reply to QUIT. A correct server says 221 and closes. A refusal is the answer to something else, and so is any
    /// other agreement that a further reply follows.
    fn handle_quit_reply(&mut self, reply: Reply, awaited: Option<Awaited>) {
        match self.first_quit_reply.take() {
            Some(first) => return self.fail(Error::Unexpected(Step::Quit, first)),
            None if !reply.is_success() => return self.fail(Error::Unexpected(Step::Quit, reply)),
            None if reply.code().get() == 221 => {}
            None => {
                self.first_quit_reply = Some(reply);
                awaited.into_iter().for_each(|awaited| self.expected.push_front(awaited));
                return;
            }
        }
        self.phase = Phase::Closed;
        self.emit(Event::Closed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use mailkit_address::{Address, Envelope};

    use crate::Status;
    use crate::client::{Client, ClientConfig, Event, Security, TransactionOptions};

    #[expect(clippy::disallowed_methods, reason = "any moment will do for the beginning")]
    fn client() -> (Client, Instant) {
        let now = Instant::now();
        (Client::new(ClientConfig { security: Security::None, ..ClientConfig::new("client") }, now), now)
    }

    #[test]
    fn content_that_has_not_left_cannot_be_accepted() {
        for missing in [0, 1] {
            let (mut client, now) = client();
            client.handle_input(now, b"220 mx\r\n");
            client.handle_transmitted(now, client.poll_transmit().len());
            client.handle_input(now, b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
            let envelope = Envelope::null_sender(vec![Address::parse("bob@example.org").unwrap()]).unwrap();
            client.begin(now, envelope, &TransactionOptions::default()).unwrap();
            client.put_content(b"Hello\r\n", true);
            client.handle_transmitted(now, client.poll_transmit().len() - missing);
            client.handle_input(now, b"250 ok\r\n250 ok\r\n250 ok\r\n");
            let report = std::iter::from_fn(|| client.poll_event()).find_map(|event| match event {
                Event::Finished(report) | Event::Interrupted(report) => Some(report),
                _ => None,
            });
            let status = &report.unwrap().recipients[0].status;
            assert!(if missing == 0 { status.is_accepted() } else { matches!(status, Status::Unsent) }, "{status:?}");
            assert_eq!(client.is_closed(), missing > 0);
        }
    }
}
