//! The description of a store, and the problems in its data.

use std::borrow::Cow;

use crate::id::QueueId;
use crate::string_enum::string_enum;

string_enum! {
    /// How safe data is when a store acknowledges it.
    Durability, "a durability: fsync, replicated, everysec or none", "whoever relies on it must decide about a new one" {
        /// The data is on stable storage: a power cut loses nothing.
        Fsync = "fsync",
        /// The data is on stable storage and on a second server.
        Replicated = "replicated",
        /// The data is on stable storage within a second: a power cut can lose the last second.
        Everysec = "everysec",
        /// The data is in memory: it is lost when the process ends.
        None = "none",
    }
}

/// The description of a store: its kind, its version and its durability. [`Queue::check`](crate::Queue::check) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The kind of store, which is the scheme of its URL: `memory`, `sqlite`.
    pub kind: Cow<'static, str>,
    /// The version of the storage engine.
    pub version: Cow<'static, str>,
    /// How safe data is when the store acknowledges it.
    pub durability: Durability,
    /// How many milliseconds the store's clock is ahead of this machine's clock; 0 for a store without its own clock.
    pub clock_offset_millis: i64,
    /// Whether other processes can work on the same queue.
    pub shared: bool,
}

impl Health {
    /// The description of a store that has no clock of its own and is not shared.
    #[must_use]
    pub fn new(
        kind: impl Into<Cow<'static, str>>,
        version: impl Into<Cow<'static, str>>,
        durability: Durability,
    ) -> Self {
        Self { kind: kind.into(), version: version.into(), durability, clock_offset_millis: 0, shared: false }
    }

    /// Sets that several processes can share the store.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Sets how many milliseconds the store's own clock is ahead of this machine's clock.
    #[must_use]
    pub const fn with_clock_offset(mut self, millis: i64) -> Self {
        self.clock_offset_millis = millis;
        self
    }
}

string_enum! {
    /// The kind of a problem in the data of a store.
    ProblemKind, "a kind of problem: structure, index, counter, message, content or orphan", "a new one needs a word in the documentation" {
        /// The structure of the store is damaged, such as its pages or tables.
        Structure = "structure",
        /// An index does not agree with its table.
        Index = "index",
        /// A counter does not agree with what it counts.
        Counter = "counter",
        /// A part of a message is missing or invalid.
        Message = "message",
        /// The content of a message is missing or damaged.
        Content = "content",
        /// Data that belongs to no message.
        Orphan = "orphan",
    }
}

/// A problem in the data of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The kind of the problem.
    pub kind: ProblemKind,
    /// The message with the problem. `None` if the problem concerns no single message.
    pub id: Option<QueueId>,
    /// The description of the problem.
    pub text: String,
}

impl Problem {
    /// A problem that concerns no single message.
    #[must_use]
    pub fn new(kind: ProblemKind, text: impl Into<String>) -> Self {
        Self { kind, id: None, text: text.into() }
    }

    /// Sets the message with the problem.
    #[must_use]
    pub const fn of(mut self, id: QueueId) -> Self {
        self.id = Some(id);
        self
    }
}

/// The result of [`Queue::verify`](crate::Queue::verify).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The problems that are left, up to [`MAX_PROBLEMS`](Self::MAX_PROBLEMS).
    pub problems: Vec<Problem>,
    /// The number of problems that are left and not listed.
    pub omitted: u64,
    /// The number of problems that were repaired.
    pub repaired: u64,
}

impl Verification {
    /// The maximum number of listed problems.
    pub const MAX_PROBLEMS: usize = 1_000;

    /// Whether no problem is left.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a problem to the list, or only counts it if the list is full.
    pub fn add(&mut self, problem: Problem) {
        if self.problems.len() < Self::MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verification_lists_a_bounded_number_of_problems_and_counts_the_rest() {
        let mut found = Verification::default();
        assert!(found.is_ok());
        for _ in 0..1_003 {
            found.add(Problem::new(ProblemKind::Counter, "x"));
        }
        assert_eq!((found.problems.len(), found.omitted, found.is_ok()), (1_000, 3, false));
    }
}
