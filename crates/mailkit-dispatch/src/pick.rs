//! Which message a way carries next, if any may go.

use mailkit_queue::{Leased, LimitRequest, Timestamp};
use tokio::time::Instant;

use crate::assign::earliest;
use crate::event::DeadReason;
use crate::limit::{Scope, Scopes, Weight};
use crate::rows::Place;
use crate::state::State;

/// What a way that asks for a job gets.
pub(crate) enum Picked {
    /// This message, which all limits have counted.
    Go(Box<Leased>),
    /// This message, once it has paid.
    Pay(Box<Leased>),
    /// Nothing before that time, or before something happens.
    Wait(Option<Instant>),
}

/// What is to be done with a message that waits.
enum Word {
    Go,
    Stay(Instant),
    PutOff(Instant),
    Bury(DeadReason, &'static str),
    /// Its lease has run out: the queue has it again.
    Forget,
}

impl State {
    /// The first message of a route that may go. Those that have to wait long are put back, the others stay.
    pub(crate) fn pick(&mut self, place: usize, now: Instant, clock: Timestamp) -> Picked {
        let pass = self.count_up();
        let mut wait = None;
        let mut at = Place::default();
        while let Some(found) = self.routes[place].rows.settle(at) {
            at = found;
            let word = self.word(place, found, pass, now, clock);
            if let Word::Stay(until) = word {
                wait = earliest(wait, Some(until));
                at = found.next();
                continue;
            }
            let Some(message) = self.routes[place].rows.remove(found) else { break };
            match word {
                Word::Go if self.has_quotas(place, &message, now) => return Picked::Pay(message),
                Word::Go => {
                    self.count_cells(place, &message, now);
                    return Picked::Go(message);
                }
                Word::PutOff(until) => self.put_off(*message, until - now, clock),
                Word::Bury(reason, words) => {
                    let name = std::sync::Arc::clone(&self.routes[place].name);
                    self.bury(*message, &name, reason, words);
                }
                Word::Forget | Word::Stay(_) => {
                    self.forget_lease(message.lease.token());
                }
            }
        }
        Picked::Wait(wait)
    }

    fn word(&mut self, place: usize, found: Place, pass: u64, now: Instant, clock: Timestamp) -> Word {
        let local_wait = self.settings.local_wait;
        let route = &mut self.routes[place];
        let Some(message) = route.rows.get(found) else { return Word::Forget };
        if message.expires_at - clock < self.settings.lease / 2 {
            // It was renewed, or it is over.
            let token = message.lease.token();
            let renewed = self.leases.get(&token.id).filter(|term| term.token == token);
            if renewed.is_none_or(|term| term.wall_left(clock).is_zero()) {
                return Word::Forget;
            }
        }
        if message.message_expires_at.is_some_and(|at| at <= clock) {
            return Word::Bury(DeadReason::Expired, "its last moment was over before it could be sent");
        }
        let mut blocking: Option<Instant> = None;
        let mut never = false;
        let (scope, domains, tenants) = (&mut route.scope, &mut route.domains, &mut self.tenants);
        each_scope(message, scope, domains, tenants, now, |scope, weight| {
            never |= scope.is_never(weight);
            if let Some(at) = scope.look(weight, now) {
                blocking = blocking.max(Some(scope.queue_up(pass, weight, at)));
            }
        });
        match blocking {
            _ if never => Word::Bury(DeadReason::OverQuota, "it has more recipients than a quota ever lets through"),
            None => Word::Go,
            Some(turn) if turn - now <= local_wait => Word::Stay(turn),
            Some(turn) => {
                let mut booked = turn;
                each_scope(message, scope, domains, tenants, now, |scope, weight| {
                    if scope.look(weight, now).is_some() {
                        booked = booked.max(scope.book(weight, turn, now));
                    }
                });
                Word::PutOff(booked)
            }
        }
    }

    /// Counts a message as leaving, in all scopes.
    pub(crate) fn count_cells(&mut self, place: usize, message: &Leased, now: Instant) {
        let route = &mut self.routes[place];
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            scope.take(weight, now);
        });
    }

    /// When a message may leave as far as smooth rates go, where that is not now.
    pub(crate) fn look(&mut self, place: usize, message: &Leased, now: Instant) -> Option<Instant> {
        let route = &mut self.routes[place];
        let mut latest = None;
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            latest = latest.max(scope.look(weight, now));
        });
        latest
    }

    fn has_quotas(&mut self, place: usize, message: &Leased, now: Instant) -> bool {
        let route = &mut self.routes[place];
        let mut any = false;
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, _| {
            any |= scope.has_quotas();
        });
        any
    }

    /// What a message has to pay, scope by scope.
    pub(crate) fn spends(&mut self, place: usize, message: &Leased, now: Instant) -> Vec<Vec<LimitRequest>> {
        let route = &mut self.routes[place];
        let mut all = Vec::new();
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            let mut spends = Vec::new();
            scope.spends(weight, &mut spends);
            if !spends.is_empty() {
                all.push(spends);
            }
        });
        all
    }

    /// A quota of the scope that has this spend has no room before that time.
    pub(crate) fn block(&mut self, place: usize, message: &Leased, full: &LimitRequest, until: Instant, now: Instant) {
        let route = &mut self.routes[place];
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            let mut spends = Vec::new();
            scope.spends(weight, &mut spends);
            if spends.contains(full) {
                scope.block_until(until);
            }
        });
    }
}

/// Visits the scopes that a message falls under, with what it weighs there: the route, its tenant, each domain of its
/// recipients. The route comes first.
fn each_scope(
    message: &Leased,
    route: &mut Scope,
    domains: &mut Scopes,
    tenants: &mut Scopes,
    now: Instant,
    mut visit: impl FnMut(&mut Scope, Weight),
) {
    let recipients = message.recipients();
    let weight = |number: usize| Weight { recipients: u32::try_from(number).unwrap_or(u32::MAX) };
    visit(route, weight(recipients.len()));
    if !tenants.is_empty() {
        let tenant = message.tenant.as_deref().unwrap_or_default();
        if let Some(scope) = tenants.of(tenant, now) {
            visit(scope, weight(recipients.len()));
        }
    }
    if domains.is_empty() {
        return;
    }
    let mut names: Vec<&str> = recipients.iter().map(|recipient| recipient.domain().as_ascii()).collect();
    names.sort_unstable();
    for alike in names.chunk_by(|one, next| one == next) {
        if let Some(scope) = alike.first().and_then(|domain| domains.of(domain, now)) {
            visit(scope, weight(alike.len()));
        }
    }
}
