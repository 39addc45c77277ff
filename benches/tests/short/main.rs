//! The benchmarks in short, so that they cannot rot.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod comparison;
mod queue;
