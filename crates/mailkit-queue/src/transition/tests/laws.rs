//! What holds for every message, whatever happens to it.

use proptest::prelude::*;

use super::{Accepted, Command, Event, Lifecycle, Next, RecipientRecord, RecipientStatus, Settlement, State};
use super::{Timestamp, recipients, settlement, transition};
use crate::message::OnAmbiguous;
use crate::transition::{Change, InvalidTransition};

/// Something that happens after a while.
#[derive(Clone, Debug)]
enum Happening {
    Lease,
    CommitPoint,
    Settle(Settlement),
    LeaseEnded,
    Expire,
    Promote,
    Unreadable,
    Command(Command),
}

const COUNT: usize = 3;

fn happening() -> impl Strategy<Value = Happening> {
    let outcome = (0..COUNT + 1, prop::sample::select(RecipientStatus::ALL.to_vec()));
    let next = prop_oneof![
        Just(Next::Ready),
        (0..5_000i64).prop_map(|at| Next::At(Timestamp::from_millis(at))),
        Just(Next::Dead),
        Just(Next::Held),
    ];
    let settle = (prop::collection::vec(outcome, 0..5), next, any::<bool>(), any::<bool>()).prop_map(
        |(outcomes, next, is_attempt, counts)| {
            let settlement = settlement(&outcomes, next);
            Happening::Settle(Settlement { counts, route: settlement.route.filter(|_| is_attempt), ..settlement })
        },
    );
    prop_oneof![
        4 => Just(Happening::Lease),
        2 => Just(Happening::CommitPoint),
        4 => settle,
        2 => Just(Happening::LeaseEnded),
        1 => Just(Happening::Expire),
        2 => Just(Happening::Promote),
        1 => Just(Happening::Unreadable),
        2 => prop::sample::select(vec![Command::Retry, Command::Release, Command::Cancel]).prop_map(Happening::Command),
    ]
}

struct Message {
    lifecycle: Lifecycle,
    recipients: Vec<RecipientRecord>,
    now: Timestamp,
    ambiguous_since_lease: u32,
}

impl Message {
    fn transition(&self, happening: &Happening) -> Result<Change, InvalidTransition> {
        let event = match happening {
            Happening::Lease => Event::Lease,
            Happening::CommitPoint => Event::CommitPoint,
            Happening::Settle(settlement) => Event::Settle { settlement, recipients: &self.recipients },
            Happening::LeaseEnded => Event::LeaseEnded,
            Happening::Expire => Event::Expire,
            Happening::Promote => Event::Promote,
            Happening::Unreadable => Event::Unreadable { reason: "damaged" },
            Happening::Command(command) => Event::Command(*command),
        };
        transition(&self.lifecycle, event, self.now)
    }

    /// Lets it happen, where the state allows it, and checks every law.
    fn step(&mut self, happening: &Happening) {
        let Ok(change) = self.transition(happening) else { return };
        let (before, after) = (self.lifecycle, change.after);
        let known = self.recipients.clone();
        let outcomes = if let Happening::Settle(settlement) = happening { &*settlement.recipients } else { &[] };
        change.apply_to(&mut self.recipients, outcomes);
        self.lifecycle = after;

        let by_command = matches!(happening, Happening::Command(_));
        assert!(!before.state.is_terminal() || by_command, "a terminal state changes only by a command");
        let leased = matches!(happening, Happening::Lease) && after.state == State::Leased;
        assert_eq!(after.fence, before.fence + u64::from(leased), "the fence grows with each lease, and only then");
        for (known, recipient) in known.iter().zip(&self.recipients) {
            assert!(known.status != Accepted || recipient == known, "an accepted recipient stays as it is");
        }
        assert!(change.changes_recipients() || known == self.recipients);
        assert_eq!(after.finished_at.is_some(), after.state.is_terminal());
        assert_eq!(after.next_attempt_at().is_none(), after.state.is_terminal());
        if before.state == State::Leased {
            let all = self.recipients.iter().all(|recipient| recipient.status == Accepted);
            assert_eq!(after.state == State::Sent, all, "sent means accepted for every recipient");
        }
        if matches!(after.state, State::Scheduled | State::Ready) {
            assert_eq!(after.state == State::Scheduled, after.due > self.now);
            assert!(after.expires_at.is_none_or(|at| at > self.now), "expired mail does not wait");
            assert!(self.recipients.iter().any(|recipient| recipient.status.is_open()), "somebody to send it to");
        }
        self.check_counts(happening, &before, &change);
    }

