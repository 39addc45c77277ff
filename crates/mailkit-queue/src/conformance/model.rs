//! The reference model of the contract: a list of messages that every operation scans.

use std::collections::HashMap;
use std::time::Duration;

use mailkit_address::Address;

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::lease::{LeaseToken, Leased};
use crate::message::{Fingerprint, Idempotency, NewMessage, OnAmbiguous, Priority};
use crate::query::{Command, Stats};
use crate::settlement::{Next, RecipientStatus, Settlement};
use crate::state::State;
use crate::text::{Tag, Tenant};

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: QueueId,
    pub(super) state: State,
    pub(super) due: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) priority: Priority,
    pub(super) route: Option<String>,
    pub(super) tenant: Option<Tenant>,
    pub(super) tags: Vec<Tag>,
    pub(super) recipients: Vec<(Address, RecipientStatus)>,
    pub(super) attempts: u32,
    pub(super) history: usize,
    on_ambiguous: OnAmbiguous,
    lease: Option<(LeaseToken, Timestamp)>,
    commit_point: bool,
}

/// All messages, oldest first, and the counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) entries: Vec<Entry>,
    pub(super) ambiguous_total: u64,
    /// The fingerprint and the message of each key.
    keys: HashMap<String, (Fingerprint, QueueId)>,
}

/// What a queue must do with a new message.
#[derive(Debug)]
pub(super) enum Admission {
    Store,
    Duplicate(QueueId, State),
    /// The key stands for this message.
    Conflict(QueueId),
    Expired,
}

impl Entry {
    fn set_open(&mut self, status: RecipientStatus) {
        for (_, known) in self.recipients.iter_mut().filter(|(_, known)| known.is_open()) {
            *known = status;
        }
    }

    fn open(&mut self, due: Timestamp, now: Timestamp) {
        (self.due, self.lease, self.finished_at) = (due, None, None);
        self.state = if due > now { State::Scheduled } else { State::Ready };
        if self.expires_at.is_some_and(|at| at <= now) {
            self.finish(State::Dead, now);
        }
    }

    fn finish(&mut self, state: State, now: Timestamp) {
        (self.state, self.lease, self.finished_at) = (state, None, Some(now));
    }

    fn open_recipients(&self) -> Vec<Address> {
        let open = self.recipients.iter().filter(|(_, status)| status.is_open());
        open.map(|(address, _)| address.clone()).collect()
    }

    fn is_leased_as(&self, token: LeaseToken) -> bool {
        self.lease.is_some_and(|(current, _)| current == token)
    }
}

