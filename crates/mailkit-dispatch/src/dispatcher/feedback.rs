//! How the outcome of a job changes its route: concurrency limit, breaker, liveness, suspension.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mailkit_address::Address;
use mailkit_queue::{Next, QueueId, RecipientStatus, Settlement, Timestamp};
use tokio::time::Instant;

use super::decide::{AttemptContext, Decision, Routing, decide};
use super::deliver::{DeliveryFailure, Outcome, RecipientResult};
use super::event::Event;
use super::in_flight::InFlight;
use super::log::log_attempt;
use super::route::MAX_REFUSED_SENDERS;
use super::route_cycle::Declined;
use super::state::{EventDetails, PendingSettlement, State};
use crate::classify::{Disposition, FailureClass, Subject};

/// The number of messages whose defects are counted.
const MAX_DEFECTS: usize = 10_000;

/// This many consecutive failures to connect, with no other connection in use, open the breaker, however high the
/// concurrency limit is.
const MAX_FAILED_OPENS: u32 = 3;

/// How an outcome changed the state of its route.
#[derive(Debug, Default)]
pub(crate) struct RouteEffect {
    /// The route became unavailable: its ready queue has to be redistributed.
    pub(crate) closed: bool,
    /// The route may open more slots, or takes messages again.
    pub(crate) grown: bool,
}

impl State {
    /// Applies the outcome of a job.
    pub(crate) fn finish(
        &mut self,
        in_flight: InFlight,
        outcome: Outcome,
        now: Instant,
        clock: Timestamp,
    ) -> RouteEffect {
        let decision = self.decide(&in_flight, outcome, in_flight.may_be_delivered(), now, clock);
        self.job_ended(&in_flight);
        let is_neutral = |class: FailureClass| {
            class.is_neutral() || matches!(class, FailureClass::Connection | FailureClass::Ambiguous)
        };
        let is_response = !decision.fault.is_some_and(|fault| is_neutral(fault.class));
        let is_back = is_response && self.on_response(in_flight.route, now);
        let is_accepted = decision.recipients.iter().any(|recipient| recipient.status == RecipientStatus::Accepted);
        // If a recipient was accepted, then another one that the route cannot address, or takes only after a login,
        // says nothing about the route.
        let is_own = |class: FailureClass| matches!(class, FailureClass::Capability | FailureClass::Login);
        let fault = decision.fault.filter(|fault| !is_accepted || !is_own(fault.class));
        let mut effect = self.apply_feedback(in_flight.route, in_flight.slot, fault, now - in_flight.started_at, now);
        effect.closed |= self.update_account(in_flight.route, &in_flight, &decision, now);
        effect.grown |= is_back && !effect.closed;
        self.on_unanswered_end(in_flight.route, now);
        self.record_attempt(in_flight, decision, now);
        effect
    }

    /// Applies what the outcome says about the account at the server. Returns whether the route became unavailable.
    fn update_account(&mut self, index: usize, in_flight: &InFlight, decision: &Decision, now: Instant) -> bool {
        let route = &mut self.routes[index];
        if decision.recipients.iter().any(|recipient| recipient.status == RecipientStatus::Accepted) {
            route.accepted();
        }
        match decision.fault {
            Some(Disposition { class: FailureClass::AccountLimit, .. }) => {
                return self.suspend(index, &decision.text, now);
            }
            Some(Disposition { subject: Subject::Route, .. }) => {}
            Some(Disposition { class: FailureClass::SenderRefused, .. }) => {
                let is_several = route.refused_sender(in_flight.message.envelope.reverse_path());
                if is_several && route.breaker.is_closed() {
                    let reply = &*decision.text;
                    tracing::warn!(
                        route = &*route.name,
                        reply,
                        "route unavailable: its server refused {MAX_REFUSED_SENDERS} different senders in a row"
                    );
                    self.close_route(index, now);
                    return true;
                }
            }
            Some(fault) if fault.class.is_neutral() || fault.class == FailureClass::Ambiguous => {}
            _ => route.accepted_sender(),
        }
        false
    }

    /// Suspends a route whose account has reached a sending limit. Returns whether it was not suspended before.
    fn suspend(&mut self, index: usize, reply: &str, now: Instant) -> bool {
        let route = &mut self.routes[index];
        let Some(pause) = route.suspend(now) else { return false };
        route.wake_all();
        tracing::warn!(
            route = &*route.name,
            reply,
            retry_in_s = pause.as_secs(),
            "route suspended: its account has reached a sending limit"
        );
        true
    }

