//! The fields of a message as they were given: by options, or as JSON.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit::TransactionOptions;
use mailkit::smtp::parameter::{DsnReturn, Notify};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::input::Input;
use super::mt_priority;
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
    #[serde(deserialize_with = "headers")]
    pub(super) headers: Vec<(String, String)>,
    pub(super) message_id: Option<String>,
    pub(super) date: Option<String>,
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Option<Vec<String>>,
    eml: Option<String>,
    eml_base64: Option<String>,
    #[serde(skip)]
    eml_bytes: Option<Vec<u8>>,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) envelope: EnvelopeDraft,
    priority: Option<Priority>,
    // Known to the interface and not to this version.
    html: Option<Value>,
    attachments: Option<Value>,
    list_unsubscribe: Option<Value>,
    idempotency_key: Option<Value>,
    send_at: Option<Value>,
    expires_at: Option<Value>,
    route: Option<Value>,
    tenant: Option<Value>,
    tags: Option<Value>,
    on_ambiguous: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EnvelopeDraft {
    pub(super) from: Option<String>,
    pub(super) to: Option<Vec<String>>,
    #[serde(deserialize_with = "null_is_default")]
    dsn: DsnDraft,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DsnDraft {
    notify: Option<Vec<String>>,
    ret: Option<String>,
    envid: Option<String>,
}

/// Reads a message in JSON.
pub(super) fn from_json(text: &[u8]) -> Result<Draft, Failure> {
    let draft: Draft = serde_json::from_slice(text).map_err(|error| Failure::message("message", &error))?;
    draft.refuse_unsupported()?;
    Ok(draft)
}

impl Draft {
    /// Puts the options over the fields: single ones replace, lists are added to.
    pub(super) fn apply(&mut self, args: MessageArgs, input: &mut Input) -> Result<(), Failure> {
        let text = args.text_file.as_deref().map(|path| input.read_text(path)).transpose()?;
        self.eml_bytes = args.eml.as_deref().map(|path| input.read(path)).transpose()?;
        for (field, value) in [
            (&mut self.from, args.from),
            (&mut self.subject, args.subject),
            (&mut self.text, args.text.or(text)),
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
            let (name, value) = header.split_once(':').ok_or_else(|| {
                let header = header.escape_debug();
                Failure::message("header", format!("no colon in `{header}`: write it as 'Name: value'"))
            })?;
            self.headers.push((name.trim_end().to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
        }
        self.priority = args.priority.or(self.priority);
        Ok(())
    }

    /// What the transaction asks for beyond what the message itself needs.
    pub(super) fn transaction(&self) -> Result<TransactionOptions, Failure> {
        let dsn = &self.envelope.dsn;
        let notify = dsn.notify.as_ref().filter(|words| !words.is_empty());
        if dsn.envid.as_deref().is_some_and(|envid| envid.chars().any(char::is_control)) {
            return Err(Failure::message("envelope dsn envid", "control character: remove it"));
        }
        Ok(TransactionOptions {
            notify: notify.map(|words| notifications(words)).transpose()?,
            ret: dsn.ret.as_deref().map(returned).transpose()?,
            envid: dsn.envid.clone(),
            priority: self.priority.and_then(mt_priority),
            ..TransactionOptions::default()
        })
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
            ("headers", !self.headers.is_empty()),
            ("message_id", self.message_id.is_some()),
            ("date", self.date.is_some()),
            ("in_reply_to", self.in_reply_to.is_some()),
            ("references", filled(&self.references)),
        ];
        fields.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    fn refuse_unsupported(&self) -> Result<(), Failure> {
        const OF_THE_QUEUE: &str = "belongs to the queue, which this version does not have: leave it out";
        const NOT_YET: &str = "not supported by this version: leave it out, or give a finished message as eml";
        let fields = [
            ("html", &self.html, NOT_YET),
            ("attachments", &self.attachments, NOT_YET),
            ("list_unsubscribe", &self.list_unsubscribe, NOT_YET),
            ("idempotency_key", &self.idempotency_key, OF_THE_QUEUE),
            ("send_at", &self.send_at, OF_THE_QUEUE),
            ("expires_at", &self.expires_at, OF_THE_QUEUE),
            ("route", &self.route, OF_THE_QUEUE),
            ("tenant", &self.tenant, OF_THE_QUEUE),
            ("tags", &self.tags, OF_THE_QUEUE),
            ("on_ambiguous", &self.on_ambiguous, OF_THE_QUEUE),
        ];
        let asked = |value: &Value| value.as_array().is_none_or(|list| !list.is_empty());
        match fields.into_iter().find(|(_, value, _)| value.as_ref().is_some_and(asked)) {
            Some((name, _, why)) => Err(Failure::message(name, why)),
            None => Ok(()),
        }
    }
}

fn notifications(words: &[String]) -> Result<Notify, Failure> {
    let mut notify = Notify::default();
    for word in words {
        match word.trim().to_ascii_lowercase().as_str() {
            "success" => notify.success = true,
            "failure" => notify.failure = true,
            "delay" => notify.delay = true,
            "never" if words.len() == 1 => {}
            "never" => return Err(Failure::message("dsn notify", "`never` stands alone: leave out the others")),
            _ => {
                let word = word.escape_debug();
                let text = format!("`{word}` is no event: use success, failure, delay or never");
                return Err(Failure::message("dsn notify", text));
            }
        }
    }
    Ok(notify)
}

fn returned(word: &str) -> Result<DsnReturn, Failure> {
    match word {
        "full" => Ok(DsnReturn::Full),
        "headers" => Ok(DsnReturn::Headers),
        _ => Err(Failure::message("dsn ret", format!("`{}` is neither full nor headers", word.escape_debug()))),
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    Option::deserialize(input).map(Option::unwrap_or_default)
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
        let json = br#"{"from": null, "to": null, "headers": null, "envelope": null, "priority": null, "html": null, "tags": []}"#;
        assert!(from_json(json).is_ok());
        assert!(from_json(br#"{"envelope": {"dsn": null}}"#).is_ok());
    }

    #[test]
    fn unknown_and_unsupported_fields_are_refused_by_name() {
        assert!(refusal(r#"{"form": "a@x"}"#).contains("unknown field `form`"));
        assert!(refusal(r#"{"html": "<p>"}"#).starts_with("html: not supported"));
        assert!(refusal(r#"{"attachments": [{"path": "r.pdf"}]}"#).starts_with("attachments: "));
        assert!(refusal(r#"{"send_at": "2026-12-01T08:00:00Z"}"#).contains("the queue"));
    }

    #[test]
    fn a_finished_message_has_no_other_fields() {
        let mut draft = from_json(br#"{"eml": "A: b\n\n", "subject": "c"}"#).unwrap();
        assert!(draft.finished().unwrap_err().text().starts_with("subject: "));
        let mut draft = from_json(br#"{"eml_base64": "QTogYgoK"}"#).unwrap();
        assert_eq!(draft.finished().unwrap().unwrap(), b"A: b\n\n");
    }

    #[test]
    fn never_stands_alone() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(notifications(&words(&["never"])).unwrap(), Notify::default());
        assert!(notifications(&words(&["Success", "failure"])).unwrap().success);
        assert!(notifications(&words(&["never", "failure"])).is_err());
        assert!(notifications(&words(&["often"])).is_err());
    }
}