impl Model {
    pub(super) fn find(&mut self, id: QueueId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    pub(super) fn enqueue(&mut self, message: &NewMessage, id: QueueId, now: Timestamp) {
        let due = message.send_at.unwrap_or(now).max(now);
        let recipients = message.envelope.recipients().iter();
        self.entries.push(Entry {
            id,
            state: if due > now { State::Scheduled } else { State::Ready },
            due,
            expires_at: message.expires_at,
            finished_at: None,
            priority: message.priority,
            route: message.route.clone(),
            tenant: message.tenant.clone(),
            tags: message.tags.clone(),
            recipients: recipients.map(|address| (address.clone(), RecipientStatus::Pending)).collect(),
            attempts: 0,
            history: 0,
            on_ambiguous: message.on_ambiguous,
            lease: None,
            commit_point: false,
        });
        self.entries.sort_by_key(|entry| entry.id);
        if let Some(Idempotency { key, fingerprint, .. }) = &message.idempotency {
            self.keys.insert(key.to_string(), (*fingerprint, id));
        }
    }

    pub(super) fn run_maintenance(&mut self, now: Timestamp) {
        for entry in &mut self.entries {
            let waits = matches!(entry.state, State::Scheduled | State::Ready);
            if waits && entry.expires_at.is_some_and(|at| at <= now) {
                entry.finish(State::Dead, now);
            } else if entry.state == State::Scheduled && entry.due <= now {
                entry.state = State::Ready;
            } else if entry.lease.is_some_and(|(_, ends)| ends <= now) {
                let holds = entry.on_ambiguous == OnAmbiguous::Hold;
                if holds && entry.commit_point {
                    entry.set_open(RecipientStatus::Ambiguous);
                    entry.finish(State::Held, now);
                } else {
                    entry.open(entry.due, now);
                }
                self.ambiguous_total += u64::from(!holds || entry.commit_point);
            }
        }
    }

    /// Compares the messages that a queue has leased with those that it may lease. The order is free only where the contract
    /// leaves it open.
    pub(super) fn lease(&mut self, leased: &[Leased], max: usize, skip: &[String], ends: Timestamp) {
        let may = |entry: &Entry| {
            entry.state == State::Ready && !entry.route.as_ref().is_some_and(|route| skip.contains(route))
        };
        let eligible = self.entries.iter().filter(|entry| may(entry)).count();
        assert_eq!(leased.len(), eligible.min(max), "as many as there are");
        let mut shares: HashMap<Option<Tenant>, usize> = HashMap::new();
        let mut priority = None;
        for leased in leased {
            if priority.replace(leased.priority) != Some(leased.priority) {
                shares.clear();
            }
            let id = leased.id();
            let entry = self.find(id).expect("a message of the queue");
            assert_eq!((leased.recipients(), leased.attempts), (&*entry.open_recipients(), entry.attempts));
            assert_eq!((leased.expires_at, leased.message_expires_at), (ends, entry.expires_at));
            let taken = entry.clone();
            assert!(may(&taken), "{taken:?}");
            for other in self.entries.iter().filter(|entry| may(entry)) {
                assert!(taken.priority <= other.priority, "{taken:?} before {other:?}");
                if taken.priority == other.priority && taken.tenant == other.tenant {
                    assert!(taken.due <= other.due, "{taken:?} before {other:?}");
                } else if taken.priority == other.priority {
                    let share = |tenant| shares.get(tenant).copied().unwrap_or(0);
                    assert!(share(&taken.tenant) <= share(&other.tenant), "{taken:?} out of turn, {shares:?}");
                }
            }
            *shares.entry(taken.tenant.clone()).or_default() += 1;
            let entry = self.find(id).expect("the same message");
            (entry.state, entry.commit_point) = (State::Leased, false);
            entry.lease = Some((leased.token, ends));
        }
    }

    /// Whether the token is that of the current lease.
    pub(super) fn renew(&mut self, token: LeaseToken, until: Timestamp) -> bool {
        let Some(entry) = self.find(token.id).filter(|entry| entry.is_leased_as(token)) else { return false };
        entry.lease = Some((token, until));
        true
    }

    /// Whether the token is that of the current lease.
    pub(super) fn record_commit_point(&mut self, token: LeaseToken) -> bool {
        let Some(entry) = self.find(token.id).filter(|entry| entry.is_leased_as(token)) else { return false };
        entry.commit_point = true;
        true
    }

    /// The new state. `None` if the token is stale.
    pub(super) fn settle(&mut self, token: LeaseToken, settlement: &Settlement, now: Timestamp) -> Option<State> {
        let entry = self.find(token.id).filter(|entry| entry.is_leased_as(token))?;
        let mut ambiguous = false;
        for outcome in &settlement.recipients {
            let known =
                entry.recipients.iter_mut().find(|(address, known)| *address == outcome.address && known.is_open());
            if let Some((_, known)) = known {
                *known = outcome.status;
                ambiguous |= outcome.status == RecipientStatus::Ambiguous;
            }
        }
        if settlement.route.is_some() {
            entry.attempts += u32::from(settlement.counts);
            entry.history += 1;
        }
        let accepted = entry.recipients.iter().all(|(_, status)| *status == RecipientStatus::Accepted);
        match settlement.next {
            _ if accepted => entry.finish(State::Sent, now),
            _ if entry.open_recipients().is_empty() => entry.finish(State::Dead, now),
            Next::Ready => entry.open(entry.due, now),
            Next::At(at) => entry.open(at.max(now), now),
            Next::Dead => entry.finish(State::Dead, now),
            Next::Held => entry.finish(State::Held, now),
        }
        let state = entry.state;
        self.ambiguous_total += u64::from(ambiguous);
        Some(state)
    }

    /// The new state. `None` if the message does not exist, or the command does not apply to its state.
    pub(super) fn apply(&mut self, id: QueueId, command: Command, now: Timestamp) -> Option<State> {
        let entry = self.find(id).filter(|entry| command.applies_to(entry.state))?;
        if command == Command::Cancel {
            entry.finish(State::Cancelled, now);
            self.keys.retain(|_, (_, of)| *of != id);
            return Some(State::Cancelled);
        }
        if entry.state == State::Dead {
            entry.attempts = 0;
            for (_, status) in entry.recipients.iter_mut().filter(|(_, status)| *status != RecipientStatus::Accepted) {
                *status = RecipientStatus::Pending;
            }
        }
        entry.expires_at = entry.expires_at.filter(|at| *at > now);
        entry.open(now, now);
        Some(entry.state)
    }

    pub(super) fn purge(&mut self, states: &[State], older_than: Duration, now: Timestamp) -> u64 {
        let old = |entry: &Entry| entry.finished_at.is_some_and(|at| at + older_than <= now);
        let purged = self.entries.extract_if(.., |entry| states.contains(&entry.state) && old(entry));
        let purged: Vec<Entry> = purged.collect();
        for entry in purged.iter().filter(|entry| entry.state != State::Sent) {
            self.keys.retain(|_, (_, id)| *id != entry.id);
        }
        purged.len() as u64
    }

    /// What the queue must do with a new message.
    pub(super) fn admit(&self, message: &NewMessage, now: Timestamp) -> Admission {
        let key = message.idempotency.as_ref();
        if let Some((key, (fingerprint, id))) = key.and_then(|key| Some((key, self.keys.get(key.key.as_str())?))) {
            let entry = self.entries.iter().find(|entry| entry.id == *id);
            return match *fingerprint == key.fingerprint {
                true => Admission::Duplicate(*id, entry.map_or(State::Sent, |entry| entry.state)),
                false => Admission::Conflict(*id),
            };
        }
        let earliest = message.send_at.unwrap_or(now);
        if message.expires_at.is_some_and(|at| at <= earliest) { Admission::Expired } else { Admission::Store }
    }

    pub(super) fn stats(&self, now: Timestamp) -> Stats {
        let count = |state| self.entries.iter().filter(|entry| entry.state == state).count() as u64;
        let ready = self.entries.iter().filter(|entry| entry.state == State::Ready);
        Stats {
            scheduled: count(State::Scheduled),
            ready: count(State::Ready),
            leased: count(State::Leased),
            sent: count(State::Sent),
            dead: count(State::Dead),
            held: count(State::Held),
            cancelled: count(State::Cancelled),
            oldest_ready: ready.map(|entry| now - entry.due).max(),
            ambiguous_total: self.ambiguous_total,
        }
    }
}
