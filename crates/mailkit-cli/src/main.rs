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
mod server;

use std::process::ExitCode;

use args::Command;
use exit::Exit;
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = match args::read() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let mut output = Output::new(&cli.global);
    logs::begin(&cli.global, cli.command.log_level());
    match run(cli.command, &mut output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(command: Command, output: &mut Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("the runtime does not start", &error))?;
    runtime.block_on(async {
        match command {
            Command::Send(args) => commands::send::run(args, output).await,
            Command::Render(args) => commands::render::run(args, output),
            Command::Check(args) => commands::check::run(&args, output).await,
            Command::Sink(args) => commands::sink::run(args, output).await,
            Command::Demo(args) => commands::demo::run(&args, output).await,
        }
    })
}
