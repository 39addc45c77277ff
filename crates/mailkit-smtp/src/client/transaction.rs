//! One mail transaction: how far it has been sent, and what was answered.

use std::borrow::Cow;
use std::num::NonZeroU32;

use mailkit_address::{Address, Envelope, ForwardPath};

use super::answers::Answers;
use super::{BeginError, Error, Expect};
use crate::content::{ContentEncoder, Encoding};
use crate::parameter::{Body, DsnReturn, Hold, MailParameters, MtPriority, Notify, RcptParameters};
use crate::{Command, InvalidArgument, RecipientReport, Report, Status};

/// What a transaction asks for beyond its envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; made by `..TransactionOptions::default()`")]
pub struct TransactionOptions {
    /// Octets of content, where they are known beforehand: checked against the server's limit.
    pub size: Option<u64>,
    /// What the content is made of.
    pub body: Body,
    /// Whether the header has non-ASCII characters. The envelope is looked at by itself.
    pub smtp_utf8: bool,
    /// When notifications are wanted. Not sent to a server without DSN (RFC 3461 §5.2.2).
    pub notify: Option<Notify>,
    /// How much of the message a notification brings back. Not sent to a server without DSN.
    pub ret: Option<DsnReturn>,
    /// What a notification quotes. Not sent to a server without DSN.
    pub envid: Option<String>,
    /// Every hop must use TLS (RFC 8689). An error with a server that does not offer it.
    pub require_tls: bool,
    /// The priority. Not sent to a server without MT-PRIORITY (RFC 6710 §4.1).
    pub priority: Option<MtPriority>,
    /// The most recipients of one transaction, beside what the server says (LIMITS RCPTMAX, RFC 9422): as configured, or
    /// as learnt from its refusals. See [`Client::group_recipients`](super::Client::group_recipients).
    pub max_recipients: Option<NonZeroU32>,
    /// Release the message later (RFC 4865). An error with a server that does not offer it.
    pub hold: Option<Hold>,
}

/// How far a transaction has been sent: the cursor that runs ahead of the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// RSET comes next: what became of the transaction before is not known, or it left its envelope behind.
    Reset,
    /// MAIL comes next.
    Mail,
    /// RCPT comes next, for this recipient.
    Rcpt(usize),
    /// DATA comes next.
    Data,
    /// DATA was sent; its 354 opens the content.
    AwaitGo,
    /// The caller's content comes next.
    Content,
    /// All was sent.
    Sent,
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: u64,
    pub(super) envelope: Envelope,
    pub(super) mail: MailParameters,
    pub(super) rcpt: RcptParameters,
    pub(super) stage: Stage,
    pub(super) chunking: bool,
    pub(super) encoder: ContentEncoder,
    /// Replies that are still to come.
    pub(super) due: usize,
    /// Where in the stream of octets the content's first one stands, once it was written.
    pub(super) content_begin: Option<u64>,
    /// Other replies were awaited when the last octet of the content was written.
    pub(super) pipelined: bool,
    /// Octets of content that were written by DATA; counted where the dialogue is traced.
    pub(super) content_octets: u64,
    /// Where in the stream of octets the content's last one stands, once it was written.
    pub(super) last_octet: Option<u64>,
    pub(super) answers: Answers,
    pub(super) round_trips: u32,
    /// A reply came that lets more be sent: what is sent next begins another round trip.
    pub(super) turn: bool,
}

impl Transaction {
    pub(super) fn new(
        id: u64,
        envelope: Envelope,
        mail: MailParameters,
        rcpt: RcptParameters,
        chunking: bool,
        reset: bool,
    ) -> Self {
        let encoding = match (chunking, mail.body) {
            (true, Some(Body::BinaryMime)) => Encoding::Binary,
            (true, _) => Encoding::Lines,
            (false, _) => Encoding::Stuffed,
        };
        Self {
            id,
            answers: Answers::new(envelope.recipients().len()),
            envelope,
            mail,
            rcpt,
            stage: if reset { Stage::Reset } else { Stage::Mail },
            chunking,
            encoder: ContentEncoder::new(encoding),
            due: 0,
            content_begin: None,
            pipelined: false,
            content_octets: 0,
            last_octet: None,
            round_trips: 0,
            turn: true,
        }
    }

