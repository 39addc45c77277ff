//! `mailkit work`: delivers from a queue until it is told to stop.

mod worker;

use std::io;
use std::time::Duration;

use mailkit::config::Config;
use mailkit::dispatch::Settings;
use mailkit::queue::Stats;
use mailkit::{Error, ErrorKind, OpenQueue, Outbox, Route};
use serde::Serialize;

use super::queue::stats::{self, Counts};
use crate::args::WorkArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{self, Place};
use crate::signals::Signals;
use worker::{Done, Until};

/// The wait before an unavailable store is opened again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The default time that messages in flight may take to end.
const DRAIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: WorkArgs, config: Option<Config>, output: &mut Output) -> Result<Exit, Failure> {
    let mut signals = Signals::catch().map_err(|error| Failure::system("no signals can be received", &error))?;
    let place = Place::find(args.queue.as_deref(), config.as_ref())?;
    if place.url.is_memory() {
        tracing::warn!("a queue in memory begins empty, and no other command can put mail into it");
    }
    let lease = args.lease.or(config.as_ref().and_then(|config| config.lease));
    let drain = args.drain.or(config.as_ref().and_then(|config| config.drain)).unwrap_or(DRAIN);
    let retry = config.as_ref().map(|config| config.retry).unwrap_or_default();
    let defaults = Settings::default();
    let lease = lease.unwrap_or(defaults.lease);
    let settings = defaults.with_retry(retry).with_lease(lease);
    let safeguards = config.as_ref().map(|config| config.safeguards.clone()).unwrap_or_default();
    let archive_to = config.as_ref().and_then(|config| config.archive_to.clone());
    let signers = config.as_ref().map(Config::signers).transpose()?.unwrap_or_default();
    let routes = routes(args.server.as_deref(), config)?;
    let queue = tokio::select! {
        queue = wait_for(&place) => queue?,
        () = signals.next() => return Ok(Exit::Done),
    };
    let builder = Outbox::builder().shared_queue(std::sync::Arc::clone(queue.queue())).settings(settings);
    let builder = archive_to
        .into_iter()
        .fold(builder.safeguards(safeguards).domain_signers(signers), mailkit::OutboxBuilder::archive_to);
    let outbox = routes.into_iter().fold(builder, mailkit::OutboxBuilder::route).start().await?;
    let until = match (args.until_empty, args.until_idle) {
        (true, _) => Until::Empty,
        (_, true) => Until::Idle,
        _ => Until::Told,
    };
    let outcome = worker::run(&outbox, until, drain, &mut signals, output).await;
    let counted = queue.queue().stats().await;
    place::close(&queue).await;
    // A store that has failed says itself why.
    let stats = counted?;
    show(&stats, &outcome?, output)?;
    Ok(Exit::Done)
}

/// The route to `--server`, or else those of the configuration.
fn routes(server: Option<&str>, config: Option<Config>) -> Result<Vec<Route>, Failure> {
    let routes = match server {
        Some(url) => {
            let route = Route::new("primary", url)?;
            let hostname = config.and_then(|config| config.hostname);
            vec![hostname.iter().fold(route, |route, name| route.hostname(name))]
        }
        None => config.map(|config| config.routes).unwrap_or_default(),
    };
    match routes.is_empty() {
        true => Err(Failure::usage("no server: give --server URL, or --config FILE with a [[route]]")),
        false => Ok(routes),
    }
}

/// Opens the queue; waits while the store is unavailable.
async fn wait_for(place: &Place) -> Result<OpenQueue, Error> {
    let mut told = false;
    loop {
        match place.open().await {
            Err(error) if matches!(error.kind(), ErrorKind::StoreUnavailable | ErrorKind::StoreMissing) => {
                if !std::mem::replace(&mut told, true) {
                    let error = Failure::from(error).text();
                    tracing::warn!(queue = %place.url, error, "the queue's store is unavailable, waiting for it");
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(queue) => {
                if told {
                    tracing::info!(queue = %place.url, "the queue's store is available again");
                }
                return Ok(queue);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    counts: Counts,
    worker: &'a Done,
}

fn show(stats: &Stats, done: &Done, output: &mut Output) -> io::Result<()> {
    if output.json {
        return output.object(&Summary { counts: Counts::new(stats), worker: done });
    }
    stats::print(stats, output)?;
    output.note(done);
    Ok(())
}
