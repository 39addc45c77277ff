//! The name or address of a server, checked once.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::ServerName;

/// The name or address of a server or proxy.
///
/// A domain is kept as its A-label form (RFC 5890), which is what DNS and the TLS server name
/// indication (RFC 6066 §3) want.
///
/// ```
/// use mailkit_connection::Host;
///
/// assert_eq!(Host::parse("Bücher.example")?.to_string(), "xn--bcher-kva.example");
/// assert_eq!(Host::parse("[::1]")?.to_string(), "[::1]");
/// # Ok::<(), mailkit_connection::HostError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Domain(String),
    Ip(IpAddr),
}

impl Host {
    /// Reads a domain (U-labels or A-labels), an IPv4 address or an IPv6 address, in brackets or bare.
    ///
    /// # Errors
    /// [`HostError`] for an empty text, control characters, and what is no host name.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(HostError::Control);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(Kind::Ip(address)));
        }
        // The URL standard decodes percent signs in hosts; a mail server's name never holds one.
        if text.contains('%') {
            return Err(HostError::Invalid(text.to_owned()));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) if fits_dns(&name) => Ok(Self(Kind::Domain(name))),
            Ok(url::Host::Ipv4(address)) => Ok(Self(Kind::Ip(address.into()))),
            Ok(url::Host::Ipv6(address)) => Ok(Self(Kind::Ip(address.into()))),
            Ok(url::Host::Domain(_)) | Err(_) => Err(HostError::Invalid(text.to_owned())),
        }
    }

    /// The address, if the host is given as one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Ip(address) => Some(address),
            Kind::Domain(_) => None,
        }
    }

    /// The A-label domain, if the host is given by name.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match &self.0 {
            Kind::Domain(name) => Some(name),
            Kind::Ip(_) => None,
        }
    }

    /// The name that the server's certificate must carry, or `None` where TLS has no way to write it
    /// (a label that begins or ends with a hyphen, for instance).
    #[must_use]
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.0 {
            Kind::Ip(address) => Some(ServerName::IpAddress((*address).into())),
            // A certificate never carries the dot that ends an absolute name.
            Kind::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        }
    }

    /// Whether the host is this machine by its very name (RFC 6761 §6.3) or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.0 {
            Kind::Ip(address) => address.is_loopback(),
            Kind::Domain(name) => is_in_zone(name, "localhost"),
        }
    }

    /// Whether the name is one that never exists (RFC 6761 §6.4).
    pub(crate) fn is_reserved_invalid(&self) -> bool {
        self.domain().is_some_and(|name| is_in_zone(name, "invalid"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Domain(name) => f.write_str(name),
            Kind::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Kind::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self(Kind::Ip(address))
    }
}

/// Why a text is no [`Host`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// There is no text.
    Empty,
    /// A control character stands in it.
    Control,
    /// It is neither a domain nor an IP address.
    Invalid(String),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the host is missing"),
            Self::Control => f.write_str("the host holds a control character"),
            Self::Invalid(text) => {
                write!(f, "{text:?} is neither a domain nor an IP address (IPv6 goes in brackets, without a zone)")
            }
        }
    }
}

impl std::error::Error for HostError {}

/// RFC 1035 §2.3.4: labels of 1 to 63 octets, 253 characters in all.
fn fits_dns(name: &str) -> bool {
    let relative = name.strip_suffix('.').unwrap_or(name);
    relative.len() <= 253 && relative.split('.').all(|label| (1..=63).contains(&label.len()))
}

fn is_in_zone(name: &str, zone: &str) -> bool {
    let relative = name.strip_suffix('.').unwrap_or(name);
    relative.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_become_a_labels_and_lower_case() {
        assert_eq!(Host::parse("MAIL.Example.com").unwrap().domain(), Some("mail.example.com"));
        assert_eq!(Host::parse("bücher.example").unwrap().domain(), Some("xn--bcher-kva.example"));
        assert_eq!(Host::parse("mail_server").unwrap().domain(), Some("mail_server"));
    }

    #[test]
    fn addresses_are_read_with_and_without_brackets() {
        for text in ["::1", "[::1]"] {
            assert_eq!(Host::parse(text).unwrap().ip(), Some("::1".parse().unwrap()), "{text}");
        }
        assert_eq!(Host::parse("192.0.2.7").unwrap().ip(), Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn hostile_hosts_do_not_construct() {
        let long_label = "a".repeat(64);
        let long_name = vec!["abcdefgh"; 40].join(".");
        for text in [
            "",
            "a b",
            "a\r\nb",
            "a\0b",
            "a%41",
            "a/b",
            "a@b",
            "a:b",
            "[::1",
            "[fe80::1%25eth0]",
            "a..b",
            ".",
            "a<b",
            long_label.as_str(),
            long_name.as_str(),
            "\u{7f}",
            "300.1.1.1",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_server_name_has_no_final_dot() {
        let name = Host::parse("mail.example.com.").unwrap().server_name().unwrap();
        assert_eq!(name.to_str(), "mail.example.com");
    }

    #[test]
    fn names_of_containers_can_stand_in_a_certificate_and_broken_labels_cannot() {
        assert!(Host::parse("mail_server").unwrap().server_name().is_some());
        assert!(Host::parse("-mail.example").unwrap().server_name().is_none());
    }

    #[test]
    fn only_the_localhost_zone_and_loopback_addresses_are_loopback() {
        for text in ["localhost", "mail.localhost", "localhost.", "127.0.0.2", "::1"] {
            assert!(Host::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["notlocalhost", "localhost.example", "192.0.2.1"] {
            assert!(!Host::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}
