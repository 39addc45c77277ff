//! The id of a message: a ULID.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;

/// Crockford's Base32: it leaves out I, L, O and U, which look like digits or other letters.
const DIGITS: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 26 digits of 5 bits hold the 128 bits.
const LENGTH: usize = 26;

/// The id of a message: a [ULID](https://github.com/ulid/spec), 48 bits of time in milliseconds and 80 random bits.
///
/// Ids sort by the time at which they were created, and ids of different processes differ. An id is written as 26
/// characters of Crockford's Base32.
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
    /// An id from a time and 80 random bits. The higher bits of `random` are ignored.
    #[must_use]
    pub const fn new(at: Timestamp, random: u128) -> Self {
        let milliseconds = at.as_millis().unsigned_abs() as u128;
        Self((milliseconds << 80) | (random & ((1 << 80) - 1)))
    }

    /// An id from its 128 bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits of the id. They have the same order as the ids.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String =
            (0..LENGTH).rev().map(|digit| char::from(DIGITS[(self.0 >> (5 * digit)) as usize & 31])).collect();
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

    /// Parses 26 characters of Crockford's Base32, in upper or lower case.
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

/// The error for text that is not the id of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQueueIdError {
    text: String,
}

impl fmt::Display for ParseQueueIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the id of a message: an id has 26 digits and letters", self.text.escape_debug())
    }
}

impl Error for ParseQueueIdError {}

#[cfg(feature = "serde")]
impl serde::Serialize for QueueId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for QueueId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_parses_back_and_sorts_like_its_text(one: u128, other: u128) {
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
