//! What the tests of this workspace share: real servers, bad networks, scripted dialogues.
//!
//! - [`Postfix`], [`Dovecot`] and [`SmtpSink`] launch the real programs in a temporary folder on free loopback
//!   ports, and end them however the test ends.
//! - [`FaultProxy`] stands between two programs and delays, cuts or trickles what they say.
//! - [`Transcript`] is a dialogue read from a file; [`ScriptedPeer`] plays the server's half of it over TCP.
//! - [`Growth`] counts the instructions that a program takes, to see how they grow with its input.
//! - [`Certificates`] makes a certificate authority, a server's and a client's certificate.
//!
//! It does not speak SMTP by itself, so it can test every crate that does. It is not published.
//!
//! A test that needs a real server is named `real_…` and begins with [`available`]:
//!
//! ```no_run
//! use mailkit_testkit::{Postfix, PostfixOptions, available};
//!
//! let Some(postfix) = available(Postfix::start(PostfixOptions::new())) else { return };
//! println!("speak to {}", postfix.address());
//! ```

mod account;
mod certificate;
mod dovecot;
mod fault_proxy;
mod growth;
mod guarded;
mod launch;
mod maildir;
mod ports;
mod postfix;
mod readiness;
mod scripted_peer;
mod smtp_sink;
mod trace_headers;
mod transcript;

pub use certificate::{CertificateError, Certificates};
pub use dovecot::{Dovecot, DovecotOptions};
pub use fault_proxy::{FaultProxy, Faults, Traffic};
pub use growth::Growth;
pub use launch::{LaunchError, REQUIRE_REAL, available};
pub use ports::{free_port, free_ports};
pub use postfix::{Postfix, PostfixOptions};
pub use scripted_peer::{Mismatch, ScriptedPeer};
pub use smtp_sink::SmtpSink;
pub use trace_headers::content_after_trace;
pub use transcript::{Step, Transcript, TranscriptError, TranscriptProblem};

/// The domain that the launched servers deliver for.
pub const DOMAIN: &str = "example.org";
