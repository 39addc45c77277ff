//! The full name of this host, for EHLO (RFC 5321 §4.1.1.1).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, get_hostname, getaddrinfo};

use crate::host::Host;

/// How long the resolver is waited for: EHLO has the address in place of the name.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is remembered that there is no full name: the network of a host that boots may come up later.
const ABSENCE: Duration = Duration::from_secs(300);
/// Asks for the full name of a host. The value is that of Linux, the BSDs, macOS and Windows.
const AI_CANONNAME: i32 = if cfg!(any(target_os = "illumos", target_os = "solaris")) { 0x10 } else { 0x2 };

/// What was found, and when it was looked for.
static FOUND: Mutex<Option<(Instant, Option<String>)>> = Mutex::new(None);

/// The full name of this host, such as `mail.example.com`; `None` where it has none that resolves. It is looked up once and
/// remembered; that there is none is remembered for 5 minutes.
pub async fn full_host_name() -> Option<String> {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match found {
        Some((_, Some(name))) => return Some(name),
        Some((at, None)) if at.elapsed() < ABSENCE => return None,
        _ => {}
    }
    let looked_up = tokio::task::spawn_blocking(|| {
        let name = get_hostname().ok().and_then(|name| full_name(&name, canonical_name));
        *FOUND.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), name.clone()));
        name
    });
    // A resolver that is late is heard by the next connection.
    tokio::time::timeout(PATIENCE, looked_up).await.ok()?.ok()?
}

/// The name that the resolver has for a host; `None` where it knows no such host.
fn canonical_name(host: &str) -> Option<String> {
    let hints = AddrInfoHints { flags: AI_CANONNAME, ..AddrInfoHints::default() };
    let found: Vec<_> = getaddrinfo(Some(host), None, Some(hints)).ok()?.filter_map(Result::ok).collect();
    let canonical = found.iter().find_map(|entry| entry.canonname.clone());
    found.first().map(|_| canonical.unwrap_or_else(|| host.to_owned()))
}

/// The first full name among what the system calls the host and what the resolver makes of that, if it resolves.
fn full_name(host: &str, canonical_name: impl Fn(&str) -> Option<String>) -> Option<String> {
    let canonical = canonical_name(host)?;
    if canonical.eq_ignore_ascii_case(host) {
        return as_full(host);
    }
    if let Some(name) = as_full(host) {
        return Some(name);
    }
    let name = as_full(&canonical)?;
    canonical_name(&name).map(|_| name)
}

/// The name as EHLO has it, if it is a full one that means something to others.
fn as_full(name: &str) -> Option<String> {
    let host = Host::parse(name.trim_end_matches('.')).ok()?;
    let domain = host.domain().filter(|domain| domain.contains('.'))?;
    let is_local = domain.split('.').any(|label| matches!(label, "localhost" | "localdomain"));
    (!is_local && !host.is_reserved_invalid()).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_name_is_the_one_that_resolves() {
        let resolver = |host: &str| {
            let canonical = match host {
                "mail" | "mail.example.com" => "mail.example.com",
                "alone" => "alone",
                "laptop" => "localhost.localdomain",
                "ghost" => "ghost.example.com",
                "Web.example.com" => "web.example.com",
                "front.example.com" => "node7.hoster.example",
                "10.0.0.1" => "10.0.0.1",
                _ => return None,
            };
            Some(canonical.to_owned())
        };
        for (host, name) in [
            ("mail", Some("mail.example.com")),
            ("mail.example.com", Some("mail.example.com")),
            ("Web.example.com", Some("web.example.com")),
            ("front.example.com", Some("front.example.com")),
            ("alone", None),
            ("laptop", None),
            ("ghost", None),
            ("nowhere.example.com", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(full_name(host, resolver).as_deref(), name, "{host}");
        }
    }

    #[tokio::test]
    async fn this_host_answers_twice_alike() {
        let name = full_host_name().await;
        assert!(name.as_ref().is_none_or(|name| name.contains('.')), "{name:?}");
        assert_eq!(full_host_name().await, name);
    }
}
