//! What the outcome of a job means for its route.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mailkit_address::Address;
use mailkit_queue::{Next, QueueId, RecipientStatus, Settlement, Timestamp};
use tokio::time::Instant;

use crate::class::Class;
use crate::classify::{Disposition, Subject};
use crate::deliver::{Outcome, RecipientResult, Trouble};
use crate::event::Event;
use crate::flight::Flight;
use crate::judge::{Grounds, Onward, Verdict, judge};
use crate::log::log_attempt;
use crate::round::Passed;
use crate::state::{Done, State, Told};

/// How many messages with defects are remembered.
const MOST_DEFECTS: usize = 10_000;

/// So many ways in a row that could not be opened, with no other at work, are a cohort, however large the window is.
const MOST_UNOPENED: u32 = 3;

/// What has to be looked at after an outcome.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// The route closed: what waits for it goes elsewhere.
    pub(crate) closed: bool,
    /// It may have more ways now, or gets messages again.
    pub(crate) grown: bool,
}

impl State {
    /// Takes in what came of a job.
    pub(crate) fn finish(&mut self, flight: Flight, outcome: Outcome, now: Instant, clock: Timestamp) -> Aftermath {
        let verdict = self.judge(&flight, outcome, flight.may_have_left(), now, clock);
        self.job_ended(&flight);
        let is_silent =
            |class: Class| class.is_silent_on_route() || matches!(class, Class::Connection | Class::Ambiguous);
        let is_word = !verdict.fault.is_some_and(|fault| is_silent(fault.class));
        let is_back = is_word && self.hear(flight.route, now);
        let is_accepted = verdict.recipients.iter().any(|recipient| recipient.status == RecipientStatus::Accepted);
        // A recipient that the route cannot address, or takes after a login only, says nothing about the route beside one
        // that it accepted.
        let is_own = |class: Class| matches!(class, Class::Capability | Class::Login);
        let fault = verdict.fault.filter(|fault| !is_accepted || !is_own(fault.class));
        let mut aftermath = self.feed_back(flight.route, flight.way, fault, now - flight.taken, now);
        aftermath.closed |= self.hear_of_account(flight.route, &flight, &verdict, now);
        aftermath.grown |= is_back && !aftermath.closed;
        self.ended_unheard(flight.route, now);
        self.write_down(flight, verdict, now);
        aftermath
    }

    /// What the outcome says of the account behind the route. Returns whether the route closed for it.
    fn hear_of_account(&mut self, place: usize, flight: &Flight, verdict: &Verdict, now: Instant) -> bool {
        let route = &mut self.routes[place];
        if verdict.recipients.iter().any(|recipient| recipient.status == RecipientStatus::Accepted) {
            route.accepted();
        }
        match verdict.fault {
            Some(Disposition { class: Class::AccountLimit, .. }) => return self.suspend(place, &verdict.words, now),
            Some(Disposition { subject: Subject::Route, .. }) => {}
            Some(Disposition { class: Class::SenderRefused, .. }) => {
                let is_several = route.refused_sender(flight.message.envelope.reverse_path());
                if is_several && route.breaker.is_closed() {
                    let reply = &*verdict.words;
                    tracing::warn!(route = &*route.name, reply, "the route refuses one sender after another");
                    self.close_route(place, now);
                    return true;
                }
            }
            Some(fault) if fault.class.is_silent_on_route() || fault.class == Class::Ambiguous => {}
            _ => route.took_sender(),
        }
        false
    }

    /// Lets nothing go over a route for a while whose account has sent as much as it may. Returns whether that is news.
    fn suspend(&mut self, place: usize, reply: &str, now: Instant) -> bool {
        let route = &mut self.routes[place];
        let Some(pause) = route.suspend(now) else { return false };
        route.wake_all();
        tracing::warn!(
            route = &*route.name,
            reply,
            retry_in_s = pause.as_secs(),
            "the account of the route has reached a limit: nothing goes over it for a while"
        );
        true
    }

