//! SMTP and LMTP listeners on tokio. Today that is the capture server, [`Sink`]: it takes mail in and keeps it, for
//! looking at what a program sends, and for testing how it behaves when a server refuses, stalls or hangs up.
//!
//! This crate speaks no SMTP by itself: it drives [`mailkit_smtp::server::Server`]. It relays nothing.
//!
//! ```
//! # async fn example() -> Result<(), mailkit_server::SinkError> {
//! use mailkit_server::{Sink, SinkTls};
//!
//! let sink = Sink::builder()
//!     .tls(SinkTls::StartTls)
//!     .user("ann", "secret")
//!     .fail("rcpt=550 5.1.1 no such user,to=*@example.org".parse()?)
//!     .start()
//!     .await?;
//! println!("listening at {}, certificates by {:?}", sink.addr(), sink.ca_path());
//! sink.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod connection;
mod sink;

pub use sink::{Captured, Counters, FailRule, FailRuleError, Sink, SinkBuilder, SinkError, SinkTls};
