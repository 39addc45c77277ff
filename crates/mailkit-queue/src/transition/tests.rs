//! The table of the state machine: each event in each state, and what it changes.

mod laws;

use std::cell::Cell;
use std::fmt;

use mailkit_address::Address;

use super::{Change, Event, Lifecycle, OpenRecipients, RecipientList, transition};
use crate::clock::Timestamp;
use crate::message::OnAmbiguous;
use crate::query::Command;
use crate::record::RecipientRecord;
use crate::settlement::{AttemptOutcome, Next, RecipientOutcome, RecipientStatus, Settlement};
use crate::state::State;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const EARLIER: Timestamp = Timestamp::from_millis(999_000);
const LATER: Timestamp = Timestamp::from_millis(1_001_000);

use RecipientStatus::{Accepted, Ambiguous, Pending, Permanent, Temporary};

fn address(number: usize) -> Address {
    format!("r{number}@example.org").parse().unwrap()
}

fn recipients(statuses: &[RecipientStatus]) -> Vec<RecipientRecord> {
    let recipient = |(number, status): (usize, &RecipientStatus)| RecipientRecord {
        text: "before".to_owned(),
        ..RecipientRecord::new(address(number), *status)
    };
    statuses.iter().enumerate().map(recipient).collect()
}

fn outcome(number: usize, status: RecipientStatus) -> RecipientOutcome {
    RecipientOutcome::new(address(number), status).with_code(250).with_text("after")
}

fn settlement(outcomes: &[(usize, RecipientStatus)], next: Next) -> Settlement {
    let recipients = outcomes.iter().map(|(number, status)| outcome(*number, *status)).collect();
    Settlement::attempt("main", AttemptOutcome::Partial, next).with_recipients(recipients)
}

/// A message that was due before, in that state.
fn message(state: State) -> Lifecycle {
    let mut lifecycle = Lifecycle::enqueued(EARLIER, None, None, OnAmbiguous::Resend);
    lifecycle.state = state;
    lifecycle.finished_at = state.is_terminal().then_some(EARLIER);
    (lifecycle.fence, lifecycle.attempts) = (3, 2);
    lifecycle
}

fn settle(before: &Lifecycle, statuses: &[RecipientStatus], settlement: &Settlement) -> (Change, Vec<RecipientRecord>) {
    let mut recipients = recipients(statuses);
    let change = transition(before, Event::Settle { settlement, recipients: &recipients }, NOW).unwrap();
    change.apply_to(&mut recipients, &settlement.recipients);
    (change, recipients)
}

fn statuses(recipients: &[RecipientRecord]) -> Vec<RecipientStatus> {
    recipients.iter().map(|recipient| recipient.status).collect()
}

