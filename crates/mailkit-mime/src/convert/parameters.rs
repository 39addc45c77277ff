//! Fields with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231).

use super::lexer::{Token, tokens, unescaped};
use super::structured::comment;
use super::words::Folded;

/// The most characters in one section of a value.
const ROOM: usize = 70;

/// Longer names name nothing that anybody asks for.
const MAX_NAME: usize = 200;

/// A value that is longer does not fit into a line.
const MAX_VALUE: usize = 700;

/// What stands before the parameters, and each parameter: the tokens between the semicolons.
pub(super) fn split(value: &[u8]) -> (Vec<Token<'_>>, Vec<Vec<Token<'_>>>) {
    let mut groups: Vec<Vec<Token<'_>>> = vec![Vec::new()];
    for token in tokens(value) {
        match (token, groups.last_mut()) {
            (Token::Special(b';'), _) | (_, None) => groups.push(Vec::new()),
            (token, Some(last)) => last.push(token),
        }
    }
    let parameters = groups.split_off(1);
    (groups.pop().unwrap_or_default(), parameters)
}

/// One parameter as it is meant, and how it was written.
pub(super) struct Parameter {
    /// In lower case.
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Parameter {
    pub(super) fn read(tokens: &[Token<'_>]) -> Option<Self> {
        let whole = significant(tokens);
        let equals = whole.iter().position(|octet| *octet == b'=')?;
        let name = whole.get(..equals)?.trim_ascii().to_ascii_lowercase();
        let value = whole.get(equals + 1..)?.trim_ascii();
        let value = match value.strip_prefix(b"\"") {
            Some(quoted) => unescaped(quoted.strip_suffix(b"\"").unwrap_or(quoted)),
            None => value.to_vec(),
        };
        Some(Self { name, value })
    }
}

/// The tokens without comments.
pub(super) fn significant(tokens: &[Token<'_>]) -> Vec<u8> {
    let kept = tokens.iter().filter(|token| !matches!(token, Token::Comment(_)));
    kept.flat_map(|token| token.bytes().iter().copied()).collect()
}

/// Writes the field; `false` where what stands before the parameters is not ASCII.
pub(super) fn write(folded: &mut Folded, value: &[u8]) -> bool {
    let (main, parameters) = split(value);
    let main_text = significant(&main);
    if !main_text.is_ascii() {
        return false;
    }
    folded.text(main_text.trim_ascii());
    write_comments(folded, &main);
    let names: std::collections::HashSet<_> =
        parameters.iter().filter_map(|tokens| Parameter::read(tokens)).map(|parameter| parameter.name).collect();
    for tokens in &parameters {
        let whole = significant(tokens);
        if whole.trim_ascii().is_empty() {
            continue;
        }
        if whole.is_ascii() && whole.len() < 900 {
            folded.text(b";");
            folded.blank(b" ");
            folded.text(whole.trim_ascii());
        } else if let Some(parameter) = Parameter::read(tokens) {
            // Its extended form says the same, or more.
            let has_other = |form: &[u8]| names.contains(&[&parameter.name, form].concat());
            if !(has_other(b"*") || has_other(b"*0") || has_other(b"*0*")) {
                write_extended(folded, &parameter);
            }
        }
        write_comments(folded, tokens);
    }
    true
}

fn write_comments(folded: &mut Folded, tokens: &[Token<'_>]) {
    for token in tokens {
        if let Token::Comment(content) = token {
            folded.blank(b" ");
            comment(folded, content);
        }
    }
}

/// `extended-parameter` (RFC 2231 §7). A name that is not ASCII names nothing that anybody asks for.
fn write_extended(folded: &mut Folded, parameter: &Parameter) {
    let Parameter { name, value } = parameter;
    if !name.is_ascii() || name.len() > MAX_NAME {
        return;
    }
    if let Some(base) = name.strip_suffix(b"*") {
        // It is encoded already, but for some octets.
        let encoded: Vec<u8> = value.iter().flat_map(|octet| escape(*octet, octet.is_ascii_graphic())).collect();
        if encoded.len() < MAX_VALUE || split_section(base).is_some() {
            return write_section(folded, &[name, b"=", &encoded]);
        }
        return write_sections(folded, base, Vec::new(), encoded_characters(&encoded));
    }
    let charset: &[u8] = if str::from_utf8(value).is_ok() { b"utf-8''" } else { b"unknown-8bit''" };
    let escaped: Vec<Vec<u8>> = value.iter().map(|octet| escape(*octet, passes(*octet))).collect();
    let length: usize = escaped.iter().map(Vec::len).sum();
    if let Some((base, section)) = split_section(name) {
        // A section of a value that is not marked as encoded: readers join it with the others as it is.
        let charset = if section == b"0" { charset } else { b"" };
        return write_section(folded, &[base, b"*", section, b"*=", charset, &escaped.concat()]);
    }
    if name.len() + charset.len() + length + 2 <= ROOM {
        return write_section(folded, &[name, b"*=", charset, &escaped.concat()]);
    }
    write_sections(folded, name, charset.to_vec(), characters(value, &escaped));
}

/// Writes a value in sections (RFC 2231 §3), the first of which begins with the charset.
fn write_sections(folded: &mut Folded, name: &[u8], charset: Vec<u8>, characters: Vec<Vec<u8>>) {
    let mut section = charset;
    let mut number = 0_usize;
    for octet in characters {
        if name.len() + section.len() + octet.len() + 8 > ROOM && !section.is_empty() {
            write_section(folded, &[name, b"*", number.to_string().as_bytes(), b"*=", &section]);
            number += 1;
            section.clear();
        }
        section.extend_from_slice(&octet);
    }
    write_section(folded, &[name, b"*", number.to_string().as_bytes(), b"*=", &section]);
}

/// The octets of each character together: some readers decode each section by itself.
fn characters(value: &[u8], escaped: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut characters: Vec<Vec<u8>> = Vec::new();
    let is_utf8 = str::from_utf8(value).is_ok();
    for (octet, escaped) in value.iter().zip(escaped) {
        match characters.last_mut() {
            Some(last) if is_utf8 && octet & 0xc0 == 0x80 => last.extend_from_slice(escaped),
            _ => characters.push(escaped.clone()),
        }
    }
    characters
}

/// The octets of a value that is encoded, each with its escape whole.
fn encoded_characters(encoded: &[u8]) -> Vec<Vec<u8>> {
    let mut characters = Vec::new();
    let mut rest = encoded;
    while let Some(first) = rest.first() {
        let length = if *first == b'%' { "%20".len() } else { 1 };
        let (now, later) = rest.split_at(length.min(rest.len()));
        characters.push(now.to_vec());
        rest = later;
    }
    characters
}

/// The name and the number of a section (RFC 2231 §3).
fn split_section(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = name.iter().position(|octet| *octet == b'*')?;
    let section = name.get(at + 1..).filter(|section| section.iter().all(u8::is_ascii_digit) && !section.is_empty())?;
    Some((name.get(..at)?, section))
}

fn write_section(folded: &mut Folded, pieces: &[&[u8]]) {
    folded.text(b";");
    folded.blank(b" ");
    folded.text(&pieces.concat());
}

/// `attribute-char` (RFC 2231 §7).
fn passes(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet)
}

fn escape(octet: u8, passes: bool) -> Vec<u8> {
    if passes { vec![octet] } else { format!("%{octet:02X}").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &[u8]) -> String {
        let mut folded = Folded::start(b"Content-Disposition:");
        assert!(write(&mut folded, value));
        String::from_utf8(folded.finish()).unwrap()
    }

    #[test]
    fn rfc_2231_section_4_values_beyond_ascii_are_extended() {
        for (value, wanted) in [
            ("attachment; filename=\"na\u{ef}ve x.txt\"", "attachment; filename*=utf-8''na%C3%AFve%20x.txt"),
            ("attachment; size=3; filename=\u{e9}", "attachment; size=3; filename*=utf-8''%C3%A9"),
            ("a; filename=\"\u{e9}\"; filename*=utf-8''%C3%A9", "a; filename*=utf-8''%C3%A9"),
            ("a; filename*=utf-8''\u{e9}.txt", "a; filename*=utf-8''%C3%A9.txt"),
            ("a; title*0=\"\u{e9}\"; title*1=b", "a; title*0*=utf-8''%C3%A9; title*1=b"),
        ] {
            assert_eq!(field(value.as_bytes()).replace("\r\n", ""), format!("Content-Disposition: {wanted}"));
        }
        assert_eq!(field(b"a; filename=\xe9"), "Content-Disposition: a; filename*=unknown-8bit''%E9\r\n");
    }

    #[test]
    fn rfc_2231_section_3_a_long_value_has_sections() {
        let field = field(format!("attachment; filename=\"{}\"", "\u{20ac}".repeat(30)).as_bytes());
        assert!(field.lines().all(|line| line.len() <= 76), "{field}");
        assert!(field.contains("filename*0*=utf-8''%E2%82%AC") && field.contains("filename*4*="), "{field}");
    }

    #[test]
    fn a_type_that_is_not_ascii_cannot_be_written() {
        assert!(!write(&mut Folded::start(b"A:"), "t\u{e9}xt/plain; a=b".as_bytes()));
    }
}
