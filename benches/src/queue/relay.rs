//! mailkit beside Postfix as a relay: the same messages on the same disk to the same kind of server, in turns.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailkit_testkit::{Postfix, PostfixOptions, SmtpSink};
use serde::Serialize;

use super::{Options, delivery};
use crate::measures::{median, shown};
use crate::report::Table;
use crate::target::{Target, at_least};
use crate::work::Failure;

const SOURCE: &str = "/usr/sbin/smtp-source";
/// How often Postfix's queue is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long Postfix may take for a round, and its log to tell of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Messages a second, round by round.
#[derive(Debug, Serialize)]
pub(crate) struct Relayed {
    senders: usize,
    connections: u32,
    messages_per_connection: u32,
    messages: u64,
    mailkit: Vec<f64>,
    postfix: Vec<f64>,
    /// Of the medians.
    ratio: f64,
}

/// Nothing where Postfix is not there.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Option<Relayed>, Failure> {
    let sink = match SmtpSink::start(&[]) {
        Ok(sink) => sink,
        Err(error) if error.is_unavailable() => {
            eprintln!("relay: left out: {error}");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let postfix = Postfix::start(PostfixOptions::new().relay_to(sink.address()))?;
    let (mut ours, mut theirs, mut told) = (Vec::new(), Vec::new(), 0);
    for round in 1..=options.rounds {
        theirs.push(relay(&postfix, options, &mut told)?);
        ours.push(delivery::run(options, sink.address(), folder)?);
        let (ours, theirs) = (ours[round - 1], theirs[round - 1]);
        eprintln!("relay: round {round} of {}: mailkit {ours:.0}/s, Postfix {theirs:.0}/s", options.rounds);
    }
    Ok(Some(Relayed {
        senders: options.senders,
        connections: options.connections.get(),
        messages_per_connection: options.messages_per_connection.get(),
        messages: options.messages,
        ratio: median(ours.clone()) / median(theirs.clone()),
        mailkit: ours,
        postfix: theirs,
    }))
}

/// Feeds Postfix over so many sessions, each for many messages, until its queue is empty: messages a second.
fn relay(postfix: &Postfix, options: &Options, told: &mut usize) -> Result<f64, Failure> {
    let [senders, messages, size] = [options.senders as u64, options.messages, delivery::SIZE as u64];
    let numbers = ["-s", &senders.to_string(), "-m", &messages.to_string(), "-l", &size.to_string()].map(str::to_owned);
    let start = Instant::now();
    let source = Command::new(SOURCE)
        .args(numbers)
        .args(["-d", "-f", "ann@example.com", "-t", "bob@example.net"])
        .arg(format!("127.0.0.1:{}", postfix.port()))
        .stdout(Stdio::null())
        .status()?;
    if !source.success() {
        return Err(format!("smtp-source ended with {source}").into());
    }
    while postfix.waiting()? > 0 {
        if start.elapsed() > PATIENCE {
            return Err("Postfix does not get rid of its queue".into());
        }
        std::thread::sleep(LOOK);
    }
    let time = start.elapsed();
    // The log comes behind.
    let all = *told + usize::try_from(messages)?;
    loop {
        *told = postfix.log().matches("status=sent").count();
        if *told >= all {
            return Ok(messages as f64 / time.as_secs_f64());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("Postfix sent {told} of {all} messages").into());
        }
        std::thread::sleep(LOOK);
    }
}

impl Relayed {
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(
            format!(
                "Durable end to end to smtp-sink: {} messages of 4 KiB, {} senders; mailkit with {} connections of {} messages",
                shown(self.messages as f64, 0),
                self.senders,
                self.connections,
                self.messages_per_connection
            ),
            ["messages/s", "least", "most", "to Postfix"],
        );
        for (name, rates) in [("mailkit", &self.mailkit), ("Postfix", &self.postfix)] {
            let middle = median(rates.clone());
            let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let most = rates.iter().copied().fold(0.0, f64::max);
            let of_postfix = middle / median(self.postfix.clone());
            table.row(name, [shown(middle, 0), shown(least, 0), shown(most, 0), shown(of_postfix, 2)]);
        }
        table
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        vec![at_least("mailkit to Postfix, durable end to end", self.ratio, 8.0)]
    }
}
