//! `mailkit check`.

use clap::Args;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The server: smtp://, smtps://, lmtp:// or lmtp+unix://
    ///
    /// With a user, the login is tried as well. Nothing is sent.
    // Kept as text: clap would repeat a value that it cannot parse.
    #[arg(long, value_name = "URL")]
    pub(crate) server: String,
    /// Prints the SMTP dialogue on standard error: `>` sent, `<` received, `*` beside it; credentials and content replaced
    #[arg(long)]
    pub(crate) trace: bool,
}

const EXAMPLES: &str = "\
Examples:
  mailkit check --server smtp://smtp.example.com
  MAILKIT_PASSWORD=… mailkit check --server smtps://ann%40example.com@smtp.example.com
  mailkit check --server 'smtp://mail.house.example?ca=house-ca.pem' --json
  mailkit check --server smtp://smtp.example.com --trace";
