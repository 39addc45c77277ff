//! Runs the command.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What the command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// The names in an object, sorted.
    pub(crate) fn keys(value: &Value) -> Vec<&str> {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, words: &str) -> &Self {
        assert!(self.err.contains(words), "{words:?} is missing in {self:#?}");
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by a signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The command with nothing of the tester's environment that it looks at.
pub(crate) fn command<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailkit"));
    command.env_remove("MAILKIT_PASSWORD").env_remove("MAILKIT_CONFIG").env_remove("NO_COLOR").stdin(Stdio::null());
    for arg in args {
        command.arg(arg.as_ref());
    }
    command
}

/// Runs the command to its end.
pub(crate) fn mailkit<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Ended {
    command(args).output().unwrap().into()
}

/// Runs the command with something on its standard input.
pub(crate) fn mailkit_reading<S: AsRef<str>>(input: &[u8], args: impl IntoIterator<Item = S>) -> Ended {
    let mut command = command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut pipe, input) = (child.stdin.take().unwrap(), input.to_vec());
    // Beside the reading: a command that answers before all is read would else wait for us, and we for it.
    let writing = std::thread::spawn(move || pipe.write_all(&input));
    let ended = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    ended.into()
}

/// A message from Ann to Bob.
pub(crate) const LETTER: [&str; 8] =
    ["--from", "ann@example.com", "--to", "bob@example.org", "--subject", "Hello", "--text", "How are you?"];

/// Sends [`LETTER`], with more options.
pub(crate) fn send(server: &str, more: &[&str]) -> Ended {
    mailkit(["send", "--server", server].iter().chain(&LETTER).chain(more))
}
