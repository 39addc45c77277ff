//! `mailkit queue`.

use std::time::Duration;

use clap::{Args, Subcommand};
use mailkit::queue::{Filter, State, Timestamp};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
    /// Counts the messages by state, and describes the store
    Stats,
    /// Lists messages, newest first
    List(ListArgs),
    /// Shows a message, its recipients and its attempts
    Show(MessageId),
    /// Makes dead messages ready again, for the recipients that were not accepted, and scheduled ones at once
    Retry(ActArgs),
    /// Makes held messages ready again
    Release(ActArgs),
    /// Cancels messages that are scheduled, ready or held
    Cancel(ActArgs),
    /// Removes finished messages: those sent and cancelled, others if --state names them
    Purge(PurgeArgs),
    /// Reads all that a store holds, and says what is wrong with it
    Check(QueueCheckArgs),
    /// Writes messages as lines for `enqueue --ndjson`, also from a damaged store
    Export(ExportArgs),
}

/// Which messages.
#[derive(Args)]
pub(crate) struct FilterArgs {
    /// Only in this state: scheduled, ready, leased, sent, dead, held or cancelled
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<State>,
    /// Only to this recipient
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) recipient: Option<String>,
    /// Only with this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Only of this tenant
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Only those that are pinned to this route
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// Only with this Message-ID, with or without its angle brackets
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub(crate) message_id: Option<String>,
    /// Only those whose last attempt ended in a failure of this class, such as greylisted
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
}

impl FilterArgs {
    /// Whether nothing is left out.
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { state, recipient, tag, tenant, route, message_id, class } = self;
        let is_any = recipient.is_none() && tag.is_none() && tenant.is_none() && route.is_none();
        is_any && state.is_none() && message_id.is_none() && class.is_none()
    }

    /// The filter that they ask for.
    pub(crate) fn filter(&self) -> Filter {
        let mut filter = Filter::new().with_state(self.state);
        filter.recipient.clone_from(&self.recipient);
        filter.tag.clone_from(&self.tag);
        filter.tenant.clone_from(&self.tenant);
        filter.route.clone_from(&self.route);
        filter.message_id.clone_from(&self.message_id);
        filter.class.clone_from(&self.class);
        filter
    }
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Only those enqueued at this time or later, such as 2026-11-23T08:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Only those enqueued before this time
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Only older than this message: the last id of the list before
    #[arg(long, value_name = "ID")]
    pub(crate) cursor: Option<String>,
}

#[derive(Args)]
pub(crate) struct MessageId {
    /// The message, as `enqueue` and `queue list` print it, or the beginning of its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct ActArgs {
    /// The messages, or the beginnings of their ids; instead of a filter
    #[arg(value_name = "ID", conflicts_with_all = ["state", "recipient", "tag", "tenant", "route", "message_id", "class", "all"])]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// All messages whose state allows it
    #[arg(long, conflicts_with_all = ["state", "recipient", "tag", "tenant", "route", "message_id", "class"])]
    pub(crate) all: bool,
    /// Does it without asking; needed with a filter where there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct PurgeArgs {
    /// Only those that finished at least this long ago
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    pub(crate) older_than: Option<Duration>,
    /// Only in this state: sent, dead, held or cancelled; repeats. Without it those sent and cancelled
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<State>,
}

#[derive(Args)]
pub(crate) struct QueueCheckArgs {
    /// Repairs what can be repaired without a guess: counters, and what belongs to no message
    #[arg(long)]
    pub(crate) repair: bool,
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
  mailkit queue retry --state dead --recipient bob@example.org --yes --queue sqlite:mailkit.db
  mailkit queue purge --queue sqlite:mailkit.db --older-than 7d
  mailkit queue check --queue sqlite:mailkit.db --repair
  mailkit queue export --queue sqlite:old.db | mailkit enqueue --queue sqlite:new.db --ndjson -

With --json: stats prints {\"scheduled\", \"ready\", \"leased\", \"sent\", \"dead\", \"held\", \"cancelled\", \"oldest_ready_seconds\", \
\"ambiguous_total\", \"store\": {\"kind\", \"version\", \"durability\", \"shared\"}}; list a line for each message {\"id\", \"state\", \"subject\", \"from\", \"recipients\", \"attempts\", \
\"next_attempt_at\", \"created_at\", \"priority\", \"route\", \"tenant\", \"tags\"}; show the same with \
\"recipients\": [{\"address\", \"status\", \"code\", \"enhanced\", \"text\"}], \"history\": [{\"at\", \"route\", \"outcome\", \"recipients\"}], \
\"message_id\", \"idempotency_key\" and \"archive_of\"; retry, release and cancel {\"changed\"}, with one id also {\"id\", \"state\"}, with several {\"messages\"}; purge {\"purged\"}; check {\"ok\", \"problems\": [{\"kind\", \"id\", \"text\"}], \"omitted\", \"repaired\"}.

An id may be cut short while no other message begins like that. With a filter, retry takes scheduled messages only where \
an attempt was made, unless --state scheduled names them. An unknown id, and what a message's state does not allow, end in \
65, a store that is not there in 66, one out of reach in 75, a damaged one in 78; check ends in 78 while problems are left. None of these commands makes a store.";

/// Adds the angle brackets that a Message-ID has in a queue.
fn message_id(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(if text.starts_with('<') { text.to_owned() } else { format!("<{text}>") })
}

/// Reads a point in time.
fn moment(text: &str) -> Result<Timestamp, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| format!("{error}: write 2026-11-23T08:00:00Z"))?;
    Ok(Timestamp::from_millis(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)))
}
