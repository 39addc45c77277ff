//! Enums whose values have names in JSON, options, filters and logs.

use std::error::Error;
use std::fmt;

/// Defines an enum from one table of variants and their names: `ALL`, `as_str`, `Display`, `FromStr` and serde.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        $name:ident, $what:literal, $reason:literal { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(clippy::exhaustive_enums, reason = $reason)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All values, in their order.
            pub const ALL: [Self; [$($word,)+].len()] = [$(Self::$variant,)+];

            /// The name of the value in JSON, options, filters and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseEnumError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let unknown = || $crate::ParseEnumError::new(text, $what);
                Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(unknown)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use string_enum;

/// The error for text that is no value of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseEnumError {
    text: String,
    expected: &'static str,
}

impl ParseEnumError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), expected }
    }
}

impl fmt::Display for ParseEnumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text.escape_debug(), self.expected)
    }
}

impl Error for ParseEnumError {}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::str::FromStr;

    use crate::{
        AttemptOutcome, Command, Durability, Notify, OnAmbiguous, Priority, ProblemKind, RecipientStatus,
        ReturnContent, State,
    };

    fn parses_back<T>(all: &[T])
    where
        T: Copy + Debug + PartialEq + ToString + FromStr,
        T::Err: Debug,
    {
        for value in all {
            assert_eq!(value.to_string().parse::<T>().unwrap(), *value);
        }
    }

    #[test]
    fn every_name_parses_back_and_no_other_text_does() {
        parses_back(&State::ALL);
        parses_back(&Command::ALL);
        parses_back(&Priority::ALL);
        parses_back(&OnAmbiguous::ALL);
        parses_back(&Notify::ALL);
        parses_back(&ReturnContent::ALL);
        parses_back(&AttemptOutcome::ALL);
        parses_back(&RecipientStatus::ALL);
        parses_back(&Durability::ALL);
        parses_back(&ProblemKind::ALL);
        let error = "urgent".parse::<Priority>().unwrap_err();
        assert_eq!(error.to_string(), "`urgent` is not a priority: high, normal or low");
        assert!(Priority::High < Priority::Normal, "the order is that of delivery");
    }
}
