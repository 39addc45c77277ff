//! Certificates for one test: an authority, a server's certificate for this machine, a client's.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The names that the server's certificate is good for.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "mx.mailkit.test"];

/// Certificates and keys as PEM files in a folder that the caller keeps.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes an authority and two certificates signed by it, and writes them into `folder`.
    ///
    /// The server's is good for `localhost`, `127.0.0.1` and `mx.mailkit.test`.
    ///
    /// # Errors
    ///
    /// When a key cannot be made or a file not be written.
    pub fn write_to(folder: impl Into<PathBuf>) -> Result<Self, CertificateError> {
        let certificates = Self { folder: folder.into() };
        let authority = authority()?;
        fs::write(certificates.ca_pem(), authority.pem())?;
        let server = params("mailkit test server", &SERVER_NAMES, ExtendedKeyUsagePurpose::ServerAuth)?;
        issue(&authority, &server, &certificates.server_pem(), &certificates.server_key())?;
        let client = params("mailkit test client", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        issue(&authority, &client, &certificates.client_pem(), &certificates.client_key())?;
        Ok(certificates)
    }

    /// The authority's certificate, which a client must trust.
    pub fn ca_pem(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's certificate.
    pub fn server_pem(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The server's private key (PKCS #8).
    pub fn server_key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// The client's certificate.
    pub fn client_pem(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    /// The client's private key (PKCS #8).
    pub fn client_key(&self) -> PathBuf {
        self.folder.join("client.key")
    }
}

/// Why there are no certificates.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// A key or a certificate could not be made.
    Make(rcgen::Error),
    /// A file could not be written.
    Write(io::Error),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Make(_) => "cannot make a certificate",
            Self::Write(_) => "cannot write a certificate",
        })
    }
}

impl Error for CertificateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Make(source) => Some(source),
            Self::Write(source) => Some(source),
        }
    }
}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error)
    }
}

impl From<io::Error> for CertificateError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, CertificateError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "mailkit test authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn params(
    name: &str,
    alternatives: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, CertificateError> {
    let alternatives: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(alternatives)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn issue(
    authority: &Authority,
    params: &CertificateParams,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<(), CertificateError> {
    let key = KeyPair::generate()?;
    fs::write(certificate_file, params.signed_by(&key, authority)?.pem())?;
    fs::write(key_file, key.serialize_pem())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_pem() {
        let folder = tempfile::tempdir().unwrap();
        let made = Certificates::write_to(folder.path()).unwrap();
        for file in [made.ca_pem(), made.server_pem(), made.client_pem()] {
            assert!(fs::read_to_string(file).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        }
        for file in [made.server_key(), made.client_key()] {
            assert!(fs::read_to_string(file).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        }
    }
}
