//! From the fields of a draft to a message: reads them all, then writes them in order.

mod structure;

use std::sync::Arc;

use mailkit_address::{Address, AddressEntry, AddressList, Envelope, Mailbox, ReversePath};

use crate::builder::Draft;
use crate::content::SMALL;
use crate::encoded::{BodyKind, Capabilities};
use crate::error::{BuildErrors, FieldError, FieldProblem};
use crate::header::date::Date;
use crate::header::fold::Overlong;
use crate::header::message_id::MessageId;
use crate::header::name::{is_field_name, own_field};
use crate::header::{self, address, control_character};
use crate::layout::lay_out;
use crate::message::{Form, Message, Tree};
use crate::part::{Node, prepare};
use crate::stamps::Stamps;

pub(crate) fn assemble(mut draft: Box<Draft>, stamps: Stamps) -> Result<Message, BuildErrors> {
    let mut problems = Problems::default();
    problems.check_characters(&draft);
    let fields = Fields::read(&draft, stamps, &mut problems);
    let envelope = envelope(&draft, &fields, &mut problems);
    let room = room_for(&draft);
    let (mut nodes, depth) = structure::choose(&mut draft, &mut problems.found).into_nodes();
    prepare(&mut nodes, &mut problems.found);
    // Written even when something is wrong: what cannot be folded is reported along with it.
    let mut head = Vec::with_capacity(room);
    fields.write(&mut head, &draft, &mut problems);
    let needs_utf8 = fields.needs_utf8;
    let (Some(envelope), Some(message_id), true) = (envelope, fields.message_id, problems.found.is_empty()) else {
        return Err(problems.into_errors());
    };
    if !matches!(nodes.as_slice(), [Node::Nothing]) {
        header::write_line(&mut head, "MIME-Version", "1.0");
    }
    let (header_length, header_is_ascii) = (head.len(), !needs_utf8);
    let (layout, kind) = lay_out(head, &nodes, stamps.unique(), Capabilities::default());
    let needs_smtp_utf8 = needs_utf8 || envelope.needs_smtp_utf8();
    Ok(Message {
        envelope,
        message_id: Some(message_id.into_boxed_str()),
        needs_8bit: !header_is_ascii || kind != BodyKind::SevenBit,
        content: layout.finish(),
        subject: draft.subject.take().map(String::into_boxed_str),
        needs_smtp_utf8,
        form: Form::Built(Arc::new(Tree { nodes, depth, unique: stamps.unique(), header_length })),
    })
}

/// Room for a header, and for the text and HTML that are written behind it at once.
fn room_for(draft: &Draft) -> usize {
    /// What most headers take, and no more than an allocator keeps at hand.
    const HEADER: usize = 1000;
    let texts = [&draft.text, &draft.html].into_iter().flatten().map(String::len);
    let small = texts.filter(|&length| length as u64 <= SMALL).sum::<usize>();
    if small == 0 { HEADER } else { HEADER + small + small / 4 }
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
        for (field, value) in single {
            if let Some(value) = value {
                self.check_text(field, value);
            }
        }
        for (field, values) in named {
            values.iter().for_each(|value| self.check_text(field, value));
        }
        for (name, value) in &draft.headers {
            self.check_text(name, value);
        }
        draft.list.iter().for_each(|field| field.check(&mut self.found));
    }

    fn check_text(&mut self, field: &str, value: &str) {
        if let Some(position) = control_character(value) {
            self.add(field, value, FieldProblem::ControlCharacter { position });
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
                Ok(list) if all.is_empty() => all = list,
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
    date: Option<Date>,
    from: AddressList,
    sender: Option<Mailbox>,
    reply_to: AddressList,
    to: AddressList,
    cc: AddressList,
    bcc: AddressList,
    message_id: Option<MessageId>,
    in_reply_to: Vec<MessageId>,
    references: Vec<MessageId>,
    /// An address of the header has a local part beyond ASCII: the message needs SMTPUTF8, and
    /// the header is written in it (RFC 6532).
    needs_utf8: bool,
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
        let date = Date::new(at);
        if date.is_none() {
            problems.add("Date", &at.to_string(), FieldProblem::YearOutOfRange);
        }
        let from = problems.authors(draft);
        let mut fields = Self {
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
            needs_utf8: false,
        };
        let needs_utf8 = fields.addresses_shown().any(Address::needs_smtp_utf8);
        fields.needs_utf8 = needs_utf8;
        fields
    }

    fn addresses_shown(&self) -> impl Iterator<Item = &Address> {
        let lists = [&self.from, &self.reply_to, &self.to, &self.cc];
        lists.into_iter().flat_map(AddressList::mailboxes).chain(&self.sender).map(Mailbox::address)
    }

    fn write(&self, out: &mut Vec<u8>, draft: &Draft, problems: &mut Problems) {
        let utf8 = self.needs_utf8;
        if let Some(date) = self.date {
            out.extend_from_slice(b"Date: ");
            date.write(out);
            out.extend_from_slice(b"\r\n");
        }
        let mut list = |out: &mut Vec<u8>, name: &str, list: &AddressList| {
            if !list.is_empty() {
                problems.check_written(name, "", address::write_list(out, name, list, utf8));
            }
        };
        list(out, "From", &self.from);
        if let Some(sender) = &self.sender {
            // One mailbox is short enough for a line of its own.
            let _ = address::write_one(out, "Sender", sender, utf8);
        }
        list(out, "Reply-To", &self.reply_to);
        list(out, "To", &self.to);
        list(out, "Cc", &self.cc);
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
            problems.check_written("Subject", subject, header::write_text(out, "Subject", subject, utf8));
        }
        for field in &draft.list {
            if let Err(name) = field.write(out, utf8) {
                problems.add(name, "", FieldProblem::TooLong);
            }
        }
        for (name, value) in &draft.headers {
            problems.check_written(name, value, header::write_custom(out, name, value, utf8));
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
