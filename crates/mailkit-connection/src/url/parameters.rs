//! The query of a server URL.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mailkit_smtp::sasl::Mechanism;
use percent_encoding::utf8_percent_encode;

use super::UrlError;
use super::authority::{VALUE, decode};
use crate::host::Host;
use crate::proxy::Proxy;

const NAMES: &str = "tls, auth, ca, cert, key, insecure, allow-cleartext-auth, ehlo, proxy, pipelining, chunking, \
                     timeout and password-file";

/// What `tls=` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsChoice {
    Required,
    Opportunistic,
    None,
}

/// Every parameter, as given.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    pub(super) tls: Option<TlsChoice>,
    pub(super) auth: Option<Mechanism>,
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) no_verify: Option<()>,
    pub(super) cleartext_auth: Option<bool>,
    pub(super) ehlo: Option<String>,
    pub(super) proxy: Option<Proxy>,
    pub(super) pipelining: Option<bool>,
    pub(super) chunking: Option<bool>,
    pub(super) timeout: Option<Duration>,
    pub(super) password_file: Option<PathBuf>,
}

impl Parameters {
    pub(super) fn parse(query: &str) -> Result<Self, UrlError> {
        let mut all = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.take(name, value)?;
        }
        match (&all.cert, &all.key) {
            (Some(_), None) => Err(UrlError::Incomplete { given: "cert", missing: "key" }),
            (None, Some(_)) => Err(UrlError::Incomplete { given: "key", missing: "cert" }),
            _ => Ok(all),
        }
    }

    fn take(&mut self, name: &str, raw: &str) -> Result<(), UrlError> {
        match name {
            "tls" => once(&mut self.tls, "tls", raw, tls_choice),
            "auth" => once(&mut self.auth, "auth", raw, mechanism),
            "ca" => once(&mut self.ca, "ca", raw, |value| path("ca", value)),
            "cert" => once(&mut self.cert, "cert", raw, |value| path("cert", value)),
            "key" => once(&mut self.key, "key", raw, |value| path("key", value)),
            "insecure" => once(&mut self.no_verify, "insecure", raw, no_verify),
            "allow-cleartext-auth" => once(&mut self.cleartext_auth, "allow-cleartext-auth", raw, |value| {
                choice("allow-cleartext-auth", value, "yes", "no", "yes or no")
            }),
            "ehlo" => once(&mut self.ehlo, "ehlo", raw, ehlo_name),
            "proxy" => once(&mut self.proxy, "proxy", raw, |value| {
                Proxy::parse(&value).map_err(|error| UrlError::Proxy(Box::new(error)))
            }),
            "pipelining" => once(&mut self.pipelining, "pipelining", raw, |value| {
                choice("pipelining", value, "on", "off", "on or off")
            }),
            "chunking" => {
                once(&mut self.chunking, "chunking", raw, |value| choice("chunking", value, "on", "off", "on or off"))
            }
            "timeout" => once(&mut self.timeout, "timeout", raw, seconds),
            "password-file" => {
                once(&mut self.password_file, "password-file", raw, |value| path("password-file", value))
            }
            _ => Err(UrlError::UnknownParameter { name: showable(name), allowed: NAMES }),
        }
    }

    /// The first parameter given that is about the network or about TLS, of which a Unix socket has neither.
    pub(super) fn first_for_network(&self) -> Option<&'static str> {
        [
            ("tls", self.tls.is_some()),
            ("ca", self.ca.is_some()),
            ("cert", self.cert.is_some()),
            ("insecure", self.no_verify.is_some()),
            ("proxy", self.proxy.is_some()),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |switch: bool| if switch { "on" } else { "off" };
        let file = |path: &PathBuf| path.display().to_string();
        let all = [
            ("tls", self.tls.map(|choice| choice.name().to_owned())),
            ("auth", self.auth.map(|mechanism| mechanism.name().to_ascii_lowercase())),
            ("ca", self.ca.as_ref().map(file)),
            ("cert", self.cert.as_ref().map(file)),
            ("key", self.key.as_ref().map(file)),
            ("insecure", self.no_verify.map(|()| "no-verify".to_owned())),
            ("allow-cleartext-auth", self.cleartext_auth.map(|allowed| if allowed { "yes" } else { "no" }.to_owned())),
            ("ehlo", self.ehlo.clone()),
            ("proxy", self.proxy.as_ref().map(ToString::to_string)),
            ("pipelining", self.pipelining.map(|switch| on(switch).to_owned())),
            ("chunking", self.chunking.map(|switch| on(switch).to_owned())),
            ("timeout", self.timeout.map(|limit| limit.as_secs_f64().to_string())),
            ("password-file", self.password_file.as_ref().map(file)),
        ];
        let mut separator = '?';
        for (name, value) in all {
            if let Some(value) = value {
                write!(f, "{separator}{name}={}", utf8_percent_encode(&value, VALUE))?;
                separator = '&';
            }
        }
        Ok(())
    }
}