    fn decide(
        &mut self,
        in_flight: &InFlight,
        outcome: Outcome,
        may_be_delivered: bool,
        now: Instant,
        clock: Timestamp,
    ) -> Decision {
        let is_defect = outcome.failure.as_ref().is_some_and(|failure| failure.fault.class == FailureClass::Defect);
        let defects = if is_defect { self.count_defect(in_flight) } else { 0 };
        let random = self.random.f64();
        let is_accepted = |result: &RecipientResult| result.outcome.status == RecipientStatus::Accepted;
        let others = match outcome.failure.is_none() && outcome.recipients.iter().all(is_accepted) {
            true => Vec::new(),
            false => self.alternatives(&in_flight.message, in_flight.route, now),
        };
        let cycle = self.route_cycles.get(in_flight.message.id());
        let context = AttemptContext {
            retry: &self.settings.retry,
            route: &self.routes[in_flight.route].name,
            alternatives: &others,
            failed_cycles: cycle.map_or(0, |cycle| cycle.failed_cycles),
            is_conversion_pass: cycle.is_some_and(|cycle| cycle.is_conversion_pass),
            may_be_delivered,
            defects,
            now: clock,
            random,
        };
        decide(&in_flight.message, outcome, context)
    }

    /// Counts and logs an attempt, emits its event, and queues its settlement.
    fn record_attempt(&mut self, in_flight: InFlight, decision: Decision, now: Instant) {
        let took = now - in_flight.started_at;
        let route = &mut self.routes[in_flight.route];
        let class = decision.fault.map(|fault| fault.class);
        let name = Arc::clone(&route.name);
        if decision.is_tried {
            route.outcomes.count(&decision.recipients, class);
        }
        log_attempt(&in_flight, &name, &decision, took);
        self.update_route_cycle(in_flight.message.id(), &name, &decision);
        let Decision { text, recipients, outcome, next, counts, is_tried, dead, .. } = decision;
        if self.has_subscribers && is_tried {
            let (id, attempt) = (in_flight.message.id(), in_flight.message.attempts.saturating_add(1));
            let (route, recipients) = (Arc::clone(&name), recipients.clone());
            self.events.push(Event::Attempted { id, route, attempt, class, recipients, took });
        }
        let mut settlement = Settlement::untouched().with_counts(counts).with_text(text);
        settlement = settlement.with_recipients(recipients).with_next(next);
        settlement.route = is_tried.then(|| name.to_string());
        settlement.outcome = outcome;
        settlement.class = class.map(|class| class.as_str().to_owned());
        let event = EventDetails { route: name, class, dead };
        self.unsettled.push(PendingSettlement { token: in_flight.message.token, settlement, event: Some(event) });
    }

    /// Remembers which routes declined a message.
    fn update_route_cycle(&mut self, id: QueueId, route: &Arc<str>, decision: &Decision) {
        let declined = |recipients: &HashSet<Address>| {
            let (route, text, can_convert) = (Arc::clone(route), decision.text.clone(), decision.can_convert);
            let fault = decision.fault.unwrap_or_else(|| FailureClass::Temporary.into());
            Declined { route, fault, text, recipients: recipients.clone(), can_convert }
        };
        match &decision.routing {
            Routing::NextRoute { recipients } => self.route_cycles.add_declined(id, declined(recipients)),
            Routing::Convert => self.route_cycles.convert(id, declined(&HashSet::new())),
            Routing::WaitForRoute if matches!(decision.next, Next::At(_)) => {
                self.route_cycles.add_declined(id, declined(&HashSet::new()));
                self.route_cycles.end(id);
            }
            Routing::WaitForRoute | Routing::Done => self.route_cycles.remove(id),
        }
    }

    fn count_defect(&mut self, in_flight: &InFlight) -> u32 {
        if self.defects.len() >= MAX_DEFECTS {
            self.defects.clear();
        }
        let count = self.defects.entry(in_flight.message.id()).or_default();
        *count += 1;
        *count
    }

