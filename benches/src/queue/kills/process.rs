//! The processes that are killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use serde::Deserialize;

use crate::work::Failure;

/// So many lines at a time, with a pause behind: under 500 a second.
const BURST: u64 = 4;
const PAUSE: Duration = Duration::from_millis(8);

/// The command, and what it works with.
pub(super) struct Program {
    pub(super) mailkit: PathBuf,
    pub(super) store: PathBuf,
    pub(super) server: String,
}

impl Program {
    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.mailkit);
        command.args([what, "--queue", &format!("sqlite:{}", self.store.display())]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn work(&self) -> Command {
        let mut command = self.command("work");
        // What a killed worker leaves behind is soon taken up.
        command.args(["--server", &self.server, "--lease", "5s", "-q"]);
        command
    }

    /// Delivers what is left.
    pub(super) fn work_until_empty(&self) -> Result<(), Failure> {
        let status = self.work().arg("--until-empty").status()?;
        if status.success() { Ok(()) } else { Err(format!("the last worker ended with {status}").into()) }
    }
}

/// `mailkit work`.
pub(super) struct Worker {
    child: Child,
}

impl Worker {
    pub(super) fn start(program: &Program) -> Result<Self, Failure> {
        Ok(Self { child: program.work().spawn()? })
    }

    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        kill(&mut self.child)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `mailkit enqueue`, fed line by line.
pub(super) struct Enqueuer {
    child: Child,
    number: u64,
    enough: Arc<AtomicBool>,
    feeder: JoinHandle<()>,
    reader: JoinHandle<Vec<u64>>,
}

/// What it says of a line.
#[derive(Deserialize)]
struct Answer {
    line: u64,
}

impl Enqueuer {
    /// Starts one; its number makes its subjects its own.
    pub(super) fn start(program: &Program, number: u64) -> Result<Self, Failure> {
        let mut command = program.command("enqueue");
        let mut child = command.args(["--ndjson", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("a pipe was asked for")?;
        let answers = child.stdout.take().ok_or("a pipe was asked for")?;
        let enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&enough);
        let feeder = spawn(move || feed(input, number, &told));
        Ok(Self { child, number, enough, feeder, reader: spawn(move || read(answers)) })
    }

    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        kill(&mut self.child)
    }

    /// Lets it end unless it is dead; the subjects of the messages that it acknowledged.
    pub(super) fn acknowledged(mut self) -> Result<Vec<String>, Failure> {
        self.enough.store(true, Ordering::Relaxed);
        self.feeder.join().map_err(|_| "the feeder panicked")?;
        let lines = self.reader.join().map_err(|_| "the reader panicked")?;
        self.child.wait()?;
        Ok(lines.into_iter().map(|line| subject(self.number, line)).collect())
    }
}

fn kill(child: &mut Child) -> Result<(), Failure> {
    if let Some(status) = child.try_wait()? {
        return Err(format!("a process ended by itself, with {status}").into());
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Every second message is to be held where nobody can know.
fn subject(number: u64, line: u64) -> String {
    let policy = if line.is_multiple_of(2) { "hold" } else { "resend" };
    format!("{policy}-{number}-{line}")
}

/// Writes lines until there were enough, or nobody reads them.
fn feed(mut input: ChildStdin, number: u64, enough: &AtomicBool) {
    for line in 1.. {
        let subject = subject(number, line);
        let policy = subject.split('-').next().unwrap_or_default();
        let text = format!(
            "{{\"from\": \"ann@example.com\", \"to\": [\"bob@example.org\"], \"text\": \"Hi\", \
             \"subject\": \"{subject}\", \"on_ambiguous\": \"{policy}\"}}\n"
        );
        if input.write_all(text.as_bytes()).is_err() || enough.load(Ordering::Relaxed) {
            return;
        }
        if line.is_multiple_of(BURST) {
            sleep(PAUSE);
        }
    }
}

/// The numbers of the lines that were acknowledged; the last answer may be cut off.
fn read(answers: ChildStdout) -> Vec<u64> {
    let lines = BufReader::new(answers).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str::<Answer>(&line).ok()).map(|answer| answer.line).collect()
}
