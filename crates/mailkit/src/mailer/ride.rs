//! Messages in a row over one connection, and over another where it takes no more or turns out to be dead.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::Stream;
use mailkit_address::Address;
use mailkit_connection::{Cause, SendAll};
use mailkit_smtp::client::{self, BeginError};
use mailkit_smtp::{Report, Status, Step};

use super::letters::{Letter, Letters, Rounds, Taken};
use super::outgoing::Outgoing;
use super::rounds::further_round;
use super::{Lease, Mailer, RecipientLimit};
use crate::Error;

/// The pause before the third connection in a row, where a mailer without a pool fails; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

type Outcome = Result<Report, Error>;

/// The outcomes of messages, in the order of the messages.
pub(crate) struct Ride<'m, S> {
    mailer: Mailer,
    /// Between two connections.
    resting: Option<Box<Letters<'m, S>>>,
    /// On the heap, since it is taken out and put back for each outcome.
    riding: Option<Box<SendAll<Lease, Box<Letters<'m, S>>>>>,
    /// Outcomes that were there before those of earlier messages.
    early: BTreeMap<u64, Outcome>,
    told: u64,
    /// Nothing is taken from the source before a connection is there for it: it ends with its connection.
    is_mounted_first: bool,
    /// How many connections of its own have failed in a row. A pool keeps count by itself.
    failures: u32,
}

impl<'m, S> Ride<'m, S>
where
    S: Stream<Item: Into<Outgoing<'m>>> + Unpin,
{
    pub(super) fn new(mailer: Mailer, source: S) -> Self {
        let resting = Some(Box::new(Letters::new(mailer.clone(), source)));
        Self { mailer, resting, riding: None, early: BTreeMap::new(), told: 0, is_mounted_first: false, failures: 0 }
    }

    /// The same with a connection that is there before anything is taken from the source. It ends when that connection
    /// takes no more, and every message taken has had its outcome.
    #[cfg(feature = "outbox")]
    pub(super) fn mounted(mailer: Mailer, lease: Lease, source: S) -> Self {
        let mut letters = Box::new(Letters::new(mailer.clone(), source));
        letters.prepare(&lease);
        let riding = Some(Box::new(SendAll::over(lease, letters)));
        Self { mailer, resting: None, riding, early: BTreeMap::new(), told: 0, is_mounted_first: true, failures: 0 }
    }

    /// The next outcome; `None` when every message has had its own.
    pub(crate) async fn next(&mut self) -> Option<Outcome> {
        loop {
            if let Some(outcome) = self.early.remove(&(self.told + 1)) {
                self.told += 1;
                return Some(outcome);
            }
            if let Some(sending) = self.riding.take() {
                self.advance(sending).await;
            } else if let Some(letters) = self.resting.take() {
                if self.is_mounted_first && letters.is_empty() {
                    return None;
                }
                self.mount(letters).await;
            } else {
                return None;
            }
        }
    }

    /// Says goodbye where the connection is no pool's; returns what speaks against the last outcome.
    pub(super) async fn finish(self) -> Option<mailkit_connection::Error> {
        match self.riding {
            Some(sending) => sending.into_parts().0.finish().await,
            None => None,
        }
    }

    /// Finds a connection for the next message.
    async fn mount(&mut self, mut letters: Box<Letters<'m, S>>) {
        if !poll_fn(|context| letters.poll_more(context)).await {
            return;
        }
        if let Some(pause) = pause(self.failures).filter(|_| self.mailer.is_direct()) {
            tokio::time::sleep(pause).await;
        }
        match self.mailer.lease().await {
            Ok(lease) => {
                letters.prepare(&lease);
                self.riding = Some(Box::new(SendAll::over(lease, letters)));
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                if let Some((number, before)) = letters.give_up() {
                    self.early.insert(number, Err(error.behind(before)));
                }
                self.resting = Some(letters);
            }
        }
    }

    /// Takes in what comes next over the connection.
    async fn advance(&mut self, mut sending: Box<SendAll<Lease, Box<Letters<'m, S>>>>) {
        let outcome = poll_fn(|context| match Pin::new(&mut *sending).poll_next(context) {
            // A message that could not be made has an outcome of which the connection knows nothing.
            Poll::Pending if sending.source_mut().unfit.is_empty() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        })
        .await;
        let letters = sending.source_mut();
        self.early.extend(letters.unfit.drain(..).map(|(number, error)| (number, Err(error))));
        match outcome {
            None => {}
            Some(Some(outcome)) => {
                if let Some(taken) = letters.taken.pop_front() {
                    self.judge(letters, taken, outcome);
                }
            }
            Some(None) => {
                let (lease, letters) = sending.into_parts();
                self.failures = match lease.failure() {
                    Some(_) if !lease.has_answered() => self.failures.saturating_add(1),
                    _ => 0,
                };
                lease.finish().await;
                self.resting = Some(letters);
                return;
            }
        }
        self.riding = Some(sending);
    }

    /// Tells an outcome, or has the message sent over another connection.
    fn judge(
        &mut self,
        letters: &mut Letters<'m, S>,
        taken: Taken<'m>,
        outcome: Result<Report, mailkit_connection::Error>,
    ) {
        let Taken { number, again, before, mut rounds, copy } = taken;
        let may_be_dead = std::mem::replace(&mut letters.may_be_dead, true);
        let outcome = match (copy, outcome) {
            (Some(outgoing), outcome) if may_be_dead && !again && found_dead(&outcome) => {
                tracing::debug!("a connection was dead before the message was on its way: over another");
                return letters.put_back(Letter { number, outgoing, again: true, before, rounds });
            }
            (Some(outgoing), Err(error)) if is_used_up(&error) => match divide(error.report(), outgoing) {
                Some((done, rest)) => {
                    let before = Some(joined(before, done));
                    return letters.put_back(Letter { number, outgoing: rest, again, before, rounds });
                }
                None => Err(error),
            },
            // In a queue each round is written down before the next.
            (Some(outgoing), Ok(report)) if !self.is_mounted_first => {
                match next_round(self.mailer.recipient_limit(), &report, outgoing, &mut rounds) {
                    Some(outgoing) => {
                        let before = Some(joined(before, without(report, outgoing.recipients())));
                        return letters.put_back(Letter { number, outgoing, again: false, before, rounds });
                    }
                    None => Ok(report),
                }
            }
            (_, outcome) => outcome,
        };
        let outcome = match outcome {
            Ok(report) => {
                let mut report = joined(before, report);
                rounds.iter().for_each(|rounds| rounds.sort(&mut report));
                Error::of_route(report)
            }
            Err(error) => Err(Error::from(error).behind(before)),
        };
        self.early.insert(number, outcome);
    }
}

