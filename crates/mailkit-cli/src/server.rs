//! The server that a command talks to.

use std::io::Write as _;

use mailkit::config::Config;
use mailkit::connection::ServerUrl;
use mailkit::smtp::client::{Speaker, Tracer};
use mailkit::{Error, Mailer, server_config};

use crate::failure::Failure;
use crate::progress::PastProgress;

/// A server, ready to be connected to.
pub(crate) struct Server {
    /// The URL with `***` for every password.
    pub(crate) shown: String,
    pub(crate) user: Option<String>,
    pub(crate) mailer: Mailer,
}

impl Server {
    /// Reads a server's URL. The text itself goes nowhere: it may hold a password. With `trace` every dialogue with the
    /// server is printed. Without a pool, since the command ends with one message: nothing is kept, no pause before a next
    /// try is announced that will not be made, and the farewell shows whether the server's replies matched the commands.
    pub(crate) fn open(url: &str, config: Option<&Config>, trace: bool) -> Result<Self, Failure> {
        let parsed = ServerUrl::parse(url).map_err(Error::from).map_err(Failure::from)?;
        let settings = server_config(url)?;
        let settings = match config.and_then(|config| config.hostname.as_deref()) {
            Some(name) if settings.ehlo_name().is_none() => settings.with_ehlo_name(name),
            _ => settings,
        };
        let settings = if trace { settings.with_tracer(Tracer::new(print_trace)) } else { settings };
        let mailer = Mailer::direct(settings)?;
        Ok(Self { shown: parsed.to_string(), user: parsed.user().map(str::to_owned), mailer })
    }
}

fn print_trace(speaker: Speaker, line: &str) {
    // Nobody is left to hear that standard error is closed.
    let _ = PastProgress.write_all(format!("{} {line}\n", speaker.sign()).as_bytes());
}
