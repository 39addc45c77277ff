//! Where the fields of a message were given, so that an error can say it.

use std::collections::HashSet;

use mailkit::OneLine;
use mailkit::mime::{FieldError, FieldProblem};

/// Where the fields of a message were given: in JSON, or by options, whose errors name the header field.
#[derive(Debug, Default)]
pub(super) struct Places {
    is_json: bool,
    /// How many of the attachments are from JSON: the first ones.
    attachments: usize,
    /// The names of the header fields in the object `headers`, as errors show them.
    headers: HashSet<String>,
    /// The fields that options replaced.
    replaced: Vec<&'static str>,
}

/// What a header field is called in JSON.
const NAMES: [(&str, &str); 14] = [
    ("From", "from"),
    ("Sender", "sender"),
    ("Reply-To", "reply_to"),
    ("To", "to"),
    ("Cc", "cc"),
    ("Bcc", "bcc"),
    ("Subject", "subject"),
    ("Message-ID", "message_id"),
    ("Date", "date"),
    ("In-Reply-To", "in_reply_to"),
    ("References", "references"),
    ("List-Unsubscribe", "list_unsubscribe"),
    ("envelope from", "envelope.from"),
    ("envelope to", "envelope.to"),
];

/// What a header field of an attachment is called in JSON.
const NAMES_IN_ATTACHMENT: [(&str, &str); 5] = [
    ("Content-Type", ".content_type"),
    ("Content-ID", ".content_id"),
    ("Content-Description", ".content_description"),
    ("Content-Language", ".content_language"),
    ("Content-Location", ".content_location"),
];

impl Places {
    pub(super) fn in_json(attachments: usize, headers: &[(String, String)]) -> Self {
        let headers = headers.iter().map(|(name, _)| as_shown(name)).collect();
        Self { is_json: true, attachments, headers, replaced: Vec::new() }
    }

    /// Notes that an option replaced a field.
    pub(super) fn replaced(&mut self, field: &'static str) {
        self.replaced.push(field);
    }

    /// The path of the field that an error is about, if it was given in JSON.
    pub(super) fn of(&self, error: &FieldError) -> Option<String> {
        if let Some(place) = error.attachment() {
            return (place < self.attachments).then(|| in_attachment(place, error));
        }
        let field = error.field();
        let is_value = !matches!(error.problem(), FieldProblem::InvalidUrl | FieldProblem::NotHttps);
        if is_value && self.headers.contains(field) {
            return Some(format!("headers.{field}"));
        }
        let (_, name) = NAMES.iter().find(|(name, _)| *name == field)?;
        (self.is_json && !self.replaced.contains(&field)).then(|| (*name).to_owned())
    }
}

/// The name of a field as [`FieldError::field`] has it: cut after 80 characters, with what must not be shown escaped.
fn as_shown(name: &str) -> String {
    let end = name.char_indices().nth(80).map(|(end, _)| end);
    let start = end.and_then(|end| name.get(..end)).unwrap_or(name);
    format!("{}{}", OneLine(start), if end.is_some() { "…" } else { "" })
}

fn in_attachment(place: usize, error: &FieldError) -> String {
    let field = match error.problem() {
        FieldProblem::Unreadable { .. } | FieldProblem::NotAFile => ".path",
        FieldProblem::ControlCharacter { .. } if error.field() == "attachment" => ".filename",
        _ => NAMES_IN_ATTACHMENT.iter().find(|(name, _)| *name == error.field()).map_or("", |(_, name)| name),
    };
    format!("attachments[{place}]{field}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_field_is_found_by_its_path_whatever_its_name_is() {
        for name in ["X Y", "X\u{202e}Y", "X\n", "", &"x".repeat(1200)] {
            let built = mailkit::Message::builder().from("a@b.example").to("c@d.example").header(name, "v").build();
            let errors = built.unwrap_err();
            let error = errors.iter().next().unwrap();
            let places = Places::in_json(0, &[(name.to_owned(), "v".to_owned())]);
            assert_eq!(places.of(error), Some(format!("headers.{}", error.field())), "{error}");
            assert!(!error.to_string().contains(mailkit::is_unprintable), "{error}");
        }
    }
}
