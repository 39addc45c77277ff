//! Logging in by SASL (RFC 4422) over SMTP's AUTH (RFC 4954): both halves of every mechanism
//!
//! Raw messages in, raw messages out. [`encode_base64`] and [`decode_base64`] make lines of them; reply
//! codes, the cancelling `*` and the wire are the caller's, and so is randomness: nonces are passed in.
//!
//! Client: pick a mechanism with [`Mechanisms::choose`], [`ClientExchange::start`], send
//! [`ClientExchange::initial_response`], answer each 334 with [`ClientExchange::respond`], and believe a 235
//! only after [`ClientExchange::finish`]. Server: [`ServerExchange::start`] and
//! [`ServerExchange::respond`], each of which gives a [`ServerStep`].
//!
//! ```
//! use std::collections::BTreeMap;
//! use mailkit_smtp::sasl::{
//!     ClientExchange, Credentials, ExchangeContext, Mechanisms, Secret, ServerExchange, ServerStep,
//! };
//!
//! let offered = Mechanisms::parse("PLAIN LOGIN");
//! let credentials = Credentials::password("ann", "s3cret")?;
//! let mechanism = offered.choose(&credentials, None)?;
//! let context = ExchangeContext { host: "mail.example.com", port: 587, nonce: &[7; 18] };
//! let mut client = ClientExchange::start(mechanism, &credentials, context)?;
//!
//! let users = BTreeMap::from([("ann".to_owned(), Secret::new("s3cret"))]);
//! let initial = client.initial_response();
//! let initial = initial.as_ref().map(|bytes| bytes.as_slice());
//! let (_, step) = ServerExchange::start(mechanism, initial, &users, &[9; 18], "mail.example.com");
//! assert_eq!(step, ServerStep::Accepted { user: "ann".to_owned() });
//! client.finish()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER are always there; `cram-md5` and `scram` are features that bring
//! their mechanism and its primitives.

mod bearer;
mod client;
#[cfg(feature = "cram-md5")]
mod cram_md5;
mod credentials;
mod error;
mod line;
mod mechanism;
mod offer;
mod plain;
mod redact;
#[cfg(feature = "scram")]
mod scram;
mod secret;
mod server;

pub use client::{ClientExchange, ExchangeContext};
pub use credentials::{CredentialField, Credentials, InvalidCredentials};
pub use error::{SaslError, ServerFault};
pub use line::{InvalidBase64, MAX_BASE64, decode_base64, encode_base64, encode_initial_response};
pub use mechanism::{Mechanism, UnknownMechanism};
pub use offer::{Mechanisms, NoCommonMechanism};
pub use redact::Redactor;
#[cfg(feature = "scram")]
pub use scram::{MAX_ITERATIONS, MIN_ITERATIONS};
pub use secret::Secret;
pub use server::{Rejection, ServerExchange, ServerStep, Users};

/// The fewest bytes of a nonce: 96 bits. 18 are a good number, since they fill their base64.
pub const MIN_NONCE: usize = 12;

#[cfg(test)]
mod tests;