/// How long to wait before a further connection when `failures` have failed in a row. `None` if none or one has: as in a
/// pool, the second try is made at once.
fn pause(failures: u32) -> Option<Duration> {
    // A sleep of no time at all would last until the timer's next tick, a millisecond for each message.
    let doublings = failures.checked_sub(2)?;
    Some((FIRST_PAUSE * (1 << doublings.min(10))).min(LONGEST_PAUSE))
}

/// The message for the recipients that the server did not take in this transaction for the number of them. What is
/// remembered of its rounds is made in the first one and handed on from then on, so that many rounds cost no more than the
/// recipients in them.
fn next_round<'m>(
    limit: &RecipientLimit,
    report: &Report,
    outgoing: Outgoing<'m>,
    rounds: &mut Option<Box<Rounds>>,
) -> Option<Outgoing<'m>> {
    let round = further_round(report)?;
    let new = || Rounds { key: limit.new_key(), max: round.max, order: outgoing.recipients().to_vec() };
    let rounds = rounds.get_or_insert_with(|| Box::new(new()));
    rounds.max = rounds.max.min(round.max);
    limit.note(rounds.key, &round);
    outgoing.only_for(round.rest)
}

/// A report without these recipients, for whom the message goes on.
fn without(mut report: Report, rest: &[Address]) -> Report {
    let rest: HashSet<&Address> = rest.iter().collect();
    report.recipients.retain(|entry| !rest.contains(&entry.address));
    report
}

fn joined(before: Option<Report>, report: Report) -> Report {
    match before {
        None => report,
        Some(mut before) => {
            before.merge(report);
            before
        }
    }
}

