//! The fields of a message as they were given: by options, or as JSON.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit::TransactionOptions;
use mailkit::mime::{ListUnsubscribe, Part, TextSource};

use super::attachment::AttachmentDraft;
use super::fields::{Fields, Given};
use super::input::{Input, Loaded, TextInput};
use super::json::Json;
use super::places::Places;
use super::problems::Problems;
use super::transaction::{DsnDraft, mt_priority, wishes};
use crate::args::{MessageArgs, Priority};
use crate::failure::Failure;

/// The fields of a message, in the form of the JSON interface.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) from: Option<Given>,
    pub(super) sender: Option<Given>,
    pub(super) reply_to: Vec<Given>,
    pub(super) to: Vec<Given>,
    pub(super) cc: Vec<Given>,
    pub(super) bcc: Vec<Given>,
    pub(super) subject: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    /// Large texts in files, in the place of `text` and `html`.
    pub(super) text_source: Option<TextSource>,
    pub(super) html_source: Option<TextSource>,
    pub(super) attachments: Vec<AttachmentDraft>,
    pub(super) calendar: Option<Part>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) message_id: Option<String>,
    pub(super) date: Option<Given>,
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Vec<Given>,
    pub(super) list_unsubscribe: Option<ListUnsubscribe>,
    eml: Option<String>,
    eml_base64: Option<String>,
    eml_input: Option<Loaded>,
    pub(super) envelope: EnvelopeDraft,
    pub(super) priority: Option<Priority>,
    // Wishes to a queue.
    pub(super) idempotency_key: Option<String>,
    pub(super) send_at: Option<String>,
    pub(super) expires_at: Option<String>,
    pub(super) route: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) on_ambiguous: Option<String>,
    // What a message keeps that comes out of another queue.
    pub(super) id: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) idempotency_fingerprint: Option<String>,
    pub(super) traceparent: Option<String>,
    /// Where the fields were given.
    pub(super) places: Places,
}

#[derive(Default)]
pub(super) struct EnvelopeDraft {
    pub(super) from: Option<Given>,
    pub(super) to: Vec<Given>,
    dsn: DsnDraft,
    require_tls: bool,
    mt_priority: Option<String>,
}

/// How a recipient leaves the list: the URL first, which is the more convenient way.
fn list_unsubscribe(fields: &mut Fields<'_>) -> ListUnsubscribe {
    let mailto = fields.text("mailto");
    let ways = fields.text("url").into_iter().fold(ListUnsubscribe::new(), ListUnsubscribe::url);
    let ways = mailto.into_iter().fold(ways, ListUnsubscribe::mailto);
    if fields.boolean("one_click").unwrap_or_default() { ways.one_click() } else { ways }
}

fn calendar(fields: &mut Fields<'_>) -> Option<Part> {
    let (method, content) = (fields.text("method"), fields.text("content"));
    for (name, value) in [("method", &method), ("content", &content)] {
        if value.is_none() && !fields.has_unread(name) {
            fields.refuse(name, "missing: a calendar has a method, such as REQUEST, and content");
        }
    }
    Some(Part::calendar(method?, content?))
}

fn envelope(fields: &mut Fields<'_>) -> EnvelopeDraft {
    EnvelopeDraft {
        from: fields.given("from"),
        to: fields.addresses("to"),
        dsn: fields.object("dsn", DsnDraft::from_json).unwrap_or_default(),
        require_tls: fields.boolean("require_tls").unwrap_or_default(),
        mt_priority: fields.text("mt_priority"),
    }
}

fn priority(fields: &mut Fields<'_>) -> Option<Priority> {
    let word = fields.text("priority")?;
    let priority = <Priority as clap::ValueEnum>::from_str(&word, false);
    if priority.is_err() {
        fields.refuse("priority", &format!("`{}` is none of high, normal, low", word.escape_debug()));
    }
    priority.ok()
}

/// Reads a message in JSON; `None` where it is no JSON object. A byte order mark in front is passed over, as RFC 8259
/// §8.1 allows.
pub(super) fn from_json(text: &[u8], problems: &mut Problems) -> Option<Draft> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let value: Result<Json, _> = serde_json::from_slice(text);
    let value = problems.note(value.map_err(|error| Failure::message("", format!("not JSON: {error}"))))?;
    Some(Fields::of_message(value, problems)?.read(Draft::from_fields))
}

