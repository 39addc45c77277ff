//! Fields of addresses (RFC 5322 §3.4).
//!
//! Domains become A-labels. A local part beyond ASCII has no other form, so an address with one is written as the name
//! of an empty group, as RFC 6857 §3.1 downgrades it: nobody can answer to it, but everybody can read it.

use mailkit_address::Address;

use super::lexer::{Token, tokens};
use super::structured::{comment, write_phrase};
use super::words::{Folded, may_stand};

/// Writes a list of addresses.
pub(super) fn write(folded: &mut Folded, value: &[u8]) {
    let tokens = tokens(value);
    let mut rest = tokens.as_slice();
    let mut in_group = false;
    while !rest.is_empty() {
        let (item, after) = rest.split_at(end_of_item(rest));
        let end = match after.first() {
            Some(Token::Special(end)) => Some(*end),
            _ => None,
        };
        let (blanks, item) = match item {
            [Token::Blanks(blanks), item @ ..] => (*blanks, item),
            item => (&b""[..], item),
        };
        folded.blank(blanks);
        match end {
            _ if item.iter().all(stands) => item.iter().for_each(|token| write_token(folded, token)),
            Some(b':') => write_phrase(folded, item),
            _ => write_mailbox(folded, item, in_group),
        }
        match end {
            Some(b':') => in_group = true,
            Some(b';') => in_group = false,
            _ => {}
        }
        if let Some(end) = end {
            folded.text(&[end]);
            folded.may_break();
        }
        rest = after.get(1..).unwrap_or_default();
    }
}

/// Where a mailbox, or the name of a group, ends: at a comma, colon or semicolon outside of angle brackets.
fn end_of_item(tokens: &[Token<'_>]) -> usize {
    let mut in_angle = false;
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Special(b'<') => in_angle = true,
            Token::Special(b'>') => in_angle = false,
            Token::Special(_) if !in_angle => return place,
            _ => {}
        }
    }
    tokens.len()
}

fn stands(token: &Token<'_>) -> bool {
    match token {
        Token::Text(text) => may_stand(text),
        Token::Blanks(_) | Token::Special(_) => true,
        Token::Comment(text) | Token::Quoted(text) => text.is_ascii() && text.len() < 900,
    }
}

fn write_token(folded: &mut Folded, token: &Token<'_>) {
    match token {
        Token::Blanks(blanks) => folded.blank(blanks),
        _ => folded.text(token.bytes()),
    }
}

/// Writes `[display-name] <addr-spec>` or `addr-spec`, with comments anywhere.
fn write_mailbox(folded: &mut Folded, item: &[Token<'_>], in_group: bool) {
    let open = item.iter().position(|token| *token == Token::Special(b'<'));
    let (name, specified) = match open.and_then(|at| Some((item.get(..at)?, item.get(at + 1..)?))) {
        Some((name, rest)) => {
            let close = rest.iter().position(|token| *token == Token::Special(b'>')).unwrap_or(rest.len());
            (name, rest.get(..close).unwrap_or_default())
        }
        None => (&[][..], item),
    };
    let written = address_of(specified);
    if open.is_none() && !written.contains(&b'@') {
        return write_phrase(folded, item);
    }
    let comments: Vec<_> = item.iter().filter(|token| matches!(token, Token::Comment(_))).collect();
    match in_ascii(&written) {
        Some(address) if open.is_some() => {
            write_phrase(folded, &without_comments(name));
            folded.blank(b" ");
            folded.text(&[b"<", address.as_slice(), b">"].concat());
        }
        Some(address) => folded.text(&address),
        None => write_downgraded(folded, name, &written, in_group),
    }
    for token in comments {
        folded.blank(b" ");
        comment(folded, token.bytes());
    }
}

fn without_comments<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    tokens.iter().copied().filter(|token| !matches!(token, Token::Comment(_))).collect()
}

/// The address without blanks and comments.
fn address_of(tokens: &[Token<'_>]) -> Vec<u8> {
    let written = tokens.iter().filter(|token| !matches!(token, Token::Blanks(_) | Token::Comment(_)));
    written.flat_map(|token| token.bytes().iter().copied()).collect()
}

/// The address with its domain in A-labels; `None` where it has no form in ASCII.
fn in_ascii(address: &[u8]) -> Option<Vec<u8>> {
    if address.is_ascii() {
        return Some(address.to_vec());
    }
    let address = Address::parse(str::from_utf8(address).ok()?).ok()?;
    let written = address.to_string();
    written.is_ascii().then(|| written.into_bytes())
}

/// `display-name ":" ";"` (RFC 6857 §3.1): the name says who it is. Groups do not nest, so within one it is a comment.
fn write_downgraded(folded: &mut Folded, name: &[Token<'_>], address: &[u8], in_group: bool) {
    let mut text = Vec::new();
    for token in name {
        match token {
            Token::Comment(_) => {}
            Token::Blanks(_) if text.is_empty() => {}
            _ => text.extend_from_slice(&token.meaning()),
        }
    }
    let text = match text.trim_ascii_end() {
        b"" => address.to_vec(),
        name => [name, b" <", address, b">"].concat(),
    };
    if in_group {
        folded.text(b"(");
        folded.encoded(&text);
        folded.text(b")");
    } else {
        folded.encoded(&text);
        folded.blank(b" ");
        folded.text(b":;");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &str) -> String {
        let mut folded = Folded::start(b"To:");
        write(&mut folded, value.as_bytes());
        String::from_utf8(folded.finish()).unwrap()
    }

    #[test]
    fn names_and_comments_are_encoded_and_addresses_stay() {
        for (value, wanted) in [
            ("J\u{f6}rg <a@b.example>, \"x, y\" <c@d>", "=?utf-8?q?J=C3=B6rg?= <a@b.example>, \"x, y\" <c@d>"),
            ("\"M\u{fc}ller, J\u{f6}rg\" <a@b>", "=?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <a@b>"),
            ("a@b (caf\u{e9})", "a@b (=?utf-8?q?caf=C3=A9?=)"),
            ("J <a@b> (caf\u{e9})", "J <a@b> (=?utf-8?q?caf=C3=A9?=)"),
            ("Gr\u{fc}n: a@b, c@d;, e@f", "=?utf-8?q?Gr=C3=BCn?=: a@b, c@d;, e@f"),
            ("a@b\u{fc}cher.example", "a@xn--bcher-kva.example"),
        ] {
            assert_eq!(field(value), format!("To: {wanted}\r\n"));
        }
    }

    #[test]
    fn rfc_6857_section_3_1_an_address_that_has_no_form_in_ascii_is_the_name_of_a_group() {
        for (value, wanted) in [
            ("j\u{f6}rg@x.example, b@y", "=?utf-8?q?j=C3=B6rg=40x=2Eexample?= :;, b@y"),
            ("Ann <\u{e4}@x>", "=?utf-8?q?Ann_=3C=C3=A4=40x=3E?= :;"),
            ("Friends: \u{e4}@x, b@y;", "Friends: (=?utf-8?q?=C3=A4=40x?=), b@y;"),
        ] {
            assert_eq!(field(value), format!("To: {wanted}\r\n"));
        }
    }
}