/// Whether the server had gone before any content was on its way, or says so in answer to the first command.
fn found_dead(outcome: &Result<Report, mailkit_connection::Error>) -> bool {
    match outcome {
        Ok(report) => report.recipients.iter().all(|recipient| match &recipient.status {
            Status::Refused { step: Step::Mail, reply } => reply.code().get() == 421,
            _ => false,
        }),
        Err(error) => {
            let gone = matches!(
                error.cause(),
                Cause::Session(client::Error::Disconnected(..) | client::Error::Closing(..))
                    | Cause::Begin(BeginError::NotReady)
            );
            let unsent = |report: &Report| report.recipients.iter().all(|entry| entry.status == Status::Unsent);
            gone && error.report().is_some_and(unsent)
        }
    }
}

fn is_used_up(error: &mailkit_connection::Error) -> bool {
    matches!(error.cause(), Cause::Begin(BeginError::UsedUp))
}

/// Parts the recipients that have an answer from the rest, for whom the message goes on.
fn divide<'m>(report: Option<&Report>, outgoing: Outgoing<'m>) -> Option<(Report, Outgoing<'m>)> {
    let mut done = report?.clone();
    let all = std::mem::take(&mut done.recipients);
    let (rest, answered): (Vec<_>, Vec<_>) = all.into_iter().partition(|entry| entry.status == Status::Unsent);
    if answered.is_empty() {
        return None;
    }
    done.recipients = answered;
    let rest = outgoing.only_for(rest.into_iter().map(|entry| entry.address).collect())?;
    Some((done, rest))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use mailkit_address::Envelope;
    use mailkit_connection::Submission;
    use mailkit_smtp::{EnhancedStatus, RecipientReport, Reply, ReplyCode};

    use super::*;

    #[test]
    fn a_connection_is_tried_without_a_pause_until_two_have_failed_in_a_row() {
        let pauses: Vec<_> = (0..5).map(|failures| pause(failures).map(|pause| pause.as_millis())).collect();
        assert_eq!(pauses, [None, None, Some(250), Some(500), Some(1_000)]);
        assert_eq!(pause(u32::MAX), Some(LONGEST_PAUSE));
    }

    fn status(code: u16, enhanced: Option<EnhancedStatus>) -> Status {
        let reply = Reply::new(ReplyCode::new(code).unwrap(), enhanced, "text");
        if code == 250 { Status::Accepted(reply) } else { Status::Refused { step: Step::Rcpt, reply } }
    }

    /// What a server says that takes one recipient and has enough then.
    fn takes_one(recipients: &[Address]) -> Report {
        let too_many = || status(452, EnhancedStatus::new(4, 5, 3));
        let statuses = std::iter::once(status(250, None)).chain(std::iter::repeat_with(too_many));
        let entry = |(address, status): (&Address, Status)| RecipientReport::new(address.clone(), status);
        Report::new(recipients.iter().zip(statuses).map(entry).collect(), 1)
    }

    #[test]
    fn a_round_hands_on_the_answers_and_the_order_of_earlier_ones_without_a_copy() {
        let address = |number: usize| Address::parse(&format!("to{number}@example.org")).unwrap();
        let all: Vec<Address> = (0..50).map(address).collect();
        let envelope = Envelope::new(address(99), all.clone()).unwrap();
        let limit = RecipientLimit::new(NonZeroU32::MAX);
        let mut outgoing = Outgoing::from(Submission::new(envelope, "content"));
        let (mut before, mut rounds, mut places) = (None, None, None);
        for count in 1..all.len() {
            let report = takes_one(outgoing.recipients());
            outgoing = next_round(&limit, &report, outgoing, &mut rounds).unwrap();
            let mut done = joined(before.take(), without(report, outgoing.recipients()));
            done.recipients.reserve(all.len() - count);
            assert_eq!((done.recipients.len(), outgoing.recipients().len()), (count, all.len() - count));
            // Where both stand in memory: there they stay.
            let now = (done.recipients.as_ptr(), rounds.as_ref().unwrap().order.as_ptr());
            assert_eq!(*places.get_or_insert(now), now);
            before = Some(done);
        }
        assert_eq!(rounds.unwrap().order, all);
    }
}
