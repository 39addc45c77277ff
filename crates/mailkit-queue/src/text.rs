//! Validated text: idempotency keys, tenants, tags, trace contexts, and the names of controls and consumers.
//!
//! A store writes these values into its own format, and other programs show them. None contains a NUL or another control
//! character, and each has a maximum length.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// The maximum length of a key, a tenant, a tag or a consumer's name, in octets.
const MAX_LENGTH: usize = 255;
/// The maximum length of the key of a control: it contains a tenant, a route or an address.
const MAX_CONTROL_KEY: usize = 512;

/// Defines a newtype of text with the rule that every value meets.
macro_rules! validated_text {
    ($(#[$meta:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`InvalidText`] with the reason.
            pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidText> {
                match $check(text.as_ref()) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => Err(InvalidText { what: $what, reason }),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidText;

            fn try_from(text: &str) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::new(&*text).map_err(serde::de::Error::custom)
            }
        }
    };
}

validated_text! {
    /// An idempotency key: 1 to 255 printable ASCII characters.
    ///
    /// ```
    /// use mailkit_queue::IdempotencyKey;
    ///
    /// assert_eq!(IdempotencyKey::new("order-42")?.as_str(), "order-42");
    /// assert!(IdempotencyKey::new("").is_err());
    /// assert!(IdempotencyKey::new("order\n42").is_err());
    /// # Ok::<(), mailkit_queue::InvalidText>(())
    /// ```
    IdempotencyKey, "an idempotency key", check_key
}

validated_text! {
    /// The tenant that sends a message: 1 to 255 octets of UTF-8 without control characters.
    Tenant, "a tenant", check_label
}

validated_text! {
    /// A tag of a message, to filter by: 1 to 255 octets of UTF-8 without control characters.
    Tag, "a tag", check_label
}

validated_text! {
    /// The trace that a message belongs to, in the form of the W3C header `traceparent`.
    ///
    /// ```
    /// use mailkit_queue::Traceparent;
    ///
    /// assert!(Traceparent::new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is_ok());
    /// assert!(Traceparent::new("00-00000000000000000000000000000000-b7ad6b7169203331-01").is_err());
    /// ```
    Traceparent, "a traceparent", check_traceparent
}

validated_text! {
    /// The key of a control, such as `route/primary/paused`: 1 to 512 octets of UTF-8 without control characters.
    ControlKey, "the key of a control", check_control_key
}

validated_text! {
    /// The name of a consumer of changes, such as `webhooks`: 1 to 255 octets of UTF-8 without control characters.
    ConsumerName, "the name of a consumer", check_label
}

impl IdempotencyKey {
    /// A key from text that is known to be valid.
    pub(crate) fn from_valid(text: String) -> Self {
        debug_assert_eq!(check_key(&text), Ok(()));
        Self(text.into())
    }
}

/// The error for text that breaks the rule of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidText {
    what: &'static str,
    reason: InvalidTextReason,
}

impl InvalidText {
    /// The rule that the text breaks.
    #[must_use]
    pub const fn reason(&self) -> InvalidTextReason {
        self.reason
    }
}

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTextReason {
    /// The text is empty.
    Empty,
    /// The text has more octets than the maximum.
    TooLong {
        /// The maximum.
        max: usize,
    },
    /// The text contains a control character.
    ControlCharacter(char),
    /// The text contains a character outside printable ASCII.
    NotAscii(char),
    /// The text is not `VERSION-TRACE_ID-PARENT_ID-FLAGS` in lower-case hexadecimal digits, or an id is all zeros.
    NotTraceparent,
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what;
        match self.reason {
            InvalidTextReason::Empty => write!(f, "{what} may not be empty"),
            InvalidTextReason::TooLong { max } => write!(f, "{what} has at most {max} octets"),
            InvalidTextReason::ControlCharacter(found) => {
                write!(f, "{what} may not contain the control character U+{:04X}", u32::from(found))
            }
            InvalidTextReason::NotAscii(found) => {
                write!(f, "{what} has only printable ASCII characters, and U+{:04X} is none", u32::from(found))
            }
            InvalidTextReason::NotTraceparent => write!(
                f,
                "{what} is VERSION-TRACE_ID-PARENT_ID-FLAGS with 2, 32, 16 and 2 lower-case hexadecimal digits, and no id \
                 is all zeros"
            ),
        }
    }
}

impl Error for InvalidText {}

fn check_label(text: &str) -> Result<(), InvalidTextReason> {
    check_plain(text, MAX_LENGTH)
}

fn check_control_key(text: &str) -> Result<(), InvalidTextReason> {
    check_plain(text, MAX_CONTROL_KEY)
}

fn check_plain(text: &str, max: usize) -> Result<(), InvalidTextReason> {
    match text.len() {
        0 => return Err(InvalidTextReason::Empty),
        length if length > max => return Err(InvalidTextReason::TooLong { max }),
        _ => {}
    }
    text.chars()
        .find(|found| found.is_control())
        .map_or(Ok(()), |found| Err(InvalidTextReason::ControlCharacter(found)))
}

