//! The load: so many senders, each of which sends, waits for the outcome, and sends again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::contender::Contender;
use crate::usage::{Stopwatch, Usage};
use crate::work::Failure;

/// How long a sender waits for one outcome before that counts as an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much is sent: until the time is over or the messages are, whichever comes first, and one by each sender at least.
/// What was begun is finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) senders: usize,
    pub(crate) messages: u64,
    pub(crate) time: Duration,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Of the messages that were accepted: from the call to its return, shortest first.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) errors: u64,
    /// The words of one of the errors.
    pub(crate) words: Option<String>,
    pub(crate) usage: Usage,
}

/// Puts the load on a contender.
pub(crate) async fn run(contender: &Arc<dyn Contender>, load: Load) -> Result<Outcome, Failure> {
    let tickets = Arc::new(AtomicU64::new(0));
    let watch = Stopwatch::start();
    let end = Instant::now() + load.time;
    let mut senders = JoinSet::new();
    for _ in 0..load.senders {
        senders.spawn(send(Arc::clone(contender), Arc::clone(&tickets), load.messages, end));
    }
    let mut outcome = Outcome {
        latencies: Vec::new(),
        errors: 0,
        words: None,
        usage: Usage { wall: Duration::ZERO, processor: Duration::ZERO },
    };
    while let Some(sent) = senders.join_next().await {
        let Sent { mut latencies, errors, words } = sent?;
        outcome.latencies.append(&mut latencies);
        outcome.errors += errors;
        outcome.words = outcome.words.or(words);
    }
    outcome.usage = watch.stop();
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

/// What one sender saw.
#[derive(Default)]
struct Sent {
    latencies: Vec<Duration>,
    errors: u64,
    words: Option<String>,
}

async fn send(contender: Arc<dyn Contender>, tickets: Arc<AtomicU64>, messages: u64, end: Instant) -> Sent {
    let mut sent = Sent::default();
    while tickets.fetch_add(1, Ordering::Relaxed) < messages {
        let begin = Instant::now();
        match tokio::time::timeout(PATIENCE, contender.send()).await {
            Ok(Ok(())) => sent.latencies.push(begin.elapsed()),
            Ok(Err(words)) => sent.fail(words),
            Err(_) => sent.fail(format!("no outcome within {PATIENCE:?}")),
        }
        if Instant::now() >= end {
            break;
        }
    }
    sent
}

impl Sent {
    fn fail(&mut self, words: String) {
        self.errors += 1;
        self.words = Some(words);
    }
}
