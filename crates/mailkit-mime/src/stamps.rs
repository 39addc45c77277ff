//! Time and uniqueness, as they are handed in.

use std::io;

use time::OffsetDateTime;

use crate::message::Message;

/// What a message takes from the world around it: the time, and a number that no other has.
///
/// Messages built from equal stamps and equal fields are equal byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    now: OffsetDateTime,
    unique: u128,
}

impl Stamps {
    /// Joins the time for Date and a number for Message-ID: 128 bits of randomness in earnest,
    /// anything that repeats in a test.
    #[must_use]
    pub const fn new(now: OffsetDateTime, unique: u128) -> Self {
        Self { now, unique }
    }

    /// The time of the message.
    #[must_use]
    pub const fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// The number of the message.
    #[must_use]
    pub const fn unique(&self) -> u128 {
        self.unique
    }
}

/// Where a [`MessageBuilder`](crate::MessageBuilder) gets its stamps, and what it builds.
///
/// This crate reads neither clock nor randomness. Who does both can give `build()` to its users
/// without an argument:
///
/// ```
/// use std::io;
///
/// use mailkit_mime::{MessageBuilder, StampSource, Stamps};
/// use time::macros::datetime;
///
/// /// A message, with whatever the application adds to it.
/// struct Letter(mailkit_mime::Message);
///
/// impl From<mailkit_mime::Message> for Letter {
///     fn from(message: mailkit_mime::Message) -> Self {
///         Self(message)
///     }
/// }
///
/// struct Machine;
///
/// impl StampSource for Machine {
///     type Message = Letter;
///
///     fn stamps(&mut self) -> io::Result<Stamps> {
///         Ok(Stamps::new(datetime!(2026-11-23 07:00 UTC), 7)) // the clock, and random bits
///     }
/// }
///
/// impl Letter {
///     fn builder() -> MessageBuilder<Machine> {
///         MessageBuilder::new(Machine)
///     }
/// }
///
/// let letter: Letter = Letter::builder().from("ann@example.com").to("bob@example.org").build()?;
/// assert!(letter.0.message_id().is_some());
/// # Ok::<(), mailkit_mime::BuildErrors>(())
/// ```
pub trait StampSource {
    /// The type that `build()` gives: [`Message`], or one that holds it.
    type Message: From<Message>;

    /// Gives the stamps for one message, new ones at each call.
    ///
    /// # Errors
    ///
    /// Whatever keeps the clock or the source of randomness from being read.
    fn stamps(&mut self) -> io::Result<Stamps>;
}

/// Stamps that are given stand for one message.
impl StampSource for Stamps {
    type Message = Message;

    fn stamps(&mut self) -> io::Result<Stamps> {
        Ok(*self)
    }
}