fn check_key(text: &str) -> Result<(), InvalidTextReason> {
    check_label(text)?;
    text.chars().find(|found| !found.is_ascii()).map_or(Ok(()), |found| Err(InvalidTextReason::NotAscii(found)))
}

/// W3C Trace Context §3.2.2. A later version may have more fields behind the flags (§3.2.4).
fn check_traceparent(text: &str) -> Result<(), InvalidTextReason> {
    check_label(text)?;
    let is_hex = |field: &str| field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |field: &str| field.bytes().any(|byte| byte != b'0');
    let mut fields = text.split('-');
    let [version, trace_id, parent_id, flags] = [(); 4].map(|()| fields.next().unwrap_or_default());
    let has_form = [(version, 2), (trace_id, 32), (parent_id, 16), (flags, 2)]
        .into_iter()
        .all(|(field, length)| field.len() == length && is_hex(field));
    let is_known = version != "ff" && (version != "00" || fields.next().is_none());
    match has_form && is_known && is_id(trace_id) && is_id(parent_id) {
        true => Ok(()),
        false => Err(InvalidTextReason::NotTraceparent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T: fmt::Debug>(parsed: Result<T, InvalidText>) -> InvalidTextReason {
        parsed.unwrap_err().reason()
    }

    #[test]
    fn text_has_1_to_255_octets() {
        assert_eq!(reason(Tag::new("")), InvalidTextReason::Empty);
        assert!(Tag::new("a".repeat(255)).is_ok());
        assert_eq!(reason(Tag::new("a".repeat(256))), InvalidTextReason::TooLong { max: 255 });
        assert_eq!(reason(Tenant::new("\u{e9}".repeat(128))), InvalidTextReason::TooLong { max: 255 });
        assert_eq!(reason(IdempotencyKey::new("a".repeat(256))), InvalidTextReason::TooLong { max: 255 });
        assert_eq!(reason(ConsumerName::new("a".repeat(256))), InvalidTextReason::TooLong { max: 255 });
        assert!(ControlKey::new("a".repeat(512)).is_ok());
        assert_eq!(reason(ControlKey::new("a".repeat(513))), InvalidTextReason::TooLong { max: 512 });
    }

    #[test]
    fn control_characters_are_refused_and_other_text_is_not() {
        for control in ['\0', '\n', '\r', '\t', '\u{7f}', '\u{85}'] {
            let text = format!("a{control}b");
            let wanted = InvalidTextReason::ControlCharacter(control);
            assert_eq!((reason(Tag::new(&*text)), reason(Tenant::new(&*text))), (wanted, wanted));
            assert_eq!((reason(ControlKey::new(&*text)), reason(ConsumerName::new(&*text))), (wanted, wanted));
            assert_eq!(reason(IdempotencyKey::new(text)), wanted);
        }
        assert_eq!(Tag::new("it's b\u{fc}cher, 1").unwrap(), "it's b\u{fc}cher, 1");
        assert!(IdempotencyKey::new(" !\"~").is_ok());
        assert_eq!(reason(IdempotencyKey::new("\u{e9}")), InvalidTextReason::NotAscii('\u{e9}'));
    }

    #[test]
    fn a_traceparent_has_the_form_of_the_header() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for good in [format!("00-{trace}-{parent}-01"), format!("cc-{trace}-{parent}-00-more")] {
            assert_eq!(Traceparent::new(&*good).unwrap(), good.as_str());
        }
        for bad in [
            "a".to_owned(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{trace}-{parent}-0g"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-{parent}-01", "0".repeat(32)),
        ] {
            assert_eq!(reason(Traceparent::new(&*bad)), InvalidTextReason::NotTraceparent, "{bad}");
        }
    }

    #[test]
    fn the_error_names_the_value_and_the_rule() {
        let error = Tag::new("a\0b").unwrap_err();
        assert_eq!(error.to_string(), "a tag may not contain the control character U+0000");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn values_serialize_as_strings_and_invalid_ones_are_refused() {
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};
        use serde::{Deserialize, Serialize};

        struct Serialized<T>(T);

        impl<T: Serialize> fmt::Display for Serialized<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.serialize(f)
            }
        }

        fn parse<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
            let deserializer: StrDeserializer<'de, Error> = text.into_deserializer();
            T::deserialize(deserializer)
        }

        assert_eq!(Serialized(parse::<Tag>("it's").unwrap()).to_string(), "it's");
        assert_eq!(Serialized(parse::<crate::State>("held").unwrap()).to_string(), "held");
        let id = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        assert_eq!(Serialized(parse::<crate::QueueId>(id).unwrap()).to_string(), id);
        let error = parse::<Tag>("a\0").unwrap_err();
        assert!(error.to_string().starts_with("a tag may not contain"), "{error}");
        assert!(parse::<crate::Priority>("urgent").is_err());
    }
}
