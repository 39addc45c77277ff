//! `mailkit enqueue`: into a queue, and acknowledged once it is on stable storage.

mod lines;
mod ndjson;

use std::sync::Arc;

use mailkit::config::Config;
use mailkit::queue::{Enqueued, Queue};
use serde::Serialize;

use crate::args::EnqueueArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::message::{Composed, Purpose, Signers, compose, signer};
use crate::output::Output;
use crate::place::{self, Place};

pub(crate) async fn run(args: EnqueueArgs, config: Option<&Config>, output: &mut Output) -> Result<Exit, Failure> {
    let place = Place::find_lasting(args.queue.as_deref(), config)?;
    let hostname = config.and_then(|config| config.hostname.as_deref());
    if let Some(path) = &args.ndjson {
        let input = lines::open(path)?;
        let signers = Signers::new(signer(&args.message.dkim)?, config)?;
        let queue = place.open().await?;
        let outcome = ndjson::run(input, Arc::clone(queue.queue()), signers, hostname, output).await;
        place::close(&queue).await;
        return outcome;
    }
    let mut composed = compose(args.message, Purpose::Enqueue, hostname)?;
    composed.show_notes(output);
    let signers = Signers::new(composed.signer.take(), config)?;
    let queue = place.open().await?;
    let outcome = enqueue(composed, &signers, &**queue.queue()).await;
    let shown = outcome.as_ref().map(|enqueued| show(*enqueued, output));
    // What is stored is so whoever reads it: an exit code of failure would have it enqueued again.
    if let Ok(Err(error)) = shown {
        output.failure(&Failure::from(error));
    }
    place::close(&queue).await;
    outcome.map(|_| Exit::Done)
}

/// Stores a message.
async fn enqueue(composed: Composed, signers: &Signers, queue: &dyn Queue) -> Result<Enqueued, Failure> {
    let message = composed.wishes.prepare(&composed.message, &signers.for_message(&composed.message)?).await?;
    Ok(queue.enqueue(message).await?)
}

/// What `--json` prints; its names are fixed.
#[derive(Serialize)]
struct Acknowledged {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    id: String,
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

impl Acknowledged {
    /// For a message of its own.
    fn of_message(Enqueued { id, duplicate, state, .. }: Enqueued) -> Self {
        Self { line: None, id: id.to_string(), duplicate, state: Some(state.as_str()) }
    }

    /// For the message of a line.
    fn of_line(line: u64, Enqueued { id, duplicate, .. }: Enqueued) -> Self {
        Self { line: Some(line), id: id.to_string(), duplicate, state: None }
    }
}

fn show(enqueued: Enqueued, output: &mut Output) -> std::io::Result<()> {
    if output.json {
        return output.object(&Acknowledged::of_message(enqueued));
    }
    if enqueued.duplicate {
        let state = enqueued.state;
        output.note(format_args!("the message is in the queue already, and is {state}: nothing new was stored"));
    }
    output.line(enqueued.id)
}
