//! From options to a message and what its transaction asks for.

mod draft;
mod envelope;
mod input;

use mailkit::mime::{MessageBuilder, StampSource, Stamps};
use mailkit::smtp::parameter::MtPriority;
use mailkit::{Message, TransactionOptions};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{MessageArgs, Priority};
use crate::failure::Failure;
use draft::Draft;
use input::Input;

/// A message, and what its transaction asks for.
pub(crate) struct Composed {
    pub(crate) message: Message,
    pub(crate) options: TransactionOptions,
}

/// Makes the message. With a seed, nothing random goes into it.
pub(crate) fn compose(args: MessageArgs, seed: Option<u64>) -> Result<Composed, Failure> {
    let mut input = Input::default();
    let mut draft = match &args.message {
        Some(path) => draft::from_json(&input.read(path)?)?,
        None => Draft::default(),
    };
    draft.apply(args, &mut input)?;
    let options = draft.transaction()?;
    let message = match draft.finished()? {
        Some(eml) => envelope::of_finished(eml, &draft)?,
        None => build(draft, seed)?,
    };
    Ok(Composed { message, options })
}

fn build(draft: Draft, seed: Option<u64>) -> Result<Message, Failure> {
    let outcome = match seed {
        None => fill(Message::builder(), draft)?.build(),
        Some(seed) => {
            let stamps = Stamps::new(OffsetDateTime::now_utc(), seed.into());
            fill(MessageBuilder::new(stamps), draft)?.build().map(Message::from)
        }
    };
    outcome.map_err(|errors| Failure::message("", &errors))
}

fn fill<S: StampSource>(mut builder: MessageBuilder<S>, draft: Draft) -> Result<MessageBuilder<S>, Failure> {
    type Set<S> = fn(MessageBuilder<S>, String) -> MessageBuilder<S>;
    let single: [(Option<String>, Set<S>); 7] = [
        (draft.from, MessageBuilder::from),
        (draft.sender, MessageBuilder::sender),
        (draft.subject, MessageBuilder::subject),
        (draft.text, MessageBuilder::text),
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
    match draft.date {
        Some(text) => Ok(builder.date(date(&text)?)),
        None => Ok(builder),
    }
}

fn date(text: &str) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| {
        let text = text.escape_debug();
        Failure::message("date", format!("no date in `{text}` ({error}): write it as 2026-11-23T08:00:00+01:00"))
    })
}

/// The numbers of RFC 6710 §5, appendix C: "non-urgent, normal, urgent".
fn mt_priority(priority: Priority) -> Option<MtPriority> {
    MtPriority::new(match priority {
        Priority::High => 4,
        Priority::Normal => 0,
        Priority::Low => -4,
    })
}
