//! One message as a line: its fields, and at the end its content, which is never in memory as a whole.

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use mailkit::queue::{Content, Fingerprint, RecipientStatus, Record, State, Tag};
use serde::Serialize;

use super::super::view::rfc3339;
use crate::failure::Failure;

/// The fields but the content, as the JSON interface names them.
#[derive(Serialize)]
struct Fields<'a> {
    id: String,
    created_at: String,
    send_at: Option<String>,
    expires_at: Option<String>,
    idempotency_key: Option<&'a str>,
    idempotency_fingerprint: Option<String>,
    traceparent: Option<&'a str>,
    priority: &'static str,
    route: Option<&'a str>,
    tenant: Option<&'a str>,
    tags: Vec<&'a str>,
    on_ambiguous: &'static str,
    envelope: Envelope<'a>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    from: String,
    to: Vec<String>,
    dsn: Dsn<'a>,
    require_tls: bool,
    mt_priority: Option<String>,
}

#[derive(Serialize)]
struct Dsn<'a> {
    notify: Vec<&'static str>,
    ret: Option<&'static str>,
    envid: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn new(record: &'a Record) -> Self {
        let is_scheduled = record.state == State::Scheduled;
        // The key of a cancelled message is free: it may stand for another one by now.
        let key = record.idempotency_key.as_deref().filter(|_| record.state != State::Cancelled);
        Self {
            id: record.id.to_string(),
            created_at: rfc3339(record.created_at),
            send_at: record.next_attempt_at.filter(|_| is_scheduled).map(rfc3339),
            expires_at: record.expires_at.map(rfc3339),
            idempotency_key: key,
            idempotency_fingerprint: record.fingerprint.filter(|_| key.is_some()).map(hex),
            traceparent: record.traceparent.as_deref(),
            priority: record.priority.as_str(),
            route: record.route.as_deref(),
            tenant: record.tenant.as_deref(),
            tags: record.tags.iter().map(Tag::as_str).collect(),
            on_ambiguous: record.on_ambiguous.as_str(),
            envelope: Envelope {
                from: record.from.address().map(ToString::to_string).unwrap_or_default(),
                to: recipients(record),
                dsn: Dsn {
                    notify: record.delivery.notify.iter().map(|event| event.as_str()).collect(),
                    ret: record.delivery.return_content.map(|part| part.as_str()),
                    envid: record.delivery.envelope_id.as_deref(),
                },
                require_tls: record.delivery.require_tls,
                mt_priority: record.delivery.mt_priority.map(|number| number.to_string()),
            },
        }
    }
}

/// A fingerprint in hexadecimal digits.
fn hex(fingerprint: Fingerprint) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The recipients that were not accepted, as a retry has it; all, where all were.
fn recipients(record: &Record) -> Vec<String> {
    let all = || record.recipients.iter();
    let accepted = all().filter(|recipient| recipient.status == RecipientStatus::Accepted).count();
    let all_accepted = accepted == record.recipients.len();
    let wanted = all().filter(|recipient| all_accepted || recipient.status != RecipientStatus::Accepted);
    wanted.map(|recipient| recipient.address.to_string()).collect()
}

/// Writes the line. Its content may block.
pub(super) fn write(record: &Record, content: &Content, out: &mut dyn Write) -> Result<(), Failure> {
    let fields = serde_json::to_string(&Fields::new(record)).map_err(io::Error::from)?;
    let open = fields.strip_suffix('}').unwrap_or(&fields);
    write!(out, "{open},\"eml_base64\":\"")?;
    let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
    for chunk in content.chunks().map_err(|error| Failure::content(&error))? {
        encoder.write_all(&chunk.map_err(|error| Failure::content(&error))?)?;
    }
    encoder.finish()?;
    drop(encoder);
    out.write_all(b"\"}\n")?;
    Ok(())
}
