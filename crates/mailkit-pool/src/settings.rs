//! How many connections, for how long, and what settings contradict each other.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// How a pool keeps its connections.
///
/// ```
/// use std::num::NonZeroU32;
/// use mailkit_pool::PoolSettings;
///
/// let settings = PoolSettings { max_size: NonZeroU32::new(4).unwrap(), ..PoolSettings::default() };
/// assert!(settings.check().is_ok());
/// assert!(PoolSettings { min_idle: 5, ..settings }.check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers write it with the rest from default()")]
pub struct PoolSettings {
    /// The most connections at once: in use, idle, being opened and being closed together.
    /// 10: many servers take no more from one client (Dovecot's and Postfix's limits lie between 10 and 50).
    pub max_size: NonZeroU32,
    /// How many are kept ready while nobody sends. They are opened once the pool was used for the first time.
    /// 1: the first message after a pause does not wait for a handshake and a login.
    pub min_idle: u32,
    /// How long to wait for a connection while all are in use. Where there is none yet, the time limits of opening one
    /// hold instead. 5 s: in this time a connection carries hundreds of messages, so who waits longer waits in vain.
    pub acquire_timeout: Duration,
    /// After how long without use a connection beyond `min_idle` is closed.
    /// 60 s: servers hang up after 5 minutes (RFC 5321 §4.5.3.2.7), busy ones after one.
    pub idle_timeout: Duration,
    /// How old a connection may become. 30 minutes: so that a server that moved, or a new certificate, is noticed.
    pub max_lifetime: Duration,
    /// How many messages a connection carries. A message whose recipients the server wants divided counts once for each
    /// part. 100: Postfix as a client stops at about as many, and balancers behind one name get their share.
    pub messages_per_connection: NonZeroU32,
}

impl PoolSettings {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`SettingsError`] names what does not.
    pub const fn check(&self) -> Result<(), SettingsError> {
        if self.min_idle > self.max_size.get() {
            return Err(SettingsError::MinIdle { min_idle: self.min_idle, max_size: self.max_size });
        }
        if self.acquire_timeout.is_zero() {
            return Err(SettingsError::Zero { setting: "acquire_timeout" });
        }
        if self.idle_timeout.is_zero() {
            return Err(SettingsError::Zero { setting: "idle_timeout" });
        }
        if self.max_lifetime.is_zero() {
            return Err(SettingsError::Zero { setting: "max_lifetime" });
        }
        Ok(())
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_size: const { at_least_one(10) },
            min_idle: 1,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            max_lifetime: Duration::from_secs(30 * 60),
            messages_per_connection: const { at_least_one(100) },
        }
    }
}

/// Why settings make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// More connections are to be kept idle than may be open.
    MinIdle {
        /// How many are to be kept idle.
        min_idle: u32,
        /// How many may be open.
        max_size: NonZeroU32,
    },
    /// A time of nothing.
    Zero {
        /// The setting.
        setting: &'static str,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinIdle { min_idle, max_size } => {
                write!(f, "min_idle is {min_idle} and max_size {max_size}: no more can be idle than are open")
            }
            Self::Zero { setting } => {
                write!(f, "{setting} is zero: nothing could ever be sent; give it a second or more")
            }
        }
    }
}

impl std::error::Error for SettingsError {}
