//! The pool against the capture server, which counts connections. The clock is moved, never waited for.
#![expect(clippy::unwrap_used, reason = "the functions that tests share")]

mod cancelling;
mod keeping;
mod limits;
mod refusing;
mod setup;
mod tls;
mod useless;
