//! The `mailkit` command: reads its arguments, calls the library, prints, and exits by the codes of `sysexits.h`.
//!
//! It holds nothing that a user of the library would miss. Results go to standard output, everything else to
//! standard error.

mod args;
mod commands;
mod exit;
mod failure;
mod logs;
mod message;
mod output;
mod place;
mod progress;
mod server;
mod signals;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use args::{Cli, Command};
use exit::Exit;
use failure::Failure;
use mailkit::config::{self, Config};
use output::Output;

fn main() -> ExitCode {
    let cli = match args::read() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let mut output = Output::new(&cli.global);
    logs::begin(&cli.global, cli.command.log_level());
    match run(cli, &mut output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_reader_gone() {
                output.failure(&failure);
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli, output: &mut Output) -> Result<Exit, Failure> {
    let file = configuration_file(&cli);
    let config = file.as_deref().map(configuration).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("the runtime does not start", &error))?;
    runtime.block_on(async {
        match cli.command {
            Command::Send(args) => commands::send::run(args, config.as_ref(), output).await,
            Command::Enqueue(args) => commands::enqueue::run(args, config.as_ref(), output).await,
            Command::Work(args) => commands::work::run(args, config, output).await,
            Command::Queue(args) => commands::queue::run(args, config.as_ref(), output).await,
            Command::Render(args) => commands::render::run(args, config.as_ref(), output),
            Command::Check(args) => commands::check::run(&args, config.as_ref(), output).await,
            Command::Config(args) => commands::config::run(&args, file.as_deref(), config, output).await,
            Command::Sink(args) => commands::sink::run(args, output).await,
            Command::Demo(args) => commands::demo::run(&args, output).await,
        }
    })
}

/// The file of the configuration that the command goes by, if there is one.
fn configuration_file(cli: &Cli) -> Option<PathBuf> {
    let named = cli.global.config.as_deref();
    if named.is_none() && !cli.command.is_configured() { None } else { config::locate(named) }
}

fn configuration(file: &Path) -> Result<Config, Failure> {
    tracing::debug!(file = %file.display(), "reading the configuration");
    let config = Config::read(file)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}