impl Draft {
    fn from_fields(fields: &mut Fields<'_>) -> Self {
        let mut draft = Self {
            from: fields.given("from"),
            sender: fields.given("sender"),
            reply_to: fields.addresses("reply_to"),
            to: fields.addresses("to"),
            cc: fields.addresses("cc"),
            bcc: fields.addresses("bcc"),
            subject: fields.text("subject"),
            text: fields.text("text"),
            html: fields.text("html"),
            text_source: None,
            html_source: None,
            attachments: fields.objects("attachments", AttachmentDraft::from_json),
            calendar: fields.object("calendar", calendar).flatten(),
            headers: fields.pairs("headers"),
            message_id: fields.text("message_id"),
            date: fields.given("date"),
            in_reply_to: fields.text("in_reply_to"),
            references: fields.texts("references"),
            list_unsubscribe: fields.object("list_unsubscribe", list_unsubscribe),
            eml: fields.text("eml"),
            eml_base64: fields.text("eml_base64"),
            eml_input: None,
            envelope: fields.object("envelope", envelope).unwrap_or_default(),
            priority: priority(fields),
            idempotency_key: fields.text("idempotency_key"),
            send_at: fields.text("send_at"),
            expires_at: fields.text("expires_at"),
            route: fields.text("route"),
            tenant: fields.text("tenant"),
            tags: Some(fields.texts("tags").into_iter().map(|tag| tag.text).collect()),
            on_ambiguous: fields.text("on_ambiguous"),
            id: fields.text("id"),
            created_at: fields.text("created_at"),
            idempotency_fingerprint: fields.text("idempotency_fingerprint"),
            traceparent: fields.text("traceparent"),
            places: Places::default(),
        };
        draft.places = Places::in_json(draft.attachments.len(), &draft.headers);
        draft
    }

    /// Puts the options over the fields: single ones replace, lists are added to.
    pub(super) fn apply(
        &mut self,
        args: MessageArgs,
        input: &mut Input,
        problems: &mut Problems,
    ) -> Result<(), Failure> {
        let (text, text_source) = text_of(args.text_file.as_deref(), "text", input)?;
        let (html, html_source) = text_of(args.html_file.as_deref(), "html", input)?;
        self.eml_input = args.eml.map(|path| input.load(&path)).transpose()?;
        for (name, field, source_field, source) in [
            ("text", &mut self.text, &mut self.text_source, text_source),
            ("html", &mut self.html, &mut self.html_source, html_source),
        ] {
            if source.is_some() {
                (*field, *source_field) = (None, source);
                self.places.replaced(name);
            }
        }
        for (name, field, value) in [
            ("Subject", &mut self.subject, args.subject),
            ("text", &mut self.text, args.text.or(text)),
            ("html", &mut self.html, args.html.or(html)),
            ("Message-ID", &mut self.message_id, args.message_id),
        ] {
            if value.is_some() {
                *field = value;
                self.places.replaced(name);
            }
        }
        for (name, field, value) in [
            ("From", &mut self.from, args.from),
            ("Date", &mut self.date, args.date),
            ("envelope from", &mut self.envelope.from, args.envelope_from),
        ] {
            if let Some(text) = value {
                *field = Some(Given::new(if name == "Date" { "date" } else { name }, text));
                self.places.replaced(name);
            }
        }
        for (name, field, values) in [
            ("To", &mut self.to, args.to),
            ("Cc", &mut self.cc, args.cc),
            ("Bcc", &mut self.bcc, args.bcc),
            ("Reply-To", &mut self.reply_to, args.reply_to),
            ("envelope to", &mut self.envelope.to, args.envelope_to),
            ("dsn notify", &mut self.envelope.dsn.notify, args.dsn_notify),
        ] {
            field.extend(values.into_iter().map(|text| Given::new(name, text)));
        }
        for header in &args.header {
            self.headers.extend(problems.note(field(header)));
        }
        let attached = args.attach.into_iter().map(|value| AttachmentDraft::from_option(value, None));
        self.attachments.extend(attached);
        let shown =
            args.inline.into_iter().map(|value| AttachmentDraft::from_option(value.file, Some(value.content_id)));
        self.attachments.extend(shown);
        self.priority = args.priority.or(self.priority);
        self.idempotency_key = args.idempotency_key.or(self.idempotency_key.take());
        self.send_at = args.send_at.or(self.send_at.take());
        Ok(())
    }

