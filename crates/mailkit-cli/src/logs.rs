//! The log on standard error.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::args::{Global, LogFormat};
use crate::progress::PastProgress;

/// Opens the log. `usual` is the level without `-v` and `-q`.
pub(crate) fn begin(global: &Global, usual: Level) {
    let level = level(global, usual);
    let targets = Targets::new().with_target("mailkit", level).with_default(level.min(LevelFilter::WARN));
    // A closed standard error must not end the program.
    let layer = fmt::layer().with_writer(|| PastProgress).with_target(false).log_internal_errors(false);
    let layer = match global.log_format {
        LogFormat::Text => layer.with_ansi(global.color.wanted(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(targets)).init();
}

fn level(global: &Global, usual: Level) -> LevelFilter {
    if global.quiet {
        return LevelFilter::ERROR;
    }
    const LADDER: [Level; 4] = [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let first = LADDER.iter().position(|level| *level == usual).unwrap_or_default();
    let rung = first.saturating_add(global.verbose.into()).min(LADDER.len() - 1);
    LADDER.get(rung).copied().unwrap_or(usual).into()
}
