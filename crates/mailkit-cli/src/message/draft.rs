//! The fields of a message as they were given: by options, or as JSON.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit::TransactionOptions;
use mailkit::mime::ListUnsubscribe;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::attachment::AttachmentDraft;
use super::input::Input;
use super::object::{fields, object, objects};
use super::problems::Problems;
use super::transaction::{DsnDraft, wishes};
use crate::args::{MessageArgs, Priority};
use crate::failure::Failure;

/// The fields of a message, in the form of the JSON interface. `null` and a field that is not there mean the same.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Draft {
    pub(super) from: Option<String>,
    pub(super) sender: Option<String>,
    pub(super) reply_to: Option<Vec<String>>,
    pub(super) to: Option<Vec<String>>,
    pub(super) cc: Option<Vec<String>>,
    pub(super) bcc: Option<Vec<String>>,
    pub(super) subject: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    #[serde(deserialize_with = "objects")]
    pub(super) attachments: Vec<AttachmentDraft>,
    #[serde(deserialize_with = "headers")]
    pub(super) headers: Vec<(String, String)>,
    pub(super) message_id: Option<String>,
    pub(super) date: Option<String>,
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Option<Vec<String>>,
    #[serde(deserialize_with = "object")]
    pub(super) list_unsubscribe: Option<ListUnsubscribeDraft>,
    eml: Option<String>,
    eml_base64: Option<String>,
    #[serde(skip)]
    eml_bytes: Option<Vec<u8>>,
    #[serde(deserialize_with = "fields")]
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
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EnvelopeDraft {
    pub(super) from: Option<String>,
    pub(super) to: Option<Vec<String>>,
    #[serde(deserialize_with = "fields")]
    dsn: DsnDraft,
    require_tls: Option<bool>,
}

/// How a recipient leaves the list.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListUnsubscribeDraft {
    mailto: Option<String>,
    url: Option<String>,
    one_click: Option<bool>,
}

impl ListUnsubscribeDraft {
    /// The URL first, which is the more convenient way.
    pub(super) fn read(self) -> ListUnsubscribe {
        let ways = self.url.into_iter().fold(ListUnsubscribe::new(), ListUnsubscribe::url);
        let ways = self.mailto.into_iter().fold(ways, ListUnsubscribe::mailto);
        if self.one_click.unwrap_or_default() { ways.one_click() } else { ways }
    }
}

/// Reads a message in JSON. A byte order mark in front is passed over, as RFC 8259 §8.1 allows.
pub(super) fn from_json(text: &[u8]) -> Result<Draft, Failure> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    // serde would take an array for the fields in their order.
    if text.trim_ascii_start().first().is_some_and(|first| b"[\"0123456789-tfn".contains(first)) {
        return Err(Failure::message("message", "it is no object: write {\"from\": …, \"to\": […], …}"));
    }
    serde_json::from_slice(text).map_err(|error| Failure::message("message", &error))
}

