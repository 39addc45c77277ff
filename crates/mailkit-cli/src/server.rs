//! The server that a command talks to.

use mailkit::connection::ServerUrl;
use mailkit::{Error, Mailer};

use crate::failure::Failure;

/// A server, ready to be connected to.
pub(crate) struct Server {
    /// The URL with `***` for every password.
    pub(crate) shown: String,
    pub(crate) user: Option<String>,
    pub(crate) mailer: Mailer,
}

impl Server {
    /// Reads a server's URL. The text itself goes nowhere: it may hold a password.
    pub(crate) fn open(url: &str) -> Result<Self, Failure> {
        let parsed = ServerUrl::parse(url).map_err(Error::from).map_err(Failure::from)?;
        let mailer = Mailer::from_url(url)?;
        Ok(Self { shown: parsed.to_string(), user: parsed.user().map(str::to_owned), mailer })
    }
}
