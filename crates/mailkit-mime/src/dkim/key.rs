//! The private key of a signer.

mod pem;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

use self::pem::Encoded;
use super::error::DkimError;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSA PKCS #1 v1.5 over SHA-256 (RFC 6376 §3.3.1): what every receiver verifies.
    RsaSha256,
    /// Ed25519 over SHA-256 (RFC 8463): short, but unknown to many receivers. Sign with RSA as well.
    Ed25519Sha256,
}

impl Algorithm {
    /// The word in `a=`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A private key, cheap to clone and shared by its clones.
///
/// It cannot be printed. The text and the encoded key that it is read from in here are wiped; the
/// key itself lies within ring, which does not wipe it when it is dropped.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a secret is never printed")]
pub struct SigningKey {
    pair: Arc<Pair>,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads the first private key in a PEM file: RSA in PKCS #1 or PKCS #8, or Ed25519 in PKCS #8.
    /// Without PEM around it, 32 octets in base64 are the seed of an Ed25519 key, as RFC 8463 §A.1
    /// writes it.
    ///
    /// RSA has 2048 to 4096 bits; 2048 are best, since some receivers verify no more. The parts of
    /// the key are tried out once, so a damaged one is found here and not at the first message.
    ///
    /// # Errors
    ///
    /// Text without a private key, a key under a passphrase, of another kind or size, or damaged.
    ///
    /// ```
    /// use mailkit_mime::dkim::{Algorithm, DkimError, SigningKey};
    ///
    /// let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n")?;
    /// assert_eq!(key.algorithm(), Algorithm::Ed25519Sha256);
    /// assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    ///
    /// assert_eq!(SigningKey::from_pem(b"hello").err(), Some(DkimError::NoKey));
    /// # Ok::<(), DkimError>(())
    /// ```
    pub fn from_pem(text: &[u8]) -> Result<Self, DkimError> {
        let pair = match pem::decode(text)? {
            Encoded::Pkcs1(der) => RsaKeyPair::from_der(&der).map(Pair::Rsa),
            Encoded::Pkcs8(der) => match RsaKeyPair::from_pkcs8(&der) {
                Err(error) if error.to_string() == WRONG_ALGORITHM => {
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Pair::Ed25519)
                }
                rsa => rsa.map(Pair::Rsa),
            },
            Encoded::Seed(seed) => Ed25519KeyPair::from_seed_unchecked(&seed).map(Pair::Ed25519),
        };
        let key = Self { pair: Arc::new(pair.map_err(|error| rejected(&error.to_string()))?) };
        key.sign(b"")?;
        Ok(key)
    }

    /// How this key signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match *self.pair {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The text of the TXT record that publishes the public half (RFC 6376 §3.6.1, RFC 8463 §4.2).
    /// DNS cuts it into strings of at most 255 octets.
    #[must_use]
    pub fn record(&self) -> String {
        match &*self.pair {
            Pair::Rsa(pair) => {
                format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public_key_info(pair.public_key().as_ref())))
            }
            Pair::Ed25519(pair) => {
                format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(pair.public_key().as_ref()))
            }
        }
    }

    /// Signs the canonical header. Neither algorithm takes randomness: ring asks for its source with
    /// RSA for the sake of PSS, and PKCS #1 v1.5 does not read it.
    pub(super) fn sign(&self, header: &[u8]) -> Result<Vec<u8>, DkimError> {
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), header, &mut signature)
                    .map_err(|_| DkimError::Refused)?;
                Ok(signature)
            }
            // RFC 8463 §3: what Ed25519 signs is the hash.
            Pair::Ed25519(pair) => Ok(pair.sign(digest(&SHA256, header).as_ref()).as_ref().to_vec()),
        }
    }
}

/// The words by which ring says why it takes no key: its errors have nothing else to tell them apart.
const WRONG_ALGORITHM: &str = "WrongAlgorithm";

fn rejected(reason: &str) -> DkimError {
    match reason {
        WRONG_ALGORITHM => DkimError::UnsupportedKey,
        "TooSmall" => DkimError::KeyTooShort,
        "TooLarge" => DkimError::KeyTooLong,
        other => DkimError::InvalidKey { reason: other.to_owned() },
    }
}

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1) around an `RSAPublicKey`, which `p=` holds in practice
/// (RFC 6376 erratum 3017).
fn public_key_info(public_key: &[u8]) -> Vec<u8> {
    /// `AlgorithmIdentifier` of rsaEncryption (RFC 3279 §2.3.1).
    const RSA_ENCRYPTION: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    const NO_UNUSED_BITS: &[u8] = &[0];
    let bits = der(BIT_STRING, &[NO_UNUSED_BITS, public_key].concat());
    der(SEQUENCE, &[&RSA_ENCRYPTION, bits.as_slice()].concat())
}

/// One element of DER (X.690 §8.1): tag, length and content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = length.get(length.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
    let mut element = vec![tag];
    match length {
        [] => element.push(0),
        [short] if *short < 0x80 => element.push(*short),
        long => {
            // At most the eight octets of a usize.
            element.push(0x80 | long.len().to_le_bytes().first().copied().unwrap_or_default());
            element.extend_from_slice(long);
        }
    }
    element.extend_from_slice(content);
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_lengths_are_as_short_as_they_can_be() {
        assert_eq!(der(3, &[]), [3, 0]);
        assert_eq!(der(3, &[7; 127])[..3], [3, 127, 7]);
        assert_eq!(der(3, &[7; 128])[..4], [3, 0x81, 128, 7]);
        assert_eq!(der(3, &[7; 256])[..5], [3, 0x82, 1, 0, 7]);
    }
}
