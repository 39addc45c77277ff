//! The envelope of a finished message.

use mailkit::address::ReversePath;
use mailkit::mime::EmlError;
use mailkit::{Address, AddressList, Envelope, Message};

use super::draft::Draft;
use super::fields::Given;
use super::input::Loaded;
use super::problems::Problems;
use crate::failure::Failure;

/// A finished message with the envelope that was asked for; what was not is taken from its header.
pub(super) fn of_finished(eml: Loaded, draft: &Draft, problems: &mut Problems) -> Option<Message> {
    let from = draft.envelope.from.as_ref().map(|given| problems.note(reverse_path(given)));
    let mut to = Vec::new();
    let mut all_read = !matches!(from, Some(None));
    for given in &draft.envelope.to {
        match problems.note(AddressList::parse(&given.text).map_err(|error| Failure::message(&given.place, &error))) {
            Some(list) => to.extend(list.into_mailboxes().map(|mailbox| mailbox.into_address())),
            None => all_read = false,
        }
    }
    if !all_read {
        return None;
    }
    problems.note(with_envelope(eml, from.flatten(), to))
}

fn with_envelope(eml: Loaded, from: Option<ReversePath>, to: Vec<Address>) -> Result<Message, Failure> {
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

fn finish(eml: Loaded, envelope: Option<Envelope>) -> Result<Message, Failure> {
    let message = match eml {
        Loaded::Source(source) => Message::from_eml_source(source, envelope),
        Loaded::Octets(octets) => Message::from_eml(octets, envelope),
    };
    message.map_err(|error| {
        let failure = Failure::message("eml", &error);
        match error {
            EmlError::Address { .. } | EmlError::NotUtf8 { .. } | EmlError::NoSender | EmlError::NoRecipients => failure
                .with_advice(
                    "--envelope-from and --envelope-to, or `envelope` in JSON, give an envelope whatever the header says",
                ),
            // An envelope does not mend a header.
            _ => failure.with_advice("open the file: it has to begin with header fields, and an empty line ends them"),
        }
    })
}

/// An address; an empty text or `<>` is the null path.
fn reverse_path(given: &Given) -> Result<ReversePath, Failure> {
    match given.text.trim() {
        "" | "<>" => Ok(ReversePath::Null),
        text => Address::parse(text).map(Into::into).map_err(|error| Failure::message(&given.place, &error)),
    }
}
