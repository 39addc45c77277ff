//! The command as its user meets it: arguments in; words, JSON and exit codes out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod acting;
mod arguments;
mod attaching;
mod checking;
mod configuring;
mod converting;
mod crashing;
mod demo;
mod enqueueing;
mod exit_codes;
mod exporting;
mod growth;
mod hostile;
mod json_message;
mod looking;
mod queueing;
mod rendering;
mod routing;
mod run;
mod secrets;
mod sending;
mod signing;
mod sink_process;
mod sinking;
mod staging;
mod stopped;
mod store;
mod streaming;
mod verifying;
mod working;
