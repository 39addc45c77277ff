//! From a host to addresses, in the order in which they are to be tried.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::dial::DialError;
use crate::host::Host;

/// Looks a host up. Literals, and the names that RFC 6761 reserves (`localhost`, `invalid`), need no DNS.
pub(crate) async fn resolve(host: &Host, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    if let Some(address) = host.ip() {
        return Ok(vec![(address, port).into()]);
    }
    if host.is_loopback() {
        return Ok(vec![(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()]);
    }
    if host.is_reserved_invalid() {
        let source = io::Error::new(io::ErrorKind::NotFound, "RFC 6761 reserves .invalid: no such name exists");
        return Err(DialError::HostUnknown { host: host.to_string(), source });
    }
    let name = host.domain().unwrap_or_default();
    match tokio::net::lookup_host((name, port)).await {
        Ok(found) => {
            let addresses = interleave(found);
            if addresses.is_empty() {
                let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                return Err(DialError::HostUnknown { host: host.to_string(), source });
            }
            Ok(addresses)
        }
        Err(source) if is_resolver_failure(&source) => {
            Err(DialError::ResolverFailed { host: host.to_string(), source })
        }
        Err(source) => Err(DialError::HostUnknown { host: host.to_string(), source }),
    }
}

/// RFC 8305 §4: the families take turns, beginning with that of the first address. Within a family the
/// resolver's order (RFC 6724) stays.
fn interleave(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut order: Vec<SocketAddr> = Vec::new();
    let mut other = VecDeque::new();
    let mut same = VecDeque::new();
    let mut first_is_v6 = None;
    let mut known = HashSet::new();
    for address in found.filter(|address| known.insert(*address)) {
        let v6_first = *first_is_v6.get_or_insert(address.is_ipv6());
        if address.is_ipv6() == v6_first { same.push_back(address) } else { other.push_back(address) }
    }
    while !(same.is_empty() && other.is_empty()) {
        order.extend(same.pop_front());
        order.extend(other.pop_front());
    }
    order
}

/// The system's resolver tells "no such name" from "no answer" by a number that the standard library
/// drops; its text (glibc: "Temporary failure in name resolution", musl: "Try again") stays.
fn is_resolver_failure(error: &io::Error) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
        || ["temporary failure", "try again", "non-recoverable", "system error"]
            .iter()
            .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let found =
            addresses(&["[2001:db8::1]:25", "[2001:db8::2]:25", "[2001:db8::3]:25", "192.0.2.1:25", "192.0.2.2:25"]);
        let order =
            addresses(&["[2001:db8::1]:25", "192.0.2.1:25", "[2001:db8::2]:25", "192.0.2.2:25", "[2001:db8::3]:25"]);
        assert_eq!(interleave(found.into_iter()), order);

        let found = addresses(&["192.0.2.1:25", "[2001:db8::1]:25", "192.0.2.1:25"]);
        assert_eq!(interleave(found.into_iter()), addresses(&["192.0.2.1:25", "[2001:db8::1]:25"]));
    }

    #[tokio::test]
    async fn reserved_names_and_literals_need_no_resolver() {
        let found = resolve(&Host::parse("mx.localhost").unwrap(), 25).await.unwrap();
        assert_eq!(found, addresses(&["[::1]:25", "127.0.0.1:25"]));

        let found = resolve(&Host::parse("192.0.2.1").unwrap(), 25).await.unwrap();
        assert_eq!(found, addresses(&["192.0.2.1:25"]));

        let error = resolve(&Host::parse("mx.invalid").unwrap(), 25).await.unwrap_err();
        assert!(matches!(error, DialError::HostUnknown { .. }), "{error}");
        assert!(!error.is_temporary());
    }

    #[test]
    fn a_silent_resolver_is_no_unknown_host() {
        let failure = io::Error::other("failed to lookup address information: Temporary failure in name resolution");
        let unknown = io::Error::other("failed to lookup address information: Name or service not known");
        assert!(is_resolver_failure(&failure));
        assert!(!is_resolver_failure(&unknown));
    }
}
