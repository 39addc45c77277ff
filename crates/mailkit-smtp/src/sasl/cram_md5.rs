//! CRAM-MD5 (RFC 2195): the user and a keyed digest of the server's challenge

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Rejection;

/// `user SP digest`: the digest is HMAC-MD5 of the challenge under the password, in lower-case hex.
pub(super) fn response(user: &str, password: &str, challenge: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("{user} {}", *digest(password, challenge)).into_bytes())
}

/// A challenge in the form of a Message-ID, from the nonce and the server's name.
pub(super) fn challenge(nonce: &[u8], hostname: &str) -> Vec<u8> {
    let host: String =
        hostname.chars().filter(|letter| letter.is_ascii_graphic() && !matches!(letter, '<' | '>' | '@')).collect();
    format!("<{}@{host}>", hex(nonce)).into_bytes()
}

/// The user and digest of a response. The user may hold spaces, the digest cannot.
pub(super) fn parse(response: &[u8]) -> Result<(&str, &str), Rejection> {
    std::str::from_utf8(response)
        .ok()
        .and_then(|text| text.rsplit_once(' '))
        .filter(|(user, _)| !user.is_empty())
        .ok_or(Rejection::Malformed("the response is not a user, a space and a digest"))
}

/// Whether the digest is that of the challenge under the password, in constant time.
pub(super) fn verify(password: &str, challenge: &[u8], given: &str) -> bool {
    digest(password, challenge).as_bytes().ct_eq(given.as_bytes()).into()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn digest(password: &str, challenge: &[u8]) -> Zeroizing<String> {
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).expect("any length is a key");
    mac.update(challenge);
    Zeroizing::new(hex(&mac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &[u8] = b"<1896.697170952@postoffice.reston.mci.net>";
    const DIGEST: &str = "b913a602c7eda7a495b4e6e7334d3890";

    #[test]
    fn rfc_2195_section_2() {
        let response = response("tim", "tanstaaftanstaaf", CHALLENGE);
        assert_eq!(**response, *format!("tim {DIGEST}").as_bytes());
        assert_eq!(parse(&response), Ok(("tim", DIGEST)));
        assert!(verify("tanstaaftanstaaf", CHALLENGE, DIGEST));
        assert!(!verify("tanstaaftanstaaF", CHALLENGE, DIGEST));
        assert!(!verify("tanstaaftanstaaf", b"<another@challenge>", DIGEST));
        assert!(!verify("tanstaaftanstaaf", CHALLENGE, ""));
    }

    #[test]
    fn the_challenge_is_one_message_id_whatever_the_host_is_called() {
        assert_eq!(challenge(&[0x0a, 0xff], "mx.example.com"), b"<0aff@mx.example.com>");
        assert_eq!(challenge(&[1], "a>\r\n<b@c"), b"<01@abc>");
    }

    #[test]
    fn a_user_may_hold_spaces() {
        assert_eq!(parse(b"ann smith 0123"), Ok(("ann smith", "0123")));
        assert!(parse(b" 0123").is_err());
        assert!(parse(b"ann").is_err());
        assert!(parse(b"\xff 0123").is_err());
    }
}
