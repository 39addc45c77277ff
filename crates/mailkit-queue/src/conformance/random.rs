//! Random operations: after each one the queue must be in the same state as the model.

mod batches;

use std::num::NonZeroU32;
use std::time::Duration;

use fastrand::Rng;

use super::model::{Admission, Model};
use super::world::{Maker, World, is_lost, message_to, outcome, seconds, with_key};
use crate::error::QueueError;
use crate::id::QueueId;
use crate::lease::{LeaseRequest, LeaseToken, Leased};
use crate::message::{Enqueued, NewMessage, OnAmbiguous, Priority};
use crate::query::{Command, Filter};
use crate::settlement::{AttemptOutcome, Next, RecipientStatus, Settlement};
use crate::state::State;

const ADDRESSES: [&str; 4] = ["a@x", "b@x", "c@y", "d@y"];
const VALUES: [&str; 2] = ["one", "other"];

struct Walk {
    world: World,
    model: Model,
    rng: Rng,
    /// Whether several items go into one call.
    batches: bool,
    /// Leases that were not settled. Some of them are lost.
    leased: Vec<Leased>,
    /// Tokens of leases that were settled.
    settled: Vec<LeaseToken>,
}

pub(super) async fn random_operations_match_the_model(make: Maker) {
    walk(make, false).await;
}

/// The model does for each item of a batch what it does for a single call.
pub(super) async fn random_batches_do_what_single_calls_do(make: Maker) {
    walk(make, true).await;
}

async fn walk(make: Maker, batches: bool) {
    for seed in 0..6 {
        let (world, rng) = (make.world().await, Rng::with_seed(seed));
        let (leased, settled) = (Vec::new(), Vec::new());
        let mut walk = Walk { world, model: Model::default(), rng, batches, leased, settled };
        for step in 0..150 {
            walk.step().await;
            walk.compare(&format!("after step {step} of seed {seed}")).await;
        }
    }
}

impl Walk {
    async fn step(&mut self) {
        match self.rng.u32(0..20) {
            0..6 if self.batches => self.enqueue_batch().await,
            10..14 if self.batches => self.settle_batch().await,
            15 if self.batches => self.record_commit_points().await,
            16..19 if self.batches => self.apply_batch().await,
            0..6 => self.enqueue().await,
            6..10 => self.pass_and_lease().await,
            10..14 => self.settle().await,
            14 => self.renew().await,
            15 => self.record_commit_point().await,
            16..19 => self.apply().await,
            _ => self.purge().await,
        }
    }

    fn value(&mut self) -> Option<String> {
        self.rng.bool().then(|| (*self.rng.choice(&VALUES).unwrap()).to_owned())
    }

