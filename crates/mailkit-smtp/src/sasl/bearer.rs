//! OAUTHBEARER (RFC 7628) and XOAUTH2: a bearer token in one message

use zeroize::Zeroizing;

use super::{ExchangeContext, Mechanism, Rejection};

/// What a server says of a bad token (RFC 7628 §3.2.2), before the reply that refuses it.
pub(super) const OAUTHBEARER_FAILURE: &[u8] = br#"{"status":"invalid_token"}"#;
/// The same in the words of XOAUTH2.
pub(super) const XOAUTH2_FAILURE: &[u8] = br#"{"status":"401","schemes":"Bearer"}"#;

/// What a client answers to a failure, so that the server can refuse: the dummy of RFC 7628 §3.2.3.
pub(super) const OAUTHBEARER_ANSWER: &[u8] = b"\x01";

/// `user=USER ^A auth=Bearer TOKEN ^A ^A`
pub(super) fn xoauth2(user: &str, token: &str) -> Zeroizing<Vec<u8>> {
    joined(&["user=", user, "\x01auth=Bearer ", token, "\x01\x01"])
}

/// `n,a=USER, ^A host=HOST ^A port=PORT ^A auth=Bearer TOKEN ^A ^A` (RFC 7628 §3.1); a user that is empty,
/// a host that is empty and a port 0 are left out.
pub(super) fn oauthbearer(user: &str, token: &str, context: &ExchangeContext<'_>) -> Zeroizing<Vec<u8>> {
    let user = escape_name(user);
    let port = context.port.to_string();
    let mut parts = vec!["n,"];
    if !user.is_empty() {
        parts.extend(["a=", &user]);
    }
    parts.push(",\x01");
    if !context.host.is_empty() {
        parts.extend(["host=", context.host, "\x01"]);
    }
    if context.port != 0 {
        parts.extend(["port=", &port, "\x01"]);
    }
    parts.extend(["auth=Bearer ", token, "\x01\x01"]);
    joined(&parts)
}

/// The user and token of a message.
pub(super) fn parse(mechanism: Mechanism, message: &[u8]) -> Result<(String, &str), Rejection> {
    let text = std::str::from_utf8(message).map_err(|_| Rejection::Malformed("the message is not UTF-8"))?;
    let body = text.strip_suffix("\x01\x01").ok_or(Rejection::Malformed("the message does not end in two ^A"))?;
    let (head, pairs) = body.split_once('\x01').ok_or(Rejection::Malformed("the message has no key-value pairs"))?;
    let user = if mechanism == Mechanism::XOAuth2 {
        head.strip_prefix("user=").map(ToOwned::to_owned)
    } else {
        user_of_header(head)
    };
    let user = user.ok_or(Rejection::Malformed("the header names no user"))?;
    pairs
        .split('\x01')
        .find_map(|pair| pair.strip_prefix("auth="))
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty())
        .map(|(_, token)| (user, token))
        .ok_or(Rejection::Malformed("the message has no bearer token"))
}

/// `saslname` (RFC 5801 §4): a comma and an equals sign are written `=2C` and `=3D`.
pub(super) fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The inverse of [`escape_name`]; `None` if an equals sign begins anything else.
pub(super) fn unescape_name(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        plain.push(escaped);
        plain.push_str(rest);
    }
    Some(plain)
}

/// `gs2-header = ("n" / "y") "," [ "a=" saslname ] ","` (RFC 5801 §4), of which the user is wanted.
fn user_of_header(header: &str) -> Option<String> {
    let fields = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,"))?;
    let name = fields.strip_suffix(',')?;
    match name.strip_prefix("a=") {
        Some(name) if !name.contains(',') => unescape_name(name),
        None if name.is_empty() => Some(String::new()),
        _ => None,
    }
}

fn joined(parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        message.extend_from_slice(part.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

    fn context(host: &str, port: u16) -> ExchangeContext<'_> {
        ExchangeContext { host, port, nonce: &[] }
    }

    #[test]
    fn rfc_7628_section_4_1() {
        let message = oauthbearer("user@example.com", TOKEN, &context("server.example.com", 143));
        let expected = "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
                        auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        assert_eq!(std::str::from_utf8(&message), Ok(expected));
        assert_eq!(parse(Mechanism::OAuthBearer, &message), Ok(("user@example.com".to_owned(), TOKEN)));
    }

    #[test]
    fn xoauth2_as_googles_documentation_writes_it() {
        let message = xoauth2("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        assert_eq!(
            *super::super::encode_base64(&message),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
    }

    #[test]
    fn what_the_context_lacks_is_left_out() {
        let message = oauthbearer("", "t", &context("", 0));
        assert_eq!(**message, *b"n,,\x01auth=Bearer t\x01\x01");
        assert_eq!(parse(Mechanism::OAuthBearer, &message), Ok((String::new(), "t")));
    }

    #[test]
    fn messages_of_another_shape_are_malformed() {
        for text in [
            "",
            "\x01\x01",
            "n,,\x01auth=Bearer t\x01",
            "n,,\x01auth=Basic t\x01\x01",
            "n,,\x01auth=Bearer \x01\x01",
            "n,a==2D,\x01auth=Bearer t\x01\x01",
            "p=tls-unique,,\x01auth=Bearer t\x01\x01",
            "user=x\x01auth=Bearer t\x01\x01",
        ] {
            let result = parse(Mechanism::OAuthBearer, text.as_bytes());
            assert!(matches!(result, Err(Rejection::Malformed(_))), "{text:?}");
        }
        let result = parse(Mechanism::XOAuth2, b"n,,\x01auth=Bearer t\x01\x01");
        assert!(matches!(result, Err(Rejection::Malformed(_))));
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(name in "[a-c=,é]{0,12}") {
            let escaped = escape_name(&name);
            prop_assert!(!escaped.contains(','));
            prop_assert_eq!(unescape_name(&escaped), Some(name));
        }

        #[test]
        fn parsing_undoes_writing(user in "[ -~é]{1,20}", token in "[!-~]{1,40}") {
            let context = context("mail.example.com", 587);
            let message = oauthbearer(&user, &token, &context);
            prop_assert_eq!(parse(Mechanism::OAuthBearer, &message), Ok((user.clone(), token.as_str())));
            let message = xoauth2(&user, &token);
            prop_assert_eq!(parse(Mechanism::XOAuth2, &message), Ok((user, token.as_str())));
        }
    }
}
