//! The server's half

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::super::server::secret_or_decoy;
use super::super::{Rejection, Users, encode_base64};
use super::MIN_ITERATIONS;
use super::keys::Keys;
use super::message::{ClientFinal, ClientFirst};
use super::prepare::prepare;

/// The server's first message is out.
pub(crate) struct ExpectClientFinal {
    user: String,
    header: String,
    first_bare: String,
    server_first: String,
    nonce: String,
    salt: [u8; 32],
}

impl ExpectClientFinal {
    /// Answers the client's first message by the server's.
    ///
    /// The salt is derived from the names for real users and others alike, so it tells nobody who exists.
    /// The server keeps the password itself: a random salt would protect no stored key.
    pub(crate) fn start(response: &[u8], server_nonce: &str, hostname: &str) -> Result<(Vec<u8>, Self), Rejection> {
        let ClientFirst { header, bare, user, nonce } = ClientFirst::parse(response)?;
        let salt: [u8; 32] = Sha256::new()
            .chain_update(b"mailkit SCRAM salt\0")
            .chain_update(hostname)
            .chain_update(b"\0")
            .chain_update(&user)
            .finalize()
            .into();
        let nonce = format!("{nonce}{server_nonce}");
        let server_first = format!("r={nonce},s={},i={MIN_ITERATIONS}", *encode_base64(&salt));
        let challenge = server_first.clone().into_bytes();
        let (header, first_bare) = (header.to_owned(), bare.to_owned());
        Ok((challenge, Self { user, header, first_bare, server_first, nonce, salt }))
    }

    /// Checks the client's proof and answers by the server's signature, for the user returned beside it.
    pub(crate) fn respond(self, response: &[u8], users: &dyn Users) -> Result<(Vec<u8>, String), Rejection> {
        let ClientFinal { without_proof, binding, nonce, proof } = ClientFinal::parse(response)?;
        if binding.as_slice() != self.header.as_bytes() {
            return Err(Rejection::Malformed("the channel binding differs from the header"));
        }
        if nonce != self.nonce {
            return Err(Rejection::Malformed("the nonce differs"));
        }
        let (secret, known) = secret_or_decoy(users, &self.user);
        let password = prepare(secret.expose());
        let password = password.as_deref().map_or(secret.expose(), String::as_str);
        let keys = Keys::derive(password, &self.salt, MIN_ITERATIONS);
        let auth_message = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        let proven: bool = keys.client_proof(&auth_message).ct_eq(proof.as_slice()).into();
        if !(proven & known) {
            return Err(Rejection::BadCredentials);
        }
        let signature = encode_base64(&keys.server_signature(&auth_message));
        Ok((format!("v={}", *signature).into_bytes(), self.user))
    }
}