    fn check_counts(&mut self, happening: &Happening, before: &Lifecycle, change: &Change) {
        let counted =
            matches!(happening, Happening::Settle(settlement) if settlement.counts && settlement.route.is_some());
        let afresh = before.state == State::Dead && change.after.state == State::Ready;
        let attempts = if afresh { 0 } else { before.attempts + u32::from(counted) };
        assert_eq!(change.after.attempts, attempts);
        if matches!(happening, Happening::Lease) {
            self.ambiguous_since_lease = 0;
        }
        self.ambiguous_since_lease += u32::from(change.is_ambiguous);
        assert!(self.ambiguous_since_lease <= 1, "one lease is ambiguous once");
        assert!(!change.is_ambiguous || before.state == State::Leased, "only a lease can be ambiguous");
    }
}

/// What a settlement says, found by going through everything for each outcome.
fn noted_plainly(recipients: &[RecipientRecord], settlement: &Settlement) -> Vec<(usize, usize)> {
    let mut known: Vec<_> = recipients.iter().map(|recipient| recipient.status).collect();
    let mut noted = Vec::new();
    for (at, outcome) in settlement.recipients.iter().enumerate() {
        let position = recipients.iter().position(|recipient| recipient.address == outcome.address);
        if let Some(position) = position.filter(|position| known[*position].is_open()) {
            known[position] = outcome.status;
            noted.push((position, at));
        }
    }
    noted
}

proptest! {
    #[test]
    fn the_laws_hold_whatever_happens(
        send_at in prop::option::of(0..3_000i64),
        expires_at in prop::option::of(0..8_000i64),
        hold in any::<bool>(),
        happenings in prop::collection::vec((0..500i64, happening()), 1..60),
    ) {
        let policy = if hold { OnAmbiguous::Hold } else { OnAmbiguous::Resend };
        let (start, time) = (Timestamp::from_millis(0), |at: Option<i64>| at.map(Timestamp::from_millis));
        let mut message = Message {
            lifecycle: Lifecycle::enqueued(start, time(send_at), time(expires_at), policy),
            recipients: recipients(&[RecipientStatus::Pending; COUNT]),
            now: start,
            ambiguous_since_lease: 0,
        };
        for (elapsed, happening) in happenings {
            message.now = Timestamp::from_millis(message.now.as_millis() + elapsed);
            message.step(&happening);
        }
    }

    #[test]
    fn outcomes_are_noted_as_a_plain_search_finds_them(
        before in prop::collection::vec(prop::sample::select(RecipientStatus::ALL.to_vec()), 1..8),
        outcomes in prop::collection::vec((0..10usize, prop::sample::select(RecipientStatus::ALL.to_vec())), 0..12),
    ) {
        let (recipients, settlement) = (recipients(&before), settlement(&outcomes, Next::Ready));
        let noted = super::super::outcomes::note(&recipients, &settlement.recipients);
        let pairs: Vec<_> = noted.outcomes.iter().map(|noted| (noted.recipient, noted.outcome)).collect();
        prop_assert_eq!(&pairs, &noted_plainly(&recipients, &settlement));
        let mut after = before;
        for (recipient, outcome) in pairs {
            after[recipient] = settlement.recipients[outcome].status;
        }
        prop_assert_eq!(noted.are_all_accepted, after.iter().all(|status| *status == Accepted));
        prop_assert_eq!(noted.is_any_open, after.iter().any(|status| status.is_open()));
    }
}
