//! `mailkit sink` as a process of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::command;

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "s3cret-Pa55word";

/// A sink that runs until it is dropped.
pub(crate) struct SinkProcess {
    child: Child,
    pub(crate) listening: Value,
    log: File,
    pub(crate) folder: TempDir,
}

impl SinkProcess {
    /// Starts a sink on a free port; its Maildir is `mail` in its folder.
    pub(crate) fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = tempfile::tempfile().unwrap();
        let maildir = folder.path().join("mail");
        let fixed = ["sink", "--listen", "127.0.0.1:0", "--maildir", maildir.to_str().unwrap()];
        let mut command = command(fixed.iter().chain(args));
        let mut child = command.stdout(Stdio::piped()).stderr(log.try_clone().unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening = serde_json::from_str(&line).expect("the sink says where it listens");
        Self { child, listening, log, folder }
    }

    /// With STARTTLS and a login.
    pub(crate) fn secured(args: &[&str]) -> Self {
        Self::start(&[&["--tls", "--user", USER, "--password", PASSWORD], args].concat())
    }

    pub(crate) fn addr(&self) -> &str {
        self.listening["smtp"].as_str().unwrap()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The URL without TLS or login.
    pub(crate) fn plain(&self) -> String {
        format!("smtp://{}?tls=none&timeout=20", self.addr())
    }

    /// The URL with a login, and the sink's own authority.
    pub(crate) fn url(&self, scheme: &str, password: &str) -> String {
        let ca = self.listening["ca"].as_str().unwrap();
        format!("{scheme}://{USER}:{password}@{}?ca={ca}&timeout=20", self.addr())
    }

    /// The messages that were kept.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.raw_messages().into_iter().map(|message| String::from_utf8(message).unwrap()).collect()
    }

    /// The messages that were kept, byte for byte.
    pub(crate) fn raw_messages(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.folder.path().join("mail/new")).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// The envelopes that were kept.
    pub(crate) fn envelopes(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("mail/envelopes.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks it to end, and gives its exit code and its log.
    pub(crate) fn end(mut self, signal: &str) -> (i32, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let code = self.child.wait().unwrap().code().expect("it ends by itself");
        let mut log = String::new();
        self.log.rewind().unwrap();
        self.log.read_to_string(&mut log).unwrap();
        (code, log)
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
