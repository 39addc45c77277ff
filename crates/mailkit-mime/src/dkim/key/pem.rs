//! Private keys as text: PEM (RFC 7468), and the bare seed of RFC 8463.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::dkim::error::{DkimError, excerpt};

/// The length of an Ed25519 seed in octets (RFC 8032 §5.1.5).
const SEED_LEN: usize = 32;

/// Takes base64 with and without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A private key in one of its encodings.
pub(super) enum Encoded {
    /// `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    Pkcs1(Zeroizing<Vec<u8>>),
    /// `PrivateKeyInfo` (RFC 5208 §5), also with the public key (RFC 5958 §2).
    Pkcs8(Zeroizing<Vec<u8>>),
    /// An Ed25519 seed.
    Seed(Zeroizing<Vec<u8>>),
}

/// Finds the first private key in a text, wherever it stands among other sections.
pub(super) fn decode(text: &[u8]) -> Result<Encoded, DkimError> {
    let mut other = None;
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, b"-----BEGIN ") else { continue };
        match label {
            b"PRIVATE KEY" => return content(&mut lines, label, text.len()).map(Encoded::Pkcs8),
            b"RSA PRIVATE KEY" => return content(&mut lines, label, text.len()).map(Encoded::Pkcs1),
            b"ENCRYPTED PRIVATE KEY" => return Err(DkimError::EncryptedKey),
            _ if label.ends_with(b"PRIVATE KEY") => return Err(DkimError::UnsupportedKey),
            _ => other = other.or_else(|| Some(excerpt(&String::from_utf8_lossy(label)))),
        }
    }
    match other {
        Some(label) => Err(DkimError::NotPrivate { label }),
        None => seed(text),
    }
}

/// The label between the dashes of a boundary line.
fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

/// What a section holds, up to the boundary that ends it. `most` is the length of the whole text,
/// which keeps the buffer from growing and so from leaving copies behind.
fn content<'a>(
    lines: &mut impl Iterator<Item = &'a [u8]>,
    label: &[u8],
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, DkimError> {
    let mut base64 = Zeroizing::new(Vec::with_capacity(most));
    for line in lines {
        if let Some(end) = boundary(line, b"-----END ") {
            return if end == label { from_base64(&base64) } else { Err(DkimError::MalformedPem) };
        }
        // RFC 1421 §4.6: fields before the content, which only encrypted keys have.
        if line.starts_with(b"Proc-Type:") {
            return Err(DkimError::EncryptedKey);
        }
        base64.extend_from_slice(line);
    }
    Err(DkimError::MalformedPem)
}

fn from_base64(base64: &[u8]) -> Result<Zeroizing<Vec<u8>>, DkimError> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(base64.len())]);
    let length = BASE64.decode_slice(base64, &mut bytes).map_err(|_| DkimError::MalformedPem)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn seed(text: &[u8]) -> Result<Encoded, DkimError> {
    match from_base64(text.trim_ascii()) {
        Ok(bytes) if bytes.len() == SEED_LEN => Ok(Encoded::Seed(bytes)),
        _ => Err(DkimError::NoKey),
    }
}
