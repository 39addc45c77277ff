//! One client of a sink: what is answered, and what is kept.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use mailkit_address::{ForwardPath, ReversePath};
use mailkit_smtp::client::Protocol;
use mailkit_smtp::server::{Question, Server};
use mailkit_smtp::{Reply, Step};

use super::capture::{Captured, Incoming};
use super::counters::add;
use super::fail::{Action, Occasion};
use super::maildir::{recipient, sender};
use super::{LOCAL_ERROR, Shared, closing, refusal};
use crate::connection::{Handler, Verdict};

pub(super) struct Session {
    shared: Arc<Shared>,
    /// There are too many clients already.
    crowded: bool,
    from: Option<ReversePath>,
    /// The recipients that were accepted.
    to: Vec<ForwardPath>,
    /// The same as the rules see them; empty where there are no rules.
    from_text: String,
    to_texts: Vec<String>,
    /// The rules for DATA have been asked about this transaction.
    data_asked: bool,
    incoming: Incoming,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, crowded: bool) -> Self {
        Self {
            shared,
            crowded,
            from: None,
            to: Vec::new(),
            from_text: String::new(),
            to_texts: Vec::new(),
            data_asked: false,
            incoming: Incoming::default(),
        }
    }

    /// What the rules say.
    fn strike(&self, step: Step, to: &[String]) -> Option<Action> {
        let action = self.shared.rules.strike(Occasion { step, from: &self.from_text, to })?;
        add(&self.shared.tally.refused, 1);
        Some(action.clone())
    }

    fn begin(&mut self, path: ReversePath) -> Verdict {
        self.forget();
        if !self.shared.rules.is_empty() {
            self.from_text = sender(&path);
            if let Some(action) = self.strike(Step::Mail, &[]) {
                return verdict(action);
            }
        }
        add(&self.shared.tally.transactions, 1);
        self.from = Some(path);
        Verdict::Accept
    }

    fn add_recipient(&mut self, path: ForwardPath) -> Verdict {
        if !self.shared.rules.is_empty() {
            let text = recipient(&path);
            if let Some(action) = self.strike(Step::Rcpt, std::slice::from_ref(&text)) {
                return verdict(action);
            }
            self.to_texts.push(text);
        }
        self.to.push(path);
        Verdict::Accept
    }

    /// The rules for DATA, once for each transaction.
    fn strike_at_data(&mut self) -> Option<Action> {
        let asked = std::mem::replace(&mut self.data_asked, true);
        if asked { None } else { self.strike(Step::Data, &self.to_texts) }
    }

    /// The message is whole.
    async fn conclude(&mut self, server: &Server) -> Verdict {
        if let Some(action) = self.strike_at_data() {
            return self.give_up(action);
        }
        let lmtp = self.shared.config.protocol == Protocol::Lmtp;
        if lmtp && !self.shared.rules.is_empty() {
            return self.conclude_each(server).await;
        }
        let action = self.strike(Step::Content, &self.to_texts);
        match action {
            None => self.keep(server).await.map_or_else(Verdict::Answer, |()| Verdict::Accept),
            Some(Action::Lose) => self.keep(server).await.map_or_else(Verdict::Answer, |()| Verdict::Close),
            Some(action) => self.give_up(action),
        }
    }

    /// LMTP: each recipient has its own verdict, and the message is kept for those that are not refused.
    async fn conclude_each(&mut self, server: &Server) -> Verdict {
        let mut replies = Vec::with_capacity(self.to.len());
        let mut lost = false;
        for text in &self.to_texts {
            match self.strike(Step::Content, std::slice::from_ref(text)) {
                None => replies.push(None),
                Some(Action::Reply(reply)) => replies.push(Some(reply)),
                Some(Action::Lose) => {
                    lost = true;
                    replies.push(None);
                }
                Some(action) => return self.give_up(action),
            }
        }
        let mut refused = replies.iter().map(Option::is_some);
        self.to.retain(|_| !refused.next().unwrap_or_default());
        if !self.to.is_empty()
            && let Err(reply) = self.keep(server).await
        {
            return Verdict::Answer(reply);
        }
        if lost {
            return Verdict::Close;
        }
        let accepted = server.proposed();
        Verdict::Each(replies.into_iter().filter_map(|reply| reply.or_else(|| accepted.clone())).collect())
    }

    fn give_up(&mut self, action: Action) -> Verdict {
        self.forget();
        verdict(action)
    }

    async fn keep(&mut self, server: &Server) -> Result<(), Reply> {
        let captured = Captured {
            reverse_path: self.from.take().unwrap_or(ReversePath::Null),
            recipients: std::mem::take(&mut self.to),
            content: Bytes::new(),
            size: 0,
            path: None,
            user: server.user().map(str::to_owned),
            tls: server.is_secured(),
            received_at: SystemTime::now(),
        };
        let tally = &self.shared.tally;
        let recipients = captured.recipients.len() as u64;
        let incoming = std::mem::take(&mut self.incoming);
        let octets = incoming.size();
        match self.shared.archive.keep(captured, incoming).await {
            Ok(()) => {
                add(&tally.accepted, 1);
                add(&tally.recipients, recipients);
                add(&tally.octets, octets);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a message could not be kept");
                Err(refusal(LOCAL_ERROR, 3, 0, "the message could not be kept; come again"))
            }
        }
    }
}

/// Leaves out the mail that is coming in.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("crowded", &self.crowded)
            .field("recipients", &self.to.len())
            .field("octets", &self.incoming.size())
            .finish_non_exhaustive()
    }
}

impl Handler for Session {
    async fn decide(&mut self, question: Question, server: &Server) -> Verdict {
        match question {
            Question::Greeting if self.crowded => Verdict::Answer(closing("too many connections; come again")),
            Question::Mail { path, .. } => self.begin(path),
            Question::Rcpt { path, .. } => self.add_recipient(path),
            Question::Data | Question::Chunk => self.strike_at_data().map_or(Verdict::Accept, verdict),
            Question::Content { .. } => self.conclude(server).await,
            other => self.strike(other.step(), &[]).map_or(Verdict::Accept, verdict),
        }
    }

    async fn take(&mut self, piece: &[u8]) {
        self.shared.archive.add(&mut self.incoming, piece).await;
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
        self.to_texts.clear();
        self.data_asked = false;
        self.incoming = Incoming::default();
    }

    fn count_turns(&mut self, turns: u64) {
        add(&self.shared.tally.turns, turns);
    }
}

fn verdict(action: Action) -> Verdict {
    match action {
        Action::Reply(reply) if reply.text().is_empty() => {
            Verdict::Answer(Reply::new(reply.code(), reply.enhanced(), "refused by a fail rule"))
        }
        Action::Reply(reply) => Verdict::Answer(reply),
        Action::Close | Action::Lose => Verdict::Close,
        Action::Hang => Verdict::Hang,
    }
}
