//! From the fields of a draft to a message: reads them all, then writes them in order.

use bytes::Bytes;
use mailkit_address::{Address, AddressEntry, AddressList, Envelope, Mailbox, ReversePath};

use crate::builder::Draft;
use crate::content::Content;
use crate::error::{BuildErrors, FieldError, FieldProblem};
use crate::header::date::date_time;
use crate::header::fold::Overlong;
use crate::header::message_id::MessageId;
use crate::header::name::{is_field_name, own_field};
use crate::header::{self, address};
use crate::message::Message;
use crate::part::TextPart;
use crate::stamps::Stamps;

pub(crate) fn assemble(draft: Draft, stamps: Stamps) -> Result<Message, BuildErrors> {
    let mut problems = Problems::default();
    problems.check_characters(&draft);
    let fields = Fields::read(&draft, stamps, &mut problems);
    let envelope = envelope(&draft, &fields, &mut problems);
    // Written even when something is wrong: what cannot be folded is reported along with it.
    let mut head = Vec::with_capacity(1024);
    fields.write(&mut head, &draft, &mut problems);
    let (Some(envelope), Some(message_id), true) = (envelope, &fields.message_id, problems.found.is_empty()) else {
        return Err(problems.into_errors());
    };
    let needs_smtp_utf8 = envelope.needs_smtp_utf8() || !head.is_ascii();
    Ok(Message {
        envelope,
        message_id: Some(message_id.as_str().into()),
        needs_8bit: !head.is_ascii(),
        content: lay_out(head, draft.text),
        subject: draft.subject.map(String::into_boxed_str),
        needs_smtp_utf8,
    })
}

fn lay_out(mut head: Vec<u8>, text: Option<String>) -> Content {
    let part = text.map(TextPart::plain);
    if let Some(part) = &part {
        header::write_line(&mut head, "MIME-Version", "1.0");
        part.write_head(&mut head);
    }
    head.extend_from_slice(b"\r\n");
    let mut layout = Content::layout();
    layout.ready(Bytes::from(head));
    if let Some(part) = part {
        part.lay_out(&mut layout);
    }
    layout.finish()
}

/// What is wrong so far.
#[derive(Debug, Default)]
struct Problems {
    found: Vec<FieldError>,
}

impl Problems {
    fn add(&mut self, field: &str, value: &str, problem: FieldProblem) {
        self.found.push(FieldError::new(field, value, problem));
    }

    fn into_errors(self) -> BuildErrors {
        BuildErrors::new(self.found)
    }

    /// Refuses what could end a line or hide one, in every field that goes into a header or
    /// into the dialogue with a server.
    fn check_characters(&mut self, draft: &Draft) {
        let named: [(&str, &[String]); 6] = [
            ("To", &draft.to),
            ("Cc", &draft.cc),
            ("Bcc", &draft.bcc),
            ("Reply-To", &draft.reply_to),
            ("References", &draft.references),
            ("envelope to", &draft.envelope_to),
        ];
        let single = [
            ("From", &draft.from),
            ("Sender", &draft.sender),
            ("Message-ID", &draft.message_id),
            ("In-Reply-To", &draft.in_reply_to),
            ("Subject", &draft.subject),
            ("envelope from", &draft.envelope_from),
        ];
        let single = single.iter().filter_map(|(field, value)| Some((*field, value.as_ref()?)));
        let repeated = named.iter().flat_map(|(field, values)| values.iter().map(|value| (*field, value)));
        let custom = draft.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (field, value) in single.chain(repeated).chain(custom) {
            if let Some(position) = control_character(value) {
                self.add(field, value, FieldProblem::ControlCharacter { position });
            }
        }
    }

    fn check_written(&mut self, field: &str, value: &str, written: Result<(), Overlong>) {
        if written.is_err() {
            self.add(field, value, FieldProblem::TooLong);
        }
    }

    fn list(&mut self, field: &str, texts: &[String]) -> AddressList {
        let mut all = AddressList::new();
        for text in texts.iter().filter(|text| control_character(text).is_none()) {
            match AddressList::parse(text) {
                Ok(list) if list.is_empty() => self.add(field, text, FieldProblem::Missing),
                Ok(list) => all.extend(list),
                Err(error) => self.add(field, text, FieldProblem::Address(error)),
            }
        }
        all
    }

    fn mailbox(&mut self, field: &str, text: Option<&String>) -> Option<Mailbox> {
        let text = text.filter(|text| control_character(text).is_none())?;
        Mailbox::parse(text).map_err(|error| self.add(field, text, FieldProblem::Address(error))).ok()
    }

    fn ids(&mut self, field: &str, texts: &[String]) -> Vec<MessageId> {
        let mut all = Vec::new();
        for text in texts.iter().filter(|text| control_character(text).is_none()) {
            match MessageId::parse_list(text) {
                Some(ids) => all.extend(ids),
                None => self.add(field, text, FieldProblem::InvalidMessageId),
            }
        }
        all
    }