    /// Updates the concurrency limit and the breaker of a route after an attempt.
    pub(crate) fn apply_feedback(
        &mut self,
        index: usize,
        slot: u64,
        fault: Option<Disposition>,
        took: Duration,
        now: Instant,
    ) -> RouteEffect {
        let class = fault.map(|fault| fault.class);
        let route = &mut self.routes[index];
        let others = u32::try_from(route.active_slots().saturating_sub(1)).unwrap_or(u32::MAX);
        let in_use = others + 1 >= route.concurrency.current();
        // The rate limit of a mailbox is no failure of the route.
        let counts = |fault: Disposition| {
            fault.class.counts_for_breaker()
                && (fault.subject == Subject::Route || fault.class == FailureClass::Ambiguous)
        };
        let failed = fault.is_some_and(counts);
        let is_neutral = class.is_some_and(FailureClass::is_neutral);
        let (mut proven, mut probe, mut is_detached) = (true, false, false);
        if let Some(slot) = route.slots.get_mut(&slot) {
            (proven, probe, is_detached) = (slot.proven, slot.probe && !route.breaker.is_closed(), slot.detached);
            slot.proven |= !failed && !is_neutral;
        }
        if is_detached {
            // The route no longer waits for this slot. But a late answer to a probe shows that the server is alive.
            let is_back = probe && !failed && !is_neutral;
            return if is_back { self.on_probe_result(index, false, now) } else { RouteEffect::default() };
        }
        if is_neutral {
            if probe {
                route.breaker.probe_ended();
            }
            return RouteEffect { closed: probe, grown: false };
        }
        let too_many = match class {
            Some(FailureClass::TooManyConnections) => others > 0,
            Some(FailureClass::Closing) => others > 0 && !proven,
            _ => false,
        };
        if too_many {
            route.concurrency.learn_limit(others, now);
            return RouteEffect::default();
        }
        if probe {
            return self.on_probe_result(index, failed, now);
        }
        if !route.breaker.is_closed() {
            return RouteEffect::default();
        }
        let slow = took > route.breaker.settings().slow;
        let share = route.breaker.count(failed || slow);
        let (cohort, grown) = match failed {
            true => (route.concurrency.on_failure(), false),
            false => (false, route.concurrency.on_success(in_use, now)),
        };
        if !failed {
            route.opened();
            route.recovering &= route.concurrency.current() < route.settings.initial_slots();
        }
        // The missing response ended in a failure: the server was not just slow.
        let is_dead = failed && self.is_avoided(index, now);
        if share || cohort || is_dead || class == Some(FailureClass::Login) {
            self.close_route(index, now);
            return RouteEffect { closed: true, grown: false };
        }
        RouteEffect { closed: false, grown }
    }

    /// The probe of a route ended.
    fn on_probe_result(&mut self, index: usize, failed: bool, now: Instant) -> RouteEffect {
        let route = &mut self.routes[index];
        if failed {
            route.breaker.open(now);
            self.emit_route_changed(index, now);
            return RouteEffect { closed: true, grown: false };
        }
        route.breaker.close();
        for slot in route.slots.values_mut() {
            slot.probe = false;
        }
        route.concurrency.reset();
        route.opened();
        route.recovering = true;
        self.emit_route_changed(index, now);
        RouteEffect { closed: false, grown: true }
    }

    pub(crate) fn close_route(&mut self, index: usize, now: Instant) {
        let route = &mut self.routes[index];
        // Otherwise a stuck slot would count as the probe in flight.
        route.detach_slots();
        route.breaker.open(now);
        route.wake_all();
        self.emit_route_changed(index, now);
    }

    /// A slot could not connect, or lost its connection without a job in flight.
    pub(crate) fn connection_failed(
        &mut self,
        index: usize,
        slot: u64,
        failure: &DeliveryFailure,
        now: Instant,
    ) -> RouteEffect {
        self.routes[index].delay_opening(now);
        let fault = failure.fault;
        // Whatever the reason, a connection that cannot be opened is a failure of the route.
        if fault.class == FailureClass::AccountLimit && self.suspend(index, &failure.message, now) {
            return RouteEffect { closed: true, grown: false };
        }
        let is_known = fault.subject == Subject::Route && fault.class.counts_for_breaker();
        let fault = if is_known { fault } else { FailureClass::Connection.into() };
        let effect = self.apply_feedback(index, slot, Some(fault), Duration::ZERO, now);
        let route = &self.routes[index];
        let alone = !route.slots.iter().any(|(id, other)| *id != slot && !other.detached && other.proven);
        if !effect.closed && alone && route.failed_opens >= MAX_FAILED_OPENS && route.breaker.is_closed() {
            self.close_route(index, now);
            return RouteEffect { closed: true, grown: false };
        }
        effect
    }
}

impl State {
    /// Whether only this slot could send the messages in the ready queue of its route.
    pub(crate) fn is_only_slot(&self, index: usize, slot: u64) -> bool {
        let Some(route) = self.routes.get(index) else { return false };
        let alone =
            !route.slots.iter().any(|(id, other)| *id != slot && !other.detached && (other.jobs > 0 || other.proven));
        let elsewhere = self.routes.iter().enumerate().any(|(other, route)| other != index && route.is_open());
        let is_pinned = route.ready.first().is_some_and(|message| message.route.is_some());
        alone && (!elsewhere || is_pinned)
    }

    /// Records the failure of a slot for a message that was not handed out.
    pub(crate) fn count_as_attempt(
        &mut self,
        in_flight: InFlight,
        failure: DeliveryFailure,
        now: Instant,
        clock: Timestamp,
    ) {
        // Whatever the failure says, no message was in flight.
        let is_known = failure.fault.subject == Subject::Route || failure.fault.class == FailureClass::Defect;
        let fault = if is_known { failure.fault } else { FailureClass::Connection.into() };
        let decision =
            self.decide(&in_flight, Outcome::failed(DeliveryFailure { fault, ..failure }), false, now, clock);
        self.record_attempt(in_flight, decision, now);
    }
}
