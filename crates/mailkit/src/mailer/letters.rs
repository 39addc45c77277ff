//! Messages on their way into a connection: numbered, put into the form for its server, and kept for a second try.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use mailkit_address::Address;
use mailkit_connection::{Connection, Submission};
use mailkit_mime::Capabilities;
use mailkit_smtp::{RecipientReport, Report, Status};

use super::outgoing::{Form, Outgoing, submission};
use super::{Lease, Mailer};
use crate::Error;

/// A message and its place among the others.
pub(super) struct Letter<'m> {
    pub(super) number: u64,
    pub(super) outgoing: Outgoing<'m>,
    /// Whether it was tried on a connection that was dead.
    pub(super) again: bool,
    /// What became of the recipients that went over another connection, or in another round.
    pub(super) before: Option<Report>,
    pub(super) rounds: Option<Box<Rounds>>,
}

/// What is remembered of a message that goes in several rounds.
pub(super) struct Rounds {
    /// Which message it is, among all of the mailer.
    pub(super) key: u128,
    /// The most recipients of one transaction.
    pub(super) max: NonZeroU32,
    /// All its recipients, in the order of its envelope.
    pub(super) order: Vec<Address>,
}

impl Rounds {
    /// Puts a report into the order of the envelope.
    pub(super) fn sort(&self, report: &mut Report) {
        let places: HashMap<&Address, usize> = self.order.iter().zip(0..).collect();
        report.recipients.sort_by_key(|entry| places.get(&entry.address).copied());
    }
}

/// A message that a connection has taken.
pub(super) struct Taken<'m> {
    pub(super) number: u64,
    pub(super) again: bool,
    pub(super) before: Option<Report>,
    pub(super) rounds: Option<Box<Rounds>>,
    /// The same once more; `None` for content that can be read once.
    pub(super) copy: Option<Outgoing<'m>>,
}

/// A message, and what makes a submission of it.
type Preparing<'m> = (Taken<'m>, BoxFuture<'static, Result<Submission, Error>>);

pub(super) struct Letters<'m, S> {
    mailer: Mailer,
    source: S,
    dry: bool,
    count: u64,
    /// What goes before anything from the source.
    waiting: VecDeque<Letter<'m>>,
    /// A message that is being converted or signed.
    preparing: Option<Box<Preparing<'m>>>,
    pub(super) taken: VecDeque<Taken<'m>>,
    /// Messages that could not be made.
    pub(super) unfit: VecDeque<(u64, Error)>,
    server: Capabilities,
    /// How many messages the connection may still take.
    room: usize,
    /// Whether the connection has been quiet, so that the server may have closed it without our having heard of it.
    pub(super) may_be_dead: bool,
}

