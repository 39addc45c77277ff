//! What leaves, and how long a step may take.

use std::time::{Duration, Instant};

use super::{Client, Error, Phase, TimeLimits};

impl Client {
    /// Tells the machine the time; it gives up where a step has taken longer than its limit.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.fail(Error::TimedOut(self.step(), self.limit(), self.decoder.unfinished()));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = !self.expected.is_empty() || !self.poll_transmit().is_empty() || self.wants_content();
        (self.phase != Phase::Closed && waiting).then(|| self.since + self.limit())
    }

    fn limit(&self) -> Duration {
        if self.poll_transmit().is_empty() && !self.wants_content() {
            self.config.time_limits.of(self.step())
        } else {
            self.config.time_limits.block
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
        if self.out_sent == self.out.len() {
            self.out.clear();
            self.out_sent = 0;
            self.mark(now);
        } else if self.sent - self.sent_at_mark >= TimeLimits::BLOCK as u64 {
            self.mark(now);
        }
    }

    /// Begins the time limit anew.
    pub(super) fn mark(&mut self, now: Instant) {
        self.since = now;
        self.sent_at_mark = self.sent;
    }
}
