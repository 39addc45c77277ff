//! SOCKS5 (RFC 1928), by the crate `tokio-socks`.

use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use tokio_socks::{Error, TargetAddr};

use super::{Login, ProxyError};
use crate::host::Host;

/// Reads exactly the proxy's replies: what the server says behind them stays in the socket.
pub(super) async fn tunnel(
    stream: TcpStream,
    login: Option<&Login>,
    host: &Host,
    port: u16,
) -> Result<TcpStream, ProxyError> {
    let target = match (host.ip(), host.domain()) {
        (Some(address), _) => TargetAddr::Ip((address, port).into()),
        (None, name) => TargetAddr::Domain(name.unwrap_or_default().into(), port),
    };
    let outcome = match login {
        None => Socks5Stream::connect_with_socket(stream, target).await,
        Some(Login { user, password }) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, password.expose()).await
        }
    };
    match outcome {
        Ok(socks) => Ok(socks.into_inner()),
        Err(error) => Err(translate(error, host, port)),
    }
}

fn translate(error: Error, host: &Host, port: u16) -> ProxyError {
    let temporary = match error {
        Error::Io(error) => return ProxyError::from_io(error),
        Error::NoAcceptableAuthMethods | Error::AuthorizationRequired => return ProxyError::LoginRequired,
        Error::PasswordAuthFailure(_) => return ProxyError::LoginRefused,
        Error::InvalidAuthValues(_) => return ProxyError::LoginTooLong,
        Error::GeneralSocksServerFailure
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired => true,
        Error::ConnectionNotAllowedByRuleset | Error::CommandNotSupported | Error::AddressTypeNotSupported => false,
        other => {
            return ProxyError::NotAProxy { expected: "SOCKS5", found: lower_first(&other.to_string()) };
        }
    };
    ProxyError::Refused { target: format!("{host}:{port}"), reply: lower_first(&error.to_string()), temporary }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
