//! A finished message on its way through: its header is looked at, its content kept.

mod fields;
mod file;
mod notes;
mod preamble;

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use mailkit_address::{Address, AddressList, Envelope};

use self::fields::Field;
pub(crate) use self::file::read_source;
pub use self::notes::EmlNote;
pub(crate) use self::notes::EmlNotes;
use self::preamble::Preamble;
use crate::assemble::has_utf8_sender;
use crate::content::Layout;
use crate::error::EmlError;
use crate::header::name::{is_blind, is_return_path};
use crate::message::{Form, Message, Parts};

pub(crate) fn read(message: &Bytes, envelope: Option<Envelope>) -> Result<Message, EmlError> {
    parts(message, envelope).map(Message::from)
}

fn parts(message: &Bytes, envelope: Option<Envelope>) -> Result<Parts, EmlError> {
    let Preamble { length, lines, mut notes } = Preamble::of(message);
    let message = &message.slice(length..);
    let fields = fields::read(message).map_err(|error| error.behind_lines(lines))?;
    let envelope = envelope.map_or_else(|| derive_envelope(&fields), Ok)?;
    let mut layout = Layout::new(Vec::new());
    let mut kept = 0;
    let mut needs_8bit = false;
    let mut keep = |range: Range<usize>| {
        let lines = message.slice(range);
        needs_8bit |= !lines.is_ascii();
        layout.lines(lines);
    };
    for field in fields.iter().filter(|field| is_left_out(field.name)) {
        if is_return_path(field.name) {
            notes.add(EmlNote::ReturnPath);
        }
        keep(kept..field.range.start);
        kept = field.range.end;
    }
    keep(kept..message.len());
    Ok(Parts {
        message_id: first(&fields, "Message-ID").as_deref().and_then(bracketed),
        subject: first(&fields, "Subject"),
        needs_smtp_utf8: has_utf8_sender(&envelope) || has_utf8(message, &fields),
        needs_8bit,
        notes,
        content: layout.finish(),
        envelope,
        form: Form::Finished,
    })
}

/// Whether a field may not go out: one that names hidden recipients, or that only the last server writes.
fn is_left_out(name: &str) -> bool {
    is_blind(name) || is_return_path(name)
}

/// The message without what stands in front of its header, and without the fields that name hidden recipients; copied
/// only if it has any.
pub(crate) fn without_blind(message: &Bytes) -> Result<Bytes, EmlError> {
    let Preamble { length, lines, .. } = Preamble::of(message);
    let message = &message.slice(length..);
    let fields = fields::read(message).map_err(|error| error.behind_lines(lines))?;
    let blind: Vec<_> = fields.iter().filter(|field| is_blind(field.name)).map(|field| field.range.clone()).collect();
    if blind.is_empty() {
        return Ok(message.clone());
    }
    let mut kept = Vec::with_capacity(message.len());
    let mut start = 0;
    for range in blind {
        kept.extend_from_slice(message.get(start..range.start).unwrap_or_default());
        start = range.end;
    }
    kept.extend_from_slice(message.get(start..).unwrap_or_default());
    Ok(Bytes::from(kept))
}

/// The fields that an envelope is made from.
struct Roles {
    sender: &'static str,
    from: &'static str,
    recipients: [&'static str; 3],
}

const ROLES: Roles = Roles { sender: "Sender", from: "From", recipients: ["To", "Cc", "Bcc"] };

const RESENT_ROLES: Roles =
    Roles { sender: "Resent-Sender", from: "Resent-From", recipients: ["Resent-To", "Resent-Cc", "Resent-Bcc"] };

fn derive_envelope(fields: &[Field<'_>]) -> Result<Envelope, EmlError> {
    let resent = last_resent_block(fields);
    if resent.is_empty() {
        envelope_of(&fields.iter().collect::<Vec<_>>(), &ROLES)
    } else {
        envelope_of(&resent, &RESENT_ROLES)
    }
}

/// The Resent- fields of the last sending: the first in the header, up to a name that comes
/// again (RFC 5322 §3.6.6).
fn last_resent_block<'a>(fields: &'a [Field<'a>]) -> Vec<&'a Field<'a>> {
    let mut seen = HashSet::new();
    fields
        .iter()
        .filter(|field| is_resent(field.name))
        .take_while(|field| seen.insert(field.name.to_ascii_lowercase()))
        .collect()
}

fn is_resent(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("Resent-"))
}

fn envelope_of(fields: &[&Field<'_>], roles: &Roles) -> Result<Envelope, EmlError> {
    let mut sender = addresses(fields, roles.sender)?;
    if sender.is_empty() {
        sender = addresses(fields, roles.from)?;
    }
    let sender = sender.into_iter().next().ok_or(EmlError::NoSender)?;
    let mut recipients = Vec::new();
    for role in roles.recipients {
        recipients.extend(addresses(fields, role)?);
    }
    Ok(Envelope::new(sender, recipients)?)
}

fn addresses(fields: &[&Field<'_>], name: &'static str) -> Result<Vec<Address>, EmlError> {
    let mut all = Vec::new();
    for field in fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)) {
        let list = AddressList::parse(&field.unfolded()).map_err(|error| EmlError::Address { field: name, error })?;
        all.extend(list.mailboxes().map(|mailbox| mailbox.address().clone()));
    }
    if all.iter().any(|address| address.local_part().contains(char::REPLACEMENT_CHARACTER)) {
        return Err(EmlError::NotUtf8 { field: name });
    }
    Ok(all)
}

fn first(fields: &[Field<'_>], name: &str) -> Option<String> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(Field::unfolded)
}

/// The first text in angle brackets, with them.
fn bracketed(value: &str) -> Option<String> {
    let start = value.get(value.find('<')?..)?;
    let end = start.find('>')?;
    start.get(..=end).map(Into::into)
}

/// Whether a field that goes out holds UTF-8 beyond ASCII (RFC 6532). Other bytes beyond ASCII
/// are of no known charset, and no extension covers them.
fn has_utf8(message: &Bytes, fields: &[Field<'_>]) -> bool {
    fields.iter().filter(|field| !is_left_out(field.name)).any(|field| {
        let bytes = message.get(field.range.clone()).unwrap_or_default();
        !bytes.is_ascii() && str::from_utf8(bytes).is_ok()
    })
}
