//! Pooled against short-lived connections, mailkit against lettre: each scene runs every contender in turn, in rounds.

mod contender;
mod load;
mod scene;
mod server;
mod targets;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use mailkit_testkit::SmtpSink;
use serde::Serialize;

use self::contender::CONTENDERS;
use self::load::Load;
use self::scene::ServerKind;
use self::server::Server;
use crate::about::About;
use crate::measures::{Figures, Measure, shown};
use crate::network;
use crate::report::{self, Table};
use crate::target::{self, Target};
use crate::work::Failure;

pub(crate) use self::contender::Kind;
pub(crate) use self::scene::Scene;
pub(crate) use self::server::{Options as ServerOptions, serve};

/// Rounds behind a round trip: what waits for the network varies little.
const FAR_ROUNDS: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// One short round of each scene.
    #[arg(long)]
    quick: bool,
    /// Senders at once in the scene that all is about.
    #[arg(long, default_value_t = 1000)]
    senders: usize,
    /// Connections of a pool, and senders at once in the other scenes.
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// Rounds of the scenes on loopback; those behind a round trip have three at most.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds in which a contender begins to send messages in one round; those begun are finished.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The most messages of a contender in one round.
    #[arg(long, default_value_t = 50_000)]
    messages: u64,
    /// The round trips to simulate, in milliseconds, beside none.
    #[arg(long, value_delimiter = ',', default_value = "5,20,50")]
    rtt: Vec<u64>,
    /// Only these contenders.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Only these scenes, by their number.
    #[arg(long, value_delimiter = ',')]
    scene: Vec<usize>,
    /// Where the results are written.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

/// All that comes out of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) about: About,
    pub(crate) method: Vec<String>,
    pub(crate) targets: Vec<Target>,
    pub(crate) scenes: Vec<Played>,
}

/// A scene, and what the contenders did in it.
#[derive(Debug, Serialize)]
pub(crate) struct Played {
    pub(crate) title: String,
    pub(crate) scene: Scene,
    /// As it was measured, with the timers that simulate it.
    pub(crate) round_trip_measured_ms: f64,
    pub(crate) rounds: usize,
    pub(crate) contenders: Vec<Row>,
}

/// A contender's figures over all rounds of a scene.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    #[serde(skip)]
    pub(crate) kind: Kind,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// The words of one of its errors.
    pub(crate) error: Option<String>,
}

impl Played {
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(self.title.clone(), Figures::headings());
        for row in &self.contenders {
            table.row(row.name, row.figures.cells());
        }
        table
    }

    pub(crate) fn figures(&self, kind: Kind) -> Option<&Figures> {
        self.contenders.iter().find(|row| row.kind == kind).map(|row| &row.figures)
    }
}

/// The senders and the server have one half of the machine each.
fn half_of_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    allow_many_connections()?;
    let scenes = options.scenes();
    let mut played = Vec::new();
    let wanted = |number: usize| options.scene.is_empty() || options.scene.contains(&number);
    for (number, scene) in (1..).zip(&scenes).filter(|(number, _)| wanted(*number)) {
        eprintln!("scene {number} of {}: {}", scenes.len(), scene.title());
        if let Err(reason) = scene.server.is_there() {
            eprintln!("  left out: {reason}");
            continue;
        }
        let scene = play(scene, options)?;
        scene.table().print();
        played.push(scene);
    }
    let comparison = Comparison {
        about: About::gather(),
        method: options.method(),
        targets: targets::judge(&played, options.connections),
        scenes: played,
    };
    target::table(&comparison.targets).print();
    report::write(&comparison, &options.output)
}

impl Options {
    fn scenes(&self) -> Vec<Scene> {
        let few = self.connections as usize;
        let many = Scene { server: ServerKind::Capture, secure: true, senders: self.senders, round_trip_ms: 0 };
        let secured = Scene { senders: few, ..many.clone() };
        let plain = Scene { secure: false, ..secured.clone() };
        let postfix = Scene { server: ServerKind::SmtpSink, ..plain.clone() };
        let far = |rtt: &u64| Scene { round_trip_ms: *rtt, ..secured.clone() };
        let mut scenes = vec![many, plain, postfix, secured.clone()];
        scenes.extend(self.rtt.iter().map(far));
        scenes
    }

    fn contenders(&self) -> impl Iterator<Item = Kind> {
        CONTENDERS.into_iter().filter(|kind| self.only.is_empty() || self.only.contains(kind))
    }

    /// How it was measured, in sentences.
    fn method(&self) -> Vec<String> {
        let load = self.load(0);
        vec![
            format!(
                "Each contender runs in turn, {} times ({} at most behind a round trip), each time against a fresh server in a \
                 process of its own. Senders and server have half of the cores each. Figures are medians over the rounds; \
                 errors are the share over all of them, connections the most that the server ever saw.",
                self.rounds(0), FAR_ROUNDS
            ),
            format!(
                "Every sender sends a message of {} octets to one recipient, waits for the outcome, and sends the next: for \
                 {} s, or until {} messages were begun, but once at least; what was begun is finished. So slow contenders send fewer messages. \
                 Latency is the time from the call to its return, with the wait for a connection.",
                contender::SIZE, load.time.as_secs_f64(), shown(load.messages as f64, 0)
            ),
            format!(
                "Pools have {0} connections, opened before the clock runs. lettre's pool keeps {0} and opens more for \
                 senders that find none. Without its pool mailkit waits for the answer to QUIT; lettre does not.",
                self.connections
            ),
            "TLS is rustls with ring from the first byte, the login AUTH PLAIN, the server's certificate verified against \
             its authority, TLS sessions resumed, for all alike. The content is rendered beforehand."
                .to_owned(),
            "Our capture server counts what it accepted: a run fails unless that is what the senders were told.".to_owned(),
            "A round trip is simulated by a proxy that delays; to connect takes no time, which is in favour of \
             short-lived connections."
                .to_owned(),
        ]
    }

