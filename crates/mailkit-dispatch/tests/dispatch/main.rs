//! The dispatcher against the queue in memory, with servers made up here and a clock that is paused.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod endings;
mod faults;
mod flow;
mod leases;
mod limits;
mod moods;
mod recovery;
mod routes;
mod server;
mod silence;
mod simulation;
mod stopping;
mod store;
mod stuck;
mod two;
mod wrapped;
