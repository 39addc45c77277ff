//! From options to a message and what its transaction asks for.

mod attachment;
mod draft;
mod envelope;
mod input;
mod object;
mod problems;
mod signing;
mod transaction;
mod wishes;

use mailkit::mime::dkim::Signer;
use mailkit::mime::{MessageBuilder, StampSource, Stamps};
use mailkit::{Message, TransactionOptions};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{DkimArgs, MessageArgs};
use crate::failure::Failure;
use draft::Draft;
use input::Input;
use problems::Problems;
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

/// What a message is made for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// To be sent now: wishes to a queue are refused, since nobody would grant them.
    Send,
    /// To be stored in a queue.
    Enqueue,
    /// To be looked at: wishes to a queue are no part of it. With a seed, nothing random goes into it.
    Render { seed: Option<u64> },
}

/// Makes the message that options ask for.
pub(crate) fn compose(args: MessageArgs, purpose: Purpose) -> Result<Composed, Failure> {
    let mut input = Input::default();
    let mut problems = Problems::default();
    let signer = signing::signer(&args.dkim, &mut input)?;
    let mut draft = match &args.message {
        Some(path) => draft::from_json(&input.read(path)?)?,
        None => Draft::default(),
    };
    draft.apply(args, &mut input, &mut problems)?;
    let composed = finish(draft, purpose, problems)?;
    Ok(Composed { signer, ..composed })
}

/// Makes the message that one line of JSON is, for a queue.
pub(crate) fn compose_line(line: &[u8]) -> Result<Composed, Failure> {
    let draft = draft::from_json(line).map_err(Failure::of_one_line)?;
    finish(draft, Purpose::Enqueue, Problems::default())
}

/// Who signs messages, if anybody does.
pub(crate) fn signer(args: &DkimArgs) -> Result<Option<Signer>, Failure> {
    signing::signer(args, &mut Input::default())
}

fn finish(mut draft: Draft, purpose: Purpose, mut problems: Problems) -> Result<Composed, Failure> {
    let seed = match purpose {
        Purpose::Send => draft.refuse_wishes_to_a_queue().map(|()| None)?,
        Purpose::Enqueue => None,
        Purpose::Render { seed } => seed,
    };
    let options = draft.transaction(&mut problems);
    let date = draft.date.as_deref().and_then(|text| problems.note(time("date", text)));
    let wishes = match purpose {
        Purpose::Enqueue => Wishes::of(&mut draft, date, &options, &mut problems),
        Purpose::Send | Purpose::Render { .. } => Wishes::default(),
    };
    let message = match draft.finished()? {
        Some(eml) => problems.note(envelope::of_finished(eml, &draft)),
        None => build(draft, date, seed, &mut problems),
    };
    let message = problems.finish(message)?;
    Ok(Composed { message, options, signer: None, date, wishes })
}

fn build(draft: Draft, date: Option<OffsetDateTime>, seed: Option<u64>, problems: &mut Problems) -> Option<Message> {
    let outcome = match seed {
        None => fill(Message::builder(), draft, date, problems).build(),
        Some(seed) => {
            let stamps = Stamps::new(OffsetDateTime::now_utc(), seed.into());
            fill(MessageBuilder::new(stamps), draft, date, problems).build().map(Message::from)
        }
    };
    problems.note_fields(outcome)
}

fn fill<S: StampSource>(
    mut builder: MessageBuilder<S>,
    draft: Draft,
    date: Option<OffsetDateTime>,
    problems: &mut Problems,
) -> MessageBuilder<S> {
    type Set<S> = fn(MessageBuilder<S>, String) -> MessageBuilder<S>;
    let single: [(Option<String>, Set<S>); 8] = [
        (draft.from, MessageBuilder::from),
        (draft.sender, MessageBuilder::sender),
        (draft.subject, MessageBuilder::subject),
        (draft.text, MessageBuilder::text),
        (draft.html, MessageBuilder::html),
        (draft.message_id, MessageBuilder::message_id),
        (draft.in_reply_to, MessageBuilder::in_reply_to),
        (draft.envelope.from, MessageBuilder::envelope_from),
    ];
    for (value, set) in single {
        if let Some(value) = value {
            builder = set(builder, value);
        }
    }
    let lists: [(Option<Vec<String>>, Set<S>); 6] = [
        (draft.to, MessageBuilder::to),
        (draft.cc, MessageBuilder::cc),
        (draft.bcc, MessageBuilder::bcc),
        (draft.reply_to, MessageBuilder::reply_to),
        (draft.references, MessageBuilder::references),
        (draft.envelope.to, MessageBuilder::envelope_to),
    ];
    for (values, set) in lists {
        builder = values.into_iter().flatten().fold(builder, set);
    }
    for (name, value) in draft.headers {
        builder = builder.header(name, value);
    }
    for (place, attachment) in draft.attachments.into_iter().enumerate() {
        builder = problems.note(attachment.read(place)).into_iter().fold(builder, MessageBuilder::attach);
    }
    if let Some(ways) = draft.list_unsubscribe {
        builder = builder.list_unsubscribe(ways.read());
    }
    date.into_iter().fold(builder, MessageBuilder::date)
}

/// A point in time in the form of RFC 3339.
fn time(field: &str, text: &str) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| {
        let text = text.escape_debug();
        Failure::message(field, format!("no date in `{text}` ({error}): write it as 2026-11-23T08:00:00+01:00"))
    })
}