impl<'m, S> Letters<'m, S>
where
    S: Stream<Item: Into<Outgoing<'m>>> + Unpin,
{
    pub(super) fn new(mailer: Mailer, source: S) -> Self {
        Self {
            mailer,
            source,
            dry: false,
            count: 0,
            preparing: None,
            // Most have one message: four large entries at once, as a queue grows by itself, cost more to allocate.
            waiting: VecDeque::with_capacity(1),
            taken: VecDeque::with_capacity(1),
            unfit: VecDeque::new(),
            server: Capabilities::default(),
            room: 0,
            may_be_dead: false,
        }
    }

    /// Makes ready for a connection, as `lease` says.
    pub(super) fn prepare(&mut self, lease: &Lease) {
        self.server = capabilities(lease, self.mailer.config().uses_chunking());
        self.mailer.recipient_limit().note_offered(lease.extensions().limits.rcpt_max);
        self.may_be_dead = lease.may_be_dead();
        self.room = if self.mailer.is_direct() { 1 } else { usize::MAX };
    }

    /// Puts a message in front of those from the source, behind those put there before.
    pub(super) fn put_back(&mut self, letter: Letter<'m>) {
        self.waiting.push_back(letter);
    }

    /// Whether no message waits that was taken from the source.
    pub(super) fn is_empty(&self) -> bool {
        self.preparing.is_none() && self.waiting.is_empty()
    }

    /// Waits for the next message without taking it; returns whether there is one.
    pub(super) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if !self.is_empty() {
            return Poll::Ready(true);
        }
        let next = ready!(self.poll_source(context));
        self.waiting.extend(next);
        Poll::Ready(!self.waiting.is_empty())
    }

    /// Takes the next message out, which cannot be sent.
    pub(super) fn give_up(&mut self) -> Option<(u64, Option<Report>)> {
        if let Some((taken, _)) = self.preparing.take().map(|preparing| *preparing) {
            return Some((taken.number, with_rest(taken.before, taken.copy.as_ref())));
        }
        self.waiting.pop_front().map(|letter| (letter.number, with_rest(letter.before, Some(&letter.outgoing))))
    }

    fn poll_source(&mut self, context: &mut Context<'_>) -> Poll<Option<Letter<'m>>> {
        if self.dry {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut self.source).poll_next(context));
        self.dry = next.is_none();
        Poll::Ready(next.map(|outgoing| {
            self.count += 1;
            Letter { number: self.count, outgoing: outgoing.into(), again: false, before: None, rounds: None }
        }))
    }

    /// Puts a message into the form for the server; `None` where it is being prepared, or cannot be made.
    fn make(&mut self, letter: Letter<'m>) -> Option<Submission> {
        let copy = letter.outgoing.again();
        let Letter { number, again, before, rounds, .. } = letter;
        let taken = Taken { number, again, before, rounds, copy };
        let signed = self.mailer.signs();
        let made = match letter.outgoing.encode(self.server, signed) {
            Ok(Form::Finished(submission)) => Ok(submission),
            Ok(Form::Convert(convertible)) => {
                let (conversions, server) = (self.mailer.conversions(), self.server);
                let converting = Box::pin(async move { convertible.convert(&conversions, server).await });
                self.preparing = Some(Box::new((taken, converting)));
                return None;
            }
            #[cfg(feature = "dkim")]
            Ok(Form::Encoded(encoded, envelope, options)) if signed => {
                let signing = self.mailer.signing();
                let signing = Box::pin(async move { submission(&signing.sign(encoded).await?, envelope, options) });
                self.preparing = Some(Box::new((taken, signing)));
                return None;
            }
            Ok(Form::Encoded(encoded, envelope, options)) => submission(&encoded, envelope, options),
            Err(error) => Err(error),
        };
        self.finish(taken, made)
    }

    fn finish(&mut self, taken: Taken<'m>, made: Result<Submission, Error>) -> Option<Submission> {
        match made {
            Ok(mut submission) => {
                let max = &mut submission.options.max_recipients;
                let of_rounds = taken.rounds.as_ref().map(|rounds| rounds.max);
                *max = [*max, of_rounds, self.mailer.recipient_limit().get()].into_iter().flatten().min();
                self.room -= 1;
                self.taken.push_back(taken);
                Some(submission)
            }
            Err(error) => {
                let before = with_rest(taken.before, taken.copy.as_ref());
                self.unfit.push_back((taken.number, error.behind(before)));
                None
            }
        }
    }
}

impl<'m, S> Stream for Letters<'m, S>
where
    S: Stream<Item: Into<Outgoing<'m>>> + Unpin,
{
    type Item = Submission;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Submission>> {
        while self.room > 0 {
            if let Some(preparing) = &mut self.preparing {
                let made = ready!(preparing.1.as_mut().poll(context));
                let Some((taken, _)) = self.preparing.take().map(|preparing| *preparing) else { continue };
                if let Some(submission) = self.finish(taken, made) {
                    return Poll::Ready(Some(submission));
                }
                continue;
            }
            let letter = match self.waiting.pop_front() {
                Some(letter) => letter,
                None => match ready!(self.poll_source(context)) {
                    Some(letter) => letter,
                    None => return Poll::Ready(None),
                },
            };
            if let Some(submission) = self.make(letter) {
                return Poll::Ready(Some(submission));
            }
        }
        Poll::Ready(None)
    }
}

/// The report on a message of which a part has gone before, when the rest goes nowhere.
fn with_rest(before: Option<Report>, rest: Option<&Outgoing<'_>>) -> Option<Report> {
    let mut report = before?;
    let unsent = |address: &Address| RecipientReport::new(address.clone(), Status::Unsent);
    report.recipients.extend(rest.into_iter().flat_map(Outgoing::recipients).map(unsent));
    Some(report)
}

fn capabilities(connection: &Connection, chunking: bool) -> Capabilities {
    let offered = connection.extensions();
    Capabilities {
        eight_bit: offered.eight_bit_mime,
        binary: offered.binary_mime && offered.chunking && chunking,
        smtp_utf8: offered.smtp_utf8,
    }
}