    fn judge(
        &mut self,
        flight: &Flight,
        outcome: Outcome,
        may_have_left: bool,
        now: Instant,
        clock: Timestamp,
    ) -> Verdict {
        let is_defect = outcome.trouble.as_ref().is_some_and(|trouble| trouble.fault.class == Class::Defect);
        let defects = if is_defect { self.count_defect(flight) } else { 0 };
        let random = self.random.f64();
        let is_accepted = |result: &RecipientResult| result.outcome.status == RecipientStatus::Accepted;
        let others = match outcome.trouble.is_none() && outcome.recipients.iter().all(is_accepted) {
            true => Vec::new(),
            false => self.others(&flight.message, flight.route, now),
        };
        let round = self.rounds.get(flight.message.lease.id());
        let grounds = Grounds {
            retry: &self.settings.retry,
            route: &self.routes[flight.route].name,
            others: &others,
            fruitless: round.map_or(0, |round| round.fruitless),
            is_last_resort: round.is_some_and(|round| round.is_last_resort),
            may_have_left,
            defects,
            now: clock,
            random,
        };
        judge(&flight.message, outcome, grounds)
    }

    /// Counts an attempt, tells of it, and hands it on to be written down.
    fn write_down(&mut self, flight: Flight, verdict: Verdict, now: Instant) {
        let took = now - flight.taken;
        let route = &mut self.routes[flight.route];
        let class = verdict.fault.map(|fault| fault.class);
        let name = Arc::clone(&route.name);
        if verdict.is_tried {
            route.outcomes.count(&verdict.recipients, class);
        }
        log_attempt(&flight, &name, &verdict, took);
        self.go_on(flight.message.lease.id(), &name, &verdict);
        let Verdict { words, recipients, outcome, next, counts, is_tried, dead, .. } = verdict;
        if self.heard && is_tried {
            let (id, attempt) = (flight.message.lease.id(), flight.message.attempts.saturating_add(1));
            let (route, recipients) = (Arc::clone(&name), recipients.clone());
            self.events.push(Event::Attempted { id, route, attempt, class, recipients, took });
        }
        let mut settlement = Settlement::untouched().with_counts(counts).with_text(words);
        settlement = settlement.with_recipients(recipients).with_next(next);
        settlement.route = is_tried.then(|| name.to_string());
        settlement.outcome = outcome;
        settlement.class = class.map(|class| class.name().to_owned());
        let told = Told { route: name, class, dead };
        self.outbox.push(Done { lease: flight.message.lease, settlement, told: Some(told) });
    }

    /// Remembers which routes a message was offered to.
    fn go_on(&mut self, id: QueueId, route: &Arc<str>, verdict: &Verdict) {
        let passed = |recipients: &HashSet<Address>| {
            let (route, words, can_convert) = (Arc::clone(route), verdict.words.clone(), verdict.can_convert);
            let fault = verdict.fault.unwrap_or_else(|| Class::Temporary.into());
            Passed { route, fault, words, recipients: recipients.clone(), can_convert }
        };
        match &verdict.onward {
            Onward::Next { recipients } => self.rounds.pass(id, passed(recipients)),
            Onward::Convert => self.rounds.convert(id, passed(&HashSet::new())),
            Onward::Wait if matches!(verdict.next, Next::At(_)) => {
                self.rounds.pass(id, passed(&HashSet::new()));
                self.rounds.end(id);
            }
            Onward::Wait | Onward::Over => self.rounds.remove(id),
        }
    }

    fn count_defect(&mut self, flight: &Flight) -> u32 {
        if self.defects.len() >= MOST_DEFECTS {
            self.defects.clear();
        }
        let count = self.defects.entry(flight.message.lease.id()).or_default();
        *count += 1;
        *count
    }

