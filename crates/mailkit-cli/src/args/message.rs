//! The options that make a message.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::attachment::{AttachValue, InlineValue};
use super::dkim::DkimArgs;

// No doc comment: clap would show it as the description of each command that takes these options.
// What `--message` gives is replaced by the options beside it; lists are added to.
#[derive(Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageArgs {
    /// Whom it is from, such as 'Ann <ann@example.com>'
    #[arg(long, value_name = "MAILBOX")]
    pub(crate) from: Option<String>,
    /// Whom it goes to; repeat it, or part the addresses by commas
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) to: Vec<String>,
    /// Who gets a copy
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) cc: Vec<String>,
    /// Who gets a copy that nobody sees
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) bcc: Vec<String>,
    /// Where replies shall go
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) reply_to: Vec<String>,
    /// The subject
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) subject: Option<String>,
    /// The text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "text_file")]
    pub(crate) text: Option<String>,
    /// The text, from a file (- is standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) text_file: Option<PathBuf>,
    /// The HTML, shown instead of the text where that can be
    #[arg(long, value_name = "HTML", allow_hyphen_values = true, conflicts_with = "html_file")]
    pub(crate) html: Option<String>,
    /// The HTML, from a file (- is standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) html_file: Option<PathBuf>,
    /// A file that goes along; repeats. Without type, the extension of NAME or else PATH tells it; type=message/rfc822
    /// attaches a message as such
    #[arg(long, value_name = "PATH[;type=TYPE][;name=NAME]")]
    pub(crate) attach: Vec<AttachValue>,
    /// A file that the HTML shows, as in <img src="cid:CID">; repeats, and takes type and name as --attach does
    #[arg(long, value_name = "CID=PATH")]
    pub(crate) inline: Vec<InlineValue>,
    /// One more header field; repeats
    #[arg(long, value_name = "'NAME: VALUE'")]
    pub(crate) header: Vec<String>,
    /// The Message-ID, instead of one that is made
    #[arg(long, value_name = "ID")]
    pub(crate) message_id: Option<String>,
    /// The date, such as 2026-11-23T08:00:00+01:00, instead of now
    #[arg(long, value_name = "RFC3339")]
    pub(crate) date: Option<String>,
    /// A finished message, from a file (- is standard input); it goes out as it is, without its Bcc
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "from", "to", "cc", "bcc", "reply_to", "subject", "text", "text_file", "html", "html_file", "attach", "inline",
        "header", "message_id", "date", "message"
    ])]
    pub(crate) eml: Option<PathBuf>,
    /// A message as JSON, from a file (- is standard input)
    #[arg(long, value_name = "FILE.json")]
    pub(crate) message: Option<PathBuf>,
    /// Where reports about the message go, instead of From; '' for nowhere
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) envelope_from: Option<String>,
    /// Whom it is delivered to, instead of To, Cc and Bcc
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) envelope_to: Vec<String>,
    /// When the server shall report: success, failure, delay, or never
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    pub(crate) dsn_notify: Vec<String>,
    /// How urgent it is: for a queue, and for servers with MT-PRIORITY
    #[arg(long, value_name = "PRIORITY")]
    pub(crate) priority: Option<Priority>,
    /// Under which key a queue takes it once
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// When a queue shall send it, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "RFC3339")]
    pub(crate) send_at: Option<String>,
    #[command(flatten)]
    pub(crate) dkim: DkimArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    High,
    Normal,
    Low,
}
