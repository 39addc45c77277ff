//! The dialogue for a person to read: what was said, by whom, without credentials and content.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use mailkit_address::OneLine;

use super::{Awaited, Client, Expect};
use crate::Reply;

/// Who said a line of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a dialogue has two sides, and notes beside it")]
pub enum Speaker {
    /// The client: the line was handed to the connection.
    Client,
    /// The server.
    Server,
    /// Nobody: what happened beside the dialogue, such as a TLS handshake.
    Note,
}

impl Speaker {
    /// The sign in front of its lines: `>`, `<` or `*`.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Client => ">",
            Self::Server => "<",
            Self::Note => "*",
        }
    }
}

/// Receives the lines of a dialogue, each without its line end: nothing in them moves a terminal, and in the place of
/// credentials and content stands how many octets they have.
#[derive(Clone)]
pub struct Tracer(Arc<Receive>);

type Receive = dyn Fn(Speaker, &str) + Send + Sync;

impl Tracer {
    /// A tracer that calls this for each line.
    #[must_use]
    pub fn new(receive: impl Fn(Speaker, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Hands a line on.
    pub fn line(&self, speaker: Speaker, text: &str) {
        (self.0)(speaker, &OneLine(text).to_string());
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}

/// Lines that were written and have not left yet, and where in the outgoing stream each ends.
#[derive(Default)]
pub(super) struct Unsent(VecDeque<(u64, String)>);

impl Client {
    /// Traces what was written last, once it has left.
    pub(super) fn trace_line(&mut self, line: impl FnOnce() -> String) {
        if self.config.tracer.is_some() {
            let end = self.written();
            self.unsent_trace.0.push_back((end, line()));
        }
    }

    /// Traces a command that was written from this octet of the output buffer on.
    pub(super) fn trace_command(&mut self, from: usize) {
        if self.config.tracer.is_some() {
            let line = String::from_utf8_lossy(self.out.get(from..).unwrap_or_default()).trim_end().to_owned();
            let line = self.secrets.as_ref().map(|secrets| secrets.redact(&line).into_owned()).unwrap_or(line);
            self.trace_line(|| line);
        }
    }

    /// Hands on the lines that have left.
    pub(super) fn trace_transmitted(&mut self) {
        let Some(tracer) = &self.config.tracer else { return };
        let unsent = self.unsent_trace.0.iter().position(|(end, _)| *end > self.sent);
        let left = unsent.unwrap_or(self.unsent_trace.0.len());
        for (_, line) in self.unsent_trace.0.drain(..left) {
            tracer.line(Speaker::Client, &line);
        }
    }

    /// Traces a reply. The challenges of a login are a part of it.
    pub(super) fn trace_reply(&self, reply: &Reply) {
        let Some(tracer) = &self.config.tracer else { return };
        let challenge = matches!(self.expected.front(), Some(Awaited { expect: Expect::Auth, .. }));
        if challenge && reply.code().get() == 334 {
            return tracer.line(Speaker::Server, &format!("334 [{} octets of challenge]", reply.text().len()));
        }
        let mut wire = Vec::new();
        self.redacted_reply(reply.clone()).write_to(&mut wire);
        String::from_utf8_lossy(&wire).split_terminator("\r\n").for_each(|line| tracer.line(Speaker::Server, line));
    }

    /// Traces why the conversation is over.
    pub(super) fn trace_end(&mut self) {
        self.unsent_trace.0.clear();
        if let (Some(tracer), Some(error)) = (&self.config.tracer, &self.error) {
            tracer.line(Speaker::Note, &format!("{error:#}"));
        }
    }
}
