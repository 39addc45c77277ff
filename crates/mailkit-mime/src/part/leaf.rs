//! One part by itself: its fields and where its content comes from.

use std::borrow::Cow;

use memchr::memchr;

use crate::encoding::{MAX_LINE, each_line};
use crate::error::{FieldError, FieldProblem};
use crate::header::name::{is_field_name, own_part_field};
use crate::header::{control_character, is_token, write_custom};
use crate::source::Source;

/// How a reader shall show a part (RFC 2183 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 2183 knows these two")]
pub enum Disposition {
    /// Where it stands in the message.
    Inline,
    /// By itself, when it is asked for.
    Attachment,
}

impl Disposition {
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        }
    }
}

/// The value of Content-Type.
#[derive(Debug, Clone)]
pub(crate) enum ContentType {
    /// Of our own making, with its parameters.
    Fixed(&'static str),
    /// As it was given; read when the message is built.
    Given(String),
    /// Type and subtype; the parameters are apart.
    Essence(String),
}

impl ContentType {
    /// Type and subtype.
    pub(crate) fn essence(&self) -> &str {
        let whole = self.as_str();
        whole.split_once(';').map_or(whole, |(essence, _)| essence).trim()
    }

    /// The parameters that are written without being asked for.
    fn own_parameters(&self) -> &[&'static str] {
        match self {
            Self::Fixed(text) if text.ends_with("; charset=utf-8") => &["charset"],
            Self::Fixed("multipart/related") => &["type"],
            _ => &[],
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Given(text) | Self::Essence(text) => text,
        }
    }
}

/// A part by itself.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) content_type: ContentType,
    pub(crate) source: Source,
    /// What most texts have none of.
    pub(crate) details: Option<Box<Details>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    pub(crate) parameters: Vec<(Cow<'static, str>, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_id: Option<String>,
    pub(crate) disposition: Option<Disposition>,
    pub(crate) name: Option<String>,
}

impl Leaf {
    pub(crate) fn new(content_type: ContentType, source: Source) -> Self {
        Self { content_type, source, details: None }
    }

    pub(crate) fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// Finds what is wrong with the part, looks at its file and reads its content type.
    pub(super) fn prepare(&mut self, found: &mut Vec<FieldError>) {
        if let Err(error) = self.source.look() {
            found.push(error);
        }
        if let Source::Lines(lines) = &self.source
            && let Some(line) = unsendable_line(lines)
        {
            let name = self.details.as_ref().and_then(|details| details.name.as_deref()).unwrap_or_default();
            found.push(FieldError::new("attachment", name, FieldProblem::UnsendableMessage { line }));
        }
        if let ContentType::Given(text) = &self.content_type {
            match parse(text) {
                Some((essence, parameters)) => {
                    let essence = essence.to_owned();
                    self.details().parameters.splice(0..0, parameters);
                    self.content_type = ContentType::Essence(essence);
                }
                None => found.push(FieldError::new("Content-Type", text, FieldProblem::InvalidContentType)),
            }
        }
        if let Some(details) = &mut self.details {
            if details.name.is_some() {
                details.parameters.retain(|(name, _)| !name.eq_ignore_ascii_case("name"));
            }
            details.check(found);
            self.check_once(found);
        }
    }

