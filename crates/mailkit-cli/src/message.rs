//! From options to a message and what its transaction asks for.

mod attachment;
mod draft;
mod envelope;
mod fields;
mod input;
mod json;
mod places;
mod problems;
mod signing;
mod spool;
mod transaction;
mod wishes;

use mailkit::address::Domain;
use mailkit::mime::dkim::Signer;
use mailkit::mime::{GivenAddresses, MessageBuilder, StampSource, Stamps};
use mailkit::{Attachment, Message, TransactionOptions};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{DkimArgs, MessageArgs};
use crate::failure::Failure;
use crate::output::Output;
use draft::Draft;
use fields::Given;
use input::Input;
use problems::Problems;
pub(crate) use signing::Signers;
pub(crate) use wishes::Wishes;

/// A message, what its transaction asks for, and who signs it.
pub(crate) struct Composed {
    pub(crate) message: Message,
    pub(crate) options: TransactionOptions,
    pub(crate) signer: Option<Signer>,
    /// The date that was given.
    pub(crate) date: Option<OffsetDateTime>,
    /// What a queue is asked for.
    pub(crate) wishes: Wishes,
}

impl Composed {
    /// Says what was left out of a finished message.
    pub(crate) fn show_notes(&self, output: &Output) {
        for note in self.message.notes() {
            output.note(format_args!("note: {note}"));
        }
    }
}

/// What a message is made for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// To be sent now: wishes to a queue are refused, since nobody would grant them.
    Send,
    /// To be stored in a queue.
    Enqueue,
    /// To be looked at: wishes to a queue are checked and no part of it. With a seed, nothing random goes into it.
    Render { seed: Option<u64> },
}

/// Makes the message that options ask for.
///
/// `hostname` is the domain of its Message-ID, where neither is given.
pub(crate) fn compose(args: MessageArgs, purpose: Purpose, hostname: Option<&str>) -> Result<Composed, Failure> {
    let mut input = Input::default();
    let mut problems = Problems::default();
    let signer = signing::signer(&args.dkim, &mut input)?;
    let mut draft = match &args.message {
        Some(path) => match draft::from_json(&input.read(path)?, &mut problems) {
            Some(draft) => draft,
            None => return problems.finish(None),
        },
        None => Draft::default(),
    };
    draft.apply(args, &mut input, &mut problems)?;
    let composed = finish(draft, purpose, hostname, problems)?;
    Ok(Composed { signer, ..composed })
}

/// Makes the message that one line of JSON is, for a queue.
pub(crate) fn compose_line(line: &[u8], hostname: Option<&str>) -> Result<Composed, Failure> {
    let mut problems = Problems::default();
    match draft::from_json(line, &mut problems) {
        Some(draft) => finish(draft, Purpose::Enqueue, hostname, problems),
        None => problems.finish(None).map_err(Failure::of_one_line),
    }
}

/// Who signs messages, if anybody does.
pub(crate) fn signer(args: &DkimArgs) -> Result<Option<Signer>, Failure> {
    signing::signer(args, &mut Input::default())
}

fn finish(
    mut draft: Draft,
    purpose: Purpose,
    hostname: Option<&str>,
    mut problems: Problems,
) -> Result<Composed, Failure> {
    let seed = match purpose {
        Purpose::Send => problems.note(draft.refuse_wishes_to_a_queue()).and(None),
        Purpose::Enqueue => None,
        Purpose::Render { seed } => seed,
    };
    let options = draft.transaction(&mut problems);
    let date = draft.date.take().and_then(|given| problems.note(time(&given.place, &given.text)));
    let wishes = match purpose {
        Purpose::Enqueue => Wishes::of(&mut draft, date, &options, None, &mut problems),
        Purpose::Render { .. } => {
            let now = std::time::SystemTime::now().into();
            Wishes::of(&mut draft, date, &options, Some(now), &mut problems)
        }
        Purpose::Send => Wishes::default(),
    };
    let message = if draft.is_finished() {
        let eml = draft.take_finished(&mut problems);
        eml.and_then(|eml| envelope::of_finished(eml, &draft, &mut problems))
    } else {
        // An address literal is no domain that an identifier could have for good.
        let domain = hostname.and_then(|name| Domain::parse(name).ok()).filter(|domain| !domain.is_literal());
        build(draft, date, seed, domain, &mut problems)
    };
    let message = problems.finish(message)?;
    Ok(Composed { message, options, signer: None, date, wishes })
}

