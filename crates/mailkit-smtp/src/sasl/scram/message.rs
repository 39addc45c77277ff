//! The four messages of RFC 5802 §7, as far as each side reads them

use zeroize::Zeroizing;

use super::super::bearer::unescape_name;
use super::super::client::printable;
use super::super::{Rejection, ServerFault, decode_base64};
use super::{MAX_ITERATIONS, MAX_MESSAGE, MAX_SALT, MIN_ITERATIONS};

/// `server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]`
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Zeroizing<Vec<u8>>,
    pub(super) iterations: u32,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ServerFault> {
        if text.starts_with("m=") {
            return Err(ServerFault::MandatoryExtension);
        }
        refusal(text)?;
        let mut fields = text.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name));
        let nonce = field("r=").filter(|nonce| is_nonce(nonce)).ok_or(ServerFault::Malformed("it has no nonce"))?;
        let salt = field("s=")
            .and_then(|salt| decode_base64(salt).ok())
            .filter(|salt| (1..=MAX_SALT).contains(&salt.len()))
            .ok_or(ServerFault::Malformed("it has no usable salt"))?;
        let iterations = iterations(field("i=").unwrap_or_default())?;
        Ok(Self { nonce, salt, iterations })
    }
}

/// `server-final-message = (server-error / verifier) ["," extensions]`, of which the signature is wanted.
pub(super) fn server_signature(challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServerFault> {
    let text = bounded(challenge).ok_or(ServerFault::Malformed("it is too long or not UTF-8"))?;
    refusal(text)?;
    text.split(',')
        .next()
        .and_then(|field| field.strip_prefix("v="))
        .and_then(|signature| decode_base64(signature).ok())
        .ok_or(ServerFault::Malformed("it has no signature"))
}

/// `client-first-message = gs2-header client-first-message-bare`
pub(super) struct ClientFirst<'a> {
    pub(super) header: &'a str,
    pub(super) bare: &'a str,
    pub(super) user: String,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(response: &'a [u8]) -> Result<Self, Rejection> {
        let text = bounded(response).ok_or(Rejection::Malformed("the first message is too long or not UTF-8"))?;
        Self::split(text).ok_or(Rejection::Malformed("the first message breaks RFC 5802"))?
    }

    fn split(text: &'a str) -> Option<Result<Self, Rejection>> {
        let (binding, rest) = text.split_once(',')?;
        let (acting_for, bare) = rest.split_once(',')?;
        // "y": could bind to the channel, and sees that no -PLUS mechanism is offered.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let header = text.strip_suffix(bare)?;
        let mut fields = bare.split(',');
        let user = fields.next()?.strip_prefix("n=").and_then(unescape_name)?;
        let nonce = fields.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        if user.is_empty() {
            return None;
        }
        if !acting_for.is_empty() {
            let acting_for = acting_for.strip_prefix("a=").and_then(unescape_name)?;
            if acting_for != user {
                return Some(Err(Rejection::BadCredentials));
            }
        }
        Some(Ok(Self { header, bare, user, nonce }))
    }
}

/// `client-final-message = channel-binding "," nonce ["," extensions] "," proof`
pub(super) struct ClientFinal<'a> {
    pub(super) without_proof: &'a str,
    pub(super) binding: Zeroizing<Vec<u8>>,
    pub(super) nonce: &'a str,
    pub(super) proof: Zeroizing<Vec<u8>>,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(response: &'a [u8]) -> Result<Self, Rejection> {
        bounded(response).and_then(Self::split).ok_or(Rejection::Malformed("the final message breaks RFC 5802"))
    }

    fn split(text: &'a str) -> Option<Self> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let binding = fields.next()?.strip_prefix("c=")?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        Some(Self { without_proof, binding: decode_base64(binding).ok()?, nonce, proof: decode_base64(proof).ok()? })
    }
}

/// The message as text, unless it is longer than any honest one.
pub(super) fn bounded(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_MESSAGE)
}

/// `server-error = "e=" server-error-value`
fn refusal(text: &str) -> Result<(), ServerFault> {
    match text.split(',').next().and_then(|field| field.strip_prefix("e=")) {
        Some(words) => Err(ServerFault::Refused(printable(words.as_bytes()))),
        None => Ok(()),
    }
}

/// `posit-number = %x31-39 *DIGIT`, within bounds.
fn iterations(digits: &str) -> Result<u32, ServerFault> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ServerFault::Malformed("it has no iteration count"));
    }
    match digits.parse::<u32>() {
        Ok(asked) if asked < MIN_ITERATIONS => Err(ServerFault::TooFewIterations { asked, minimum: MIN_ITERATIONS }),
        Ok(asked) if asked <= MAX_ITERATIONS => Ok(asked),
        _ => Err(ServerFault::TooManyIterations { maximum: MAX_ITERATIONS }),
    }
}

/// `c-nonce = printable`, any of %x21-2B / %x2D-7E.
fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}
