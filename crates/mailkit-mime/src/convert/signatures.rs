//! The DKIM signatures that a message came with.

use super::field;
use super::lexer::tokens;
use super::parameters::significant;

/// How many domains are remembered; a server looks at fewer.
const MOST: usize = 100;

/// The domains that signed a message.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) domains: Vec<String>,
}

impl Signatures {
    pub(super) fn take(&mut self, field: &[u8]) {
        if self.domains.len() < MOST
            && is_signature(field)
            && let Some(domain) = domain(field)
            && !self.domains.contains(&domain)
        {
            self.domains.push(domain);
        }
    }
}

fn is_signature(field: &[u8]) -> bool {
    field::name(field).is_some_and(|name| name.eq_ignore_ascii_case(b"DKIM-Signature"))
}

/// Whether a field is a DKIM signature by one of these domains.
pub(super) fn is_by(field: &[u8], domains: &[String]) -> bool {
    is_signature(field) && domain(field).is_some_and(|domain| domains.contains(&domain))
}

/// The domain that signed (`d=`, RFC 6376 §3.5), in lower case.
fn domain(field: &[u8]) -> Option<String> {
    let value = field::value(field);
    let text = significant(&tokens(&value));
    let domain = text.split(|octet| *octet == b';').find_map(domain_tag)?;
    let domain: Vec<u8> = domain.iter().copied().filter(u8::is_ascii_graphic).collect();
    Some(String::from_utf8_lossy(&domain).to_ascii_lowercase())
}

fn domain_tag(tag: &[u8]) -> Option<&[u8]> {
    let equals = tag.iter().position(|octet| *octet == b'=')?;
    if tag.get(..equals)?.trim_ascii() == b"d" { tag.get(equals + 1..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_a_signature_is_found_wherever_it_stands() {
        let field = b"DKIM-Signature: v=1; a=rsa-sha256; bh=d=;\r\n d = Example.\r\n com; s=x\r\n";
        assert_eq!(domain(field).unwrap(), "example.com");
        assert!(is_by(field, &["example.com".to_owned()]));
        assert!(!is_by(b"X-Signature: d=example.com\r\n", &["example.com".to_owned()]));
    }
}
