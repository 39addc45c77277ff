//! Signing a message in the form that a server takes.

use std::error::Error;
use std::fmt;
use std::io;

use mailkit_address::{ErrorMessage, chained_display};
use memchr::memmem;

use super::{BodyHash, BodyHasher, DkimError, Signer};
use crate::encoded::Encoded;

/// Why a message was not signed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignError {
    /// What is signed, or the signer, is at fault.
    Dkim(DkimError),
    /// An attachment could not be read.
    Read(io::Error),
    /// An attachment comes from a reader, which can be read once; a signature needs to read it before it is sent.
    ReadsOnce,
}

impl ErrorMessage for SignError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dkim(_) => "the message cannot be signed",
            Self::Read(_) => "the message cannot be read to be signed",
            Self::ReadsOnce => {
                "the message cannot be signed: an attachment comes from a reader, which can be read once; \
                 give a file or bytes"
            }
        })
    }
}

chained_display!(SignError);

impl Error for SignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dkim(error) => Some(error),
            Self::Read(error) => Some(error),
            Self::ReadsOnce => None,
        }
    }
}

impl From<DkimError> for SignError {
    fn from(error: DkimError) -> Self {
        Self::Dkim(error)
    }
}

impl Encoded {
    /// The same message with a signature by each signer in front. `now` is in seconds since 1970 in UTC.
    ///
    /// The content is read once for all of them, and again when it is sent. Sign the 7-bit form: a server on the way
    /// that takes no 8-bit content would have to change it (RFC 6376 §5.3).
    ///
    /// # Errors
    /// [`SignError`]: a header or body that cannot be signed, or an attachment that cannot be read, or only once.
    pub fn sign(self, signers: &[Signer], now: u64) -> Result<Self, SignError> {
        if signers.is_empty() {
            return Ok(self);
        }
        if self.content.reads_once() {
            return Err(SignError::ReadsOnce);
        }
        let mut pass = Pass::new(signers);
        for chunk in self.content.chunks() {
            pass.take(&chunk.map_err(SignError::Read)?);
        }
        let (header, hashes) = pass.finish()?;
        let mut fields = String::new();
        for signer in signers {
            let own = hashes.iter().find(|hash| hash.canonicalization() == signer.body_canonicalization());
            if let Some(hash) = own {
                fields.push_str(&signer.sign(&header, hash, now)?);
            }
        }
        Ok(Self { content: self.content.behind(fields.as_bytes()), ..self })
    }
}

/// One pass over a message: its header is kept, its body hashed, once for each form that a signer wants.
struct Pass {
    header: Vec<u8>,
    /// Whether the empty line has come.
    in_body: bool,
    hashers: Vec<BodyHasher>,
}

impl Pass {
    fn new(signers: &[Signer]) -> Self {
        let mut forms: Vec<_> = signers.iter().map(Signer::body_canonicalization).collect();
        forms.dedup();
        Self { header: Vec::new(), in_body: false, hashers: forms.into_iter().map(BodyHasher::new).collect() }
    }

    fn take(&mut self, piece: &[u8]) {
        if self.in_body {
            return self.hash(piece);
        }
        // The end may have been cut: the last three bytes of what was there are looked at again.
        let from = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(piece);
        let end = self.header.get(from..).and_then(|tail| memmem::find(tail, b"\r\n\r\n"));
        if let Some(end) = end {
            let body = self.header.split_off(from + end + 4);
            self.header.truncate(from + end + 2);
            self.in_body = true;
            self.hash(&body);
        }
    }

    fn hash(&mut self, piece: &[u8]) {
        self.hashers.iter_mut().for_each(|hasher| hasher.update(piece));
    }

    fn finish(self) -> Result<(Vec<u8>, Vec<BodyHash>), DkimError> {
        let hashes = self.hashers.into_iter().map(BodyHasher::finish).collect::<Result<_, _>>()?;
        Ok((self.header, hashes))
    }
}
