//! `mailkit queue retry`, `release` and `cancel`: by id, or by a filter.

use std::collections::HashSet;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use mailkit::queue::{Command, Filter, Queue, QueueError, QueueId, State};
use serde::Serialize;

use super::ids;
use crate::args::ActArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// How many messages are looked at in one call.
const PAGE: usize = Filter::MAX_LIMIT;
/// The number of messages that are changed in one transaction, so that other requests do not wait long.
const BATCH: usize = 500;

pub(super) async fn run(
    args: &ActArgs,
    command: Command,
    queue: &dyn Queue,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if !args.ids.is_empty() {
        return by_id(&args.ids, command, queue, output).await;
    }
    if args.filter.is_empty() && !args.all {
        let name = command.as_str();
        return Err(Failure::usage(format!(
            "{name} needs messages: give ids, or a filter such as --state, --recipient, --tag, --tenant, --route, --message-id, --class, or --all"
        )));
    }
    let found = matching(&args.filter.filter(), command, queue).await?;
    if !found.is_empty() && !args.yes && !confirm(command, found.len())? {
        output.note("nothing was changed");
        return Ok(Exit::Done);
    }
    output.note(format_args!("{}: {} messages match", command.as_str(), found.len()));
    let changed = change(&found, command, queue).await?;
    if output.json {
        output.object(&Changed { changed, ..Changed::default() })?;
    } else {
        output.line(format_args!("{changed} messages changed"))?;
    }
    Ok(Exit::Done)
}

/// Applies the command to the messages with these ids.
async fn by_id(names: &[String], command: Command, queue: &dyn Queue, output: &mut Output) -> Result<Exit, Failure> {
    let mut wanted: Vec<QueueId> = Vec::with_capacity(names.len());
    let mut known = HashSet::with_capacity(names.len());
    for name in names {
        let id = ids::find(name, queue).await?;
        if known.insert(id) {
            wanted.push(id);
        }
    }
    if let [id] = wanted.as_slice() {
        let state = queue.apply(*id, command).await?;
        return show(vec![Applied::new(*id, state)], output).map(|()| Exit::Done);
    }
    let (mut applied, mut exit) = (Vec::new(), Exit::Done);
    for (id, outcome) in wanted.iter().zip(queue.apply_many(&wanted, command).await?) {
        match outcome {
            Ok(state) => applied.push(Applied::new(*id, state)),
            Err(error @ (QueueError::NotAllowed { .. } | QueueError::Unknown(_))) => {
                output.complaint(error);
                exit = Exit::Data;
            }
            Err(error) => return Err(error.into()),
        }
    }
    show(applied, output).map(|()| exit)
}

/// The messages that a filter lets through and whose state allows the command, without those that `retry` would send
/// before the time that their senders set.
async fn matching(filter: &Filter, command: Command, queue: &dyn Queue) -> Result<Vec<QueueId>, Failure> {
    let is_asked = |state: &State| filter.state.is_none_or(|asked| asked == *state);
    let states = State::ALL.into_iter().filter(|state| command.applies_to(*state)).filter(is_asked);
    let spares_scheduled = command == Command::Retry && filter.state.is_none();
    let mut found = Vec::new();
    for state in states {
        let mut filter = filter.clone().with_state(state).with_limit(PAGE).with_cursor(None);
        loop {
            let page = queue.list(&filter).await?;
            let is_spared = |attempts| spares_scheduled && state == State::Scheduled && attempts == 0;
            let meant = page.records.iter().filter(|record| !is_spared(record.attempts));
            found.extend(meant.map(|record| record.id));
            filter.cursor = page.next;
            if page.next.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Asks on a terminal whether so many messages are to be changed.
fn confirm(command: Command, count: usize) -> Result<bool, Failure> {
    let what = format!("{} would change {count} messages", command.as_str());
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!("{what}: without a terminal to ask at, give --yes")));
    }
    let mut err = io::stderr().lock();
    let asked = write!(err, "{what}. Go on? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let answered = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    answered.map_err(|error| Failure::system("the terminal cannot be asked", &error))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Changes messages, and counts them. One whose state no longer allows it was changed by somebody else meanwhile.
async fn change(ids: &[QueueId], command: Command, queue: &dyn Queue) -> Result<u64, Failure> {
    let mut changed = 0;
    for batch in ids.chunks(BATCH) {
        for outcome in queue.apply_many(batch, command).await? {
            match outcome {
                Ok(_) => changed += 1,
                Err(QueueError::NotAllowed { .. } | QueueError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(changed)
}

fn show(applied: Vec<Applied>, output: &mut Output) -> Result<(), Failure> {
    if !output.json {
        for Applied { id, state } in &applied {
            output.line(format_args!("{id}  {state}"))?;
        }
        return Ok(());
    }
    let changed = applied.len() as u64;
    let summary = match <[Applied; 1]>::try_from(applied) {
        Ok([one]) => Changed { changed, one: Some(one), messages: None },
        Err(several) => Changed { changed, one: None, messages: Some(several) },
    };
    Ok(output.object(&summary)?)
}

/// What `--json` prints.
#[derive(Default, Serialize)]
struct Changed {
    changed: u64,
    #[serde(flatten)]
    one: Option<Applied>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Applied>>,
}

#[derive(Serialize)]
struct Applied {
    id: String,
    state: &'static str,
}

impl Applied {
    fn new(id: QueueId, state: State) -> Self {
        Self { id: id.to_string(), state: state.as_str() }
    }
}
