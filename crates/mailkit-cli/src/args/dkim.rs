//! The options that sign a message.

use std::path::PathBuf;

use clap::Args;

// No doc comment: clap would show it as the description of each command that takes these options.
#[derive(Args)]
#[command(next_help_heading = "Signature")]
pub(crate) struct DkimArgs {
    /// Signs by DKIM with this private key: RSA or Ed25519 in PEM
    #[arg(long, value_name = "FILE", requires_all = ["dkim_selector", "dkim_domain"])]
    pub(crate) dkim_key: Option<PathBuf>,
    /// The selector of the key, which stands in DNS at SELECTOR._domainkey.DOMAIN
    #[arg(long, value_name = "SELECTOR", requires_all = ["dkim_key", "dkim_domain"])]
    pub(crate) dkim_selector: Option<String>,
    /// The domain that signs
    #[arg(long, value_name = "DOMAIN", requires_all = ["dkim_key", "dkim_selector"])]
    pub(crate) dkim_domain: Option<String>,
}