    fn rounds(&self, round_trip_ms: u64) -> usize {
        match (self.quick, round_trip_ms) {
            (true, _) => 1,
            (false, 0) => self.rounds,
            (false, _) => self.rounds.min(FAR_ROUNDS),
        }
    }

    fn load(&self, senders: usize) -> Load {
        let seconds = if self.quick { self.seconds / 4.0 } else { self.seconds };
        Load { senders, messages: self.messages, time: Duration::from_secs_f64(seconds) }
    }
}

/// One scene in all its rounds.
fn play(scene: &Scene, options: &Options) -> Result<Played, Failure> {
    let times = options.rounds(scene.round_trip_ms);
    let mut rounds = vec![Vec::new(); CONTENDERS.len()];
    let mut words = vec![None; CONTENDERS.len()];
    for round in 1..=times {
        for kind in options.contenders() {
            let (figures, error) = cell(scene, kind, options)?;
            let rate = figures.get(Measure::PerSecond);
            eprintln!("  round {round} of {times}: {:<16} {rate:>8.0} messages/s", kind.name());
            rounds[kind as usize].push(figures);
            words[kind as usize] = error.or(words[kind as usize].take());
        }
    }
    let row = |kind: Kind| Row {
        name: kind.name(),
        kind,
        figures: Figures::of_rounds(&rounds[kind as usize]),
        error: words[kind as usize].clone(),
    };
    let measured = measured_ms(scene)?;
    let title = match scene.round_trip_ms {
        0 => scene.title(),
        _ => format!("{} ({measured:.1} ms measured)", scene.title()),
    };
    Ok(Played {
        title,
        scene: scene.clone(),
        round_trip_measured_ms: measured,
        rounds: times,
        contenders: options.contenders().map(row).collect(),
    })
}

/// The round trip with the timers that simulate it, in milliseconds.
fn measured_ms(scene: &Scene) -> Result<f64, Failure> {
    if scene.round_trip_ms == 0 {
        return Ok(0.0);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(network::measured(scene.round_trip()))?.as_secs_f64() * 1e3)
}

/// One contender in one round, with a fresh server and a fresh runtime.
fn cell(scene: &Scene, kind: Kind, options: &Options) -> Result<(Figures, Option<String>), Failure> {
    let mut server = match scene.server {
        ServerKind::Capture => Server::capture(scene.secure, scene.round_trip())?,
        ServerKind::SmtpSink => Server::SmtpSink(SmtpSink::start(&[])?),
    };
    let address = server.address();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(half_of_the_cores()).enable_all().build()?;
    let contender = runtime.block_on(async { kind.build(&address, options.connections) })?;
    // Pools are filled, and what is done once is done.
    let warm = runtime.block_on(join_all((0..options.connections).map(|_| contender.send())));
    let warmed = warm.iter().filter(|sent| sent.is_ok()).count() as u64;
    let before = server.seen()?;
    let outcome = runtime.block_on(load::run(&contender, options.load(scene.senders)))?;
    let after = server.seen()?;
    // lettre's pool is closed by a task.
    runtime.block_on(async { drop(contender) });
    runtime.shutdown_background();

    let accepted = outcome.latencies.len() as u64;
    if let Some(seen) = after
        && (seen.accepted < accepted + warmed || (outcome.errors == 0 && seen.accepted != accepted + warmed))
    {
        let kind = kind.name();
        let told = accepted + warmed;
        return Err(
            format!("{kind} was told that {told} messages were accepted, the server saw {}", seen.accepted).into()
        );
    }
    let milliseconds = |latency: Option<&Duration>| latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3);
    let percentile = |percent: usize| milliseconds(outcome.latencies.get(outcome.latencies.len() * percent / 100));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / accepted as f64;
    let at_server = |figure: fn(&server::Seen) -> f64| after.as_ref().map_or(f64::NAN, figure);
    let figures = Figures::new(|measure| match measure {
        Measure::PerSecond => accepted as f64 / outcome.usage.wall.as_secs_f64(),
        Measure::Mean => outcome.latencies.iter().sum::<Duration>().as_secs_f64() * 1e3 / accepted as f64,
        Measure::P50 => percentile(50),
        Measure::P99 => percentile(99),
        Measure::Errors => 100.0 * outcome.errors as f64 / (outcome.errors + accepted) as f64,
        Measure::Processor => each(outcome.usage.processor),
        Measure::ServerProcessor => {
            before.zip(after).map_or(f64::NAN, |(before, after)| each(after.processor - before.processor))
        }
        Measure::MostOpen => at_server(|seen| seen.most_open as f64),
        Measure::Opened => at_server(|seen| seen.connections as f64),
        Measure::Messages => accepted as f64,
    });
    Ok((figures, outcome.words))
}

/// As many open files as the system allows: each short-lived connection is one.
fn allow_many_connections() -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