impl TlsChoice {
    fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Opportunistic => "opportunistic",
            Self::None => "none",
        }
    }
}

fn once<T>(
    slot: &mut Option<T>,
    name: &'static str,
    raw: &str,
    read: impl FnOnce(String) -> Result<T, UrlError>,
) -> Result<(), UrlError> {
    if slot.is_some() {
        return Err(UrlError::RepeatedParameter { name });
    }
    *slot = Some(read(decode(raw, name)?)?);
    Ok(())
}

fn bad(name: &'static str, value: &str, allowed: &'static str) -> UrlError {
    UrlError::BadValue { name, value: value.chars().take(64).collect(), allowed }
}

fn tls_choice(value: String) -> Result<TlsChoice, UrlError> {
    [TlsChoice::Required, TlsChoice::Opportunistic, TlsChoice::None]
        .into_iter()
        .find(|choice| choice.name() == value)
        .ok_or_else(|| bad("tls", &value, "required, opportunistic or none"))
}

fn mechanism(value: String) -> Result<Mechanism, UrlError> {
    let found = Mechanism::parse(&value)
        .ok_or_else(|| bad("auth", &value, "plain, login, cram-md5, xoauth2, oauthbearer or scram-sha-256"))?;
    if found.available() { Ok(found) } else { Err(UrlError::MechanismNotBuilt(found)) }
}

fn no_verify(value: String) -> Result<(), UrlError> {
    if value == "no-verify" { Ok(()) } else { Err(bad("insecure", &value, "no-verify")) }
}

fn choice(
    name: &'static str,
    value: String,
    yes: &'static str,
    no: &'static str,
    allowed: &'static str,
) -> Result<bool, UrlError> {
    match value {
        value if value == yes => Ok(true),
        value if value == no => Ok(false),
        value => Err(bad(name, &value, allowed)),
    }
}

fn path(name: &'static str, value: String) -> Result<PathBuf, UrlError> {
    if value.is_empty() { Err(bad(name, &value, "the path of a file")) } else { Ok(value.into()) }
}

/// RFC 5321 §4.1.1.1: a domain, or an address literal in brackets.
fn ehlo_name(value: String) -> Result<String, UrlError> {
    const ALLOWED: &str = "a domain, or an address literal as [192.0.2.1] or [IPv6:2001:db8::1]";
    let literal = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let checked = match literal {
        Some(inner) => {
            let address = inner.strip_prefix("IPv6:").unwrap_or(inner);
            Host::parse(address).ok().filter(|host| host.ip().is_some()).map(|_| value.clone())
        }
        None => Host::parse(&value).ok().and_then(|host| host.domain().map(str::to_owned)),
    };
    checked.ok_or_else(|| bad("ehlo", &value, ALLOWED))
}

/// Seconds, with a fraction where wanted. Less than a tenth fails on any network but the loopback; the longest step of the
/// protocol has 10 minutes (RFC 5321 §4.5.3.2.6), so more than an hour was meant as milliseconds.
fn seconds(value: String) -> Result<Duration, UrlError> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    value
        .parse::<f64>()
        .ok()
        .filter(|seconds| plain && (0.1..=3_600.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| bad("timeout", &value, "seconds, not milliseconds: from 0.1 to 3600"))
}

/// A name as far as it looks like one: what does not may be a piece of a password.
fn showable(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.len() <= 32 && name.bytes().all(plain) { name.to_owned() } else { "…".to_owned() }
}
