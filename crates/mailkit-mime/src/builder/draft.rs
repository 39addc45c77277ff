//! The fields of a message in the making.

use mailkit_address::{AddressList, Domain, Mailbox};
use time::OffsetDateTime;

use super::given::{GivenAddresses, GivenMailbox};
use crate::header::list::ListField;
use crate::header::message_id::MessageId;
use crate::part::Part;
use crate::source::TextSource;

/// The fields as they were given; addresses are read.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    pub(crate) from: GivenAddresses,
    pub(crate) to: GivenAddresses,
    pub(crate) date: Option<OffsetDateTime>,
    /// Read, or what could not be.
    pub(crate) message_id: Option<Result<MessageId, String>>,
    pub(crate) subject: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) further: Option<Box<Further>>,
}

/// What many a message has nothing of: apart, so that such a message does not pay for it.
#[derive(Clone)]
pub(crate) struct Further {
    pub(crate) sender: Option<GivenMailbox>,
    pub(crate) reply_to: GivenAddresses,
    pub(crate) cc: GivenAddresses,
    pub(crate) bcc: GivenAddresses,
    pub(crate) message_id_domain: Option<Domain>,
    pub(crate) in_reply_to: Option<String>,
    pub(crate) references: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) list: Vec<ListField>,
    /// In the place of the text, and of the HTML.
    pub(crate) text_source: Option<TextSource>,
    pub(crate) html_source: Option<TextSource>,
    pub(crate) alternatives: Vec<Part>,
    pub(crate) body: Option<Part>,
    /// With whether each belongs to the HTML, if there is one.
    pub(crate) attachments: Vec<(Part, bool)>,
    pub(crate) envelope_from: Option<String>,
    pub(crate) envelope_to: GivenAddresses,
}

impl Draft {
    /// What there is further, perhaps nothing.
    pub(crate) fn further(&self) -> &Further {
        static NOTHING: Further = Further::nothing();
        self.further.as_deref().unwrap_or(&NOTHING)
    }

    /// The same, to add to it.
    pub(crate) fn further_mut(&mut self) -> &mut Further {
        self.further.get_or_insert_with(|| Box::new(Further::nothing()))
    }

    /// The lists that name recipients: those for the envelope, else those of the header.
    pub(crate) fn recipients(&self) -> [&AddressList; 3] {
        static NOBODY: AddressList = AddressList::new();
        let further = self.further();
        if further.envelope_to.is_empty() {
            [&self.to.list, &further.cc.list, &further.bcc.list]
        } else {
            [&further.envelope_to.list, &NOBODY, &NOBODY]
        }
    }

    /// The same by value, behind whom the message is from: the sender, else the first of the authors.
    pub(crate) fn into_sender_and_recipients(self) -> (Option<Mailbox>, AddressList) {
        let (mut sender, mut recipients) = (None, self.to.list);
        if let Some(further) = self.further {
            let Further { sender: given, cc, bcc, envelope_to, .. } = *further;
            sender = given.and_then(|GivenMailbox(read)| read.ok());
            if envelope_to.is_empty() {
                recipients.append(cc.list);
                recipients.append(bcc.list);
            } else {
                recipients = envelope_to.list;
            }
        }
        (sender.or_else(|| self.from.list.into_first()), recipients)
    }
}

impl Further {
    pub(crate) fn sender(&self) -> Option<&Mailbox> {
        self.sender.as_ref()?.0.as_ref().ok()
    }

    pub(crate) fn has_parts(&self) -> bool {
        self.text_source.is_some()
            || self.html_source.is_some()
            || !self.alternatives.is_empty()
            || self.body.is_some()
            || !self.attachments.is_empty()
    }

    /// The alternatives, the body and the attachments.
    pub(crate) fn take_parts(&mut self) -> (Vec<Part>, Option<Part>, Vec<(Part, bool)>) {
        (std::mem::take(&mut self.alternatives), self.body.take(), std::mem::take(&mut self.attachments))
    }

    const fn nothing() -> Self {
        Self {
            sender: None,
            reply_to: GivenAddresses::none(),
            cc: GivenAddresses::none(),
            bcc: GivenAddresses::none(),
            message_id_domain: None,
            in_reply_to: None,
            references: Vec::new(),
            headers: Vec::new(),
            list: Vec::new(),
            text_source: None,
            html_source: None,
            alternatives: Vec::new(),
            body: None,
            attachments: Vec::new(),
            envelope_from: None,
            envelope_to: GivenAddresses::none(),
        }
    }
}
