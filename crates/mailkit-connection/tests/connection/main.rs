//! Connections over pipes in memory with a paused clock, and over loopback: round trips, cancelling, time limits,
//! deadlocks, bounded memory, content that fails, limits of the server, mixed-up ports, STARTTLS.
#![cfg(feature = "ring")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up fails the test")]

#[path = "../certificates/mod.rs"]
#[expect(dead_code, reason = "the tests of TLS alone need the rest")]
mod certificates;
mod order;
mod peer;
mod script;

mod cancellation;
mod content;
mod flow;
mod ports;
mod recipients;
mod revoked;
mod round_trips;
mod security;
mod time_limits;
