//! `mailkit sink`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SinkArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: String,
    /// Keeps the messages in this Maildir, and their envelopes in envelopes.jsonl beside them
    #[arg(long, value_name = "DIR")]
    pub(crate) maildir: Option<PathBuf>,
    /// Offers STARTTLS, with a certificate made on the spot unless --cert and --key are given
    #[arg(long)]
    pub(crate) tls: bool,
    /// Speaks TLS from the first byte
    #[arg(long)]
    pub(crate) implicit_tls: bool,
    /// The certificate chain (PEM); implies --tls unless --implicit-tls is given
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Asks for a login by this user
    #[arg(long, value_name = "NAME", requires = "password")]
    pub(crate) user: Option<String>,
    /// The password of --user
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    pub(crate) password: Option<String>,
    /// Speaks LMTP
    #[arg(long)]
    pub(crate) lmtp: bool,
    /// Goes wrong on purpose: STEP=ACTION[,CONDITION…]; repeats, and the first that applies wins
    #[arg(long, value_name = "SPEC")]
    pub(crate) fail: Vec<String>,
    /// Holds each batch of replies back for so long
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency: u64,
}

const EXAMPLES: &str = "\
Examples:
  mailkit sink --listen 127.0.0.1:2525 --maildir captured
  mailkit sink --listen 127.0.0.1:0 --tls --user ann --password secret
  mailkit sink --listen 127.0.0.1:2525 --fail 'rcpt=550 5.1.1 no such user,to=*@example.org' --fail 'content=451,rate=5%'

Once it listens it prints one line: {\"smtp\": \"ADDRESS\", \"tls\": BOOL, \"ca\": \"FILE\" or null, \"http\": null}.
ca is the certificate to trust, as in smtp://ADDRESS?ca=FILE. It runs until it is interrupted (SIGINT, SIGTERM).

SPEC: STEP is greeting, ehlo, starttls, auth, mail, rcpt, data or content. ACTION is a reply such as
'451 4.7.1 come again', close, lose (the message is kept and the reply is not sent; at content only) or hang.
CONDITION is to=GLOB, from=GLOB, after=N, every=N, rate=P% or times=N.";