impl Draft {
    /// Puts the options over the fields: single ones replace, lists are added to.
    pub(super) fn apply(
        &mut self,
        args: MessageArgs,
        input: &mut Input,
        problems: &mut Problems,
    ) -> Result<(), Failure> {
        let mut text_of = |file: Option<PathBuf>, field| file.map(|path| input.read_text(&path, field)).transpose();
        let text = text_of(args.text_file, "text")?;
        let html = text_of(args.html_file, "html")?;
        self.eml_bytes = args.eml.as_deref().map(|path| input.read(path)).transpose()?;
        for (field, value) in [
            (&mut self.from, args.from),
            (&mut self.subject, args.subject),
            (&mut self.text, args.text.or(text)),
            (&mut self.html, args.html.or(html)),
            (&mut self.message_id, args.message_id),
            (&mut self.date, args.date),
            (&mut self.envelope.from, args.envelope_from),
        ] {
            *field = value.or(field.take());
        }
        for (field, values) in [
            (&mut self.to, args.to),
            (&mut self.cc, args.cc),
            (&mut self.bcc, args.bcc),
            (&mut self.reply_to, args.reply_to),
            (&mut self.envelope.to, args.envelope_to),
            (&mut self.envelope.dsn.notify, args.dsn_notify),
        ] {
            field.get_or_insert_default().extend(values);
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
        TransactionOptions { require_tls: self.envelope.require_tls.unwrap_or_default(), ..options }
    }

    /// The finished message, if it is one; a finished message has no other fields.
    pub(super) fn finished(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let given = [self.eml_bytes.is_some(), self.eml.is_some(), self.eml_base64.is_some()];
        match given.into_iter().filter(|given| *given).count() {
            0 => return Ok(None),
            1 => {}
            _ => return Err(Failure::message("eml", "given twice: give it once")),
        }
        if let Some(field) = self.composed_field() {
            return Err(Failure::message(field, "a finished message (eml) has its own: leave it out"));
        }
        let encoded = self.eml_base64.take().map(|text| STANDARD.decode(text.trim()));
        let decoded = encoded.transpose().map_err(|error| Failure::message("eml_base64", &error))?;
        Ok(self.eml_bytes.take().or_else(|| self.eml.take().map(String::into_bytes)).or(decoded))
    }

    /// The first field that only a message which is composed here can have.
    fn composed_field(&self) -> Option<&'static str> {
        let filled = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let fields = [
            ("from", self.from.is_some()),
            ("sender", self.sender.is_some()),
            ("reply_to", filled(&self.reply_to)),
            ("to", filled(&self.to)),
            ("cc", filled(&self.cc)),
            ("bcc", filled(&self.bcc)),
            ("subject", self.subject.is_some()),
            ("text", self.text.is_some()),
            ("html", self.html.is_some()),
            ("attachments", !self.attachments.is_empty()),
            ("headers", !self.headers.is_empty()),
            ("message_id", self.message_id.is_some()),
            ("date", self.date.is_some()),
            ("in_reply_to", self.in_reply_to.is_some()),
            ("references", filled(&self.references)),
            ("list_unsubscribe", self.list_unsubscribe.is_some()),
        ];
        fields.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
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

/// Header fields in the order in which they stand, which a map would lose.
fn headers<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of header fields, such as {\"X-Campaign\": \"42\"}")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    input.deserialize_any(Pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        from_json(json.as_bytes()).map(|_| ()).unwrap_err().text()
    }

    #[test]
    fn header_fields_keep_their_order() {
        let draft = from_json(br#"{"headers": {"X-B": "1", "X-A": "2"}}"#).unwrap();
        let names: Vec<_> = draft.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["X-B", "X-A"]);
    }

    #[test]
    fn null_means_the_same_as_a_field_that_is_not_there() {
        let json = br#"{"from": null, "to": null, "headers": null, "envelope": null, "priority": null, "html": null, "tags": [],
            "attachments": null, "list_unsubscribe": null}"#;
        assert!(from_json(json).is_ok());
        assert!(from_json(br#"{"envelope": {"dsn": null}}"#).is_ok());
    }

    #[test]
    fn unknown_fields_and_those_of_a_queue_are_refused_by_name() {
        assert!(refusal(r#"{"form": "a@x"}"#).contains("unknown field `form`"));
        assert!(refusal(r#"{"attachments": [{"file": "r.pdf"}]}"#).contains("unknown field `file`"));
        assert!(refusal(r#"{"list_unsubscribe": {"post": true}}"#).contains("unknown field `post`"));
        let draft = from_json(br#"{"route": "a", "tags": ["b"]}"#).unwrap();
        let refused = draft.refuse_wishes_to_a_queue().unwrap_err().text();
        assert!(refused.starts_with("route, tags: belong to the queue"), "{refused}");
    }

    #[test]
    fn a_message_is_an_object_also_behind_a_byte_order_mark() {
        for json in ["[]", " [\"ann@example.com\"]", "[{\"from\": \"ann@example.com\"}]", "1", "\"text\"", "null"] {
            assert!(refusal(json).contains("no object"), "{json}");
        }
        assert!(from_json("\u{feff}{\"subject\": \"Hello\"}".as_bytes()).is_ok());
        assert!(refusal("").contains("EOF"));
    }

    #[test]
    fn an_array_does_not_stand_for_the_fields_of_an_object() {
        for json in [
            r#"{"envelope": ["c@example.com", ["d@example.com"]]}"#,
            r#"{"envelope": {"dsn": [["failure"], "full"]}}"#,
            r#"{"list_unsubscribe": ["u@example.com"]}"#,
            r#"{"attachments": [["report.pdf"]]}"#,
        ] {
            let refused = refusal(json);
            assert!(refused.contains("expected an object with its fields by name"), "{json}: {refused}");
        }
    }

    #[test]
    fn a_finished_message_has_no_other_fields() {
        let mut draft = from_json(br#"{"eml": "A: b\n\n", "subject": "c"}"#).unwrap();
        assert!(draft.finished().unwrap_err().text().starts_with("subject: "));
        let mut draft = from_json(br#"{"eml_base64": "QTogYgoK"}"#).unwrap();
        assert_eq!(draft.finished().unwrap().unwrap(), b"A: b\n\n");
    }
}
