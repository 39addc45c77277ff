//! The end of a conversation that its caller wants: nothing more leaves, and what has left whole is still answered.

use zeroize::Zeroize as _;

use super::{Client, Error, Phase};

impl Client {
    /// How many octets have left since the beginning of the session.
    #[must_use]
    pub const fn octets_sent(&self) -> u64 {
        self.sent
    }

    /// How many octets will have left when all that [`poll_transmit`](Self::poll_transmit) shows has.
    #[must_use]
    pub fn octets_queued(&self) -> u64 {
        self.sent + self.poll_transmit().len() as u64
    }

    /// Sends nothing more, not even what is waiting to be written. Messages whose content has left whole keep their
    /// answers, which are still awaited; all others are not delivered. Then the conversation ends with
    /// [`Error::Abandoned`].
    pub fn stop_sending(&mut self) {
        if self.phase == Phase::Ready {
            self.phase = Phase::Stopping;
            self.out.zeroize();
            self.out_sent = 0;
            self.end_if_stopped();
        }
    }

    /// Ends a conversation that was stopped, once no message that has left whole awaits its answer.
    pub(super) fn end_if_stopped(&mut self) {
        let next = self.transactions.front().and_then(|transaction| transaction.last_octet);
        if self.phase == Phase::Stopping && next.is_none_or(|last| last > self.sent) {
            self.fail(Error::Abandoned);
        }
    }
}
