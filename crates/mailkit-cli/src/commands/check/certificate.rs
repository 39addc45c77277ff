//! What a certificate says of itself.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What a certificate says of itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// RFC 3339, in UTC.
    pub(super) not_after: String,
    /// Whole days until then; negative where it has expired.
    pub(super) days_left: i64,
}

impl Certificate {
    pub(super) fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

/// The certificates of a chain that can be read, the server's own first.
pub(super) fn read_chain<T: AsRef<[u8]>>(chain: &[T]) -> Vec<Certificate> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    chain.iter().filter_map(|certificate| read(certificate.as_ref(), now)).collect()
}

fn read(der: &[u8], now: i64) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let end = certificate.validity().not_after.timestamp();
    let not_after = OffsetDateTime::from_unix_timestamp(end).ok()?;
    Some(Certificate {
        subject: shown(&certificate.subject().to_string()),
        issuer: shown(&certificate.issuer().to_string()),
        not_after: not_after.format(&Rfc3339).ok()?,
        days_left: (end - now).div_euclid(24 * 60 * 60),
    })
}

/// Without control characters: whoever made the certificate chose its words.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| !mailkit::is_unprintable(*letter)).collect()
}