    fn time(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.rng.u64(1..most * 1_000))
    }

    fn new_message(&mut self) -> NewMessage {
        let now = self.world.now();
        let count = self.rng.usize(1..ADDRESSES.len());
        let message = message_to(&self.rng.choose_multiple(ADDRESSES, count));
        let later = |walk: &mut Self, most| walk.rng.u32(0..3).eq(&0).then(|| now + walk.time(most));
        let key = (self.rng.u32(0..4) == 0).then(|| (["k1", "k2", "k3"][self.rng.usize(0..3)], self.rng.u8(0..2)));
        NewMessage {
            send_at: later(self, 60),
            expires_at: later(self, 200),
            priority: self.rng.choice(Priority::ALL).unwrap(),
            route: self.value(),
            tenant: self.value().map(|value| value.parse().unwrap()),
            tags: self.value().into_iter().map(|value| value.parse().unwrap()).collect(),
            on_ambiguous: self.rng.choice(OnAmbiguous::ALL).unwrap(),
            idempotency: key.and_then(|(key, fingerprint)| with_key(key, fingerprint).idempotency),
            ..message
        }
    }

    async fn enqueue(&mut self) {
        let message = self.new_message();
        let enqueued = self.world.enqueue(message.clone()).await;
        self.check_enqueued(&message, enqueued);
    }

    fn check_enqueued(&mut self, message: &NewMessage, enqueued: Result<Enqueued, QueueError>) {
        let now = self.world.now();
        match (self.model.admit(message, now), enqueued) {
            (Admission::Store, Ok(stored)) if !stored.duplicate => self.model.enqueue(message, stored.id, now),
            (Admission::Duplicate(id, state), Ok(found)) => assert_eq!(found, Enqueued::duplicate(id, state)),
            (Admission::Conflict(first), Err(QueueError::Conflict { id, .. })) => assert_eq!(id, first),
            (Admission::Expired, Err(QueueError::Expired { .. })) => {}
            (expected, enqueued) => panic!("{enqueued:?} instead of {expected:?}"),
        }
    }

    /// Time passes only together with a lease: what happens in between is the store's affair.
    async fn pass_and_lease(&mut self) {
        let elapsed = self.time(20);
        self.world.advance(elapsed);
        let (max, duration) = (self.rng.u32(1..6), self.time(60));
        let mut request = LeaseRequest::new(NonZeroU32::new(max).unwrap(), duration);
        request.skip_routes = self.value().into_iter().collect();
        let leased = self.world.lease(&request).await.unwrap();
        let now = self.world.now();
        self.model.run_maintenance(now);
        self.model.lease(&leased, max as usize, &request.skip_routes, now + duration);
        self.leased.extend(leased);
    }

    fn settlement(&mut self, leased: &Leased) -> Settlement {
        let now = self.world.now();
        let next = match self.rng.u32(0..5) {
            0 => Next::Ready,
            1 | 2 => Next::At(now + self.time(40) - seconds(5)),
            3 => Next::Dead,
            _ => Next::Held,
        };
        let mut recipients = Vec::new();
        for address in leased.recipients() {
            if self.rng.u32(0..4) > 0 {
                let status = *self.rng.choice(&RecipientStatus::ALL).unwrap();
                recipients.push(outcome(&address.to_string(), status));
            }
        }
        let outcome = self.rng.choice(AttemptOutcome::ALL).unwrap();
        let (route, counts, class, text) = (self.value(), self.rng.bool(), self.value(), String::new());
        Settlement { route, counts, outcome, class, text, recipients, next }
    }

    /// A lease that was not settled, and a settlement for it.
    fn take_lease(&mut self) -> Option<(LeaseToken, Settlement)> {
        let at = (!self.leased.is_empty()).then(|| self.rng.usize(0..self.leased.len()))?;
        let leased = self.leased.swap_remove(at);
        self.settled.push(leased.token);
        Some((leased.token, self.settlement(&leased)))
    }

    async fn settle(&mut self) {
        let Some((token, settlement)) = self.take_lease() else { return };
        let settled = self.world.queue.settle(token, &settlement).await;
        self.check_settled(token, &settlement, settled);
    }

    fn check_settled(&mut self, token: LeaseToken, settlement: &Settlement, settled: Result<State, QueueError>) {
        match (settled, self.model.settle(token, settlement, self.world.now())) {
            (Ok(state), Some(expected)) => assert_eq!(state, expected),
            (Err(refused), None) => assert!(is_lost(&refused, token.id), "{refused:?}"),
            (settled, expected) => panic!("{settled:?} instead of {expected:?}"),
        }
    }

    /// The token of any lease, most likely of a current one.
    fn token(&mut self) -> Option<LeaseToken> {
        let tokens: Vec<LeaseToken> = self.leased.iter().map(|leased| leased.token).collect();
        let from = if self.rng.u32(0..4) == 0 { &self.settled } else { &tokens };
        self.rng.choice(from).copied()
    }

    async fn renew(&mut self) {
        let (token, other, duration) = (self.token(), self.token().filter(|_| self.rng.bool()), self.time(60));
        let mut tokens: Vec<LeaseToken> = token.into_iter().chain(other).collect();
        tokens.dedup();
        let until = self.world.now() + duration;
        let lost = self.world.renew(&tokens, duration).await.unwrap();
        let wanted: Vec<LeaseToken> = tokens.into_iter().filter(|token| !self.model.renew(*token, until)).collect();
        assert_eq!(lost, wanted);
    }

    async fn record_commit_point(&mut self) {
        let Some(token) = self.token() else { return };
        let recorded = self.world.record_commit_point(token).await;
        self.check_recorded(token, recorded);
    }

    fn check_recorded(&mut self, token: LeaseToken, recorded: Result<(), QueueError>) {
        if self.model.record_commit_point(token) {
            recorded.unwrap();
        } else {
            assert!(is_lost(&recorded.unwrap_err(), token.id));
        }
    }

    fn id(&mut self) -> Option<QueueId> {
        self.rng.choice(&self.model.entries).map(|entry| entry.id)
    }

    async fn apply(&mut self) {
        let Some(id) = self.id() else { return };
        let command = self.rng.choice(Command::ALL).unwrap();
        let now = self.world.now();
        assert_eq!(self.world.apply(id, command).await.ok(), self.model.apply(id, command, now));
    }

    async fn purge(&mut self) {
        let (older_than, count) = (self.time(100), self.rng.usize(0..4));
        let states = self.rng.choose_multiple([State::Sent, State::Dead, State::Held, State::Cancelled], count);
        let now = self.world.now();
        assert_eq!(
            self.world.purge(&states, older_than).await.unwrap(),
            self.model.purge(&states, older_than, now),
            "{states:?}"
        );
    }

    async fn compare(&mut self, when: &str) {
        let stats = self.world.stats().await.unwrap();
        assert_eq!(stats, self.model.stats(self.world.now()), "{when}");
        let state = self.rng.bool().then(|| *self.rng.choice(&State::ALL).unwrap());
        let (tag, recipient) = (self.value(), self.rng.bool().then(|| "B@x".to_owned()));
        let tenant = if self.rng.bool() { self.value() } else { None };
        let limit = self.rng.usize(1..9);
        let wanted = self.model.entries.iter().rev().filter(|entry| {
            state.is_none_or(|state| entry.state == state)
                && tag.as_ref().is_none_or(|tag| entry.tags.iter().any(|known| **known == **tag))
                && (tenant.is_none() || entry.tenant.as_deref() == tenant.as_deref())
                && recipient.is_none() | entry.recipients.iter().any(|(address, _)| address.to_string() == "b@x")
        });
        let wanted: Vec<_> = wanted.collect();
        let mut filter = Filter { state, tag, recipient, tenant, limit, ..Filter::default() };
        for wanted in wanted.chunks(limit) {
            let page = self.world.list(&filter).await.unwrap();
            assert_eq!(page.records.len(), wanted.len(), "{when}, {filter:?}");
            for (record, wanted) in page.records.iter().zip(wanted) {
                assert_eq!((record.id, record.state), (wanted.id, wanted.state), "{when}");
                assert_eq!((record.attempts, record.finished_at), (wanted.attempts, wanted.finished_at), "{when}");
                let known = record.recipients.iter().map(|known| (known.address.clone(), known.status));
                assert_eq!(known.collect::<Vec<_>>(), wanted.recipients, "{when}");
                let next = (!wanted.state.is_terminal()).then_some(wanted.due);
                assert_eq!(record.next_attempt_at, next, "{when}: {wanted:?}");
                assert_eq!((record.expires_at, record.priority), (wanted.expires_at, wanted.priority), "{when}");
                let whole = self.world.record(record.id).await;
                assert_eq!(whole.history.len(), wanted.history, "{when}");
            }
            filter.cursor = page.next;
        }
        if filter.cursor.is_some() || wanted.is_empty() {
            assert_eq!(self.world.list(&filter).await.unwrap().records, [], "{when}: no more");
        }
        assert_eq!(filter.cursor, None, "{when}: the last page says so");
    }
}
