//! `mailkit config check`: the settings as they apply.

mod toml;

use std::path::Path;

use mailkit::config::Config;
use mailkit::connection::full_host_name;
use serde_json::{Value, json};

use crate::args::{ConfigArgs, ConfigCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(
    args: &ConfigArgs,
    file: Option<&Path>,
    config: Option<Config>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let ConfigCommand::Check = args.command;
    let config = match config {
        Some(config) => config,
        None => Config::parse("")?,
    };
    config.check()?;
    let mut settings = serde_json::to_value(config.effective())
        .map_err(|error| Failure::system("the settings cannot be shown", &error))?;
    if settings["hostname"].is_null() {
        settings["hostname"] = json!(full_host_name().await);
    }
    if output.json {
        settings["file"] = json!(file);
        output.object(&settings)?;
        return Ok(Exit::Done);
    }
    match file {
        Some(file) => output.line(format_args!("# {}", file.display()))?,
        None => output.line("# there is no file: these are the defaults")?,
    }
    if let Value::Object(settings) = &settings {
        output.line(toml::print(settings).trim_end())?;
    }
    Ok(Exit::Done)
}
