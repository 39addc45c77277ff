//! `mailkit queue`: looks at a queue, and acts on its messages.

mod apply;
mod check;
mod export;
mod ids;
mod list;
mod purge;
mod show;
pub(crate) mod stats;
mod view;

use mailkit::config::Config;
use mailkit::queue::{Command, Queue};

use crate::args::{QueueArgs, QueueCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{self, Place};

pub(crate) async fn run(args: QueueArgs, config: Option<&Config>, output: &mut Output) -> Result<Exit, Failure> {
    let place = Place::find_lasting(args.queue.as_deref(), config)?;
    match &args.command {
        QueueCommand::Export(args) => {
            tokio::task::block_in_place(|| export::run(args, &place, output))?;
            return Ok(Exit::Done);
        }
        QueueCommand::Check(args) => return check::run(args, &place, output).await,
        QueueCommand::Purge(args) => purge::check(args)?,
        _ => {}
    }
    let opened = place.open_existing().await?;
    let outcome = look_or_act(&args.command, &**opened.queue(), output).await;
    place::close(&opened).await;
    outcome
}

async fn look_or_act(command: &QueueCommand, queue: &dyn Queue, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        QueueCommand::Stats => stats::run(queue, output).await?,
        QueueCommand::List(args) => list::run(args, queue, output).await?,
        QueueCommand::Show(message) => show::run(ids::find(&message.id, queue).await?, queue, output).await?,
        QueueCommand::Retry(args) => return apply::run(args, Command::Retry, queue, output).await,
        QueueCommand::Release(args) => return apply::run(args, Command::Release, queue, output).await,
        QueueCommand::Cancel(args) => return apply::run(args, Command::Cancel, queue, output).await,
        QueueCommand::Purge(args) => purge::run(args, queue, output).await?,
        QueueCommand::Check(_) | QueueCommand::Export(_) => {}
    }
    Ok(Exit::Done)
}
