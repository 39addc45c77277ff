//! Messages as lines of JSON: many at a time, answered in their order.

use std::io::{self, BufRead, IsTerminal as _, Write as _};
use std::sync::Arc;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use mailkit::queue::{Enqueued, Queue};
use tokio::task::{JoinError, JoinHandle};

use super::lines::{self, LONGEST, Line};
use super::{Acknowledged, enqueue};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::message::{Signers, compose_line};
use crate::output::Output;
use crate::progress::Progress;

/// How many lines are under way at once: stores write what waits together, so more of them cost less each.
const AT_ONCE: usize = 256;

pub(super) async fn run(
    input: Box<dyn BufRead + Send>,
    queue: Arc<dyn Queue>,
    signers: Signers,
    hostname: Option<&str>,
    output: &Output,
) -> Result<Exit, Failure> {
    let hostname: Option<Arc<str>> = hostname.map(Arc::from);
    let mut lines = lines::read(input);
    let mut under_way = FuturesOrdered::new();
    // Lines on a terminal are progress enough.
    let progress = Progress::show(output.quiet || io::stdout().is_terminal());
    let out = io::BufWriter::new(io::stdout());
    let mut answers = Answers { output, progress, out, good: 0, bad: 0, stopped: None };
    let mut more = true;
    loop {
        while let Some(Some(answer)) = under_way.next().now_or_never() {
            answers.give(answer)?;
        }
        answers.out.flush().map_err(unheard)?;
        more &= answers.stopped.is_none();
        tokio::select! {
            Some(answer) = under_way.next() => answers.give(answer)?,
            line = lines.recv(), if more && under_way.len() < AT_ONCE => match line {
                Some(Ok(line)) => under_way.push_back(store(line, Arc::clone(&queue), signers.clone(), hostname.clone())),
                Some(Err(error)) => {
                    answers.stopped = Some(Failure::no_input(format!("the lines cannot be read to their end: {error}")));
                }
                None => more = false,
            },
            else => break,
        }
    }
    answers.finish()
}

const STOPPED: &str =
    "enqueue the lines that were not acknowledged again; with an idempotency_key in each, none is stored twice";

type Answer = (u64, Result<Enqueued, Failure>);

/// Stores the message of a line.
fn store(line: Line, queue: Arc<dyn Queue>, signers: Signers, hostname: Option<Arc<str>>) -> JoinHandle<Answer> {
    tokio::spawn(async move {
        let Line { number, text, room } = line;
        let composed = match text {
            Some(text) => compose_line(&text, hostname.as_deref()).inspect(|composed| {
                for note in composed.message.notes() {
                    tracing::warn!("line {number}: {note}");
                }
            }),
            None => Err(Failure::message("", format!("longer than {} MiB", LONGEST >> 20))),
        };
        let outcome = match composed {
            Ok(composed) => enqueue(composed, &signers, &*queue).await,
            Err(failure) => Err(failure),
        };
        drop(room);
        (number, outcome)
    })
}

/// What is said of the lines.
struct Answers<'a> {
    output: &'a Output,
    progress: Progress,
    out: io::BufWriter<io::Stdout>,
    good: u64,
    bad: u64,
    /// Why no more lines are taken.
    stopped: Option<Failure>,
}

impl Answers<'_> {
    fn give(&mut self, answer: Result<Answer, JoinError>) -> Result<(), Failure> {
        let (number, outcome) = answer.map_err(|error| Failure::system("a line broke the command", &error))?;
        match outcome {
            Ok(enqueued) => {
                self.good += 1;
                let answer = Acknowledged::of_line(number, enqueued);
                let written = serde_json::to_writer(&mut self.out, &answer).map_err(io::Error::from);
                written.and_then(|()| self.out.write_all(b"\n")).map_err(unheard)?;
            }
            Err(failure) => {
                for problem in failure.text().lines() {
                    self.output.complaint(format_args!("line {number}: {problem}"));
                }
                if is_of_the_line(&failure) {
                    self.bad += 1;
                } else {
                    self.stopped.get_or_insert(failure);
                }
            }
        }
        self.progress.say(format!("{} lines stored, {} bad", self.good, self.bad));
        Ok(())
    }

    fn finish(self) -> Result<Exit, Failure> {
        drop(self.progress);
        if let Some(failure) = self.stopped {
            return Err(failure.with_advice(STOPPED));
        }
        if self.bad == 0 {
            return Ok(Exit::Done);
        }
        self.output.note(format_args!("{} lines stored, {} bad", self.good, self.bad));
        Ok(Exit::Data)
    }
}

/// Standard output takes no more answers: lines that are stored cannot be acknowledged.
fn unheard(error: io::Error) -> Failure {
    Failure::system("the answers cannot be written to standard output", &error).with_advice(STOPPED)
}

/// Whether the next line may fare better: not where the queue is full, or its store has trouble.
fn is_of_the_line(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::Data | Exit::NoInput | Exit::Refused) || failure.kind == "content"
}
