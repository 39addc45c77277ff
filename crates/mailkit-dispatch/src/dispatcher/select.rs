//! Selects the next message of a slot, if the limits allow one.

use mailkit_queue::{Leased, LimitRequest, Timestamp};
use tokio::time::Instant;

use super::assign::earliest;
use super::event::DeadReason;
use super::limit::{Scope, Scopes, Weight};
use super::ready_queue::Position;
use super::state::State;

/// The answer to a slot that asks for a job.
pub(crate) enum Selection {
    /// Send this message; all limits have counted it.
    Send(Box<Leased>),
    /// Acquire the quotas of this message first.
    Acquire(Box<Leased>),
    /// Nothing until that time, or until another event.
    Wait(Option<Instant>),
}

/// What to do with a message in the ready queue.
enum Eligibility {
    Ready,
    Wait(Instant),
    Reschedule(Instant),
    DeadLetter(DeadReason, &'static str),
    /// Its lease has expired: the message belongs to the queue again.
    LeaseExpired,
}

impl State {
    /// The first message of a route that may be sent. Messages that have to wait for long are rescheduled, others stay.
    pub(crate) fn select(&mut self, index: usize, now: Instant, clock: Timestamp) -> Selection {
        let pass = self.next_number();
        let mut wait = None;
        let mut at = Position::default();
        while let Some(found) = self.routes[index].ready.next_from(at) {
            at = found;
            let eligibility = self.eligibility(index, found, pass, now, clock);
            if let Eligibility::Wait(until) = eligibility {
                wait = earliest(wait, Some(until));
                at = found.next();
                continue;
            }
            let Some(message) = self.routes[index].ready.remove(found) else { break };
            match eligibility {
                Eligibility::Ready if self.has_quotas(index, &message, now) => return Selection::Acquire(message),
                Eligibility::Ready => {
                    self.consume_rates(index, &message, now);
                    return Selection::Send(message);
                }
                Eligibility::Reschedule(until) => self.reschedule(*message, until - now, clock),
                Eligibility::DeadLetter(reason, text) => {
                    let name = std::sync::Arc::clone(&self.routes[index].name);
                    self.dead_letter(*message, &name, reason, text);
                }
                Eligibility::LeaseExpired | Eligibility::Wait(_) => {
                    self.forget_lease(message.token);
                }
            }
        }
        Selection::Wait(wait)
    }

    fn eligibility(&mut self, index: usize, found: Position, pass: u64, now: Instant, clock: Timestamp) -> Eligibility {
        let max_local_wait = self.settings.max_local_wait;
        let route = &mut self.routes[index];
        let Some(message) = route.ready.get(found) else { return Eligibility::LeaseExpired };
        if message.expires_at - clock < self.settings.lease / 2 {
            // The lease was renewed, or it has expired.
            let token = message.token;
            let renewed = self.leases.get(&token.id).filter(|term| term.token == token);
            if renewed.is_none_or(|term| term.wall_remaining(clock).is_zero()) {
                return Eligibility::LeaseExpired;
            }
        }
        if message.message_expires_at.is_some_and(|at| at <= clock) {
            return Eligibility::DeadLetter(DeadReason::Expired, "it expired before it could be sent");
        }
        let mut blocking: Option<Instant> = None;
        let mut never = false;
        let (scope, domains, tenants) = (&mut route.scope, &mut route.domains, &mut self.tenants);
        each_scope(message, scope, domains, tenants, now, |scope, weight| {
            never |= scope.is_never(weight);
            if let Some(at) = scope.ready_at(weight, now) {
                blocking = blocking.max(Some(scope.queue_up(pass, weight, at)));
            }
        });
        match blocking {
            _ if never => Eligibility::DeadLetter(
                DeadReason::OverQuota,
                "it has more recipients than a quota allows in one window",
            ),
            None => Eligibility::Ready,
            Some(turn) if turn - now <= max_local_wait => Eligibility::Wait(turn),
            Some(turn) => {
                let mut booked = turn;
                each_scope(message, scope, domains, tenants, now, |scope, weight| {
                    if scope.ready_at(weight, now).is_some() {
                        booked = booked.max(scope.book(weight, turn, now));
                    }
                });
                Eligibility::Reschedule(booked)
            }
        }
    }

    /// Counts a message against the smooth rates of all its scopes.
    pub(crate) fn consume_rates(&mut self, index: usize, message: &Leased, now: Instant) {
        let route = &mut self.routes[index];
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            scope.take(weight, now);
        });
    }

    /// When the smooth rates allow a message; `None` if they allow it now.
    pub(crate) fn rates_ready_at(&mut self, index: usize, message: &Leased, now: Instant) -> Option<Instant> {
        let route = &mut self.routes[index];
        let mut latest = None;
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            latest = latest.max(scope.ready_at(weight, now));
        });
        latest
    }

    fn has_quotas(&mut self, index: usize, message: &Leased, now: Instant) -> bool {
        let route = &mut self.routes[index];
        let mut any = false;
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, _| {
            any |= scope.has_quotas();
        });
        any
    }

    /// The limit requests of a message, by scope.
    pub(crate) fn limit_requests(&mut self, index: usize, message: &Leased, now: Instant) -> Vec<Vec<LimitRequest>> {
        let route = &mut self.routes[index];
        let mut all = Vec::new();
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            let mut requests = Vec::new();
            scope.limit_requests(weight, &mut requests);
            if !requests.is_empty() {
                all.push(requests);
            }
        });
        all
    }

    /// Blocks the scope of this request until its quota has room.
    pub(crate) fn block_limit(
        &mut self,
        index: usize,
        message: &Leased,
        full: &LimitRequest,
        until: Instant,
        now: Instant,
    ) {
        let route = &mut self.routes[index];
        each_scope(message, &mut route.scope, &mut route.domains, &mut self.tenants, now, |scope, weight| {
            let mut requests = Vec::new();
            scope.limit_requests(weight, &mut requests);
            if requests.contains(full) {
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
