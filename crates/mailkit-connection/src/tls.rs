//! TLS: whom to trust, how to identify ourselves, and the handshake.

mod client;
mod error;
mod handshake;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

pub use client::TlsClient;
pub(crate) use client::provider;
pub use error::{TlsBlame, TlsError};
pub use handshake::{TlsInfo, secure};
pub(crate) use verify::AcceptAny;

/// Whom to trust, and how to identify ourselves.
///
/// By default the roots of Mozilla's programme (feature `webpki-roots`) are trusted, or those of the
/// platform where only the feature `platform-roots` is on. Files are read when a [`TlsClient`] is made.
///
/// ```
/// use mailkit_connection::TlsSettings;
///
/// // A server in the house, certified by the house's own authority, and by nobody else.
/// let settings = TlsSettings::default().add_roots_file("/etc/ssl/house-ca.pem").only_added_roots();
/// assert!(!settings.accepts_any_certificate());
/// ```
#[derive(Clone, Debug)]
pub struct TlsSettings {
    base: BaseRoots,
    added: Vec<Pem>,
    identity: Option<Identity>,
    accept_any: bool,
}

/// The roots that are there without being named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BaseRoots {
    #[cfg(feature = "webpki-roots")]
    Bundled,
    #[cfg(feature = "platform-roots")]
    Platform,
    Nothing,
}

/// A client certificate (with its chain) and its private key.
#[derive(Clone, Debug)]
struct Identity {
    chain: Pem,
    key: Pem,
}

/// PEM text, at hand or in a file.
#[derive(Clone)]
enum Pem {
    File(PathBuf),
    Text(Arc<Zeroizing<Vec<u8>>>),
}

impl TlsSettings {
    /// Trusts the certificates in this PEM file as well. A server may also present one of them itself.
    #[must_use]
    pub fn add_roots_file(mut self, path: impl AsRef<Path>) -> Self {
        self.added.push(Pem::File(path.as_ref().to_owned()));
        self
    }

    /// Trusts the certificates in this PEM text as well.
    #[must_use]
    pub fn add_roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.added.push(Pem::text(pem));
        self
    }

    /// Trusts the added roots and no others.
    #[must_use]
    pub fn only_added_roots(mut self) -> Self {
        self.base = BaseRoots::Nothing;
        self
    }

    /// Trusts what this platform trusts, in place of the bundled roots.
    #[cfg(feature = "platform-roots")]
    #[must_use]
    pub fn platform_roots(mut self) -> Self {
        self.base = BaseRoots::Platform;
        self
    }

    /// Identifies ourselves by the certificate chain (own certificate first) and the private key in these
    /// PEM files.
    #[must_use]
    pub fn client_identity_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.identity =
            Some(Identity { chain: Pem::File(chain.as_ref().to_owned()), key: Pem::File(key.as_ref().to_owned()) });
        self
    }

    /// Identifies ourselves by the certificate chain (own certificate first) and the private key in these
    /// PEM texts. The key is wiped when the last copy of the settings is dropped.
    #[must_use]
    pub fn client_identity_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity { chain: Pem::text(chain), key: Pem::text(key) });
        self
    }

    /// The door to what takes protection away.
    #[must_use]
    pub fn dangerous(self) -> DangerousTlsSettings {
        DangerousTlsSettings { settings: self }
    }

    /// Whether any certificate is accepted.
    #[must_use]
    pub fn accepts_any_certificate(&self) -> bool {
        self.accept_any
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { base: BaseRoots::built_in(), added: Vec::new(), identity: None, accept_any: false }
    }
}

impl BaseRoots {
    const fn built_in() -> Self {
        #[cfg(feature = "webpki-roots")]
        return Self::Bundled;
        #[cfg(all(feature = "platform-roots", not(feature = "webpki-roots")))]
        return Self::Platform;
        #[cfg(not(any(feature = "webpki-roots", feature = "platform-roots")))]
        return Self::Nothing;
    }
}

/// Settings that take protection away: see [`TlsSettings::dangerous`].
#[derive(Clone, Debug)]
pub struct DangerousTlsSettings {
    settings: TlsSettings,
}

impl DangerousTlsSettings {
    /// Accepts any certificate: whoever sits on the wire can read and change everything, passwords too.
    /// Each [`TlsClient`] made from it warns.
    #[must_use]
    pub fn accept_any_certificate(self) -> TlsSettings {
        TlsSettings { accept_any: true, ..self.settings }
    }
}

impl Pem {
    fn text(pem: impl Into<Vec<u8>>) -> Self {
        Self::Text(Arc::new(Zeroizing::new(pem.into())))
    }
}

/// Where it comes from, for errors.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("the PEM text given"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
