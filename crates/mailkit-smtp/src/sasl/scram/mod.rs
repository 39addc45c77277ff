//! SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know the password, neither shows it
//!
//! Without channel binding: the header is `n,,`.

mod client;
mod keys;
mod message;
mod prepare;
mod server;

pub(super) use client::{ExpectServerFinal, ExpectServerFirst};
pub(super) use server::ExpectClientFinal;

/// The fewest iterations that a client accepts and a server asks for: the minimum of RFC 7677 §4. With
/// fewer, whoever plays the server gets a digest that is cheaper to guess at.
pub const MIN_ITERATIONS: u32 = 4096;

/// The most iterations that a client accepts: what OWASP recommends for PBKDF2 with SHA-256, and the most that is in
/// use; some tenths of a second of work. Beyond it a hostile server could hold a processor for hours with one line.
pub const MAX_ITERATIONS: u32 = 600_000;

/// The longest message that is read, and the longest salt, in bytes.
const MAX_MESSAGE: usize = 4096;
const MAX_SALT: usize = 1024;

#[cfg(test)]
mod tests;
