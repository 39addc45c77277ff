//! What goes along with a message, as it was given.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit::Attachment;
use mailkit::mime::Disposition;
use serde::Deserialize;

use crate::args::AttachValue;
use crate::failure::Failure;

/// One attachment, in the form of the JSON interface. A path is relative to the working directory.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AttachmentDraft {
    filename: Option<String>,
    path: Option<PathBuf>,
    content_base64: Option<String>,
    content_type: Option<String>,
    content_id: Option<String>,
    inline: Option<bool>,
}

impl AttachmentDraft {
    /// What `--attach` names, and with an identifier what `--inline` does.
    pub(super) fn from_option(value: AttachValue, content_id: Option<String>) -> Self {
        Self {
            filename: value.name,
            path: Some(value.path),
            content_base64: None,
            content_type: value.content_type,
            inline: Some(content_id.is_some()),
            content_id,
        }
    }

    /// The attachment; `place` is its place in the list.
    pub(super) fn read(self, place: usize) -> Result<Attachment, Failure> {
        let refuse = |field: &str, text: &str| Err(Failure::message(&format!("attachments[{place}]{field}"), text));
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
        let disposition = if self.inline.unwrap_or_default() { Disposition::Inline } else { Disposition::Attachment };
        let attachment = self.content_id.into_iter().fold(attachment, Attachment::inline);
        Ok(attachment.disposition(disposition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let draft: AttachmentDraft = serde_json::from_str(json).unwrap();
        draft.read(1).unwrap_err().text()
    }

    #[test]
    fn content_comes_from_one_place() {
        assert!(refusal("{}").starts_with("attachments[1]: no content"));
        assert!(
            refusal(r#"{"path": "a", "content_base64": ""}"#).starts_with("attachments[1]: path and content_base64")
        );
        assert!(refusal(r#"{"content_base64": "a$"}"#).starts_with("attachments[1].content_base64: no base64"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<AttachmentDraft>(r#"{"url": "https://example.com/"}"#).is_err());
    }
}
