//! From settings to a rustls configuration.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::verify::{AcceptAny, TrustAdded};
use super::{BaseRoots, Identity, Pem, TlsError, TlsSettings};
use crate::settings_file::read_settings_file;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("mailkit-connection needs a crypto provider: enable the feature `ring` or `aws-lc-rs`");

/// More than every root certificate in the world takes.
const FILE_LIMIT: usize = 16 * 1024 * 1024;

/// The client's side of TLS, made once and shared: sessions are resumed between all connections that
/// are secured with it or a clone of it.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Reads the files that the settings name, and builds a rustls configuration for TLS 1.2 and 1.3. It
    /// brings its own crypto provider and leaves the process-wide one alone.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// [`TlsError`] names the file that is missing, holds nothing of use, or does not fit the other.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        if settings.accept_any {
            tracing::warn!(
                "any TLS certificate is accepted (insecure=no-verify): whoever sits on the wire can read passwords and mail"
            );
        }
        Self::build(settings, settings.accept_any)
    }

    /// The same without a look at certificates, for who would go on in clear if TLS failed (RFC 7435 §3).
    pub(crate) fn opportunistic(settings: &TlsSettings) -> Result<Self, TlsError> {
        Self::build(settings, true)
    }

    fn build(settings: &TlsSettings, accept_any: bool) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(TlsError::Setup)?;
        let builder = if accept_any {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny::new(provider)))
        } else {
            builder.dangerous().with_custom_certificate_verifier(verifier(settings, provider)?)
        };
        let config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = read_identity(identity)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| identity_error(identity, error))?
            }
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// Takes a rustls configuration as it is, for what [`TlsSettings`] has no words for.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    /// The rustls configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

/// The provider that this crate was built with; `ring` where both are. The process-wide default may be
/// missing or another crate's choice.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "ring")]
    return Arc::new(rustls::crypto::ring::default_provider());
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    return unreachable!("refused above, at compile time");
}

fn verifier(settings: &TlsSettings, provider: Arc<CryptoProvider>) -> Result<Arc<TrustAdded>, TlsError> {
    let mut roots = base_roots(settings.base)?;
    let mut added = Vec::new();
    for pem in &settings.added {
        for certificate in read_certificates(pem)? {
            roots
                .add(certificate.clone())
                .map_err(|error| TlsError::BadCertificate { origin: pem.to_string(), reason: error.to_string() })?;
            added.push(certificate);
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        // It fails for bad revocation lists and for empty roots: there are neither.
        .map_err(|_| TlsError::NoRoots)?;
    Ok(Arc::new(TrustAdded::new(webpki, added)))
}

fn base_roots(base: BaseRoots) -> Result<RootCertStore, TlsError> {
    match base {
        #[cfg(feature = "webpki-roots")]
        BaseRoots::Bundled => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        #[cfg(feature = "platform-roots")]
        BaseRoots::Platform => {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            // Platforms carry relics that no verifier takes; the others still count.
            roots.add_parsable_certificates(found.certs);
            match (roots.is_empty(), found.errors.into_iter().next()) {
                (true, Some(error)) => Err(TlsError::PlatformRoots { reason: error.to_string() }),
                (true, None) => Err(TlsError::PlatformRoots { reason: "it has none".to_owned() }),
                (false, _) => Ok(roots),
            }
        }
        BaseRoots::Nothing => Ok(RootCertStore::empty()),
    }
}

fn read_identity(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = read_certificates(&identity.chain)?;
    let text = read(&identity.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NoKey { origin: identity.key.to_string() })?;
    Ok((chain, key))
}

fn identity_error(identity: &Identity, error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::KeyMismatch { chain: identity.chain.to_string(), key: identity.key.to_string() }
        }
        rustls::Error::General(_) => TlsError::NoKey { origin: identity.key.to_string() },
        other => TlsError::BadCertificate { origin: identity.chain.to_string(), reason: other.to_string() },
    }
}

fn read_certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(pem)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found =
        found.map_err(|error| TlsError::BadCertificate { origin: pem.to_string(), reason: error.to_string() })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { origin: pem.to_string() });
    }
    Ok(found)
}

fn read(pem: &Pem) -> Result<Arc<Zeroizing<Vec<u8>>>, TlsError> {
    let path = match pem {
        Pem::Text(text) => return Ok(Arc::clone(text)),
        Pem::File(path) => path,
    };
    let text = read_settings_file(path, FILE_LIMIT).map_err(|source| TlsError::File { path: path.clone(), source })?;
    Ok(Arc::new(text))
}