    /// What the transaction asks for beyond what the message itself needs.
    pub(super) fn transaction(&self, problems: &mut Problems) -> TransactionOptions {
        let options = wishes(&self.envelope.dsn, self.priority, problems);
        let given = self.envelope.mt_priority.as_deref().and_then(|number| problems.note(mt_priority(number)));
        // A message from another queue keeps what it asked for there: nothing, where nothing is given.
        let of_word = if self.created_at.is_some() { None } else { options.priority };
        let require_tls = self.envelope.require_tls;
        TransactionOptions { require_tls, priority: given.or(of_word), ..options }
    }

    /// Whether it is a finished message.
    pub(super) fn is_finished(&self) -> bool {
        self.eml_input.is_some() || self.eml.is_some() || self.eml_base64.is_some()
    }

    /// Takes the finished message out, which has no other fields.
    pub(super) fn take_finished(&mut self, problems: &mut Problems) -> Option<Loaded> {
        let given = [self.eml_input.is_some(), self.eml.is_some(), self.eml_base64.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            problems.add(Failure::message("eml", "given twice: give it once"));
        }
        for field in self.composed_fields() {
            problems.add(Failure::message(field, "a finished message (eml) has its own: leave it out"));
        }
        let encoded = self.eml_base64.take().map(|text| STANDARD.decode(text.trim()));
        let decoded = encoded.transpose().map_err(|error| Failure::message("eml_base64", &error));
        let decoded = problems.note(decoded).flatten();
        let text = self.eml.take().map(String::into_bytes);
        self.eml_input.take().or(text.or(decoded).map(Loaded::Octets))
    }

    /// The fields given that only a message which is composed here can have.
    fn composed_fields(&self) -> impl Iterator<Item = &'static str> + use<> {
        let fields = [
            ("from", self.from.is_some()),
            ("sender", self.sender.is_some()),
            ("reply_to", !self.reply_to.is_empty()),
            ("to", !self.to.is_empty()),
            ("cc", !self.cc.is_empty()),
            ("bcc", !self.bcc.is_empty()),
            ("subject", self.subject.is_some()),
            ("text", self.text.is_some() || self.text_source.is_some()),
            ("html", self.html.is_some() || self.html_source.is_some()),
            ("attachments", !self.attachments.is_empty()),
            ("calendar", self.calendar.is_some()),
            ("headers", !self.headers.is_empty()),
            ("message_id", self.message_id.is_some()),
            ("date", self.date.is_some()),
            ("in_reply_to", self.in_reply_to.is_some()),
            ("references", !self.references.is_empty()),
            ("list_unsubscribe", self.list_unsubscribe.is_some()),
        ];
        fields.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Refuses what only a queue could grant, by name.
    pub(super) fn refuse_wishes_to_a_queue(&self) -> Result<(), Failure> {
        let tags = self.tags.as_ref().is_some_and(|tags| !tags.is_empty());
        let fields = [
            ("idempotency_key", self.idempotency_key.is_some()),
            ("send_at", self.send_at.is_some()),
            ("expires_at", self.expires_at.is_some()),
            ("route", self.route.is_some()),
            ("tenant", self.tenant.is_some()),
            ("tags", tags),
            ("on_ambiguous", self.on_ambiguous.is_some()),
            ("id", self.id.is_some()),
            ("created_at", self.created_at.is_some()),
            ("idempotency_fingerprint", self.idempotency_fingerprint.is_some()),
            ("traceparent", self.traceparent.is_some()),
        ];
        let given = fields.into_iter().filter(|(_, given)| *given);
        let names: Vec<_> = given.map(|(name, _)| name).collect();
        match names.len() {
            0 => Ok(()),
            1 => Err(Failure::message(
                &names.concat(),
                "belongs to the queue, which this command does not use: leave it out",
            )),
            _ => Err(Failure::message(
                &names.join(", "),
                "belong to the queue, which this command does not use: leave them out",
            )),
        }
    }
}

/// The text in a file: in memory, or read when it is needed.
fn text_of(
    file: Option<&Path>,
    field: &str,
    input: &mut Input,
) -> Result<(Option<String>, Option<TextSource>), Failure> {
    Ok(match file.map(|path| input.read_text(path, field)).transpose()? {
        Some(TextInput::Memory(text)) => (Some(text), None),
        Some(TextInput::Source(source)) => (None, Some(source)),
        None => (None, None),
    })
}

/// A header field in one text.
fn field(header: &str) -> Result<(String, String), Failure> {
    match header.split_once(':') {
        Some((name, value)) => Ok((name.trim_end().to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())),
        None => {
            let header = header.escape_debug();
            Err(Failure::message("header", format!("no colon in `{header}`: write it as 'Name: value'")))
        }
    }
}

#[cfg(test)]
#[path = "draft/tests.rs"]
mod tests;
