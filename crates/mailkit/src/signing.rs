//! Signing by DKIM, away from the threads that must not block: it reads attachments and computes.

use std::sync::Arc;

use mailkit_mime::Encoded;
use mailkit_mime::dkim::{SignError, Signer};
use time::OffsetDateTime;

use crate::Error;

/// Who signs, and the time that a signature states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signing {
    signers: Arc<[Signer]>,
    /// In the place of the clock.
    at: Option<OffsetDateTime>,
}

impl Signing {
    pub(crate) fn by(self, signers: impl Into<Arc<[Signer]>>) -> Self {
        Self { signers: signers.into(), ..self }
    }

    pub(crate) fn at(self, at: OffsetDateTime) -> Self {
        Self { at: Some(at), ..self }
    }

    pub(crate) fn signers(&self) -> &[Signer] {
        &self.signers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.signers.is_empty()
    }

    /// The same message with a signature of each.
    pub(crate) async fn sign(&self, encoded: Encoded) -> Result<Encoded, Error> {
        let now = self.at.unwrap_or_else(OffsetDateTime::now_utc);
        let now = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let signers = Arc::clone(&self.signers);
        match tokio::task::spawn_blocking(move || encoded.sign(&signers, now)).await {
            Ok(Err(SignError::Read(error))) => Err(Error::content(error)),
            Ok(signed) => signed.map_err(Error::unfit),
            Err(broken) => Err(Error::unfit(broken)),
        }
    }
}
