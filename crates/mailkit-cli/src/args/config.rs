//! `mailkit config`.

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks the file and prints the settings as they apply, with *** for every secret
    Check,
}

const EXAMPLES: &str = "\
Examples:
  mailkit config check
  mailkit config check --config mailkit.toml --json

The file is the one that is named by --config, else by $MAILKIT_CONFIG, else ./mailkit.toml, else \
/etc/mailkit/mailkit.toml. Certificates and keys that it names are read; nothing is sent. A file that makes no sense ends \
in 78, one that is named and not there in 66.";
