//! SOCKS5 (RFC 1928), as much of it as CONNECT takes, with the login of RFC 1929.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Login, ProxyError};
use crate::host::Host;

/// The version of the protocol, at the start of each message but those of the login.
const VERSION: u8 = 5;
/// The version of the login by user and password (RFC 1929 §2).
const LOGIN_VERSION: u8 = 1;
/// The methods of RFC 1928 §3: none, and a login by user and password.
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
/// None of the methods that were offered.
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
/// The kinds of addresses (RFC 1928 §5).
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Reads exactly the proxy's replies: what the server says behind them stays in the socket.
pub(super) async fn tunnel(
    mut stream: TcpStream,
    login: Option<&Login>,
    host: &Host,
    port: u16,
) -> Result<TcpStream, ProxyError> {
    let login_message = login.map(login_message).transpose()?;
    match agree_on_method(&mut stream, login.is_some()).await? {
        NO_LOGIN => {}
        PASSWORD => {
            let Some(message) = login_message else { return Err(ProxyError::LoginRequired) };
            write(&mut stream, &message).await?;
            let [version, status] = read(&mut stream).await?;
            if version != LOGIN_VERSION {
                return Err(not_socks(format!("its login has the version {version}")));
            }
            if status != 0 {
                return Err(ProxyError::LoginRefused);
            }
        }
        NO_METHOD if login.is_some() => return Err(ProxyError::NoLoginMethod),
        NO_METHOD => return Err(ProxyError::LoginRequired),
        method => return Err(not_socks(format!("it wants the method {method}, which was not offered"))),
    }
    write(&mut stream, &request(host, port)?).await?;
    read_reply(&mut stream, host, port).await?;
    Ok(stream)
}

/// Offers the methods, and gives the one that the proxy has chosen (RFC 1928 §3).
async fn agree_on_method(stream: &mut TcpStream, has_login: bool) -> Result<u8, ProxyError> {
    let offer: &[u8] = if has_login { &[VERSION, 2, NO_LOGIN, PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
    write(stream, offer).await?;
    let [version, method] = read(stream).await?;
    if version == VERSION { Ok(method) } else { Err(not_socks(format!("it answers with the version {version}"))) }
}

/// User and password (RFC 1929 §2), each at most 255 octets.
fn login_message(Login { user, password }: &Login) -> Result<Zeroizing<Vec<u8>>, ProxyError> {
    let mut message = Zeroizing::new(Vec::with_capacity(3 + 2 * 255));
    message.push(LOGIN_VERSION);
    for text in [user.as_str(), password.expose()] {
        message.push(length(text).ok_or(ProxyError::LoginTooLong)?);
        message.extend_from_slice(text.as_bytes());
    }
    Ok(message)
}

/// The request to connect (RFC 1928 §4).
fn request(host: &Host, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match (host.ip(), host.domain().unwrap_or_default()) {
        (Some(IpAddr::V4(address)), _) => {
            request.push(IPV4);
            request.extend_from_slice(&address.octets());
        }
        (Some(IpAddr::V6(address)), _) => {
            request.push(IPV6);
            request.extend_from_slice(&address.octets());
        }
        (None, name) => {
            let refused = || refused(host, port, "the name is longer than 255 octets".to_owned(), false);
            request.extend_from_slice(&[NAME, length(name).ok_or_else(refused)?]);
            request.extend_from_slice(name.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

/// Reads the answer to the request whole, with the address that the proxy names and nobody needs (RFC 1928 §6).
async fn read_reply(stream: &mut TcpStream, host: &Host, port: u16) -> Result<(), ProxyError> {
    let [version, code, _] = read(stream).await?;
    if version != VERSION {
        return Err(not_socks(format!("it answers with the version {version}")));
    }
    let (words, is_temporary) = match code {
        0 => return skip_address(stream).await,
        1 => ("general SOCKS server failure", true),
        2 => ("connection not allowed by ruleset", false),
        3 => ("network unreachable", true),
        4 => ("host unreachable", true),
        5 => ("connection refused", true),
        6 => ("TTL expired", true),
        7 => ("command not supported", false),
        8 => ("address type not supported", false),
        // Not assigned; Tor, for one, has its own codes from 0xf0 on.
        _ => return Err(refused(host, port, format!("code {code}"), true)),
    };
    Err(refused(host, port, words.to_owned(), is_temporary))
}

async fn skip_address(stream: &mut TcpStream) -> Result<(), ProxyError> {
    let [kind] = read(stream).await?;
    let octets = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => {
            let [length] = read(stream).await?;
            usize::from(length)
        }
        _ => return Err(not_socks(format!("it names an address of the kind {kind}"))),
    };
    // With the port.
    let mut rest = vec![0; octets + 2];
    stream.read_exact(&mut rest).await.map_err(ProxyError::from_io)?;
    Ok(())
}

async fn write(stream: &mut TcpStream, octets: &[u8]) -> Result<(), ProxyError> {
    stream.write_all(octets).await.map_err(ProxyError::from_io)
}

async fn read<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N], ProxyError> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await.map_err(ProxyError::from_io)?;
    Ok(octets)
}

/// The length of a text that has one to 255 octets.
fn length(text: &str) -> Option<u8> {
    u8::try_from(text.len()).ok().filter(|length| *length > 0)
}

fn refused(host: &Host, port: u16, reply: String, temporary: bool) -> ProxyError {
    ProxyError::Refused { target: format!("{host}:{port}"), reply, temporary }
}

fn not_socks(found: String) -> ProxyError {
    ProxyError::NotAProxy { expected: "SOCKS5", found }
}
