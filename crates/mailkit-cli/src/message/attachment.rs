//! What goes along with a message, as it was given.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit::Attachment;
use mailkit::mime::Disposition;

use super::fields::Fields;
use crate::args::AttachValue;
use crate::failure::Failure;

/// One attachment, in the form of the JSON interface. A path is relative to the working directory.
#[derive(Default)]
pub(super) struct AttachmentDraft {
    filename: Option<String>,
    path: Option<PathBuf>,
    content_base64: Option<String>,
    content_type: Option<String>,
    content_id: Option<String>,
    content_description: Option<String>,
    content_language: Option<String>,
    content_location: Option<String>,
    inline: bool,
}

impl AttachmentDraft {
    /// An element of `attachments`.
    pub(super) fn from_json(fields: &mut Fields<'_>) -> Self {
        Self {
            filename: fields.text("filename"),
            path: fields.text("path").map(PathBuf::from),
            content_base64: fields.text("content_base64"),
            content_type: fields.text("content_type"),
            content_id: fields.text("content_id"),
            content_description: fields.text("content_description"),
            content_language: fields.text("content_language"),
            content_location: fields.text("content_location"),
            inline: fields.boolean("inline").unwrap_or_default(),
        }
    }

    /// What `--attach` names, and with an identifier what `--inline` does.
    pub(super) fn from_option(value: AttachValue, content_id: Option<String>) -> Self {
        Self {
            filename: value.name,
            path: Some(value.path),
            content_type: value.content_type,
            inline: content_id.is_some(),
            content_id,
            ..Self::default()
        }
    }

    /// The attachment; `place` is its place in the list.
    pub(super) fn read(self, place: usize) -> Result<Attachment, Failure> {
        let name = self.filename.clone().unwrap_or_default().escape_debug().to_string();
        let refuse = |field: &str, text: &str| {
            let path = format!("attachments[{place}]{field}");
            Err(Failure::message(&path, with_name(text, &name)))
        };
        let attachment = match (self.path, self.content_base64) {
            (Some(path), None) => {
                let attachment = Attachment::file(path);
                self.filename.into_iter().fold(attachment, Attachment::name)
            }
            (None, Some(text)) => match STANDARD.decode(text.trim()) {
                Ok(bytes) => Attachment::bytes(self.filename.unwrap_or_default(), bytes),
                Err(error) => return refuse(".content_base64", &format!("no base64 ({error})")),
            },
            (Some(_), Some(_)) => return refuse("", "path and content_base64: give one of them"),
            (None, None) => return refuse("", "no content: give path or content_base64"),
        };
        let attachment = self.content_type.into_iter().fold(attachment, Attachment::content_type);
        let disposition = if self.inline { Disposition::Inline } else { Disposition::Attachment };
        let attachment = self.content_id.into_iter().fold(attachment, Attachment::inline).disposition(disposition);
        let more = [
            ("Content-Description", self.content_description),
            ("Content-Language", self.content_language),
            ("Content-Location", self.content_location),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(more.fold(attachment, |attachment, (name, value)| attachment.header(name, value)))
    }
}

/// What is wrong with an attachment, with its name, if it has one that is not named yet.
pub(super) fn with_name(text: &str, name: &str) -> String {
    if name.is_empty() || text.contains(name) { text.to_owned() } else { format!("{text} (attachment {name})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(draft: AttachmentDraft) -> String {
        draft.read(1).unwrap_err().text()
    }

    #[test]
    fn content_comes_from_one_place() {
        let draft = |path: Option<&str>, content: Option<&str>, name: Option<&str>| AttachmentDraft {
            path: path.map(PathBuf::from),
            content_base64: content.map(str::to_owned),
            filename: name.map(str::to_owned),
            ..AttachmentDraft::default()
        };
        assert!(refusal(draft(None, None, None)).starts_with("attachments[1]: no content"));
        assert!(refusal(draft(Some("a"), Some(""), None)).starts_with("attachments[1]: path and content_base64"));
        let refused = refusal(draft(None, Some("a$"), Some("a.txt")));
        assert!(refused.starts_with("attachments[1].content_base64: no base64"), "{refused}");
        assert!(refused.ends_with(" (attachment a.txt)"), "{refused}");
    }
}
