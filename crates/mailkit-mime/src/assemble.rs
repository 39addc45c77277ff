//! From the fields of a draft to a message: reads them all, then writes them in order.

mod structure;

use std::sync::Arc;

use mailkit_address::{AddressEntry, AddressList, Envelope, Mailbox, ReversePath};

use crate::builder::{Draft, GivenAddresses, GivenMailbox, Refused, read_mailbox};
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
    let fields = Fields::read(&mut draft, stamps, &mut problems);
    let reverse_path = reverse_path(&draft, &mut problems);
    fields.check_recipients(&mut problems);
    let room = room_for(&draft);
    let (mut nodes, depth) = structure::choose(&mut draft, &mut problems.found).into_nodes();
    prepare(nodes.as_mut_slice(), &mut problems.found);
    // Written even when something is wrong: what cannot be folded is reported along with it.
    let mut head = Vec::with_capacity(room);
    fields.write(&mut head, &draft, &mut problems);
    let needs_utf8 = fields.needs_utf8;
    if !problems.found.is_empty() {
        return Err(problems.into_errors());
    }
    let (Some(envelope), message_id) = fields.into_envelope(reverse_path) else {
        return Err(problems.into_errors());
    };
    if !matches!(nodes.as_slice(), [Node::Nothing]) {
        header::write_line(&mut head, "MIME-Version", "1.0");
    }
    let (header_length, header_is_ascii) = (head.len(), !needs_utf8);
    let (layout, kind) = lay_out(head, nodes.as_slice(), stamps.unique(), Capabilities::default());
    let needs_smtp_utf8 = needs_utf8 || envelope.needs_smtp_utf8();
    Ok(Message {
        envelope,
        message_id: message_id.map(MessageId::into_string),
        needs_8bit: !header_is_ascii || kind != BodyKind::SevenBit,
        content: layout.finish(),
        subject: draft.subject.take(),
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
        let single =
            [("In-Reply-To", &draft.in_reply_to), ("Subject", &draft.subject), ("envelope from", &draft.envelope_from)];
        for (field, value) in single {
            if let Some(value) = value {
                self.check_text(field, value);
            }
        }
        draft.references.iter().for_each(|value| self.check_text("References", value));
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

    /// Notes what could not be read.
    fn refuse(&mut self, field: &str, refused: &Refused) {
        self.add(field, &refused.text, refused.problem.clone());
    }

    #[inline]
    fn list(&mut self, field: &str, given: &mut GivenAddresses) -> AddressList {
        given.refused.iter().for_each(|refused| self.refuse(field, refused));
        std::mem::take(&mut given.list)
    }

    fn sender(&mut self, draft: &mut Draft) -> Option<Mailbox> {
        let GivenMailbox(read) = draft.sender.take()?;
        read.map_err(|refused| self.refuse("Sender", &refused)).ok()
    }

    #[inline]
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
    fn authors(&mut self, draft: &mut Draft) -> AddressList {
        if draft.from.is_empty() {
            self.add("From", "", FieldProblem::Missing);
        }
        let list = self.list("From", &mut draft.from);
        if list.iter().any(|entry| matches!(entry, AddressEntry::Group(_))) {
            self.add("From", &list.to_string(), FieldProblem::Group);
        }
        if list.len() > 1 && draft.sender.is_none() {
            self.add("From", &list.to_string(), FieldProblem::NoSender);
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
    /// Once one is given, those of the header count no more.
    envelope_to: Option<AddressList>,
    message_id: Option<MessageId>,
    in_reply_to: Vec<MessageId>,
    references: Vec<MessageId>,
    /// An address of the header has a local part beyond ASCII: the message needs SMTPUTF8, and
    /// the header is written in it (RFC 6532).
    needs_utf8: bool,
}

impl Fields {
    fn read(draft: &mut Draft, stamps: Stamps, problems: &mut Problems) -> Self {
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
        let id = message_id(draft, stamps, &from, problems);
        let mut fields = Self {
            date,
            message_id: id,
            sender: problems.sender(draft),
            reply_to: problems.list("Reply-To", &mut draft.reply_to),
            to: problems.list("To", &mut draft.to),
            cc: problems.list("Cc", &mut draft.cc),
            bcc: problems.list("Bcc", &mut draft.bcc),
            in_reply_to: problems.ids("In-Reply-To", draft.in_reply_to.as_slice()),
            references: problems.ids("References", &draft.references),
            envelope_to: (!draft.envelope_to.is_empty()).then(|| problems.list("envelope to", &mut draft.envelope_to)),
            from,
            needs_utf8: false,
        };
        fields.needs_utf8 = fields.shows_utf8();
        fields
    }

    /// Whether an address in the header needs SMTPUTF8.
    fn shows_utf8(&self) -> bool {
        let needs_utf8 = |mailbox: &Mailbox| mailbox.address().needs_smtp_utf8();
        let lists = [&self.from, &self.reply_to, &self.to, &self.cc];
        lists.iter().any(|list| list.mailboxes().any(needs_utf8)) || self.sender.as_ref().is_some_and(needs_utf8)
    }

    fn check_recipients(&self, problems: &mut Problems) {
        let lists = match &self.envelope_to {
            Some(list) => [list, list, list],
            None => [&self.to, &self.cc, &self.bcc],
        };
        let none = lists.into_iter().all(|list| list.mailboxes().next().is_none());
        if none && !problems.found.iter().any(names_recipients) {
            problems.add("To", "", FieldProblem::NoRecipients);
        }
    }

    /// The envelope, and the identifier of the message.
    fn into_envelope(self, reverse_path: Option<ReversePath>) -> (Option<Envelope>, Option<MessageId>) {
        let sender = || self.sender.as_ref().or_else(|| self.from.mailboxes().next());
        let reverse_path = reverse_path.or_else(|| sender().map(|mailbox| mailbox.address().clone().into()));
        let lists = match &self.envelope_to {
            Some(list) => std::slice::from_ref(list),
            None => &[self.to, self.cc, self.bcc],
        };
        let recipients = lists.iter().flat_map(AddressList::mailboxes).map(|mailbox| mailbox.address().clone());
        (reverse_path.and_then(|path| Envelope::collect(path, recipients).ok()), self.message_id)
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

fn message_id(draft: &mut Draft, stamps: Stamps, from: &AddressList, problems: &mut Problems) -> Option<MessageId> {
    match draft.message_id.take() {
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
            let domain = from.mailboxes().next()?.address().domain().as_ascii();
            Some(MessageId::unique(stamps.unique(), domain))
        }
    }
}

/// Where reports go, if it was said.
fn reverse_path(draft: &Draft, problems: &mut Problems) -> Option<ReversePath> {
    let text = draft.envelope_from.as_deref()?;
    match text.trim_matches(' ') {
        "" | "<>" => Some(ReversePath::Null),
        _ => match read_mailbox(text) {
            Ok(mailbox) => Some(mailbox.into_address().into()),
            // A control character was found before.
            Err(Refused { problem: FieldProblem::ControlCharacter { .. }, .. }) => None,
            Err(refused) => {
                problems.refuse("envelope from", &refused);
                None
            }
        },
    }
}

/// Whether the error is about a field of recipients: then their lack is none of its own.
fn names_recipients(error: &FieldError) -> bool {
    matches!(error.field(), "To" | "Cc" | "Bcc" | "envelope to")
}
