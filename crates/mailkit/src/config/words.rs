//! The values of a configuration, filled from the environment and read.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use mailkit_address::Domain;
use mailkit_dispatch::{Quota, Rate};
use mailkit_smtp::sasl::Secret;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::bounds::{SpanSetting, WINDOW_BOUNDS};
use super::fill::{fill, fill_url};

fn filled(text: &str) -> Result<String, String> {
    fill(text, |name| std::env::var(name).ok())
}

/// A text.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        filled(&text).map(Self)
    }
}

/// The name of a host as EHLO has it: a domain in A-labels, or an address literal.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct HostName(pub(super) String);

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = filled(&text)?;
        let domain = Domain::parse(name.trim()).map_err(|error| {
            format!("`hostname` has to be a full name such as relay.example.com, or an address such as [192.0.2.1] ({error})")
        })?;
        Ok(Self(if domain.is_literal() { domain.to_string() } else { domain.as_ascii().to_owned() }))
    }
}

/// A URL, in which what comes from the environment is percent-encoded.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct UrlText(pub(super) String);

impl TryFrom<String> for UrlText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        fill_url(&text, |name| std::env::var(name).ok()).map(Self)
    }
}

/// A span of time, such as `30s`, `5m`, `7d`, within the bounds of its setting.
pub(super) struct Span<S>(pub(super) Duration, PhantomData<S>);

impl<'de, S: SpanSetting> Deserialize<'de> for Span<S> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl Visitor<'_> for Quoted {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time in quotes, such as \"30s\", \"5m\" or \"7d\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
                filled(text).map_err(E::custom)
            }
        }
        let text = input.deserialize_str(Quoted)?;
        let value = humantime::parse_duration(text.trim()).map_err(|error| {
            let text: String = text.chars().take(64).collect();
            let text = text.escape_debug();
            D::Error::custom(format!("`{text}` is no span of time such as 30s, 5m or 7d ({error})"))
        })?;
        S::BOUNDS.check(S::NAME, value).map_err(D::Error::custom)?;
        Ok(Self(value, PhantomData))
    }
}

/// A whole number from `LEAST` to `MOST`, as such or in a text (which a variable may fill).
#[derive(Clone, Copy)]
pub(super) struct Number<const LEAST: u64, const MOST: u64>(pub(super) u64);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Number<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Whole<const LEAST: u64, const MOST: u64>;
        impl<const LEAST: u64, const MOST: u64> Whole<LEAST, MOST> {
            fn check<E: Error>(self, shown: impl fmt::Display, number: Option<u64>) -> Result<u64, E> {
                number.filter(|number| (LEAST..=MOST).contains(number)).ok_or_else(|| {
                    let most =
                        if MOST < u64::MAX { format!("from {LEAST} to {MOST}") } else { format!("from {LEAST} on") };
                    E::custom(format!("`{shown}` is no whole number {most}"))
                })
            }
        }
        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Whole<LEAST, MOST> {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
                self.check(number, u64::try_from(number).ok())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
                self.check(number, Some(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
                let text = filled(text).map_err(E::custom)?;
                let shown: String = text.chars().take(64).collect();
                self.check(shown.escape_debug(), text.trim().replace('_', "").parse().ok())
            }
        }
        input.deserialize_any(Whole::<LEAST, MOST>).map(Self)
    }
}

impl<const LEAST: u64, const MOST: u64> Number<LEAST, MOST> {
    /// The number as one that is at most `u32::MAX`.
    pub(super) fn as_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// The number as one that is at least 1.
    pub(super) fn as_non_zero(self) -> NonZeroU32 {
        NonZeroU32::new(self.as_u32()).unwrap_or(NonZeroU32::MIN)
    }
}

/// A number that need not be whole, as such or in a text (which a variable may fill).
#[derive(Clone, Copy)]
pub(super) struct Decimal(pub(super) f64);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as 2 or 1.5")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Decimal, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Decimal, E> {
                Ok(Decimal(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
                let text = filled(text).map_err(E::custom)?;
                text.trim().parse().map(Decimal).map_err(|_| {
                    let shown: String = text.chars().take(64).collect();
                    E::custom(format!("`{}` is no number such as 2 or 1.5", shown.escape_debug()))
                })
            }
        }
        input.deserialize_any(Any)
    }
}

/// The most that a count may be.
pub(super) const MOST_COUNT: u64 = u32::MAX as u64;

/// A text that its type reads.
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display> + CheckWindow> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        word(&String::deserialize(input)?).map(Self)
    }
}

/// One text that its type reads, or a list of them.
pub(super) struct Words<T>(pub(super) Vec<T>);

impl<T> Default for Words<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromStr<Err: fmt::Display> + CheckWindow> Deserialize<'de> for Words<T> {
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
        texts.iter().map(|text| word(text)).collect::<Result<_, _>>().map(Self)
    }
}

fn word<T: FromStr<Err: fmt::Display> + CheckWindow, E: Error>(text: &str) -> Result<T, E> {
    let value: T = filled(text).map_err(E::custom)?.trim().parse().map_err(E::custom)?;
    match value.window().filter(|window| !WINDOW_BOUNDS.contains(*window)) {
        Some(window) => Err(E::custom(format!("the span behind the `/` is {}", WINDOW_BOUNDS.refusal(window)))),
        None => Ok(value),
    }
}

/// A value that may count within a window of time.
pub(super) trait CheckWindow {
    /// The window, which must not be shorter than anything is useful for.
    fn window(&self) -> Option<Duration> {
        None
    }
}

impl CheckWindow for Rate {
    fn window(&self) -> Option<Duration> {
        Some(self.per())
    }
}

impl CheckWindow for Quota {
    fn window(&self) -> Option<Duration> {
        Some(Self::window(self))
    }
}

impl CheckWindow for mailkit_dispatch::Share {}
impl CheckWindow for mailkit_address::Address {}
impl CheckWindow for crate::AddressPattern {}

impl CheckWindow for crate::Convert {}

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
