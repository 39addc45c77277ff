//! What a message consists of.

use super::MessageBuilder;
use crate::message::Message;
use crate::part::{Attachment, Part};
use crate::source::TextSource;
use crate::stamps::StampSource;

/// The content. The structure is chosen for it: text and HTML are alternatives of each other,
/// inline attachments are related to the HTML, other attachments stand behind.
impl<S: StampSource> MessageBuilder<S> {
    /// Sets the text. Line ends of any kind become CRLF; everything else reaches the reader.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.draft.text = Some(text.into());
        if let Some(further) = &mut self.draft.further {
            further.text_source = None;
        }
        self
    }

    /// Sets the HTML, for who does not want plain text.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.draft.html = Some(html.into());
        if let Some(further) = &mut self.draft.further {
            further.html_source = None;
        }
        self
    }

    /// Sets the text, as [`text`](Self::text) does: it is read while the message is encoded.
    pub fn text_source(mut self, text: TextSource) -> Self {
        self.draft.text = None;
        self.draft.further_mut().text_source = Some(text);
        self
    }

    /// Sets the HTML, as [`html`](Self::html) does: it is read while the message is encoded.
    pub fn html_source(mut self, html: TextSource) -> Self {
        self.draft.html = None;
        self.draft.further_mut().html_source = Some(html);
        self
    }

    /// Adds a file, bytes or what a reader gives.
    pub fn attach(self, attachment: Attachment) -> Self {
        let is_inline = attachment.is_inline();
        self.add_attachment(attachment.into(), is_inline)
    }

    /// Adds content that the HTML shows, as in `<img src="cid:logo">`.
    pub fn inline(self, content_id: impl Into<String>, attachment: Attachment) -> Self {
        self.attach(attachment.inline(content_id))
    }

    /// Adds a message: [`Part::message`].
    pub fn attach_message(self, message: &Message) -> Self {
        self.attach_part(Part::message(message))
    }

    /// Adds a finished message, as a `.eml` file holds it: [`Part::eml`].
    pub fn attach_eml(self, message: impl Into<bytes::Bytes>) -> Self {
        self.attach_part(Part::eml(message))
    }

    /// Adds any part behind the body.
    pub fn attach_part(self, part: Part) -> Self {
        self.add_attachment(part, false)
    }

    fn add_attachment(mut self, mut part: Part, is_inline: bool) -> Self {
        let attachments = &mut self.draft.further_mut().attachments;
        part.set_attachment(attachments.len());
        attachments.push((part, is_inline));
        self
    }

    /// Adds an invitation or another iCalendar object as an alternative: [`Part::calendar`].
    pub fn calendar(self, method: impl Into<String>, calendar: impl Into<String>) -> Self {
        self.alternative(Part::calendar(method, calendar))
    }

    /// Adds another form of the same content, better than those before it.
    pub fn alternative(mut self, part: Part) -> Self {
        self.draft.further_mut().alternatives.push(part);
        self
    }

    /// Sets the body as it shall be, in the place of text, HTML and alternatives; attachments
    /// still stand behind it.
    pub fn body(mut self, part: Part) -> Self {
        self.draft.further_mut().body = Some(part);
        self
    }
}
