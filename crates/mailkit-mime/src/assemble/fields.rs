//! The fields of a header, read and written.

use mailkit_address::Mailbox;

use super::problems::Problems;
use crate::builder::{Draft, Further, GivenAddresses};
use crate::error::FieldProblem;
use crate::header::date::Date;
use crate::header::message_id::MessageId;
use crate::header::{self, address, control_character};
use crate::stamps::Stamps;

/// The fields, read.
pub(super) struct Fields<'a> {
    draft: &'a Draft,
    further: &'a Further,
    date: Option<Date>,
    pub(super) message_id: Option<MessageId>,
    in_reply_to: Vec<MessageId>,
    references: Vec<MessageId>,
    /// An address of the header has a local part beyond ASCII: the message needs SMTPUTF8, and
    /// the header is written in it (RFC 6532).
    pub(super) needs_utf8: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn read(
        draft: &'a Draft,
        given_id: Option<Result<MessageId, String>>,
        stamps: Stamps,
        problems: &mut Problems,
    ) -> Self {
        let at = draft.date.unwrap_or(stamps.now());
        let date = Date::new(at);
        if date.is_none() {
            problems.add("Date", &at.to_string(), FieldProblem::YearOutOfRange);
        }
        problems.check(draft);
        let message_id = message_id(given_id, stamps, draft, problems);
        let needs_utf8 = needs_utf8(draft);
        let (mut in_reply_to, mut references) = (Vec::new(), Vec::new());
        if let Some(further) = &draft.further {
            problems.check_further(further, needs_utf8);
            in_reply_to = ids("In-Reply-To", further.in_reply_to.as_slice(), problems);
            references = ids("References", &further.references, problems);
        }
        problems.check_recipients(draft);
        Self { draft, further: draft.further(), date, message_id, in_reply_to, references, needs_utf8 }
    }

    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>, problems: &mut Problems) {
        let Self { draft, further, needs_utf8: utf8, .. } = *self;
        if let Some(date) = self.date {
            date.write_field(out);
        }
        let mut check = |name, written| problems.check_written(name, "", written);
        check("From", address::write_list(out, "From", &draft.from.list, utf8));
        if let Some(sender) = further.sender() {
            // One mailbox is short enough for a line of its own.
            check("Sender", address::write_one(out, "Sender", sender, utf8));
        }
        check("Reply-To", address::write_list(out, "Reply-To", &further.reply_to.list, utf8));
        check("To", address::write_list(out, "To", &draft.to.list, utf8));
        check("Cc", address::write_list(out, "Cc", &further.cc.list, utf8));
        check("Message-ID", header::write_ids(out, "Message-ID", self.message_id.as_slice()));
        check("In-Reply-To", header::write_ids(out, "In-Reply-To", &self.in_reply_to));
        check("References", header::write_ids(out, "References", &self.references));
        if let Some(subject) = &draft.subject {
            problems.check_written("Subject", subject, header::write_text(out, "Subject", subject, utf8));
        }
        for field in &further.list {
            if let Err(name) = field.write(out, utf8) {
                problems.add(name, "", FieldProblem::TooLong);
            }
        }
        for (name, value) in &further.headers {
            problems.check_written(name, value, header::write_custom(out, name, value, utf8));
        }
    }
}

/// Whether an address in the header needs SMTPUTF8.
fn needs_utf8(draft: &Draft) -> bool {
    let needs_utf8 = |mailbox: &Mailbox| mailbox.address().needs_smtp_utf8();
    let in_list = |given: &GivenAddresses| given.list.mailboxes().any(needs_utf8);
    let in_further = |further: &Further| {
        in_list(&further.reply_to) || in_list(&further.cc) || further.sender().is_some_and(needs_utf8)
    };
    in_list(&draft.from) || in_list(&draft.to) || draft.further.as_deref().is_some_and(in_further)
}

fn message_id(
    given: Option<Result<MessageId, String>>,
    stamps: Stamps,
    draft: &Draft,
    problems: &mut Problems,
) -> Option<MessageId> {
    match given {
        Some(Ok(id)) => Some(id),
        Some(Err(text)) => {
            let problem = match control_character(&text) {
                Some(position) => FieldProblem::ControlCharacter { position },
                None => FieldProblem::InvalidMessageId,
            };
            problems.add("Message-ID", &text, problem);
            None
        }
        None => {
            let chosen = draft.further.as_ref().and_then(|further| further.message_id_domain.as_ref());
            let domain = match chosen {
                Some(domain) => domain,
                None => draft.from.list.mailboxes().next()?.address().domain(),
            };
            Some(MessageId::unique(stamps.unique(), domain.as_ascii()))
        }
    }
}

fn ids(field: &str, texts: &[String], problems: &mut Problems) -> Vec<MessageId> {
    let mut all = Vec::new();
    for text in texts.iter().filter(|text| control_character(text).is_none()) {
        match MessageId::parse_list(text) {
            Some(ids) => all.extend(ids),
            None => problems.add(field, text, FieldProblem::InvalidMessageId),
        }
    }
    all
}
