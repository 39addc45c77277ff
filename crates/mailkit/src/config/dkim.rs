//! `[[dkim]]`: the keys that sign.

use std::path::PathBuf;

use mailkit_address::Domain;
use serde::Deserialize;

use super::words::Text;

/// More than any private key takes.
#[cfg(feature = "dkim")]
const KEY_LIMIT: usize = 1024 * 1024;

/// A key that signs the mail of a domain by DKIM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DkimKey {
    /// The domain whose mail it signs: that of From, or one above it.
    pub domain: Domain,
    /// Where the public key stands in DNS: SELECTOR._domainkey.DOMAIN.
    pub selector: String,
    /// The private key, RSA or Ed25519 in PEM.
    pub key: PathBuf,
}

#[cfg(feature = "dkim")]
impl DkimKey {
    /// Reads the key.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration): the file cannot be read, or holds no key.
    pub fn signer(&self) -> Result<mailkit_mime::dkim::Signer, crate::Error> {
        use mailkit_mime::dkim::{Signer, SigningKey};
        let refused = |error: &dyn std::fmt::Display| {
            let text = format!("the DKIM key {} of {} is of no use: {error}", self.key.display(), self.domain);
            crate::Error::configuration(std::io::Error::other(text))
        };
        let pem = mailkit_connection::read_settings_file(&self.key, KEY_LIMIT).map_err(|error| refused(&error))?;
        let key = SigningKey::from_pem(&pem).map_err(|error| refused(&error))?;
        Signer::new(key, self.domain.clone(), &self.selector).map_err(|error| refused(&error))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [[dkim]]")]
pub(super) struct DkimSection {
    domain: Text,
    selector: Text,
    key: Text,
}

impl DkimSection {
    pub(super) fn key(self) -> Result<DkimKey, String> {
        let domain = Domain::parse(self.domain.0.trim()).map_err(|error| format!("dkim: `domain` is none: {error}"))?;
        if domain.is_literal() {
            return Err("dkim: `domain` is an address, and has to be a domain such as example.com".to_owned());
        }
        Ok(DkimKey { domain, selector: self.selector.0, key: self.key.0.into() })
    }
}
