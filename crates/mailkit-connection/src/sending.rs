//! Messages on their way over one connection, each as a transaction, the next one riding behind the last.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use mailkit_address::{Address, Envelope};
use mailkit_smtp::client::{BeginError, Event, TransactionOptions};
use mailkit_smtp::{RecipientReport, Report, Status};

use crate::content::Content;
use crate::driver::{Driver, now};
use crate::error::{Cause, Error};

/// How many transactions may be under way on one connection. Each of them is ambiguous when the connection breaks,
/// and 16 already make a round trip cost little: a sixteenth of one for each message.
const MAX_IN_FLIGHT: usize = 16;

/// A message to be sent: who, how, and what.
#[derive(Debug)]
#[non_exhaustive]
pub struct Submission {
    /// From whom to whom.
    pub envelope: Envelope,
    /// What the transaction asks for.
    pub options: TransactionOptions,
    /// The message.
    pub content: Content,
}

impl Submission {
    /// A message with the usual options.
    #[must_use]
    pub fn new(envelope: Envelope, content: impl Into<Content>) -> Self {
        Self { envelope, options: TransactionOptions::default(), content: content.into() }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: TransactionOptions) -> Self {
        self.options = options;
        self
    }
}

/// Messages under way; their outcomes come in their order.
pub(crate) struct Sending<S> {
    source: S,
    /// Whether more may be taken from the source: it is not dry, and the connection takes more.
    open: bool,
    /// What of the last submission has not begun: more than one where the server limits the recipients of one.
    parts: VecDeque<Submission>,
    /// The content of the transaction that began last, as far as it was not handed in.
    feeding: Option<Content>,
    pending: VecDeque<Pending>,
}

/// A submission whose outcome was not told yet.
struct Pending {
    /// How many of its transactions have not ended.
    open: usize,
    report: Report,
    /// Recipients for whom no transaction began.
    unsent: Vec<Address>,
    cause: Option<Cause>,
}

impl<S: Stream<Item = Submission> + Unpin> Sending<S> {
    pub(crate) fn new(source: S) -> Self {
        // Room for one is enough for most: four large entries at once, as a queue grows by itself, cost more to allocate.
        let (parts, pending) = (VecDeque::with_capacity(1), VecDeque::with_capacity(1));
        Self { source, open: true, parts, feeding: None, pending }
    }

    pub(crate) const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source, with what was not taken from it.
    pub(crate) fn into_source(self) -> S {
        self.source
    }

