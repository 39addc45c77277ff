//! Controls: small values that all workers of a queue share, such as the paused routes.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

use crate::clock::Timestamp;

/// The value of a control: up to 64 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlValue(Bytes);

impl ControlValue {
    /// The maximum number of octets.
    pub const MAX_OCTETS: usize = 64 << 10;

    /// Checks a value.
    ///
    /// # Errors
    /// [`ControlValueError`] if the value is too large.
    pub fn new(value: impl Into<Bytes>) -> Result<Self, ControlValueError> {
        let value = value.into();
        if value.len() > Self::MAX_OCTETS {
            return Err(ControlValueError { octets: value.len() });
        }
        Ok(Self(value))
    }

    /// The octets of the value.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// The error for a value that is too large for a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlValueError {
    /// The number of octets of the value.
    pub octets: usize,
}

impl fmt::Display for ControlValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value has {} octets: a control has {} at most", self.octets, ControlValue::MAX_OCTETS)
    }
}

impl Error for ControlValueError {}

/// A control in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Control {
    /// The value.
    pub value: ControlValue,
    /// The version of the controls after this value was stored: see
    /// [`Queue::controls_version`](crate::Queue::controls_version). Every stored value of every key has its own.
    pub version: u64,
    /// When the control expires.
    pub expires_at: Option<Timestamp>,
}

impl Control {
    /// For stores: a control with these fields.
    #[must_use]
    pub const fn new(value: ControlValue, version: u64, expires_at: Option<Timestamp>) -> Self {
        Self { value, version, expires_at }
    }

    /// Whether the control has expired. An expired control counts as absent.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// The condition of [`Queue::control_put`](crate::Queue::control_put) on the present control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every store shall notice a new one")]
pub enum Expected {
    /// No condition.
    Any,
    /// There is no control with the key.
    Absent,
    /// The control has this version.
    Version(u64),
}

impl Expected {
    /// Whether the present control meets the condition.
    #[must_use]
    pub fn is_met_by(self, found: Option<&Control>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found.is_some_and(|found| found.version == version),
        }
    }
}

/// The result of [`Queue::control_put`](crate::Queue::control_put).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller that left one out would lose an update")]
pub enum ControlPut {
    /// The control was stored or removed. The version of the controls after that.
    Stored(u64),
    /// The condition was not met, and nothing was changed. The present control.
    Mismatch(Option<Control>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_64_kib_at_most() {
        assert!(ControlValue::new(vec![0; 64 << 10]).is_ok());
        let error = ControlValue::new(vec![0; (64 << 10) + 1]).unwrap_err();
        assert_eq!(error.to_string(), "the value has 65537 octets: a control has 65536 at most");
    }
}
