//! The scenes: which server, how far away, and how many senders.

use std::time::Duration;

use mailkit_testkit::{LaunchError, SmtpSink};
use serde::Serialize;

/// Under which conditions the contenders are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Scene {
    pub(crate) server: ServerKind,
    /// TLS from the first byte, and a login.
    pub(crate) secure: bool,
    pub(crate) senders: usize,
    pub(crate) round_trip_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServerKind {
    Capture,
    SmtpSink,
}

impl ServerKind {
    /// Whether such a server can be started here.
    pub(crate) fn is_there(self) -> Result<(), LaunchError> {
        match self {
            Self::SmtpSink => SmtpSink::start(&[]).map(drop).or_else(|error| match error.is_unavailable() {
                true => Err(error),
                // What else is wrong is found, and told, when it is used.
                false => Ok(()),
            }),
            Self::Capture => Ok(()),
        }
    }
}

impl Scene {
    pub(crate) fn title(&self) -> String {
        let server = match self.server {
            ServerKind::Capture => "our capture server",
            ServerKind::SmtpSink => "Postfix's smtp-sink",
        };
        let secure = if self.secure { "TLS and login" } else { "Plain" };
        let way = match self.round_trip_ms {
            0 => "loopback".to_owned(),
            rtt => format!("a round trip of {rtt} ms"),
        };
        format!("{secure}, {way}, {} senders, {server}", self.senders)
    }

    pub(crate) const fn round_trip(&self) -> Duration {
        Duration::from_millis(self.round_trip_ms)
    }
}