    /// The mailboxes of From: RFC 5322 §3.6.2 lets no group stand there.
    fn authors(&mut self, draft: &Draft) -> AddressList {
        let Some(text) = &draft.from else {
            self.add("From", "", FieldProblem::Missing);
            return AddressList::new();
        };
        let list = self.list("From", std::slice::from_ref(text));
        if list.iter().any(|entry| matches!(entry, AddressEntry::Group(_))) {
            self.add("From", text, FieldProblem::Group);
        }
        if list.len() > 1 && draft.sender.is_none() {
            self.add("From", text, FieldProblem::NoSender);
        }
        list
    }
}

/// The fields, read.
#[derive(Debug)]
struct Fields {
    date: String,
    from: AddressList,
    sender: Option<Mailbox>,
    reply_to: AddressList,
    to: AddressList,
    cc: AddressList,
    bcc: AddressList,
    message_id: Option<MessageId>,
    in_reply_to: Vec<MessageId>,
    references: Vec<MessageId>,
}

impl Fields {
    fn read(draft: &Draft, stamps: Stamps, problems: &mut Problems) -> Self {
        for (name, value) in &draft.headers {
            if !is_field_name(name.as_bytes()) {
                problems.add(name, value, FieldProblem::InvalidName);
            } else if let Some(method) = own_field(name) {
                problems.add(name, value, FieldProblem::OwnField { method });
            }
        }
        let at = draft.date.unwrap_or(stamps.now());
        let date = date_time(at).unwrap_or_else(|| {
            problems.add("Date", &at.to_string(), FieldProblem::YearOutOfRange);
            String::new()
        });
        let from = problems.authors(draft);
        Self {
            date,
            message_id: message_id(draft, stamps, &from, problems),
            sender: problems.mailbox("Sender", draft.sender.as_ref()),
            reply_to: problems.list("Reply-To", &draft.reply_to),
            to: problems.list("To", &draft.to),
            cc: problems.list("Cc", &draft.cc),
            bcc: problems.list("Bcc", &draft.bcc),
            in_reply_to: problems.ids("In-Reply-To", draft.in_reply_to.as_slice()),
            references: problems.ids("References", &draft.references),
            from,
        }
    }

    fn write(&self, out: &mut Vec<u8>, draft: &Draft, problems: &mut Problems) {
        header::write_line(out, "Date", &self.date);
        let sender = self.sender.clone().map(AddressList::from).unwrap_or_default();
        let lists = [
            ("From", &self.from),
            ("Sender", &sender),
            ("Reply-To", &self.reply_to),
            ("To", &self.to),
            ("Cc", &self.cc),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                problems.check_written(name, "", address::write_list(out, name, list));
            }
        }
        let ids = [
            ("Message-ID", self.message_id.as_slice()),
            ("In-Reply-To", &self.in_reply_to),
            ("References", &self.references),
        ];
        for (name, ids) in ids {
            if !ids.is_empty() {
                let ids = ids.iter().map(MessageId::as_str);
                problems.check_written(name, "", header::write_words(out, name, ids));
            }
        }
        if let Some(subject) = &draft.subject {
            problems.check_written("Subject", subject, header::write_text(out, "Subject", subject));
        }
        for (name, value) in &draft.headers {
            problems.check_written(name, value, header::write_custom(out, name, value));
        }
    }
}

fn message_id(draft: &Draft, stamps: Stamps, from: &AddressList, problems: &mut Problems) -> Option<MessageId> {
    let Some(text) = &draft.message_id else {
        let domain = from.mailboxes().next()?.address().domain().as_ascii();
        return Some(MessageId::unique(stamps.unique(), domain));
    };
    let id = MessageId::parse(text);
    if id.is_none() && control_character(text).is_none() {
        problems.add("Message-ID", text, FieldProblem::InvalidMessageId);
    }
    id
}

fn envelope(draft: &Draft, fields: &Fields, problems: &mut Problems) -> Option<Envelope> {
    let reverse_path = match draft.envelope_from.as_deref().map(|text| text.trim_matches(' ')) {
        Some("" | "<>") => Some(ReversePath::Null),
        Some(_) => {
            problems.mailbox("envelope from", draft.envelope_from.as_ref()).map(|mailbox| mailbox.into_address().into())
        }
        None => {
            let sender = fields.sender.as_ref().or_else(|| fields.from.mailboxes().next());
            sender.map(|mailbox| mailbox.address().clone().into())
        }
    };
    let given = problems.list("envelope to", &draft.envelope_to);
    let recipients: Vec<Address> = if draft.envelope_to.is_empty() {
        let lists = [&fields.to, &fields.cc, &fields.bcc];
        lists.iter().flat_map(|list| addresses(list)).collect()
    } else {
        addresses(&given).collect()
    };
    if recipients.is_empty() && !problems.found.iter().any(names_recipients) {
        problems.add("To", "", FieldProblem::NoRecipients);
    }
    Envelope::new(reverse_path?, recipients).ok()
}

fn addresses(list: &AddressList) -> impl Iterator<Item = Address> {
    list.mailboxes().map(|mailbox| mailbox.address().clone())
}

/// Whether the error is about a field of recipients: then their lack is none of its own.
fn names_recipients(error: &FieldError) -> bool {
    matches!(error.field(), "To" | "Cc" | "Bcc" | "envelope to")
}

/// The place of the first C0 control character other than a tab, or DEL.
fn control_character(text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte.is_ascii_control() && byte != b'\t')
}
