//! mailkit with its pool, which never has more connections than it is told. Other settings are the usual ones, so each
//! connection is closed after a hundred messages and another is opened.

use std::num::NonZeroU32;

use futures_util::future::BoxFuture;
use mailkit::{Mailer, PoolSettings};

use super::{Address, Contender, Mailkit, config};
use crate::work::Failure;

pub(super) struct MailkitPooled(Mailkit);

impl MailkitPooled {
    pub(super) fn new(address: &Address, connections: u32) -> Result<Self, Failure> {
        let max_size = NonZeroU32::new(connections).ok_or("a pool of no connections")?;
        let settings = PoolSettings { max_size, ..PoolSettings::default() };
        Mailkit::new(Mailer::with_pool(config(address)?, settings)?).map(Self)
    }
}

impl Contender for MailkitPooled {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.send())
    }
}
