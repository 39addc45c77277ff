//! PLAIN (RFC 4616): both fields in one message

use zeroize::Zeroizing;

use super::Rejection;

/// `message = [authzid] NUL authcid NUL passwd`, with the authzid left to the server.
pub(super) fn message(user: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(user.len() + password.len() + 2));
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(password.as_bytes());
    message
}

/// The user and password of a message. Acting for somebody else (another authzid) is refused.
pub(super) fn parse(message: &[u8]) -> Result<(&str, &str), Rejection> {
    let text = std::str::from_utf8(message).map_err(|_| Rejection::Malformed("the message is not UTF-8"))?;
    let mut fields = text.split('\0');
    let (Some(acting_for), Some(user), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Rejection::Malformed("the message needs three fields, parted by NUL"));
    };
    if user.is_empty() || password.is_empty() {
        return Err(Rejection::Malformed("the user or the password is empty"));
    }
    if !acting_for.is_empty() && acting_for != user {
        return Err(Rejection::BadCredentials);
    }
    Ok((user, password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4616_section_4() {
        assert_eq!(**message("tim", "tanstaaftanstaaf"), *b"\0tim\0tanstaaftanstaaf");
        assert_eq!(parse(b"\0tim\0tanstaaftanstaaf"), Ok(("tim", "tanstaaftanstaaf")));
        assert_eq!(parse(b"Ursel\0Kurt\0xipj3plmq"), Err(Rejection::BadCredentials));
    }

    #[test]
    fn messages_of_another_shape_are_malformed() {
        for bytes in [b"".as_slice(), b"\0tim", b"\0tim\0", b"\0\0pw", b"\0tim\0pw\0", b"\0tim\0\xff"] {
            assert!(matches!(parse(bytes), Err(Rejection::Malformed(_))), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_undoes_writing(user in "[^\0]{1,20}", password in "[^\0]{1,20}") {
            let message = message(&user, &password);
            prop_assert_eq!(parse(&message), Ok((user.as_str(), password.as_str())));
        }
    }
}
