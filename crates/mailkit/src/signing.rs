//! Signing by DKIM, away from the threads that must not block: it reads attachments and computes.

use std::sync::Arc;

use mailkit_mime::Encoded;
use mailkit_mime::dkim::{SignError, Signer};
use time::OffsetDateTime;

use crate::Error;

pub(crate) async fn sign(
    encoded: Encoded,
    signers: Arc<[Signer]>,
    at: Option<OffsetDateTime>,
) -> Result<Encoded, Error> {
    let now = at.unwrap_or_else(OffsetDateTime::now_utc);
    let now = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let signing = tokio::task::spawn_blocking(move || encoded.sign(&signers, now));
    match signing.await {
        Ok(Err(SignError::Read(error))) => Err(Error::content(error)),
        Ok(signed) => signed.map_err(Error::unfit),
        Err(broken) => Err(Error::unfit(broken)),
    }
}