    /// The next outcome; `None` when the source is dry and every outcome was told, or when the connection takes no
    /// more and every outcome of what was taken from the source was told.
    pub(crate) fn poll_outcome(
        &mut self,
        driver: &mut Driver,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Report, Error>>> {
        let mut quiet = false;
        loop {
            self.take_events(driver);
            if self.pending.front().is_some_and(|front| front.open == 0) {
                return Poll::Ready(self.pending.pop_front().map(Pending::outcome));
            }
            if driver.client.is_closed() || driver.client.is_used_up() {
                self.open = false;
                self.give_up_parts(|| driver.cause().unwrap_or(Cause::Begin(BeginError::UsedUp)));
            }
            if self.advance(driver, context) {
                // It may have ended a transaction, or the conversation: nothing need come from the server then.
                continue;
            }
            if self.pending.is_empty() && !self.open {
                return Poll::Ready(None);
            }
            if self.pending.front().is_none_or(|front| front.open != 0) {
                ready!(driver.poll_io(context, &mut quiet));
            }
        }
    }

    /// Hands in a piece of content, begins a transaction, or takes a submission; returns whether there was one to do.
    fn advance(&mut self, driver: &mut Driver, context: &mut Context<'_>) -> bool {
        if self.feeding.is_some() {
            return self.feed(driver, context);
        }
        if !driver.client.can_begin() || driver.client.in_flight() >= MAX_IN_FLIGHT {
            return false;
        }
        if let Some(part) = self.parts.pop_front() {
            self.begin(driver, part);
            return true;
        }
        if !self.open {
            return false;
        }
        match Pin::new(&mut self.source).poll_next(context) {
            Poll::Ready(Some(submission)) => self.accept(driver, submission),
            Poll::Ready(None) => self.open = false,
            Poll::Pending => return false,
        }
        true
    }

    /// Divides a submission as the server's limits ask (RFC 9422 §4).
    fn accept(&mut self, driver: &Driver, submission: Submission) {
        let Submission { envelope, mut options, content } = submission;
        options.size = options.size.or(content.size());
        // Content that can be read once cannot go in several transactions: the machine will say so.
        if driver.client.fits_one_transaction(&envelope, options.max_recipients) || content.again().is_none() {
            self.pending.push_back(Pending::new(1));
            return self.parts.push_front(Submission { envelope, options, content });
        }
        let mut groups = driver.client.group_recipients(&envelope, options.max_recipients);
        self.pending.push_back(Pending::new(groups.len()));
        for envelope in groups.split_off(1) {
            self.parts.extend(content.again().map(|content| Submission {
                envelope,
                options: options.clone(),
                content,
            }));
        }
        let first = groups.pop().map(|envelope| Submission { envelope, options, content });
        first.into_iter().for_each(|first| self.parts.push_front(first));
    }

    fn begin(&mut self, driver: &mut Driver, part: Submission) {
        match driver.client.begin(now(), part.envelope.clone(), &part.options) {
            Ok(()) => self.feeding = Some(part.content),
            Err(error) => {
                self.parts.push_front(part);
                self.give_up_parts(|| Cause::Begin(error));
            }
        }
    }

    /// What has not begun of the last submission never will.
    fn give_up_parts(&mut self, why: impl FnOnce() -> Cause) {
        let Some(pending) = self.pending.back_mut().filter(|_| !self.parts.is_empty()) else { return };
        for part in self.parts.drain(..) {
            pending.open -= 1;
            pending.unsent.extend_from_slice(part.envelope.recipients());
        }
        pending.cause.get_or_insert_with(why);
    }

    fn feed(&mut self, driver: &mut Driver, context: &mut Context<'_>) -> bool {
        let Some(content) = &mut self.feeding else { return false };
        if !driver.client.needs_content() {
            // Refused before all of it was handed in.
            self.end_content(driver);
            return true;
        }
        if !driver.client.wants_content() {
            return false;
        }
        if let Some(check) = content.take_check() {
            driver.checked.begin(driver.client.octets_queued(), check);
        }
        let client = &mut driver.client;
        match content.poll_piece(context, |piece, last| client.put_content(piece, last)) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                client.abandon_content();
                self.end_content(driver);
                if let Some(pending) = self.pending.back_mut() {
                    pending.cause = Some(Cause::Content(error));
                }
                self.give_up_parts(|| Cause::Begin(BeginError::NotReady));
                true
            }
        }
    }

    /// No more of the content is handed in.
    fn end_content(&mut self, driver: &mut Driver) {
        self.feeding = None;
        driver.checked.end(driver.client.octets_queued());
    }

    fn take_events(&mut self, driver: &mut Driver) {
        while let Some(event) = driver.client.poll_event() {
            let (report, broken) = match event {
                Event::Finished(report) => (report, false),
                Event::Interrupted(report) => (report, true),
                _ => continue,
            };
            driver.answered |= report.recipients.iter().any(is_answer);
            let Some(pending) = self.pending.iter_mut().find(|pending| pending.open > 0) else { continue };
            pending.open -= 1;
            pending.report.merge(report);
            if broken && pending.cause.is_none() {
                pending.cause = driver.cause_of(&pending.report);
            }
        }
    }
}

/// Whether the server has said what becomes of the message for a recipient, and not only that it hangs up.
fn is_answer(recipient: &RecipientReport) -> bool {
    match &recipient.status {
        Status::Accepted(_) => true,
        Status::Refused { reply, .. } => !reply.is_closing(),
        _ => false,
    }
}

impl Pending {
    const fn new(open: usize) -> Self {
        Self { open, report: Report::new(Vec::new(), 0), unsent: Vec::new(), cause: None }
    }

    fn outcome(mut self) -> Result<Report, Error> {
        let unsent = self.unsent.into_iter().map(|address| RecipientReport::new(address, Status::Unsent));
        self.report.recipients.extend(unsent);
        match self.cause {
            None => Ok(self.report),
            Some(cause) => Err(Error::new(cause).with_report(self.report)),
        }
    }
}
