//! `mailkit enqueue` and `mailkit work` under load, one of them or both killed at random times, again and again.

mod arrivals;
mod process;
mod verdict;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use mailkit::queue::{Filter, Record, State};
use mailkit::{Queue as _, SqliteQueue};
use tokio::runtime::Runtime;

use self::arrivals::Arrivals;
use self::process::{Enqueuer, Program, Worker};
pub(crate) use self::verdict::Verdict;
use super::{Options, runtime};
use crate::work::Failure;

/// What was seen from outside while processes were killed.
#[derive(Default)]
pub(super) struct Seen {
    kills: u64,
    /// Subjects of the messages that were acknowledged.
    acknowledged: Vec<String>,
    /// How often a message was leased when its worker was killed, by subject.
    leased: HashMap<String, u64>,
    /// How often its content had reached the server by then, and what came of it was not written down: only such a
    /// message may come once more.
    in_flight: HashMap<String, u64>,
    /// How often each had reached the server at the last kill of a worker.
    arrived: HashMap<String, u64>,
}

/// Nothing where the command is not there.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Option<Verdict>, Failure> {
    let beside = || std::env::current_exe().map(|here| here.with_file_name("mailkit"));
    let mailkit = options.mailkit.clone().map_or_else(beside, Ok)?;
    if !mailkit.exists() {
        eprintln!("kills: left out: there is no {}", mailkit.display());
        return Ok(None);
    }
    let store = folder.join("kills.db");
    let runtime = runtime()?;
    let arrivals = runtime.block_on(Arrivals::start())?;
    let program = Program { mailkit, store: store.clone(), server: arrivals.server() };
    let seen = kill(&runtime, &program, &arrivals, options.kills)?;
    program.work_until_empty()?;
    let (held, stats) = runtime.block_on(async {
        let queue = SqliteQueue::open(&store).await?;
        let held = records(&queue, State::Held).await?;
        let stats = queue.stats().await?;
        queue.close().await?;
        Ok::<_, Failure>((held, stats))
    })?;
    Ok(Some(verdict::judge(&seen, &arrivals.take(), &held, &stats)))
}

/// Kills one or both, starts them again, and so on.
fn kill(runtime: &Runtime, program: &Program, arrivals: &Arrivals, kills: u64) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    let mut enqueuer = Enqueuer::start(program, 0)?;
    let mut worker = Worker::start(program)?;
    let mut said = 0;
    for number in 1.. {
        std::thread::sleep(Duration::from_millis(20 + random(280)?));
        let (enqueuing, working) = match random(4)? {
            0 => (true, true),
            1 => (true, false),
            _ => (false, true),
        };
        if enqueuing {
            enqueuer.kill()?;
        }
        if working {
            seen.kill(&mut worker, runtime, program, arrivals)?;
        }
        seen.kills += u64::from(enqueuing);
        if seen.kills >= kills {
            if !working {
                seen.kill(&mut worker, runtime, program, arrivals)?;
            }
            break;
        }
        if enqueuing {
            let dead = std::mem::replace(&mut enqueuer, Enqueuer::start(program, number)?);
            seen.acknowledged.extend(dead.acknowledged()?);
        }
        if working {
            worker = Worker::start(program)?;
        }
        if seen.kills >= said + 50 {
            said = seen.kills;
            eprintln!("kills: {said} of {kills}");
        }
    }
    seen.acknowledged.extend(enqueuer.acknowledged()?);
    Ok(seen)
}

impl Seen {
    /// Kills a worker, and looks at what it had.
    fn kill(
        &mut self,
        worker: &mut Worker,
        runtime: &Runtime,
        program: &Program,
        arrivals: &Arrivals,
    ) -> Result<(), Failure> {
        worker.kill()?;
        self.kills += 1;
        let arrived = arrivals.when_quiet()?;
        for record in runtime.block_on(leased(&program.store))? {
            let subject = record.subject.unwrap_or_default();
            let times = |counts: &HashMap<String, u64>| counts.get(&subject).copied().unwrap_or_default();
            if times(&arrived) > times(&self.arrived) {
                *self.in_flight.entry(subject.clone()).or_default() += 1;
            }
            *self.leased.entry(subject).or_default() += 1;
        }
        self.arrived = arrived;
        Ok(())
    }
}

/// What a worker had when it was killed.
async fn leased(store: &Path) -> Result<Vec<Record>, Failure> {
    let queue = SqliteQueue::open(store).await?;
    let leased = records(&queue, State::Leased).await?;
    queue.close().await?;
    Ok(leased)
}

async fn records(queue: &SqliteQueue, state: State) -> Result<Vec<Record>, Failure> {
    let mut filter = Filter::new().with_state(state);
    let mut records = Vec::new();
    loop {
        let mut page = queue.list(&filter).await?;
        records.append(&mut page.records);
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return Ok(records),
        }
    }
}

/// A number below that.
fn random(below: u64) -> Result<u64, Failure> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets)?;
    Ok(u64::from_le_bytes(octets) % below)
}
