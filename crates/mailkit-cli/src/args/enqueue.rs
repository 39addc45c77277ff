//! `mailkit enqueue`.

use std::path::PathBuf;

use clap::Args;

use super::MessageArgs;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EnqueueArgs {
    /// The queue, such as sqlite:mailkit.db; instead of the one in --config
    #[arg(long, value_name = "URL")]
    pub(crate) queue: Option<String>,
    /// Messages as JSON, one a line, from a file (- is standard input)
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "from", "to", "cc", "bcc", "reply_to", "subject", "text", "text_file", "html", "html_file", "attach", "inline",
        "header", "message_id", "date", "eml", "message", "envelope_from", "envelope_to", "dsn_notify", "priority",
        "idempotency_key", "send_at"
    ])]
    pub(crate) ndjson: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
}

const EXAMPLES: &str = "\
Examples:
  mailkit enqueue --queue sqlite:mailkit.db --from ann@example.com --to bob@example.org --text Hi
  mailkit enqueue --queue sqlite:mailkit.db --message letter.json --idempotency-key order-42 \\
      --send-at 2026-12-01T08:00:00Z
  mailkit enqueue --queue sqlite:mailkit.db --ndjson letters.ndjson > acknowledged.ndjson
  mailkit enqueue --config mailkit.toml --ndjson - < letters.ndjson

A message as JSON, of which only from and one recipient are needed (with --ndjson all on one line):
  {\"from\": \"Ann <ann@example.com>\", \"to\": [\"bob@example.org\"], \"subject\": \"Hello\", \"text\": \"Hi\",
   \"attachments\": [{\"path\": \"r.pdf\"}], \"idempotency_key\": \"order-42\", \"tags\": [\"welcome\"],
   \"send_at\": \"2026-12-01T08:00:00Z\", \"expires_at\": \"2026-12-02T08:00:00Z\", \"priority\": \"high\",
   \"route\": \"primary\", \"tenant\": \"acme\", \"on_ambiguous\": \"resend\"}
on_ambiguous says what becomes of it where nobody can know whether it was delivered: it goes again (resend), or a person \
decides (hold).

It prints the id once the message is on stable storage; with --json {\"id\", \"duplicate\", \"state\"}, where duplicate says that \
the idempotency key, or the id, was there already. With --ndjson each good line is answered by {\"line\", \"id\", \"duplicate\"} on standard \
output, each bad one by `line N: reason` on standard error; the rest goes in all the same, and the exit code is 65. \
Lines have up to 64 MiB.";
