//! `mailkit queue export`: messages as lines that `mailkit enqueue --ndjson` takes back.
//!
//! The file is read as a damaged one would be: nothing is written to it, and what cannot be read is left out.

mod line;

use std::io::{self, Write as _};

use mailkit::ErrorKind;
use mailkit::queue::State;

use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Place;

/// The states of messages that are still to be delivered.
const UNFINISHED: [State; 3] = [State::Scheduled, State::Ready, State::Leased];

/// What to do where the file cannot be read.
const COPY: &str = "check the path; from a medium for reading, copy the file and its -wal to where you can write";

/// Blocks while it reads and writes.
pub(super) fn run(args: &ExportArgs, place: &Place, output: &Output) -> Result<(), Failure> {
    let states: &[State] = if args.state.is_empty() { &UNFINISHED } else { &args.state };
    let mut messages = place.url.recover().map_err(|error| match error.kind() {
        ErrorKind::StoreUnusable => Failure::from(error).with_advice(COPY),
        _ => error.into(),
    })?;
    let mut out = io::BufWriter::new(io::stdout());
    let mut left_out = 0_u64;
    for message in messages.by_ref().filter(|message| message.queue == place.url.name()) {
        if states.contains(&message.record.state) {
            line::write(&message.record, &message.content, &mut out)?;
        } else {
            left_out += 1;
        }
    }
    out.flush()?;
    if left_out > 0 {
        output.note(format_args!("{left_out} messages in other states were left out: --state names others"));
    }
    if messages.skipped() > 0 {
        output.complaint(format_args!("{} messages, or whole pages of them, could not be read", messages.skipped()));
    }
    Ok(())
}
