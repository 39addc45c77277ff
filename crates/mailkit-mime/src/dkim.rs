//! DKIM signatures (RFC 6376, RFC 8463): RSA-SHA256 and Ed25519-SHA256.
//!
//! A [`Signer`] joins a [`SigningKey`] with the domain and the selector under which its public half
//! stands in DNS. It signs a finished header block and the [`BodyHash`] of a body that went through
//! a [`BodyHasher`] piece by piece; [`sign_message`] does both for a message that is in memory.
//!
//! ```
//! use mailkit_address::Domain;
//! use mailkit_mime::dkim::{Signer, SigningKey, sign_message};
//!
//! let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")?; // of RFC 8463
//! let signer = Signer::new(key, Domain::parse("football.example.com")?, "brisbane")?;
//! assert_eq!(signer.record_name(), "brisbane._domainkey.football.example.com");
//!
//! let message = b"From: joe@football.example.com\r\nSubject: dinner\r\n\r\nAre you hungry yet?\r\n";
//! let mut signed = sign_message(message, &[signer], 1_528_637_909)?;
//! signed.extend_from_slice(message);
//! assert!(signed.starts_with(b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Decisions:
//!
//! - Both algorithms and the hash are ring's. Its RSA runs in constant time, whereas no release of
//!   the `rsa` crate has mended RUSTSEC-2023-0071, which lets signing times betray the key;
//!   `mail-auth` brings a resolver and the policies of receivers, or that crate. The price is ring's
//!   lower limit: an RSA key has 2048 to 4096 bits. RFC 8301 §3.2 still lets signers use 1024 and
//!   asks them for 2048.
//! - Nothing here reads clock or randomness. PKCS #1 v1.5 and Ed25519 sign without any, so equal
//!   content, key and time give equal signatures.
//! - There is no `l=`: a signature over the start of a body lets anyone append to it (RFC 6376 §8.2).
//! - What is hashed must be what is sent: line ends are CRLF already, and dots are not yet stuffed.
//!   A CR or LF by itself is an error, since a server on the way may change it.
//! - A signature does not cover other signatures, so their order and number do not matter.

mod body;
mod canonical;
mod encoded;
mod error;
mod fields;
mod key;
mod selection;
mod signature;
mod signer;

use memchr::memmem;

pub use body::{BodyHash, BodyHasher};
pub use canonical::Canonicalization;
pub use encoded::SignError;
pub use error::DkimError;
pub use key::{Algorithm, SigningKey};
pub use signer::Signer;

/// Signs a whole message with each signer and gives the header fields to put before it: one per
/// signer, in their order, each folded and ended by CRLF. `now` is in seconds since 1970 in UTC.
///
/// # Errors
///
/// A message without From, a line of the header that is none, or a CR or LF by itself.
pub fn sign_message(message: &[u8], signers: &[Signer], now: u64) -> Result<Vec<u8>, DkimError> {
    let (header, body) = split(message);
    let mut hashes: Vec<BodyHash> = Vec::new();
    let mut fields = Vec::new();
    for signer in signers {
        let known = hashes.iter().find(|hash| hash.canonicalization() == signer.body_canonicalization());
        let hash = if let Some(hash) = known {
            *hash
        } else {
            let mut hasher = signer.body_hasher();
            hasher.update(body);
            let hash = hasher.finish()?;
            hashes.push(hash);
            hash
        };
        fields.extend_from_slice(signer.sign(header, &hash, now)?.as_bytes());
    }
    Ok(fields)
}

/// The header with the line end of its last field, and the body behind the empty line.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    const EMPTY_LINE: &[u8] = b"\r\n\r\n";
    if let Some(body) = message.strip_prefix(b"\r\n") {
        return (&[], body);
    }
    memmem::find(message, EMPTY_LINE)
        .and_then(|end| Some((message.get(..end + 2)?, message.get(end + EMPTY_LINE.len()..)?)))
        .unwrap_or((message, &[]))
}

#[cfg(test)]
mod tests;
