//! Why no signature came of what was given.

use std::error::Error;
use std::fmt;

use super::canonical::Canonicalization;

/// What is wrong with a key, with the settings of a signer, or with what it was to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DkimError {
    /// There is neither a PEM section nor the seed of an Ed25519 key.
    NoKey,
    /// The key is protected by a passphrase.
    EncryptedKey,
    /// The PEM holds other things, but no private key.
    NotPrivate {
        /// The label of the first section, such as `PUBLIC KEY`.
        label: String,
    },
    /// The PEM section has no end, or is no base64.
    MalformedPem,
    /// The key is neither RSA nor Ed25519, or in a form other than PKCS #1 and PKCS #8.
    UnsupportedKey,
    /// An RSA key of fewer than 2048 bits.
    KeyTooShort,
    /// An RSA key of more than 4096 bits.
    KeyTooLong,
    /// The parts of the key make no key.
    InvalidKey {
        /// What the library for cryptography says.
        reason: String,
    },
    /// The text is no selector (RFC 6376 §3.1).
    InvalidSelector {
        /// The text, fit to be shown.
        selector: String,
    },
    /// A signature belongs to a name in DNS, not to an IP address.
    AddressLiteral {
        /// The literal.
        domain: String,
    },
    /// The name of the key's record in DNS is longer than 253 octets.
    RecordNameTooLong {
        /// Its length in octets.
        length: usize,
    },
    /// The text is neither an address nor `@` and a domain.
    InvalidIdentity {
        /// The text, fit to be shown.
        identity: String,
    },
    /// The identity lies outside of the signer's domain (RFC 6376 §3.5, `i=`).
    ForeignIdentity {
        /// The domain of the identity.
        identity: String,
        /// The domain of the signer.
        domain: String,
    },
    /// The text is no name of a header field that can be signed.
    InvalidFieldName {
        /// The text, fit to be shown.
        name: String,
    },
    /// The header has no From, which every signature must cover (RFC 6376 §5.4).
    NoFrom,
    /// A line of the header is neither a field nor the continuation of one.
    MalformedHeader {
        /// The line, from 1.
        line: usize,
    },
    /// A line of the header does not end in CRLF, or holds a CR or LF elsewhere.
    HeaderLineEnd {
        /// The line, from 1.
        line: usize,
    },
    /// The body holds a CR or LF by itself.
    BodyLineEnd,
    /// The body was hashed in another form than the signer states.
    BodyCanonicalization {
        /// The form that the signer states.
        wanted: Canonicalization,
        /// The form that was hashed.
        given: Canonicalization,
    },
    /// The library for cryptography refused to sign.
    Refused,
}

impl fmt::Display for DkimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("no private key: give RSA or Ed25519 in PEM, or an Ed25519 seed in base64"),
            Self::EncryptedKey => {
                f.write_str("the private key is protected by a passphrase: decrypt it with `openssl pkey` first")
            }
            Self::NotPrivate { label } => write!(f, "`{label}` where a private key is needed: give the private half"),
            Self::MalformedPem => f.write_str("the PEM section of the key is cut off or no base64: copy it whole"),
            Self::UnsupportedKey => f.write_str(
                "the key is of a kind that DKIM does not know: give RSA in PKCS #1 or PKCS #8, or Ed25519 in PKCS #8",
            ),
            Self::KeyTooShort => {
                f.write_str("the RSA key has fewer than 2048 bits: make one of 2048 (RFC 8301) and publish it")
            }
            Self::KeyTooLong => {
                f.write_str("the RSA key has more than 4096 bits: make one of 2048, which all can verify")
            }
            Self::InvalidKey { reason } => {
                write!(f, "the parts of the key do not fit together ({reason}): make a new one")
            }
            Self::InvalidSelector { selector } => {
                write!(f, "`{selector}` is no selector: write letters, digits and inner hyphens, parted by dots")
            }
            Self::AddressLiteral { domain } => {
                write!(f, "{domain} cannot hold a key: sign for the name of a domain")
            }
            Self::RecordNameTooLong { length } => write!(
                f,
                "the name of the key in DNS has {length} octets, and 253 are the limit: choose a shorter selector"
            ),
            Self::InvalidIdentity { identity } => {
                write!(f, "`{identity}` is no identity: write an address, or @ and a domain")
            }
            Self::ForeignIdentity { identity, domain } => {
                write!(f, "the identity's domain {identity} is not within {domain}, for which the key signs")
            }
            Self::InvalidFieldName { name } => write!(
                f,
                "`{name}` names no header field that can be signed: use at most 76 printable ASCII characters \
                 without colon and semicolon, and not DKIM-Signature"
            ),
            Self::NoFrom => f.write_str("no From in the header, which every signature must cover: add it"),
            Self::MalformedHeader { line } => write!(f, "line {line} is no header field: write it as `Name: value`"),
            Self::HeaderLineEnd { line } => {
                write!(
                    f,
                    "line {line} of the header does not end in CRLF, or has a stray CR or LF: make line ends CRLF"
                )
            }
            Self::BodyLineEnd => f.write_str("the body has a stray CR or LF: make line ends CRLF before it is hashed"),
            Self::BodyCanonicalization { wanted, given } => {
                write!(f, "the body was hashed as {given} for a signer of {wanted}: take the hasher from the signer")
            }
            Self::Refused => f.write_str("the key does not sign: its parts do not fit together, make a new one"),
        }
    }
}

impl Error for DkimError {}

/// The start of a text as an error may show it: control characters escaped, on one line.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
