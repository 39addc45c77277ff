//! mailkit without a pool: a connection for each message, and its goodbye is waited for.

use futures_util::future::BoxFuture;
use mailkit::Mailer;

use super::{Address, Contender, Mailkit, config};
use crate::work::Failure;

pub(super) struct MailkitShort(Mailkit);

impl MailkitShort {
    pub(super) fn new(address: &Address) -> Result<Self, Failure> {
        Mailkit::new(Mailer::direct(config(address)?)?).map(Self)
    }
}

impl Contender for MailkitShort {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.send())
    }
}
