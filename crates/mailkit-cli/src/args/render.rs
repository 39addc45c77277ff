//! `mailkit render`.

use std::path::PathBuf;

use clap::Args;

use super::MessageArgs;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenderArgs {
    /// Writes to this file instead of standard output; it appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Takes this number in place of randomness; with --date and --message-id the same message comes out each time
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
}

const EXAMPLES: &str = "\
Examples:
  mailkit render --from ann@example.com --to bob@example.org --text-file letter.txt -o letter.eml
  mailkit render --from ann@example.com --to bob@example.org \\
      --html '<img src=\"cid:logo\">' --inline logo=logo.png \\
      --attach 'data.csv;type=text/csv; header=present;name=Numbers.csv' \\
      --dkim-key dkim.pem --dkim-selector mail --dkim-domain example.com
  mailkit render --message letter.json --date 2026-11-23T08:00:00Z --seed 1
  mailkit render --eml - < draft.eml > finished.eml

With --json it prints {\"message_id\", \"size\", \"needs_8bit\", \"needs_smtputf8\", \"envelope\": {\"from\", \"to\"}, \"output\", \"content\"};
content is null where -o took it, or where it is not UTF-8.";
