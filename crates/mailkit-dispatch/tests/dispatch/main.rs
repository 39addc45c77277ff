//! The dispatcher against the queue in memory, with servers made up here and a clock that is paused.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod endings;
mod faults;
mod faulty_queue;
mod flow;
mod leases;
mod limits;
mod liveness;
mod primary_backup;
mod random_server;
mod recovery;
mod routes;
mod server;
mod simulation;
mod stopping;
mod store;
mod stuck;
