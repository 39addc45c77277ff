//! Random messages, written here and read by other programs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod convert;
mod convert_limits;
mod generate;
mod lines;
mod parser;
mod python;
mod raw;