fn build(
    mut draft: Draft,
    date: Option<OffsetDateTime>,
    seed: Option<u64>,
    domain: Option<Domain>,
    problems: &mut Problems,
) -> Option<Message> {
    let places = std::mem::take(&mut draft.places);
    let outcome = match seed {
        None => {
            let builder = domain.into_iter().fold(Message::builder(), MessageBuilder::message_id_domain);
            fill(builder, draft, date, problems).build()
        }
        Some(seed) => {
            let stamps = Stamps::new(OffsetDateTime::now_utc(), seed.into());
            fill(MessageBuilder::new(stamps), draft, date, problems).build().map(Message::from)
        }
    };
    problems.note_fields(outcome, |error| places.of(error))
}

fn fill<S: StampSource>(
    mut builder: MessageBuilder<S>,
    draft: Draft,
    date: Option<OffsetDateTime>,
    problems: &mut Problems,
) -> MessageBuilder<S> {
    type Set<S, T> = fn(MessageBuilder<S>, T) -> MessageBuilder<S>;
    let texts: [(Option<String>, Set<S, String>); 6] = [
        (draft.subject, MessageBuilder::subject),
        (draft.text, MessageBuilder::text),
        (draft.html, MessageBuilder::html),
        (draft.message_id, MessageBuilder::message_id),
        (draft.in_reply_to, MessageBuilder::in_reply_to),
        (draft.envelope.from.map(|given| given.text), MessageBuilder::envelope_from),
    ];
    for (value, set) in texts {
        builder = value.into_iter().fold(builder, set);
    }
    builder = draft.text_source.into_iter().fold(builder, MessageBuilder::text_source);
    builder = draft.html_source.into_iter().fold(builder, MessageBuilder::html_source);
    if let Some(sender) = draft.sender.and_then(|given| problems.mailbox(given, "sender")) {
        builder = builder.sender(sender);
    }
    let addresses: [(&str, Vec<Given>, Set<S, GivenAddresses>); 6] = [
        ("from", draft.from.into_iter().collect(), MessageBuilder::from),
        ("to", draft.to, MessageBuilder::to),
        ("cc", draft.cc, MessageBuilder::cc),
        ("bcc", draft.bcc, MessageBuilder::bcc),
        ("reply_to", draft.reply_to, MessageBuilder::reply_to),
        ("envelope.to", draft.envelope.to, MessageBuilder::envelope_to),
    ];
    for (field, values, set) in addresses {
        let read = values.into_iter().filter_map(|given| problems.addresses(given, field));
        builder = read.collect::<Vec<_>>().into_iter().fold(builder, set);
    }
    builder = draft.references.into_iter().fold(builder, |builder, given| builder.references(given.text));
    for (name, value) in draft.headers {
        builder = builder.header(name, value);
    }
    for (place, attachment) in draft.attachments.into_iter().enumerate() {
        builder = match problems.attachment(place, attachment) {
            Some(attachment) => builder.attach(attachment),
            // Those behind it keep their places.
            None => builder.attach(Attachment::bytes("", "")),
        };
    }
    builder = draft.calendar.into_iter().fold(builder, MessageBuilder::alternative);
    builder = draft.list_unsubscribe.into_iter().fold(builder, MessageBuilder::list_unsubscribe);
    date.into_iter().fold(builder, MessageBuilder::date)
}

/// A point in time in the form of RFC 3339.
fn time(field: &str, text: &str) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| {
        let text = text.escape_debug();
        Failure::message(field, format!("no date in `{text}` ({error}): write it as 2026-11-23T08:00:00+01:00"))
    })
}
