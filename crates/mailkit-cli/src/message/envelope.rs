//! The envelope of a finished message.

use mailkit::address::ReversePath;
use mailkit::{Address, AddressList, Envelope, Message};

use super::draft::Draft;
use crate::failure::Failure;

/// A finished message with the envelope that was asked for; what was not is taken from its header.
pub(super) fn of_finished(eml: Vec<u8>, draft: &Draft) -> Result<Message, Failure> {
    let from = draft.envelope.from.as_deref().map(reverse_path).transpose()?;
    let mut to = Vec::new();
    for list in draft.envelope.to.iter().flatten() {
        let list = AddressList::parse(list).map_err(|error| Failure::message("envelope to", &error))?;
        to.extend(list.mailboxes().map(|mailbox| mailbox.address().clone()));
    }
    if from.is_none() && to.is_empty() {
        return finish(eml, None);
    }
    let (from, to) = match from {
        Some(from) if !to.is_empty() => (from, to),
        from => {
            let derived = finish(eml.clone(), None)?;
            let (sender, recipients) = (derived.envelope().reverse_path(), derived.envelope().recipients());
            let to = if to.is_empty() { recipients.to_vec() } else { to };
            (from.unwrap_or_else(|| sender.clone()), to)
        }
    };
    let envelope = Envelope::new(from, to).map_err(|error| Failure::message("", &error))?;
    finish(eml, Some(envelope))
}

fn finish(eml: Vec<u8>, envelope: Option<Envelope>) -> Result<Message, Failure> {
    Message::from_eml(eml, envelope).map_err(|error| {
        let failure = Failure::message("eml", &error);
        failure.with_advice("--envelope-from and --envelope-to give an envelope whatever the header says")
    })
}

/// An address; an empty text or `<>` is the null path.
fn reverse_path(text: &str) -> Result<ReversePath, Failure> {
    match text.trim() {
        "" | "<>" => Ok(ReversePath::Null),
        _ => Address::parse(text).map(Into::into).map_err(|error| Failure::message("envelope from", &error)),
    }
}
