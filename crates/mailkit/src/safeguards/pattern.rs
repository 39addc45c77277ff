//! Patterns of addresses: `bob@example.org`, `*@example.org`, `*@*.example.org`, `*`.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use mailkit_address::{Address, Domain};

/// A pattern of addresses. `*` stands for any local part, `*.` for the subdomains of a domain and not for itself, and `*`
/// alone for every address. Neither part is case-sensitive.
///
/// ```
/// use mailkit::AddressPattern;
///
/// let pattern: AddressPattern = "*@example.com".parse()?;
/// assert!(pattern.matches(&"Bob@Example.com".parse()?));
/// assert!(!pattern.matches(&"bob@sub.example.com".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPattern {
    text: String,
    /// In lower case; `None` for any.
    local_part: Option<String>,
    domain: DomainPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DomainPattern {
    Any,
    Is(String),
    Below(String),
}

impl AddressPattern {
    /// Whether the address is one of those.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        let local_part = self.local_part.as_ref().is_none_or(|wanted| *wanted == address.local_part().to_lowercase());
        let domain = address.domain().as_ascii();
        local_part
            && match &self.domain {
                DomainPattern::Any => true,
                DomainPattern::Is(wanted) => wanted == domain,
                DomainPattern::Below(wanted) => {
                    domain.strip_suffix(wanted.as_str()).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
                }
            }
    }
}

/// A list of patterns, in which an address is found without a look at each of them.
#[derive(Default)]
pub(super) struct PatternSet<'a> {
    /// Local parts at any domain; `None` for every address.
    anywhere: HashSet<Option<&'a str>>,
    /// Local parts, or `None` for any, at a domain.
    at: HashSet<(Option<&'a str>, &'a str)>,
    /// The same at its subdomains.
    below: HashSet<(Option<&'a str>, &'a str)>,
}

impl<'a> PatternSet<'a> {
    pub(super) fn new(patterns: &'a [AddressPattern]) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            let local_part = pattern.local_part.as_deref();
            match &pattern.domain {
                DomainPattern::Any => set.anywhere.insert(local_part),
                DomainPattern::Is(domain) => set.at.insert((local_part, domain)),
                DomainPattern::Below(domain) => set.below.insert((local_part, domain)),
            };
        }
        set
    }

    /// Whether one of the patterns matches the address.
    pub(super) fn matches(&self, address: &Address) -> bool {
        let (local_part, domain) = (address.local_part().to_lowercase(), address.domain().as_ascii());
        let above = || domain.match_indices('.').filter_map(|(dot, _)| domain.get(dot + 1..));
        [None, Some(&*local_part)].into_iter().any(|local_part| {
            self.anywhere.contains(&local_part)
                || self.at.contains(&(local_part, domain))
                || above().any(|domain| self.below.contains(&(local_part, domain)))
        })
    }
}

impl FromStr for AddressPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern { text: text.chars().take(64).collect() };
        let ascii = |domain: &str| Domain::parse(domain).map(|domain| domain.as_ascii().to_owned());
        let domain_pattern = |domain: &str| match domain.strip_prefix("*.") {
            _ if domain == "*" => Some(DomainPattern::Any),
            Some(below) => ascii(below).ok().map(DomainPattern::Below),
            None => ascii(domain).ok().map(DomainPattern::Is),
        };
        let (local_part, domain) = match text.trim() {
            "*" => (None, DomainPattern::Any),
            text => match text.strip_prefix("*@") {
                Some(domain) => (None, domain_pattern(domain).ok_or_else(invalid)?),
                None => {
                    let (local_part, domain) = text.rsplit_once('@').ok_or_else(invalid)?;
                    if local_part.contains('*') {
                        return Err(invalid());
                    }
                    // The local part is read with a domain of its own, since that of the pattern may be none.
                    let read = Address::parse(&format!("{local_part}@example.com")).map_err(|_| invalid())?;
                    (Some(read.local_part().to_lowercase()), domain_pattern(domain).ok_or_else(invalid)?)
                }
            },
        };
        Ok(Self { text: text.trim().to_owned(), local_part, domain })
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is no pattern of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPattern {
    text: String,
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.escape_debug();
        write!(f, "`{text}` is no pattern of addresses such as bob@example.org, *@example.org or *@*.example.org")
    }
}

impl std::error::Error for InvalidPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_says_and_nothing_else() {
        for (pattern, inside, outside) in [
            ("*@example.com", &["a@example.com", "B@EXAMPLE.com"][..], &["a@sub.example.com", "a@notexample.com"][..]),
            ("*@*.example.com", &["a@sub.example.com", "a@b.c.example.com"], &["a@example.com", "a@xexample.com"]),
            ("Bob@example.com", &["bob@example.com", "BOB@example.com"], &["bobby@example.com"]),
            ("*", &["a@b.example", "a@[192.0.2.1]"], &[]),
            ("*@b\u{fc}cher.example", &["a@xn--bcher-kva.example"], &["a@example"]),
            ("\"a@b\"@example.com", &["\"a@b\"@example.com"], &["a@example.com"]),
        ] {
            let read: AddressPattern = pattern.parse().unwrap();
            assert_eq!(read.to_string(), pattern);
            assert!(inside.iter().all(|text| read.matches(&text.parse().unwrap())), "{pattern}");
            assert!(!outside.iter().any(|text| read.matches(&text.parse().unwrap())), "{pattern}");
            let others = ["c@x.example", "*@y.example", "*@*.z.example"].map(|text| text.parse().unwrap());
            let list = [&others[..], &[read]].concat();
            let set = PatternSet::new(&list);
            assert!(inside.iter().all(|text| set.matches(&text.parse().unwrap())), "{pattern} in a list");
            assert!(!outside.iter().any(|text| set.matches(&text.parse().unwrap())), "{pattern} in a list");
        }
        for text in ["", "example.com", "*@", "@example.com", "a b@example.com", "*@a..b", "*@*.", "x*@example.com"] {
            assert!(text.parse::<AddressPattern>().is_err(), "{text:?}");
        }
    }
}
