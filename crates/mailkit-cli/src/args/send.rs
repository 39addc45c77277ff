//! `mailkit send`.

use clap::Args;

use super::MessageArgs;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SendArgs {
    /// The server to hand the message to: smtp://, smtps://, lmtp:// or lmtp+unix://
    // Kept as text: clap would repeat a value that it cannot parse.
    #[arg(long, value_name = "URL", long_help = SERVER)]
    pub(crate) server: String,
    /// Prints the SMTP dialogue on standard error: `>` sent, `<` received, `*` beside it; credentials and content replaced
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
}

const SERVER: &str = "\
The server to hand the message to: smtp://, smtps://, lmtp:// or lmtp+unix://

smtp://[user:password@]host[:587] uses STARTTLS, smtps://[user:password@]host[:465] TLS from the first byte. The \
password may also come from the environment variable MAILKIT_PASSWORD, or from ?password-file=PATH.";

const EXAMPLES: &str = "\
Examples:
  mailkit send --server smtps://ann@smtp.example.com --from ann@example.com --to bob@example.org \\
      --subject Hello --text 'How are you?'
  mailkit send --server smtps://ann@smtp.example.com --from ann@example.com --to bob@example.org \\
      --text-file letter.txt --html-file letter.html --inline logo=logo.png \\
      --attach 'q3.pdf;name=Quarterly report.pdf'
  mailkit send --server 'smtp://localhost:2525?tls=none' --eml letter.eml --json
  mailkit send --server lmtp+unix:///run/dovecot/lmtp --message letter.json
  mailkit send --server smtp://ann@smtp.example.com --eml letter.eml --trace

With --json it prints one object:
  {\"message_id\", \"server\", \"recipients\": [{\"address\", \"status\", \"code\", \"enhanced\", \"text\"}],
   \"error\": null or {\"kind\", \"step\", \"text\", \"temporary\", \"ambiguous\"}, \"round_trips\", \"duration_ms\"}";
