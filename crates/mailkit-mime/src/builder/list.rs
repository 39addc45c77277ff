//! Fields of mailing lists and automatic mail.

use super::MessageBuilder;
use crate::header::list::{AutoSubmitted, ListField, ListUnsubscribe};
use crate::stamps::StampSource;

/// Mailing lists and automatic mail. These fields stand behind the subject, in the order given, each
/// of them once (RFC 2369 §2): the last one given counts.
impl<S: StampSource> MessageBuilder<S> {
    /// Sets how to leave the list (RFC 2369 §3.2, RFC 8058).
    pub fn list_unsubscribe(self, way: ListUnsubscribe) -> Self {
        self.list_field(ListField::Unsubscribe(way))
    }

    /// Sets what identifies the list: `Name <list.example.com>` (RFC 2919).
    pub fn list_id(self, id: impl Into<String>) -> Self {
        self.list_field(ListField::Id(id.into()))
    }

    /// Sets where help about the list is (RFC 2369 §3.1).
    pub fn list_help(self, url: impl Into<String>) -> Self {
        self.list_field(ListField::Url("List-Help", url.into()))
    }

    /// Sets where to write to the list, or `NO` (RFC 2369 §3.4).
    pub fn list_post(self, url: impl Into<String>) -> Self {
        self.list_field(ListField::Url("List-Post", url.into()))
    }

    /// Sets who is in charge of the list (RFC 2369 §3.5).
    pub fn list_owner(self, url: impl Into<String>) -> Self {
        self.list_field(ListField::Url("List-Owner", url.into()))
    }

    /// Sets where the messages of the list are kept (RFC 2369 §3.6).
    pub fn list_archive(self, url: impl Into<String>) -> Self {
        self.list_field(ListField::Url("List-Archive", url.into()))
    }

    /// Says whether a program sent the message, so that none answers it (RFC 3834 §5).
    pub fn auto_submitted(self, state: AutoSubmitted) -> Self {
        self.list_field(ListField::AutoSubmitted(state))
    }

    /// Sets what complaints are counted by: `campaign:customer:type:sender`.
    pub fn feedback_id(self, id: impl Into<String>) -> Self {
        self.list_field(ListField::FeedbackId(id.into()))
    }

    fn list_field(mut self, field: ListField) -> Self {
        let fields = &mut self.draft.further_mut().list;
        fields.retain(|given| given.name() != field.name());
        fields.push(field);
        self
    }
}
