//! The sink's certificate: given as files, or made by itself.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

use super::{CaFile, SinkError};

/// A server of a certificate and key in PEM files.
pub(super) fn from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, SinkError> {
    let broken = |path: &Path, error| SinkError::Certificate(path.to_owned(), error);
    for path in [certificate, key] {
        // The kind is asked first: to open a named pipe waits for its writer.
        let metadata = std::fs::metadata(path).map_err(|error| broken(path, pem::Error::Io(error)))?;
        if !metadata.is_file() {
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, "it has to be a regular file, and no named pipe or device");
            return Err(broken(path, pem::Error::Io(error)));
        }
    }
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| broken(certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| broken(key, error))?;
    server(chain, key)
}

/// A server with a certificate made for this name and these addresses, by an authority made for this sink alone.
pub(super) fn self_made(name: &str, addr: SocketAddr) -> Result<(Arc<ServerConfig>, CaFile), SinkError> {
    let (authority, leaf, key) = make(name, addr.ip()).map_err(SinkError::SelfMade)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = server(vec![leaf], key.into())?;
    let folder = tempfile::Builder::new()
        .prefix("mailkit-sink-")
        .tempdir()
        .map_err(|error| SinkError::File(std::env::temp_dir(), error))?;
    Ok((config, ca_file(authority, folder)?))
}

fn ca_file(pem: String, folder: TempDir) -> Result<CaFile, SinkError> {
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &pem).map_err(|error| SinkError::File(path.clone(), error))?;
    Ok(CaFile { pem, path, _folder: folder })
}

fn make(name: &str, ip: IpAddr) -> Result<(String, CertificateDer<'static>, KeyPair), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "mailkit sink");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut leaf = CertificateParams::new(vec![name.to_owned(), "localhost".to_owned()])?;
    let addresses = [ip, IpAddr::from([127, 0, 0, 1]), "::1".parse().unwrap_or(ip)];
    leaf.subject_alt_names.extend(addresses.into_iter().filter(|ip| !ip.is_unspecified()).map(SanType::IpAddress));
    leaf.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&key, &authority)?;
    Ok((authority.pem(), leaf.der().clone(), key))
}

fn server(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<ServerConfig>, SinkError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(SinkError::Tls)?;
    Ok(Arc::new(config))
}
