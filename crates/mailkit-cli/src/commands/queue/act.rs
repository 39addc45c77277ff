//! `mailkit queue retry`, `release` and `cancel`.

use mailkit::queue::{Action, Queue, QueueId};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(id: QueueId, action: Action, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let state = queue.act(id, action).await?;
    if output.json {
        output.object(&Acted { id: id.to_string(), state: state.name() })?;
    } else {
        output.line(format_args!("{id}  {state}"))?;
    }
    Ok(())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Acted {
    id: String,
    state: &'static str,
}
