//! `mailkit queue purge`: forgets what is finished.

use mailkit::queue::{Queue, State};
use serde::Serialize;

use crate::args::PurgeArgs;
use crate::failure::Failure;
use crate::output::Output;

/// What is forgotten where no state is named: nobody has to look after these any more.
const SETTLED: [State; 2] = [State::Sent, State::Cancelled];

/// Checks that the arguments say what is to be forgotten.
pub(super) fn check(args: &PurgeArgs) -> Result<(), Failure> {
    if args.older_than.is_none() && args.state.is_empty() {
        return Err(Failure::usage("purge needs --older-than SPAN or --state STATE: it forgets messages for good"));
    }
    match args.state.iter().find(|state| !state.is_terminal()) {
        Some(state) => Err(Failure::usage(format!(
            "a message that is {state} is not finished, and cannot be forgotten: cancel it first"
        ))),
        None => Ok(()),
    }
}

pub(super) async fn run(args: &PurgeArgs, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let states = if args.state.is_empty() { &SETTLED } else { args.state.as_slice() };
    let purged = queue.purge(states, args.older_than.unwrap_or_default()).await?;
    if output.json {
        output.object(&Purged { purged })?;
    } else {
        output.line(format_args!("{purged} messages forgotten"))?;
    }
    Ok(())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Purged {
    purged: u64,
}
