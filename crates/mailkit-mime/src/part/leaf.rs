//! One part by itself: its fields and where its content comes from.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memchr;

use super::nature::Nature;
use crate::encoding::{MAX_LINE, each_line};
use crate::error::{FieldError, FieldProblem};
use crate::header::name::{Once, is_field_name, own_part_field};
use crate::header::{control_character, is_token, structured, write_custom};
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
    /// Which of the attachments it belongs to, counted from 0.
    pub(crate) attachment: Option<usize>,
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
        let before = found.len();
        match self.source.look() {
            Err(error) => found.push(error),
            Ok(()) => self.read_content_type(found),
        }
        if let Source::Lines(lines) = &self.source
            && let Some(line) = unsendable_line(lines)
        {
            found.push(FieldError::new("attachment", self.name(), FieldProblem::UnsendableMessage { line }));
        }
        self.check_details(found);
        if let Some(attachment) = self.details.as_ref().and_then(|details| details.attachment) {
            for error in found.iter_mut().skip(before) {
                error.set_attachment(attachment, self.name());
            }
        }
    }

    /// The name under which a reader keeps it, perhaps none.
    fn name(&self) -> &str {
        self.details.as_ref().and_then(|details| details.name.as_deref()).unwrap_or_default()
    }

    /// Reads the content type, and makes the source one that may travel as such.
    fn read_content_type(&mut self, found: &mut Vec<FieldError>) {
        let ContentType::Given(text) = &self.content_type else { return };
        let Some((essence, parameters)) = parse(text) else {
            found.push(FieldError::new("Content-Type", text, FieldProblem::InvalidContentType));
            return;
        };
        let (essence, nature) = (essence.to_owned(), Nature::of(essence));
        self.details().parameters.splice(0..0, parameters);
        if let Err(problem) = self.take_nature(nature) {
            let (field, value) = match problem {
                FieldProblem::CompositeType => ("Content-Type", essence.as_str()),
                _ => ("attachment", self.name()),
            };
            found.push(FieldError::new(field, value, problem));
        }
        self.content_type = ContentType::Essence(essence);
    }

    fn take_nature(&mut self, nature: Nature) -> Result<(), FieldProblem> {
        let whole = || self.source.read_whole().map_err(|error| FieldProblem::unreadable(&error));
        let message = || crate::eml::without_blind(&whole()?).map_err(FieldProblem::NotAMessage);
        self.source = match nature {
            Nature::Any => return Ok(()),
            Nature::Composite => return Err(FieldProblem::CompositeType),
            Nature::Text => Source::Text(whole()?),
            Nature::Message => Source::Lines(message()?),
            Nature::GlobalMessage => Source::Text(message()?),
            Nature::Lines => Source::Lines(whole()?),
            Nature::AsciiLines => {
                let lines = whole()?;
                if let Some(line) = first_line_with(&lines, |line| !line.is_ascii()) {
                    return Err(FieldProblem::NeedsAscii { line });
                }
                Source::Lines(lines)
            }
        };
        Ok(())
    }

    fn check_details(&mut self, found: &mut Vec<FieldError>) {
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
        let own = self.content_type.own_parameters();
        let mut seen: HashSet<String> = own.iter().map(|name| name.to_ascii_lowercase()).collect();
        for name in parameters {
            if !seen.insert(name.to_ascii_lowercase()) {
                found.push(FieldError::new("Content-Type", name, FieldProblem::RepeatedParameter));
            }
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
        let mut seen = 0;
        for (name, value) in &self.headers {
            let once = Once::of(name).map_or(0, |once| once.bit);
            if !is_field_name(name.as_bytes()) {
                refuse(name, value, FieldProblem::InvalidName);
            } else if let Some(method) = own_part_field(name) {
                refuse(name, value, FieldProblem::OwnField { method });
            } else if let Some(position) = control_character(value) {
                refuse(name, value, FieldProblem::ControlCharacter { position });
            } else if seen & once != 0 {
                refuse(name, value, FieldProblem::GivenTwice { method: None });
            } else if let Err(problem) = structured::check(name, value, false) {
                refuse(name, value, problem);
            } else if write_custom(&mut Vec::new(), name, value, false).is_err() {
                refuse(name, value, FieldProblem::TooLong);
            }
            seen |= once;
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
    first_line_with(lines, |line| line.len() > MAX_LINE || memchr(0, line).is_some())
}

/// The number of the first line that is such, from 1.
fn first_line_with(lines: &[u8], is_such: impl Fn(&[u8]) -> bool) -> Option<u64> {
    let (mut number, mut first) = (0, None);
    each_line(lines, |line, _| {
        number += 1;
        if first.is_none() && is_such(line) {
            first = Some(number);
        }
    });
    first
}

type Parameters = Vec<(Cow<'static, str>, String)>;

/// `type "/" subtype *(";" parameter)` (RFC 2045 §5.1).
fn parse(text: &str) -> Option<(&str, Parameters)> {
    let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let essence = essence.trim_matches([' ', '\t']);
    let (kind, subtype) = essence.split_once('/')?;
    if essence.len() > 255 || !is_token(kind) || !is_token(subtype) {
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
    fn what_is_no_content_type_is_refused() {
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
        ] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
