//! SMTP and LMTP without input and output: the client machine, the server machine, and the values they exchange.
//!
//! Bytes and time go in; bytes, deadlines and facts come out. This crate opens no socket, reads no clock, draws no
//! random number, and holds no message: content streams through.
//!
//! - [`client::Client`] is one end of a session, for programs that send; [`server::Server`] is the other, for programs
//!   that take mail in.
//! - [`Reply`], [`Command`], [`Extensions`] and [`parameter`] are what goes over the wire, each parsed and printed.
//! - [`sasl`] logs in.
//!
//! Control characters cannot leave: every line is written at one place, which refuses them ([`InvalidArgument`]).
//! A refused recipient is no error but an entry of a [`Report`]; a message whose fate nobody can know is
//! [`Status::Ambiguous`], and never called failed.

pub mod client;
mod command;
mod content;
mod extension;
pub mod parameter;
mod reply;
mod report;
pub mod sasl;
pub mod server;
mod step;

pub use command::{Command, CommandError, InvalidArgument, MAX_COMMAND};
pub use extension::{Extensions, FutureRelease, Limits, SizeLimit};
pub use reply::{EnhancedStatus, MAX_LINE, MAX_LINES, MAX_REPLY, Reply, ReplyCode, ReplyDecoder, ReplyError, Severity};
pub use report::{RecipientReport, Report, Status};
pub use step::Step;

#[doc(hidden)]
pub use mailkit_address::{ErrorMessage, chained_display};
