//! mailkit with its pool.

use std::num::NonZeroU32;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use mailkit::{Envelope, TransactionOptions};
use mailkit_connection::{Connector, ServerUrl};
use mailkit_pool::{Pool, PoolSettings};

use super::{Address, Contender, SIZE, url};
use crate::work::{Failure, accepted, envelope, message};

pub(super) struct MailkitPooled {
    pool: Pool,
    envelope: Envelope,
    options: TransactionOptions,
    content: Bytes,
}

impl MailkitPooled {
    pub(super) fn new(address: &Address, connections: u32) -> Result<Self, Failure> {
        let connector = Connector::new(ServerUrl::parse(&url(address))?.into_config()?)?;
        let max_size = NonZeroU32::new(connections).ok_or("a pool of no connections")?;
        let pool = Pool::new(connector, PoolSettings { max_size, ..PoolSettings::default() })?;
        Ok(Self { pool, envelope: envelope()?, options: TransactionOptions::default(), content: message(SIZE) })
    }
}

impl Contender for MailkitPooled {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let mut connection = self.pool.acquire().await.map_err(|error| error.to_string())?;
            let sent = connection.send(&self.envelope, &self.options, self.content.clone()).await;
            accepted(&sent.map_err(|error| error.to_string())?)
        })
    }
}
