//! mailkit, a connection for each message, closed with QUIT by a task of its own.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use mailkit::{Envelope, Mailer, TransactionOptions};

use super::{Address, Contender, SIZE, url};
use crate::work::{Failure, accepted, envelope, message};

pub(super) struct MailkitShort {
    mailer: Mailer,
    envelope: Envelope,
    options: TransactionOptions,
    content: Bytes,
}

impl MailkitShort {
    pub(super) fn new(address: &Address) -> Result<Self, Failure> {
        let mailer = Mailer::from_url(&url(address))?;
        Ok(Self { mailer, envelope: envelope()?, options: TransactionOptions::default(), content: message(SIZE) })
    }
}

impl Contender for MailkitShort {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let mut connection = self.mailer.connect().await.map_err(|error| error.to_string())?;
            let sent = connection.send(&self.envelope, &self.options, self.content.clone()).await;
            tokio::spawn(connection.quit());
            accepted(&sent.map_err(|error| error.to_string())?)
        })
    }
}
