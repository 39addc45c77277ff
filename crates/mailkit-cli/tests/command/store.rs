//! A queue in a folder of its own, and workers on it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Ended, LETTER, command, mailkit, mailkit_reading};

/// A queue that is gone when it is dropped.
pub(crate) struct Store {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
}

impl Store {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("mail.db").display());
        Self { folder, url }
    }

    /// A file with that text in the folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Enqueues [`LETTER`], with more options; gives its id.
    pub(crate) fn enqueue(&self, more: &[&str]) -> String {
        let ended = mailkit(["enqueue", "--queue", &self.url].iter().chain(&LETTER).chain(more));
        ended.assert_code(0).out.trim().to_owned()
    }

    /// Enqueues lines of JSON.
    pub(crate) fn enqueue_lines(&self, lines: &str) -> Ended {
        mailkit_reading(lines.as_bytes(), ["enqueue", "--queue", &self.url, "--ndjson", "-"])
    }

    /// Runs `mailkit queue` on it.
    pub(crate) fn queue(&self, args: &[&str]) -> Ended {
        mailkit(["queue", "--queue", &self.url].iter().chain(args))
    }

    pub(crate) fn stats(&self) -> Value {
        self.queue(&["stats", "--json"]).assert_code(0).json()
    }

    pub(crate) fn show(&self, id: &str) -> Value {
        self.queue(&["show", id, "--json"]).assert_code(0).json()
    }

    pub(crate) fn list(&self, more: &[&str]) -> Vec<Value> {
        let ended = self.queue(&[&["list", "--json"], more].concat());
        ended.assert_code(0).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Works until the end that `until` names.
    pub(crate) fn work(&self, server: &str, until: &str) -> Ended {
        mailkit(["work", "--queue", &self.url, "--server", server, until, "--json", "-q"])
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, server: &str, more: &[&str]) -> Worker {
        Worker::start(["work", "--queue", &self.url, "--server", server].iter().chain(more))
    }
}

/// A worker that runs until it is dropped.
pub(crate) struct Worker {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Worker {
    pub(crate) fn start<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log up to the line that has these words in it, and gives that line.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let octets = self.log.read_line(&mut line).unwrap();
            assert!(octets > 0, "the worker ended before it said {words:?}");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Ends it with a signal, and gives how it ended.
    pub(crate) fn end(mut self, signal: &str) -> Ended {
        self.signal(signal);
        self.join()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn join(&mut self) -> Ended {
        let (mut out, mut err) = (String::new(), String::new());
        self.log.read_to_string(&mut err).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code().expect("it ends by itself");
        Ended { code, out, err }
    }

    /// Ends it as the power would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of JSON: a message from Ann to somebody.
pub(crate) fn line(to: &str, more: &str) -> String {
    format!("{{\"from\": \"ann@example.com\", \"to\": [\"{to}\"], \"text\": \"Hi\"{more}}}\n")
}
