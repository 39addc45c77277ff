//! The dispatcher with the queue in memory, simulated servers and a paused clock.

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
