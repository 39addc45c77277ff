//! `mailkit queue`.

use std::time::Duration;

use clap::{Args, Subcommand};
use mailkit::queue::State;

use super::span;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueueArgs {
    /// The queue, such as sqlite:mailkit.db; instead of the one in --config
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) queue: Option<String>,
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

#[derive(Subcommand)]
pub(crate) enum QueueCommand {
    /// Counts the messages by state
    Stats,
    /// Lists messages, newest first
    List(ListArgs),
    /// Shows a message, its recipients and its attempts
    Show(MessageId),
    /// Takes up a dead message again, for the recipients that were not accepted; a scheduled one at once
    Retry(MessageId),
    /// Sends a held message after all
    Release(MessageId),
    /// Takes back a message that is scheduled, ready or held
    Cancel(MessageId),
    /// Forgets messages that were sent, dead or cancelled
    Purge(PurgeArgs),
    /// Writes messages as lines that `enqueue --ndjson` takes back, also out of a damaged store
    Export(ExportArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only in this state: scheduled, ready, leased, sent, dead, held or cancelled
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<State>,
    /// Only to this recipient
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) recipient: Option<String>,
    /// Only with this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Only older than this message: the last id of the list before
    #[arg(long, value_name = "ID")]
    pub(crate) cursor: Option<String>,
}

#[derive(Args)]
pub(crate) struct MessageId {
    /// The message, as `enqueue` and `queue list` print it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct PurgeArgs {
    /// Only those that were finished so long ago or longer
    #[arg(long, value_name = "SPAN", value_parser = span::parse, default_value = "0s")]
    pub(crate) older_than: Duration,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// Messages in this state; repeats. Without it those that are still to be delivered: scheduled, ready, leased
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<State>,
}

const EXAMPLES: &str = "\
Examples:
  mailkit queue stats --queue sqlite:mailkit.db --json
  mailkit queue list --queue sqlite:mailkit.db --state dead
  mailkit queue show 01KB9V6Y4T5M3Q8Z7X2W1C0D9E --queue sqlite:mailkit.db
  mailkit queue retry 01KB9V6Y4T5M3Q8Z7X2W1C0D9E --queue sqlite:mailkit.db
  mailkit queue purge --queue sqlite:mailkit.db --older-than 7d
  mailkit queue export --queue sqlite:old.db | mailkit enqueue --queue sqlite:new.db --ndjson -

With --json: stats prints {\"scheduled\", \"ready\", \"leased\", \"sent\", \"dead\", \"held\", \"cancelled\", \"oldest_ready_seconds\", \
\"ambiguous_total\"}; list a line for each message {\"id\", \"state\", \"subject\", \"from\", \"recipients\", \"attempts\", \
\"next_attempt_at\", \"created_at\", \"priority\", \"route\", \"tags\"}; show the same with \
\"recipients\": [{\"address\", \"status\", \"code\", \"enhanced\", \"text\"}], \"history\": [{\"at\", \"route\", \"outcome\", \"recipients\"}], \
\"message_id\", \"idempotency_key\" and \"archive_of\"; retry, release and cancel {\"id\", \"state\"}; purge {\"purged\"}. \
An unknown id, and what a message's state does not allow, end in 65, a store out of reach in 75, a damaged one in 78.";
