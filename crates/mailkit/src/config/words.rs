//! The texts of a configuration, filled and read.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use mailkit_dispatch::LONGEST_SPAN;
use mailkit_smtp::sasl::Secret;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::fill::fill;

fn filled(text: &str) -> Result<String, String> {
    fill(text, |name| std::env::var(name).ok())
}

/// A text.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        filled(&text).map(Self)
    }
}

/// A span of time, such as `30s`, `5m`, `7d`: a hundred years at the most.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = filled(&text)?;
        let refusal = |why: &dyn fmt::Display| {
            let text: String = text.chars().take(64).collect();
            format!("`{}` is no span of time such as 30s, 5m or 7d ({why})", text.escape_debug())
        };
        match humantime::parse_duration(text.trim()) {
            Ok(span) if span > LONGEST_SPAN => Err(refusal(&"more than 100 years")),
            Ok(span) => Ok(Self(span)),
            Err(error) => Err(refusal(&error)),
        }
    }
}

/// A text that its type reads.
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = filled(&String::deserialize(input)?).map_err(Error::custom)?;
        text.parse().map(Self).map_err(Error::custom)
    }
}

/// One text that its type reads, or a list of them.
pub(super) struct Words<T>(pub(super) Vec<T>);

impl<T> Default for Words<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Words<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text or a list of texts")]
        enum OneOrMore {
            One(String),
            More(Vec<String>),
        }
        let texts = match OneOrMore::deserialize(input)? {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        };
        let read = |text: String| filled(&text).map_err(Error::custom)?.parse().map_err(Error::custom);
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// A text that no error repeats.
pub(super) struct Hidden(pub(super) Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Quiet(PhantomData<()>);
        impl Visitor<'_> for Quiet {
            type Value = Hidden;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Hidden, E> {
                filled(text).map(|text| Hidden(Secret::new(text))).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Hidden, E> {
                Err(E::custom("a number, where a text in quotes was expected"))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Hidden, E> {
                self.visit_i64(0)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Hidden, E> {
                Err(E::custom("no text in quotes"))
            }
        }
        input.deserialize_any(Quiet(PhantomData))
    }
}
