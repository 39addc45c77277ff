//! The server that a command talks to.

use mailkit::config::Config;
use mailkit::connection::ServerUrl;
use mailkit::{Error, Mailer, server_config};

use crate::failure::Failure;

/// A server, ready to be connected to.
pub(crate) struct Server {
    /// The URL with `***` for every password.
    pub(crate) shown: String,
    pub(crate) user: Option<String>,
    pub(crate) mailer: Mailer,
}

impl Server {
    /// Reads a server's URL. The text itself goes nowhere: it may hold a password. Without a pool, since the command ends
    /// with one message: nothing is kept, and no pause before a next try is announced that will not be made.
    pub(crate) fn open(url: &str, config: Option<&Config>) -> Result<Self, Failure> {
        let parsed = ServerUrl::parse(url).map_err(Error::from).map_err(Failure::from)?;
        let settings = server_config(url)?;
        let settings = match config.and_then(|config| config.hostname.as_deref()) {
            Some(name) if settings.ehlo_name().is_none() => settings.with_ehlo_name(name),
            _ => settings,
        };
        let mailer = Mailer::direct(settings)?;
        Ok(Self { shown: parsed.to_string(), user: parsed.user().map(str::to_owned), mailer })
    }
}
