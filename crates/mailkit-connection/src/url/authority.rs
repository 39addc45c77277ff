//! The part of a URL between its scheme and its path: who, and where.

use mailkit_smtp::sasl::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use super::UrlError;
use crate::host::Host;

/// `[user[:password]@]host[:port]`, percent-decoded.
pub(crate) struct Authority {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

/// What a user name is written with: RFC 3986 §2.3 leaves these four as they are.
pub(crate) const USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a parameter is written with: enough for paths and proxy URLs to stay legible.
pub(crate) const VALUE: &AsciiSet = &USER.remove(b'/').remove(b':').remove(b',').remove(b'*').remove(b'[').remove(b']');

impl Authority {
    /// Everything before the last `@` is the user and password: no host holds one, while a user
    /// (a mail address, say) often does.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let (userinfo, place) = match text.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, text),
        };
        let (user, password) = match userinfo.map(|info| info.split_once(':').unwrap_or((info, ""))) {
            None => (None, None),
            Some((user, password)) => (
                Some(decode(user, "user")?).filter(|user| !user.is_empty()),
                Some(decode(password, "password")?).filter(|password| !password.is_empty()).map(Secret::new),
            ),
        };
        if user.is_none() && password.is_some() {
            return Err(UrlError::UserMissing);
        }
        let (host, port) = split_port(place)?;
        Ok(Self { user, password, host: Host::parse(host)?, port })
    }
}

/// Percent-decodes, strictly: a lone percent sign in a password must not pass for itself.
pub(crate) fn decode(text: &str, field: &'static str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = if byte == b'%' {
            let (Some(high), Some(low)) = (hex_digit(rest.next()), hex_digit(rest.next())) else {
                return Err(UrlError::Percent { field });
            };
            high << 4 | low
        } else {
            byte
        };
        if decoded.is_ascii_control() {
            return Err(UrlError::ControlCharacter { field });
        }
        bytes.push(decoded);
    }
    let text = String::from_utf8(bytes).map_err(|_| UrlError::NotUtf8 { field })?;
    // C1 and the separators of lines, which only show once the octets are characters.
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(UrlError::ControlCharacter { field });
    }
    Ok(text)
}

fn hex_digit(byte: Option<u8>) -> Option<u8> {
    let digit = char::from(byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

fn split_port(place: &str) -> Result<(&str, Option<u16>), UrlError> {
    let colon = match (place.starts_with('['), place.rfind(']')) {
        // Every colon before the bracket belongs to the address.
        (true, Some(bracket)) => place.get(bracket..).and_then(|rest| rest.find(':')).map(|at| bracket + at),
        _ => place.find(':'),
    };
    let Some((host, port)) = colon.and_then(|at| place.split_at_checked(at)) else {
        return Ok((place, None));
    };
    match port.trim_start_matches(':') {
        "" => Ok((host, None)),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) && port.len() == digits.len() + 1 => {
            match digits.parse() {
                Ok(0) | Err(_) => Err(UrlError::Port),
                Ok(port) => Ok((host, Some(port))),
            }
        }
        _ => Err(UrlError::Port),
    }
}
