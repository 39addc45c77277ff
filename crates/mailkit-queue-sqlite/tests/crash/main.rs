//! Processes that die while they work with a store: at every step that it takes, and at any time under load.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod child;
mod killed;
mod steps;
mod verdict;
