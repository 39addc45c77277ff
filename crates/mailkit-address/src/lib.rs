//! The values that mail is addressed with: domains, addresses, mailboxes,
//! lists of them, and the envelope.
//!
//! Each type is parsed once and cannot hold nonsense afterwards: a value that
//! exists fits the limits of RFC 5321, holds no control character and prints
//! a form that parses back to the same value. One scanner reads both the
//! header form (RFC 5322 §3.4) and the envelope form (RFC 5321 §4.1.2), so the
//! two can never disagree about where an address ends.
//!
//! | type | is | prints |
//! |---|---|---|
//! | [`Domain`] | a host name or an address literal | `xn--bcher-kva.example`, `[192.0.2.1]` |
//! | [`Address`] | local part and domain | `ann@example.com` |
//! | [`Mailbox`] | an address, with a name for people | `Ann Lee <ann@example.com>` |
//! | [`Group`], [`AddressList`] | what `To:` holds | `Team: a@example.com, b@example.com;` |
//! | [`ReversePath`], [`ForwardPath`] | what MAIL FROM and RCPT TO hold | `<>`, `<ann@example.com>` |
//! | [`Envelope`] | one sender, one or more recipients | |
//!
//! What it does not do: it resolves no names, does not ask whether a mailbox
//! exists, neither encodes nor decodes RFC 2047 words, folds no header lines and
//! writes no SMTP commands.
//!
//! # Example
//!
//! ```
//! use mailkit_address::{AddressList, Envelope};
//!
//! let to: AddressList = "Ann <ann@example.com>, Team: bob@example.org;".parse()?;
//! let recipients = to.mailboxes().map(|mailbox| mailbox.address().clone()).collect();
//! let envelope = Envelope::null_sender(recipients)?;
//! assert_eq!(envelope.recipients().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod domain;
mod envelope;
mod error;
mod glance;
mod group;
mod list;
mod mailbox;
mod path;
mod plain;
mod scan;
mod show;
mod text;

pub use address::{Address, MAX_ADDRESS_LEN};
pub use domain::{Domain, MAX_DOMAIN_LEN, MAX_LABEL_LEN};
pub use envelope::{Envelope, EnvelopeError};
pub use error::{AddressError, AddressErrorKind};
pub use group::Group;
pub use list::{AddressEntry, AddressList};
pub use mailbox::{MAX_NAME_LEN, Mailbox};
pub use path::{ForwardPath, ReversePath};
pub use scan::{MAX_COMMENT_DEPTH, MAX_INPUT_LEN};
pub use show::{ErrorMessage, OneLine, fmt_error, is_unprintable, write_causes};