#[test]
fn every_event_has_its_states() {
    use State::{Cancelled, Dead, Held, Leased, Ready, Scheduled};
    let untouched = Settlement::untouched();
    let pending = recipients(&[Pending]);
    let settle = Event::Settle { settlement: &untouched, recipients: &pending };
    let rows: [(Event<'_>, &[(State, State)]); 10] = [
        (Event::Lease, &[(Ready, Leased)]),
        (Event::CommitPoint, &[(Leased, Leased)]),
        (settle, &[(Leased, Ready)]),
        (Event::LeaseEnded, &[(Leased, Ready)]),
        (Event::Promote, &[(Scheduled, Ready)]),
        (Event::Unreadable { reason: "gone" }, &[(Ready, Dead)]),
        (Event::Command(Command::Retry), &[(Scheduled, Ready), (Dead, Ready)]),
        (Event::Command(Command::Release), &[(Held, Ready)]),
        (Event::Command(Command::Cancel), &[(Scheduled, Cancelled), (Ready, Cancelled), (Held, Cancelled)]),
        // None of these messages has an expiry.
        (Event::Expire, &[]),
    ];
    for (event, allowed) in rows {
        for state in State::ALL.iter().copied() {
            let expected = allowed.iter().find(|(before, _)| *before == state).map(|(_, after)| *after);
            let changed = transition(&message(state), event, NOW);
            assert_eq!(
                changed.as_ref().ok().map(|change| change.after.state),
                expected,
                "{event:?} of a {state} message"
            );
            if let Err(refused) = changed {
                assert_eq!((refused.state, refused.event), (state, event.as_str()));
            }
        }
    }
}

#[test]
fn a_message_expires_where_it_would_wait() {
    let untouched = Settlement::untouched();
    let pending = recipients(&[Pending]);
    let expired = |state| Lifecycle { expires_at: Some(NOW), ..message(state) };
    let settle = Event::Settle { settlement: &untouched, recipients: &pending };
    for (state, event) in [
        (State::Scheduled, Event::Expire),
        (State::Ready, Event::Expire),
        (State::Scheduled, Event::Promote),
        (State::Ready, Event::Lease),
        (State::Leased, settle),
        (State::Leased, Event::LeaseEnded),
    ] {
        let change = transition(&expired(state), event, NOW).unwrap();
        assert_eq!((change.after.state, change.after.finished_at), (State::Dead, Some(NOW)), "{event:?}");
        assert_eq!(change.after.fence, 3, "{event:?}");
        let open = change.open_recipients.unwrap();
        assert_eq!((open.status, open.text), (None, "the message expired before it was delivered"));
    }
    assert!(transition(&expired(State::Leased), Event::Expire, NOW).is_err(), "the worker may still deliver it");
    assert!(transition(&expired(State::Held), Event::Expire, NOW).is_err(), "an operator decides");
    let retried = transition(&expired(State::Dead), Event::Command(Command::Retry), NOW).unwrap();
    assert_eq!((retried.after.state, retried.after.expires_at), (State::Ready, None));
}

#[test]
fn a_scheduled_message_is_ready_when_it_is_due() {
    let scheduled = Lifecycle::enqueued(NOW, Some(LATER), None, OnAmbiguous::Resend);
    assert_eq!((scheduled.state, scheduled.due, scheduled.open_since), (State::Scheduled, LATER, LATER));
    assert!(transition(&scheduled, Event::Promote, NOW).is_err());
    let ready = transition(&scheduled, Event::Promote, LATER).unwrap().after;
    assert_eq!((ready.state, ready.due), (State::Ready, LATER));
    assert_eq!(Lifecycle::enqueued(NOW, Some(EARLIER), None, OnAmbiguous::Resend).due, NOW);
}

#[test]
fn the_recipients_and_next_decide_the_state_after_a_settlement() {
    for (before, outcomes, next, after) in [
        (&[Pending][..], &[(0, Accepted)][..], Next::Dead, State::Sent),
        (&[Accepted, Pending], &[(1, Accepted)], Next::Held, State::Sent),
        (&[Pending, Pending], &[(0, Accepted)], Next::Ready, State::Ready),
        (&[Pending, Pending], &[(0, Accepted), (1, Permanent)], Next::Ready, State::Dead),
        (&[Permanent, Pending], &[(1, Accepted)], Next::Ready, State::Dead),
        (&[Pending], &[(0, Temporary)], Next::At(LATER), State::Scheduled),
        (&[Pending], &[(0, Temporary)], Next::At(NOW), State::Ready),
        (&[Pending], &[(0, Temporary)], Next::Dead, State::Dead),
        (&[Pending], &[(0, Ambiguous)], Next::Held, State::Held),
        (&[Pending], &[], Next::Ready, State::Ready),
    ] {
        let (change, _) = settle(&message(State::Leased), before, &settlement(outcomes, next));
        assert_eq!(change.after.state, after, "{before:?} {outcomes:?} {next:?}");
        assert_eq!(change.after.finished_at, after.is_terminal().then_some(NOW));
        assert_eq!(change.after.due, if after == State::Scheduled { LATER } else { change.after.due });
        assert_eq!((change.after.attempts, change.records_attempt), (3, true));
    }
}

#[test]
fn a_message_given_back_keeps_its_position_and_one_settled_for_the_past_loses_it() {
    let (given_back, _) = settle(&message(State::Leased), &[Pending], &settlement(&[], Next::Ready));
    assert_eq!(given_back.after.due, EARLIER);
    let (retried, _) = settle(&message(State::Leased), &[Pending], &settlement(&[], Next::At(EARLIER)));
    assert_eq!((retried.after.state, retried.after.due), (State::Ready, NOW));
}

#[test]
fn only_a_settlement_with_a_route_is_an_attempt_and_only_one_that_counts_is_counted() {
    for (route, counts, attempts) in [(None, true, 2), (Some("main"), false, 2), (Some("main"), true, 3)] {
        let route = route.map(str::to_owned);
        let settlement = Settlement { route: route.clone(), counts, ..settlement(&[(0, Temporary)], Next::Ready) };
        let (change, _) = settle(&message(State::Leased), &[Pending], &settlement);
        assert_eq!(change.after.attempts, attempts);
        let attempt = change.attempt(&settlement, NOW);
        assert_eq!(attempt.as_ref().map(|attempt| attempt.route.clone()), route);
        assert!(attempt.is_none_or(|attempt| attempt.at == NOW && statuses(&attempt.recipients) == [Temporary]));
    }
}

#[test]
fn an_ended_lease_is_ambiguous_if_the_message_may_have_left() {
    for (policy, commit_point, after, is_ambiguous) in [
        (OnAmbiguous::Resend, false, State::Ready, true),
        (OnAmbiguous::Resend, true, State::Ready, true),
        (OnAmbiguous::Hold, false, State::Ready, false),
        (OnAmbiguous::Hold, true, State::Held, true),
    ] {
        let leased = Lifecycle { on_ambiguous: policy, commit_point, ..message(State::Leased) };
        let change = transition(&leased, Event::LeaseEnded, NOW).unwrap();
        assert_eq!((change.after.state, change.is_ambiguous), (after, is_ambiguous), "{policy:?} {commit_point}");
        let status = change.open_recipients.and_then(|OpenRecipients { status, .. }| status);
        assert_eq!(status, (after == State::Held).then_some(Ambiguous));
    }
    let marked = transition(&message(State::Leased), Event::CommitPoint, NOW).unwrap().after;
    assert!(marked.commit_point);
    let next = Lifecycle { state: State::Ready, ..marked };
    assert!(!transition(&next, Event::Lease, NOW).unwrap().after.commit_point, "it belongs to one lease");
}

#[test]
fn a_dead_message_that_is_retried_starts_afresh_and_others_go_on() {
    let reopened = transition(&message(State::Dead), Event::Command(Command::Retry), NOW).unwrap();
    assert_eq!((reopened.after.attempts, reopened.after.open_since, reopened.after.due), (0, NOW, NOW));
    let mut list = recipients(&[Accepted, Permanent, Temporary, Ambiguous]);
    reopened.apply_to(&mut list, &[]);
    assert_eq!(statuses(&list), [Accepted, Pending, Pending, Pending]);
    for (state, command) in [(State::Scheduled, Command::Retry), (State::Held, Command::Release)] {
        let change = transition(&message(state), Event::Command(command), NOW).unwrap();
        assert_eq!((change.after.attempts, change.after.open_since, change.after.finished_at), (2, NOW, None));
        assert!(!change.changes_recipients());
    }
}

#[test]
fn content_and_key_go_with_the_state() {
    for (event, state, frees_key, may_drop_content) in [
        (Event::Command(Command::Cancel), State::Ready, true, true),
        (Event::Command(Command::Retry), State::Dead, false, false),
        (Event::Unreadable { reason: "gone" }, State::Ready, false, false),
    ] {
        let change = transition(&message(state), event, NOW).unwrap();
        assert_eq!((change.frees_key(), change.may_drop_content()), (frees_key, may_drop_content), "{event:?}");
    }
    let (sent, _) = settle(&message(State::Leased), &[Pending], &settlement(&[(0, Accepted)], Next::Ready));
    assert!(sent.may_drop_content() && !sent.frees_key());
}

#[test]
fn outcomes_are_noted_in_any_order_and_those_of_others_are_left_out() {
    let before = [Pending, Accepted, Temporary, Pending];
    let outcomes = [(3, Temporary), (9, Permanent), (1, Ambiguous), (0, Temporary), (0, Accepted), (0, Ambiguous)];
    let settlement = settlement(&outcomes, Next::Ready);
    let (change, after) = settle(&message(State::Leased), &before, &settlement);
    assert_eq!(statuses(&after), [Accepted, Accepted, Temporary, Temporary]);
    assert!(!change.is_ambiguous, "what is said of a recipient that is not open is left out");
    let attempt = change.attempt(&settlement, NOW).unwrap();
    assert_eq!(statuses(&attempt.recipients), [Temporary, Temporary, Accepted], "in the order of the settlement");
    assert_eq!((after[0].text.as_str(), after[2].text.as_str()), ("after", "before"));
}

/// Counts how often a recipient is looked at.
struct Counted(Vec<RecipientRecord>, Cell<usize>);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&self.1.get()).finish()
    }
}

impl RecipientList for Counted {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn recipient(&self, position: usize) -> Option<(&Address, RecipientStatus)> {
        self.1.set(self.1.get() + 1);
        self.0.recipient(position)
    }
}

#[test]
fn the_work_grows_linearly_with_the_recipients_in_whatever_order_their_outcomes_are() {
    const MANY: usize = 5_000;
    let counted = Counted(recipients(&[Pending; MANY]), Cell::new(0));
    let in_order: Vec<_> = (0..MANY).map(|number| (number, Accepted)).collect();
    let mut shuffled = in_order.clone();
    fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
    let reversed: Vec<_> = in_order.iter().rev().copied().collect();
    let every_other: Vec<_> = in_order.iter().step_by(2).copied().collect();
    for outcomes in [in_order, shuffled, reversed, every_other] {
        counted.1.set(0);
        let settlement = settlement(&outcomes, Next::Ready);
        let change =
            transition(&message(State::Leased), Event::Settle { settlement: &settlement, recipients: &counted }, NOW);
        assert_eq!(change.unwrap().outcomes.len(), outcomes.len());
        assert!(counted.1.get() <= 4 * MANY, "{} looks at {MANY} recipients", counted.1.get());
    }
}
