//! The keys of RFC 5802 §3 and what they sign

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a SHA-256 digest, and so of every key, proof and signature here.
pub(super) const LENGTH: usize = 32;

/// `ClientKey` and `ServerKey` of one password, salt and iteration count.
pub(super) struct Keys {
    client: Zeroizing<[u8; LENGTH]>,
    server: Zeroizing<[u8; LENGTH]>,
}

impl Keys {
    /// The costly step: `iterations` rounds of HMAC. The password is already prepared.
    pub(super) fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut salted = Zeroizing::new([0; LENGTH]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, salted.as_mut_slice());
        Self {
            client: Zeroizing::new(hmac(salted.as_slice(), b"Client Key")),
            server: Zeroizing::new(hmac(salted.as_slice(), b"Server Key")),
        }
    }

    /// `ClientProof = ClientKey XOR HMAC(H(ClientKey), AuthMessage)`
    pub(super) fn client_proof(&self, auth_message: &str) -> [u8; LENGTH] {
        let stored: [u8; LENGTH] = Sha256::digest(self.client.as_slice()).into();
        let mut proof = hmac(&stored, auth_message.as_bytes());
        for (byte, key) in proof.iter_mut().zip(self.client.iter()) {
            *byte ^= key;
        }
        proof
    }

    /// `ServerSignature = HMAC(ServerKey, AuthMessage)`
    pub(super) fn server_signature(&self, auth_message: &str) -> [u8; LENGTH] {
        hmac(self.server.as_slice(), auth_message.as_bytes())
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn hmac(key: &[u8], data: &[u8]) -> [u8; LENGTH] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(data);
    mac.finalize().into_bytes().into()
}
