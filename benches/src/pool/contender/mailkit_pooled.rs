//! A `Mailer` as its users have it.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use mailkit::{Envelope, Mailer, TransactionOptions};

use super::{Address, Contender, SIZE, url};
use crate::work::{Failure, accepted, envelope, message};

pub(super) struct MailkitPooled {
    mailer: Mailer,
    envelope: Envelope,
    options: TransactionOptions,
    content: Bytes,
}

impl MailkitPooled {
    pub(super) fn new(address: &Address, _connections: u32) -> Result<Self, Failure> {
        let mailer = Mailer::from_url(&url(address))?;
        Ok(Self { mailer, envelope: envelope()?, options: TransactionOptions::default(), content: message(SIZE) })
    }
}

impl Contender for MailkitPooled {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let sent = self.mailer.send_content(&self.envelope, &self.options, self.content.clone()).await;
            accepted(&sent.map_err(|error| error.to_string())?)
        })
    }
}
