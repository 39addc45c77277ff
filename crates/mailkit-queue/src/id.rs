//! The name of a message in a queue.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;

/// Crockford's alphabet: no letter looks like a digit.
const DIGITS: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 26 digits of 5 bits hold 128.
const LENGTH: usize = 26;

/// The name of a message in a queue: the time it was enqueued and chance, so that names made in any number of
/// processes differ, and sort by time. Written in 26 digits and capital letters.
///
/// ```
/// use mailkit_queue::{QueueId, Timestamp};
///
/// let id = QueueId::new(Timestamp::from_millis(1_795_417_380_000), 42);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!(id < QueueId::new(Timestamp::from_millis(1_795_417_380_001), 0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(u128);

impl QueueId {
    /// A name from a time and 80 bits of chance; higher bits of `chance` are left out.
    #[must_use]
    pub const fn new(at: Timestamp, chance: u128) -> Self {
        let milliseconds = at.as_millis().unsigned_abs() as u128;
        Self((milliseconds << 80) | (chance & ((1 << 80) - 1)))
    }

    /// A name as a store keeps it.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The name as a store keeps it: its order is that of the names.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String =
            (0..LENGTH).rev().map(|place| char::from(DIGITS[(self.0 >> (5 * place)) as usize & 31])).collect();
        f.pad(&text)
    }
}

impl fmt::Debug for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for QueueId {
    type Err = ParseQueueIdError;

    /// Reads 26 digits and letters; small letters count as capitals.
    fn from_str(text: &str) -> Result<Self, ParseQueueIdError> {
        let invalid = || ParseQueueIdError { text: text.chars().take(64).collect() };
        if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
            return Err(invalid());
        }
        text.bytes()
            .try_fold(0, |bits: u128, byte| {
                let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_uppercase()).ok_or_else(invalid)?;
                Ok(bits << 5 | digit as u128)
            })
            .map(Self)
    }
}

/// A text that is not the name of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQueueIdError {
    text: String,
}

impl fmt::Display for ParseQueueIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the id of a message: one has 26 digits and letters", self.text.escape_debug())
    }
}

impl Error for ParseQueueIdError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back_and_sorts_alike(one: u128, other: u128) {
            let (one, other) = (QueueId::from_bits(one), QueueId::from_bits(other));
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(one.to_string().to_lowercase().parse(), Ok(one));
            prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
        }

        #[test]
        fn any_other_text_is_refused(text in "\\PC{0,30}") {
            if let Ok(id) = text.parse::<QueueId>() {
                prop_assert_eq!(id.to_string(), text.to_uppercase());
            }
        }
    }

    #[test]
    fn more_than_128_bits_are_refused() {
        assert!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<QueueId>().is_ok());
        assert!("80000000000000000000000000".parse::<QueueId>().is_err());
    }
}
