//! What leaves, and how long a step may take.

use std::time::{Duration, Instant};

use zeroize::Zeroize as _;

use super::{Client, Error, Phase, TimeLimits};

/// Who is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    Peer,
    Caller,
}

impl Client {
    /// Tells the machine the time; it gives up where a step has taken longer than its limit.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some((limit, blame)) = self.limit().filter(|(limit, _)| now >= self.since + *limit) else { return };
        self.fail(match blame {
            Blame::Peer => Error::TimedOut(self.step(), limit, self.unfinished()),
            Blame::Caller => Error::ContentStalled(limit),
        });
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.limit().map(|(limit, _)| self.since + limit)
    }

    /// How long what is waited for may take, and who owes it.
    fn limit(&self) -> Option<(Duration, Blame)> {
        let limits = &self.config.time_limits;
        if self.phase == Phase::Closed {
            None
        } else if !self.poll_transmit().is_empty() {
            Some((limits.block, Blame::Peer))
        } else if !self.expected.is_empty() {
            Some((limits.of(self.step()), Blame::Peer))
        } else {
            self.wants_content().then_some((limits.block, Blame::Caller))
        }
    }

    /// What is to be written next; empty if nothing is. Say what left by [`handle_transmitted`](Self::handle_transmitted).
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        self.out.get(self.out_sent..).unwrap_or_default()
    }

    /// So many octets of what [`poll_transmit`](Self::poll_transmit) showed were handed to the connection.
    pub fn handle_transmitted(&mut self, now: Instant, octets: usize) {
        self.out_sent = (self.out_sent + octets).min(self.out.len());
        self.sent += octets as u64;
        self.trace_transmitted();
        if self.out_sent == self.out.len() {
            if self.phase == Phase::Opening {
                self.out.zeroize();
            } else {
                self.out.clear();
            }
            self.out_sent = 0;
            self.mark(now);
            return;
        }
        if self.out_sent >= TimeLimits::BLOCK {
            // A peer that is never quite done with what it is sent would have the whole content kept here.
            self.out.drain(..self.out_sent);
            self.out_sent = 0;
        }
        if self.sent - self.sent_at_mark >= TimeLimits::BLOCK as u64 {
            self.mark(now);
        }
    }

    /// Begins the time limit anew.
    pub(super) fn mark(&mut self, now: Instant) {
        self.since = now;
        self.sent_at_mark = self.sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ClientConfig, Security, TransactionOptions};
    use mailkit_address::{Address, Envelope};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do for the beginning")]
    fn content_that_has_left_is_not_kept_while_more_of_it_comes() {
        let now = Instant::now();
        let mut client = Client::new(ClientConfig { security: Security::None, ..ClientConfig::new("client") }, now);
        client.handle_input(now, b"220 mx\r\n");
        client.handle_transmitted(now, client.poll_transmit().len());
        client.handle_input(now, b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
        let bob = Address::parse("bob@example.org").unwrap();
        let envelope = Envelope::null_sender(vec![bob]).unwrap();
        client.handle_transmitted(now, client.poll_transmit().len());
        client.begin(now, envelope, &TransactionOptions::default()).unwrap();
        for _ in 0..1000 {
            while client.wants_content() {
                client.put_content(&[b'x'; 32 * 1024], false);
            }
            // Never all of it: the peer is slower than the content.
            client.handle_transmitted(now, 40 * 1024);
        }
        assert!(client.out.capacity() < 1024 * 1024, "{} octets are kept", client.out.capacity());
    }
}
