//! The client's half

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::super::bearer::escape_name;
use super::super::{MIN_NONCE, SaslError, Secret, ServerFault, encode_base64};
use super::keys::{Keys, LENGTH};
use super::message::{ServerFirst, bounded, server_signature};
use super::prepare::prepare;

/// The header that says: no channel binding, acting for nobody else.
const HEADER: &str = "n,,";

/// The client's first message is out.
pub(crate) struct ExpectServerFirst {
    nonce: String,
    first_bare: String,
    password: Zeroizing<String>,
}

/// The client has proven itself; the server has yet to.
pub(crate) struct ExpectServerFinal {
    signature: [u8; LENGTH],
}

impl ExpectServerFirst {
    pub(crate) fn start(user: &str, password: &Secret, nonce: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Self), SaslError> {
        if nonce.len() < MIN_NONCE {
            return Err(SaslError::ShortNonce { needed: MIN_NONCE, given: nonce.len() });
        }
        let user = prepare(user).ok_or(SaslError::UnsuitablePassword)?;
        let password = prepare(password.expose()).ok_or(SaslError::UnsuitablePassword)?;
        let nonce = encode_base64(nonce).to_string();
        let first_bare = format!("n={},r={nonce}", escape_name(&user));
        let message = Zeroizing::new(format!("{HEADER}{first_bare}").into_bytes());
        Ok((message, Self { nonce, first_bare, password }))
    }

    /// Answers the server's first message by the client's final one.
    pub(crate) fn respond(self, challenge: &[u8]) -> Result<(Zeroizing<Vec<u8>>, ExpectServerFinal), ServerFault> {
        let server_first = bounded(challenge).ok_or(ServerFault::Malformed("it is too long or not UTF-8"))?;
        let ServerFirst { nonce, salt, iterations } = ServerFirst::parse(server_first)?;
        match nonce.strip_prefix(self.nonce.as_str()) {
            Some(added) if !added.is_empty() => {}
            _ => return Err(ServerFault::ForeignNonce),
        }
        let binding = encode_base64(HEADER.as_bytes());
        let without_proof = format!("c={},r={nonce}", *binding);
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare);
        let keys = Keys::derive(&self.password, &salt, iterations);
        let proof = encode_base64(&keys.client_proof(&auth_message));
        let message = format!("{without_proof},p={}", *proof);
        let signature = keys.server_signature(&auth_message);
        Ok((Zeroizing::new(message.into_bytes()), ExpectServerFinal { signature }))
    }
}

impl ExpectServerFinal {
    /// Checks the server's signature, in constant time.
    pub(crate) fn verify(self, challenge: &[u8]) -> Result<(), ServerFault> {
        let given = server_signature(challenge)?;
        if self.signature.ct_eq(given.as_slice()).into() { Ok(()) } else { Err(ServerFault::WrongSignature) }
    }
}