    /// Writes the next command, where one may go out now; returns which reply it asks for.
    pub(super) fn write_next(&mut self, out: &mut Vec<u8>) -> Result<Option<Expect>, InvalidArgument> {
        let recipients = self.envelope.recipients();
        let (command, expect, next) = match self.stage {
            Stage::Reset => (Command::Rset, Expect::Reset(self.id), Stage::Mail),
            Stage::Mail => {
                let (path, parameters) = (Cow::Borrowed(self.envelope.reverse_path()), Cow::Borrowed(&self.mail));
                (Command::Mail { path, parameters }, Expect::Mail(self.id), self.behind_rcpt(0))
            }
            Stage::Rcpt(index) => {
                let Some(address) = recipients.get(index) else { return Ok(None) };
                let path = Cow::Owned(ForwardPath::Address(address.clone()));
                let next = self.behind_rcpt(index + 1);
                (Command::Rcpt { path, parameters: self.rcpt_for(address) }, Expect::Rcpt(self.id, index), next)
            }
            Stage::Data => (Command::Data, Expect::Data(self.id), Stage::AwaitGo),
            Stage::AwaitGo | Stage::Content | Stage::Sent => return Ok(None),
        };
        let written = command.write_to(out);
        if let (Err(error), Stage::Rcpt(index)) = (&written, self.stage) {
            // One address that cannot be sent costs the others nothing.
            self.answers.end_awaited(index, Status::Unaddressable(error.clone().into()));
            self.stage = next;
            return if self.is_doomed() { Ok(None) } else { self.write_next(out) };
        }
        written?;
        self.stage = next;
        self.due += 1;
        self.count_turn();
        Ok(Some(expect))
    }

    /// What comes next: RCPT for the first recipient from `index` on that needs one, or what follows the last.
    fn behind_rcpt(&self, index: usize) -> Stage {
        match (self.answers.next_awaited(index), self.chunking) {
            (Some(next), _) => Stage::Rcpt(next),
            (None, true) => Stage::Content,
            (None, false) => Stage::Data,
        }
    }

    /// The server has no SMTPUTF8: recipients whose address needs it are not named to it (RFC 6531 §3.2).
    pub(super) fn leave_out_utf8(&mut self, error: &BeginError) {
        for (index, address) in self.envelope.recipients().iter().enumerate() {
            if address.needs_smtp_utf8() {
                self.answers.end_awaited(index, Status::Unaddressable(error.clone()));
            }
        }
        if self.is_doomed() {
            self.stage = Stage::Sent;
        }
    }

    /// RFC 3461 §4.2: a request for notifications names the address as it was given.
    fn rcpt_for(&self, address: &Address) -> Cow<'_, RcptParameters> {
        if self.rcpt.notify.is_none() {
            return Cow::Borrowed(&self.rcpt);
        }
        let kind = if address.needs_smtp_utf8() { "utf-8" } else { "rfc822" };
        Cow::Owned(RcptParameters { orcpt: Some((kind.to_owned(), address.to_string())), ..self.rcpt.clone() })
    }

    /// Something of this transaction is being sent.
    pub(super) fn count_turn(&mut self) {
        self.round_trips += u32::from(std::mem::take(&mut self.turn));
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Sent && self.due == 0
    }

    /// Whether the message can reach nobody any more.
    pub(super) const fn is_doomed(&self) -> bool {
        self.answers.are_final()
    }

    /// The report. Where the conversation ended early, `sent` says how many octets had left by then. Where its replies
    /// were out of step, none of them counts.
    pub(super) fn into_report(self, end: Option<(&Error, u64)>) -> Report {
        let ambiguous = end.is_some_and(|(_, sent)| self.last_octet.is_some_and(|last| last <= sent));
        let unanswered = match end {
            // The server says itself that it does not take what it has not answered (RFC 5321 §3.8).
            Some((Error::Closing(step, reply), _)) => Status::Refused { step: *step, reply: reply.clone() },
            _ if ambiguous => Status::Ambiguous,
            _ => Status::Unsent,
        };
        let void = end.is_some_and(|(error, _)| error.is_out_of_step());
        let statuses = self.answers.into_statuses(unanswered, void);
        let mut recipients = Vec::with_capacity(self.envelope.recipients().len());
        let entries = self.envelope.into_recipients().zip(statuses);
        recipients.extend(entries.map(|(address, status)| RecipientReport::new(address, status)));
        Report::new(recipients, self.round_trips)
    }
}
