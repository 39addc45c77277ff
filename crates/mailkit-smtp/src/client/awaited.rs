//! The two cursors of a pipelined protocol: what was sent, and what was answered.
//!
//! The connection carries one stream of octets out, and each command has its place in it. A reply counts as the answer
//! to a command only if the last octet of that command had left when the first octet of the reply arrived. An earlier
//! reply was not caused by that command, and every reply behind it would be taken for the answer to the wrong one.

use super::{Client, Expect};

/// A reply that is awaited, and the octets of the outgoing stream that ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) expect: Expect,
    /// The first octet of the command, or of the content, counted from the beginning of the session.
    pub(super) begin: u64,
    /// The octet behind its last one.
    pub(super) end: u64,
}

impl Awaited {
    /// The greeting, which is sent without being asked for.
    pub(super) const GREETING: Self = Self { expect: Expect::Greeting, begin: 0, end: 0 };
}

impl Client {
    /// Octets that were written since the beginning of the session, whether they have left or not.
    pub(super) fn written(&self) -> u64 {
        self.sent + (self.out.len() - self.out_sent) as u64
    }

    /// Awaits the reply to what was written from `begin` on.
    pub(super) fn await_reply(&mut self, expect: Expect, begin: u64) {
        let end = self.written();
        self.expected.push_back(Awaited { expect, begin, end });
    }

    /// Whether the reply that came in last is the answer to the command that is waited for.
    pub(super) fn is_answer(&self) -> bool {
        self.expected.front().is_some_and(|awaited| awaited.end <= self.sent_on_arrival)
    }

    /// The transaction whose content was leaving when the reply came that answers no command, if there is one: some of
    /// its octets have left, and not yet all.
    pub(super) fn leaving_content(&self) -> Option<u64> {
        let (id, begin) = match (self.expected.front(), self.transactions.back()) {
            (Some(Awaited { expect: Expect::Chunk(id) | Expect::Content(id), begin, .. }), _) => (*id, Some(*begin)),
            (None, Some(last)) if !last.chunking => (last.id, last.content_begin),
            _ => return None,
        };
        begin.filter(|begin| *begin < self.sent_on_arrival).map(|_| id)
    }
}