    /// Readers differ on which of two parameters of one name counts.
    fn check_once(&self, found: &mut Vec<FieldError>) {
        let parameters = self.details.iter().flat_map(|details| &details.parameters).map(|(name, _)| name.as_ref());
        let mut seen: Vec<&str> = self.content_type.own_parameters().to_vec();
        for name in parameters {
            if seen.iter().any(|seen| seen.eq_ignore_ascii_case(name)) {
                found.push(FieldError::new("Content-Type", name, FieldProblem::RepeatedParameter));
            }
            seen.push(name);
        }
    }
}

impl Details {
    fn check(&mut self, found: &mut Vec<FieldError>) {
        let mut refuse = |field: &str, value: &str, problem| found.push(FieldError::new(field, value, problem));
        if let Some(name) = &self.name
            && let Some(position) = control_character(name)
        {
            refuse("attachment", name, FieldProblem::ControlCharacter { position });
        }
        for (name, value) in &self.parameters {
            if !is_token(name)
                || name.len() > 40
                || name.contains(['*', '\'', '%'])
                || name.eq_ignore_ascii_case("boundary")
            {
                refuse("Content-Type", name, FieldProblem::InvalidParameter);
            }
            if let Some(position) = control_character(value) {
                refuse("Content-Type", value, FieldProblem::ControlCharacter { position });
            }
        }
        for (name, value) in &self.headers {
            if !is_field_name(name.as_bytes()) {
                refuse(name, value, FieldProblem::InvalidName);
            } else if let Some(method) = own_part_field(name) {
                refuse(name, value, FieldProblem::OwnField { method });
            } else if let Some(position) = control_character(value) {
                refuse(name, value, FieldProblem::ControlCharacter { position });
            } else if write_custom(&mut Vec::new(), name, value, false).is_err() {
                refuse(name, value, FieldProblem::TooLong);
            }
        }
        if let Some(id) = &mut self.content_id {
            let inner = id.trim_start_matches('<').trim_end_matches('>');
            let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
            if inner.is_empty() || inner.len() > 900 || !inner.bytes().all(allowed) {
                refuse("Content-ID", id, FieldProblem::InvalidContentId);
            } else if inner.len() < id.len() {
                *id = inner.to_owned();
            }
        }
    }
}

/// The first line that no server takes: above 998 bytes, or with a NUL.
fn unsendable_line(lines: &[u8]) -> Option<u64> {
    let (mut number, mut first) = (0, None);
    each_line(lines, |line, _| {
        number += 1;
        if first.is_none() && (line.len() > MAX_LINE || memchr(0, line).is_some()) {
            first = Some(number);
        }
    });
    first
}

type Parameters = Vec<(Cow<'static, str>, String)>;

/// `type "/" subtype *(";" parameter)` (RFC 2045 §5.1), for a leaf that may be encoded.
fn parse(text: &str) -> Option<(&str, Parameters)> {
    let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let essence = essence.trim_matches([' ', '\t']);
    let (kind, subtype) = essence.split_once('/')?;
    let composite = kind.eq_ignore_ascii_case("multipart")
        || ["message/rfc822", "message/partial", "message/external-body"]
            .iter()
            .any(|composite| composite.eq_ignore_ascii_case(essence));
    if composite || essence.len() > 255 || !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut parameters = Vec::new();
    while !rest.trim_matches([' ', '\t', ';']).is_empty() {
        let (name, after) = rest.trim_start_matches([' ', '\t', ';']).split_once('=')?;
        let name = name.trim_matches([' ', '\t']);
        let (value, after) = value(after.trim_start_matches([' ', '\t']))?;
        rest = after.trim_start_matches([' ', '\t']);
        if !is_token(name) || !(rest.is_empty() || rest.starts_with(';')) {
            return None;
        }
        parameters.push((Cow::Owned(name.to_owned()), value));
    }
    Some((essence, parameters))
}

/// `value = token / quoted-string` (RFC 2045 §5.1), and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ';']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return (!token.is_empty() && !token.contains('"')).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_2045_section_5_1_content_types() {
        for (text, essence, wanted) in [
            ("text/plain", "text/plain", vec![]),
            ("text/csv;header=present", "text/csv", vec![("header", "present")]),
            (" image/svg+xml ; a=\"b; \\\"c\\\"\" ; d=e;", "image/svg+xml", vec![("a", "b; \"c\""), ("d", "e")]),
            ("application/x; q=\"\u{e9}\"", "application/x", vec![("q", "\u{e9}")]),
        ] {
            let (found, parameters) = parse(text).unwrap();
            assert_eq!(found, essence);
            let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
            assert_eq!(parameters, wanted);
        }
    }

    #[test]
    fn what_is_no_content_type_of_a_leaf_is_refused() {
        for text in [
            "",
            "text",
            "/",
            "text/",
            "text/plain x",
            "text/pl\u{e4}in",
            "text/plain; a",
            "text/plain; a=",
            "text/plain; a=\"b",
            "text/plain; a=\"b\" c",
            "text/plain\r\nBcc: x",
            "multipart/mixed",
            "Message/RFC822",
        ] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
