//! `mailkit queue purge`: forgets what is finished.

use mailkit::queue::Queue;
use serde::Serialize;

use crate::args::PurgeArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(args: &PurgeArgs, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let purged = queue.purge(args.older_than).await?;
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
