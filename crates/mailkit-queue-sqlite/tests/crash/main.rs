//! Processes that are killed while they use a store: at every step of the writer, and at random times under load.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod child;
mod killed;
mod steps;
mod verdict;