    /// Lets window and breaker of a route learn from an attempt.
    pub(crate) fn feed_back(
        &mut self,
        place: usize,
        way: u64,
        fault: Option<Disposition>,
        took: Duration,
        now: Instant,
    ) -> Aftermath {
        let class = fault.map(|fault| fault.class);
        let route = &mut self.routes[place];
        let others = u32::try_from(route.working().saturating_sub(1)).unwrap_or(u32::MAX);
        let in_use = others + 1 >= route.window.size();
        // A mailbox that receives too fast is no failure of the route.
        let counts = |fault: Disposition| {
            fault.class.counts_for_breaker() && (fault.subject == Subject::Route || fault.class == Class::Ambiguous)
        };
        let failed = fault.is_some_and(counts);
        let is_silent = class.is_some_and(Class::is_silent_on_route);
        let (mut proved, mut probe, mut is_left) = (true, false, false);
        if let Some(way) = route.ways.get_mut(&way) {
            (proved, probe, is_left) = (way.proved, way.probe && !route.breaker.is_closed(), way.left);
            way.proved |= !failed && !is_silent;
        }
        if is_left {
            // The route has gone on without it. But a probe that is answered at last has found the server.
            let is_back = probe && !failed && !is_silent;
            return if is_back { self.probe_told(place, false, now) } else { Aftermath::default() };
        }
        if is_silent {
            if probe {
                route.breaker.probe_ended();
            }
            return Aftermath { closed: probe, grown: false };
        }
        let too_many = match class {
            Some(Class::TooManyConnections) => others > 0,
            Some(Class::Closing) => others > 0 && !proved,
            _ => false,
        };
        if too_many {
            route.window.learn(others, now);
            return Aftermath::default();
        }
        if probe {
            return self.probe_told(place, failed, now);
        }
        if !route.breaker.is_closed() {
            return Aftermath::default();
        }
        let slow = took > route.breaker.settings().slow;
        let share = route.breaker.count(failed || slow);
        let (cohort, grown) = match failed {
            true => (route.window.failed(), false),
            false => (false, route.window.succeeded(in_use, now)),
        };
        if !failed {
            route.opened();
            route.returning &= route.window.size() < route.settings.initial_slots();
        }
        // Silence that ends like this was none of a server that is only slow.
        let is_dead = failed && self.is_shunned(place, now);
        if share || cohort || is_dead || class == Some(Class::Login) {
            self.close_route(place, now);
            return Aftermath { closed: true, grown: false };
        }
        Aftermath { closed: false, grown }
    }

    /// The probe of a route came back.
    fn probe_told(&mut self, place: usize, failed: bool, now: Instant) -> Aftermath {
        let route = &mut self.routes[place];
        if failed {
            route.breaker.open(now);
            self.tell_route(place, now);
            return Aftermath { closed: true, grown: false };
        }
        route.breaker.close();
        for way in route.ways.values_mut() {
            way.probe = false;
        }
        route.window.restart();
        route.opened();
        route.returning = true;
        self.tell_route(place, now);
        Aftermath { closed: false, grown: true }
    }

    pub(crate) fn close_route(&mut self, place: usize, now: Instant) {
        let route = &mut self.routes[place];
        // One that is stuck would else count as the probe that is on its way.
        route.leave_ways();
        route.breaker.open(now);
        route.wake_all();
        self.tell_route(place, now);
    }

    /// A way could not be opened, or broke without a job on it.
    pub(crate) fn broken(&mut self, place: usize, way: u64, trouble: &Trouble, now: Instant) -> Aftermath {
        self.routes[place].put_off_opening(now);
        let fault = trouble.fault;
        // Whatever it was, a way that is not there is a failure of the route.
        if fault.class == Class::AccountLimit && self.suspend(place, &trouble.words, now) {
            return Aftermath { closed: true, grown: false };
        }
        let is_known = fault.subject == Subject::Route && fault.class.counts_for_breaker();
        let fault = if is_known { fault } else { Class::Connection.into() };
        let aftermath = self.feed_back(place, way, Some(fault), Duration::ZERO, now);
        let route = &self.routes[place];
        let alone = !route.ways.iter().any(|(id, other)| *id != way && !other.left && other.proved);
        if !aftermath.closed && alone && route.unopened >= MOST_UNOPENED && route.breaker.is_closed() {
            self.close_route(place, now);
            return Aftermath { closed: true, grown: false };
        }
        aftermath
    }
}

impl State {
    /// Whether nothing but this way could carry the messages that wait for its route.
    pub(crate) fn is_last_hope(&self, place: usize, way: u64) -> bool {
        let Some(route) = self.routes.get(place) else { return false };
        let alone = !route.ways.iter().any(|(id, other)| *id != way && !other.left && (other.jobs > 0 || other.proved));
        let elsewhere = self.routes.iter().enumerate().any(|(other, route)| other != place && route.is_open());
        let is_pinned = route.rows.first().is_some_and(|message| message.route.is_some());
        alone && (!elsewhere || is_pinned)
    }

    /// Counts trouble with a way as an attempt of a message that was not handed out.
    pub(crate) fn charge(&mut self, flight: Flight, trouble: Trouble, now: Instant, clock: Timestamp) {
        // Whatever was said, no message was on its way.
        let is_known = trouble.fault.subject == Subject::Route || trouble.fault.class == Class::Defect;
        let fault = if is_known { trouble.fault } else { Class::Connection.into() };
        let verdict = self.judge(&flight, Outcome::failed(Trouble { fault, ..trouble }), false, now, clock);
        self.write_down(flight, verdict, now);
    }
}
