//! `mailkit queue`: looks at a queue, and acts on its messages.

mod act;
mod export;
mod list;
mod purge;
mod show;
pub(crate) mod stats;
mod view;

use mailkit::config::Config;
use mailkit::queue::{Action, Queue, QueueId};

use crate::args::{QueueArgs, QueueCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{self, Place};

pub(crate) async fn run(args: QueueArgs, config: Option<&Config>, output: &mut Output) -> Result<Exit, Failure> {
    let place = Place::find_lasting(args.queue.as_deref(), config)?;
    if let QueueCommand::Export(args) = &args.command {
        tokio::task::block_in_place(|| export::run(args, &place, output))?;
        return Ok(Exit::Done);
    }
    let opened = place.open().await?;
    let outcome = look_or_act(&args.command, &**opened.queue(), output).await;
    place::close(&opened).await;
    outcome.map(|()| Exit::Done)
}

async fn look_or_act(command: &QueueCommand, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    match command {
        QueueCommand::Stats => stats::run(queue, output).await,
        QueueCommand::List(args) => list::run(args, queue, output).await,
        QueueCommand::Show(message) => show::run(id(&message.id)?, queue, output).await,
        QueueCommand::Retry(message) => act::run(id(&message.id)?, Action::Retry, queue, output).await,
        QueueCommand::Release(message) => act::run(id(&message.id)?, Action::Release, queue, output).await,
        QueueCommand::Cancel(message) => act::run(id(&message.id)?, Action::Cancel, queue, output).await,
        QueueCommand::Purge(args) => purge::run(args, queue, output).await,
        QueueCommand::Export(_) => Ok(()),
    }
}

/// Reads the name of a message.
fn id(text: &str) -> Result<QueueId, Failure> {
    text.parse().map_err(|error| Failure::message("", &error))
}
