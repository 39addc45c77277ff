//! HTTP CONNECT (RFC 9110 §9.3.6), as much of HTTP as it takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit_address::is_unprintable;
use mailkit_smtp::sasl::{Redactor, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Login, ProxyError};
use crate::host::Host;

/// More than any proxy's header; a proxy that says more than that is none.
const RESPONSE_LIMIT: usize = 16 * 1024;

/// Reads exactly the response's header: what the server says behind it stays in the socket.
pub(super) async fn tunnel(
    mut stream: TcpStream,
    login: Option<&Login>,
    host: &Host,
    port: u16,
) -> Result<TcpStream, ProxyError> {
    let target = format!("{host}:{port}");
    let request = request(&target, login);
    stream.write_all(request.expose().as_bytes()).await.map_err(ProxyError::from_io)?;
    loop {
        let status = read_response(&mut stream).await?;
        match status.code {
            // Interim responses (RFC 9110 §15.2) come before the final one.
            100..=199 => {}
            200..=299 => return Ok(stream),
            407 if login.is_some() => return Err(ProxyError::LoginRefused),
            407 => return Err(ProxyError::LoginRequired),
            code => {
                return Err(ProxyError::Refused {
                    target,
                    reply: without_login(format!("{code} {}", status.reason).trim_end(), login)
                        .chars()
                        .take(SHOWN)
                        .collect(),
                    temporary: matches!(code, 408 | 429 | 500..=599),
                });
            }
        }
    }
}

/// How many characters of a proxy's words are shown.
const SHOWN: usize = 200;

struct Status {
    code: u16,
    reason: String,
}

/// Host and login hold no control character by their types, so no line can be slipped in.
fn request(target: &str, login: Option<&Login>) -> Secret {
    // Room for all of it at once, since growing leaves copies of the password behind.
    let secrets = login.map_or(0, |login| login.user.len() + login.password.expose().len());
    let mut text = String::with_capacity(128 + 2 * target.len() + 2 * secrets);
    for part in ["CONNECT ", target, " HTTP/1.1\r\nHost: ", target, "\r\n"] {
        text.push_str(part);
    }
    if let Some(login) = login {
        for part in ["Proxy-Authorization: Basic ", basic(login).expose(), "\r\n"] {
            text.push_str(part);
        }
    }
    text.push_str("\r\n");
    Secret::new(text)
}

/// `user-pass` of RFC 7617 §2, encoded.
fn basic(Login { user, password }: &Login) -> Secret {
    let pair = Secret::new(format!("{user}:{}", password.expose()));
    Secret::new(STANDARD.encode(pair.expose()))
}

/// Proxies repeat what they do not understand, and that may be the login.
fn without_login(words: &str, login: Option<&Login>) -> String {
    let Some(login) = login else { return words.to_owned() };
    let mut secrets = Redactor::default();
    secrets.add(login.password.expose());
    secrets.add(&STANDARD.encode(login.password.expose()));
    secrets.add(basic(login).expose());
    secrets.redact(words).into_owned()
}

/// Looks before it reads, so that it takes no byte more than the header.
async fn read_response(stream: &mut TcpStream) -> Result<Status, ProxyError> {
    let mut header = Vec::new();
    let mut window = [0_u8; 1024];
    loop {
        let room = (RESPONSE_LIMIT - header.len()).min(window.len());
        let ahead = window.get_mut(..room).unwrap_or_default();
        if ahead.is_empty() {
            return Err(ProxyError::TooLong);
        }
        let seen = stream.peek(ahead).await.map_err(ProxyError::from_io)?;
        if seen == 0 {
            return Err(ProxyError::Closed);
        }
        let before = header.len();
        header.extend_from_slice(ahead.get(..seen).unwrap_or_default());
        let parsed = parse(&header)?;
        let taken = parsed.as_ref().map_or(seen, |(_, length)| length - before);
        stream.read_exact(ahead.get_mut(..taken).unwrap_or_default()).await.map_err(ProxyError::from_io)?;
        if let Some((status, _)) = parsed {
            return Ok(status);
        }
    }
}

/// The status and the header's length, once the header is complete.
fn parse(bytes: &[u8]) -> Result<Option<(Status, usize)>, ProxyError> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let status = Status {
                code: response.code.unwrap_or_default(),
                reason: response.reason.unwrap_or_default().chars().filter(|c| !is_unprintable(*c)).collect(),
            };
            Ok(Some((status, length)))
        }
        Err(error) => Err(ProxyError::NotAProxy { expected: "HTTP", found: error.to_string() }),
    }
}
