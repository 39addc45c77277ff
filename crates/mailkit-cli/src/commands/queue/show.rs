//! `mailkit queue show`: a message, its recipients and its attempts.

use std::io;

use mailkit::queue::{Queue, QueueError, QueueId, RecipientRecord, Record};

use super::view::{Whole, plain, rfc3339};
use crate::failure::Failure;
use crate::output::{Output, Tone};

pub(super) async fn run(id: QueueId, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let record = queue.get(id).await?.ok_or(QueueError::Unknown(id))?;
    if output.json {
        output.object(&Whole::new(&record))?
    } else {
        print(&record, output)?
    }
    Ok(())
}

fn print(record: &Record, output: &mut Output) -> io::Result<()> {
    output.line(output.paint(Tone::Strong, record.id))?;
    let from = record.from.address().map(ToString::to_string);
    for (name, value) in [
        ("state", Some(record.state.to_string())),
        ("subject", record.subject.as_deref().map(plain)),
        ("message-id", record.message_id.as_deref().map(plain)),
        ("from", Some(from.unwrap_or_else(|| "<>".to_owned()))),
        ("created", Some(rfc3339(record.created_at))),
        ("next attempt", record.next_attempt_at.map(rfc3339)),
        ("expires", record.expires_at.map(rfc3339)),
        ("finished", record.finished_at.map(rfc3339)),
        ("attempts", Some(record.attempts.to_string())),
        ("priority", Some(record.priority.to_string())),
        ("route", record.route.clone()),
        ("tenant", record.tenant.as_deref().map(str::to_owned)),
        ("tags", (!record.tags.is_empty()).then(|| plain(&record.tags.join(", ")))),
        ("key", record.idempotency_key.as_deref().map(plain)),
        ("archive of", record.archive_of().map(|id| id.to_string())),
        ("octets", Some(record.size.to_string())),
    ] {
        if let Some(value) = value {
            output.line(format_args!("  {name:<12} {value}"))?;
        }
    }
    for recipient in &record.recipients {
        output.line(format_args!("  to {}", line(recipient)))?;
    }
    for attempt in &record.history {
        let (at, route, text) = (rfc3339(attempt.at), plain(&attempt.route), plain(&attempt.text));
        output.line(format!("  {at} by {route}  {}  {text}", attempt.outcome).trim_end())?;
        for recipient in &attempt.recipients {
            output.line(format_args!("    {}", line(recipient)))?;
        }
    }
    Ok(())
}

/// A recipient with the server's words.
fn line(recipient: &RecipientRecord) -> String {
    let mut line = format!("{}  {}", recipient.address, recipient.status.as_str());
    for word in [recipient.code.map(|code| code.to_string()), recipient.enhanced.clone()].into_iter().flatten() {
        line.push_str(&format!("  {word}"));
    }
    format!("{line}  {}", plain(&recipient.text)).trim_end().to_owned()
}
