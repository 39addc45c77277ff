//! Random schedules: limits, failures, routes that flap, a store that fails before or after it did what it was asked,
//! cancellations, panics, restarts and crashes, all from a seed.
//!
//! Whatever happens: no window exceeds its rate, no message is lost, none is delivered twice without an ambiguous moment
//! that was counted, none that shall be held is delivered twice at all, and every terminal state is final.

mod chaos;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use mailkit_address::{Address, Envelope};
use mailkit_dispatch::{Dispatcher, Limits, Plan, Quota, Rate, RetrySettings, RouteSettings, Settings, Unit};
use mailkit_queue::{
    Command, Filter, MemoryQueue, NewMessage, OnAmbiguous, Priority, Queue, QueueId, RecipientStatus, Record, State,
};
use tokio::time::{sleep, timeout};

use self::chaos::{Chaos, Shared, Taken, World, fault, look, world};
use crate::faulty_queue::Wrapped;
use crate::server::queue;

const MILLISECOND: Duration = Duration::from_millis(1);

/// The limits of a schedule, to be checked at its end.
struct Schedule {
    plan: Plan,
    routes: Vec<RouteSettings>,
    tenant: Option<Limits>,
    attempts: u32,
}

fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(0..choices.len())]
}

fn limits(rng: &mut Rng) -> Limits {
    let rates = ["3/s", "10/s", "40/s", "10/s burst 3", "8/s recipients", "12/s recipients burst 2"];
    let quotas = ["4/3s messages", "6/4s recipients", "9/5s messages"];
    let rate = rng.bool().then(|| one_of(rng, &rates).parse().unwrap());
    let quotas = if rng.u8(0..3) == 0 { vec![one_of(rng, &quotas).parse().unwrap()] } else { Vec::new() };
    Limits::new().with_rate(rate).with_quotas(quotas)
}

fn schedule(rng: &mut Rng, world: &Shared) -> Schedule {
    let attempts = rng.u32(2..7);
    let retry = RetrySettings::default()
        .with_first(500 * MILLISECOND)
        .with_max(2_000 * MILLISECOND)
        .with_attempts(NonZeroU32::new(attempts).unwrap())
        .with_give_up_after(Duration::from_secs(1_000));
    let mut settings = Settings::default()
        .with_retry(retry)
        .with_lease(Duration::from_secs(5))
        .with_max_local_wait(MILLISECOND * rng.u32(100..2_000))
        .with_seed(Some(rng.u64(..)));
    let tenant = rng.bool().then(|| limits(rng));
    settings.tenants.extend(tenant.clone().map(|limits| ("greedy".to_owned(), limits)));
    let mut routes = Vec::new();
    for name in ["one", "two"].into_iter().take(rng.usize(1..3)) {
        let mut route = RouteSettings::new(name).with_max_concurrency(NonZeroU32::new(rng.u32(1..6)).unwrap());
        route.limits = limits(rng);
        if rng.u8(0..3) == 0 {
            route = route.with_domain_limits("*", limits(rng));
        }
        route.preference = rng.bool().then_some(1);
        route.breaker.probe_after = MILLISECOND * rng.u32(500..3_000);
        routes.push(route);
    }
    let plan = routes.iter().enumerate().fold(Plan::new().settings(settings), |plan, (place, route)| {
        plan.route(route.clone(), Arc::new(Chaos { world: Arc::clone(world), route: place }))
    });
    Schedule { plan, routes, tenant, attempts }
}

fn new_message(rng: &mut Rng, routes: usize) -> NewMessage {
    let mut recipients: Vec<Address> = Vec::new();
    for number in 0..rng.usize(1..4) {
        recipients.push(format!("u{number}@d{}.example", rng.u8(0..2)).parse().unwrap());
    }
    let mut message = NewMessage::new(Envelope::null_sender(recipients).unwrap(), "Subject: x\r\n\r\n");
    message.priority = one_of(rng, &Priority::ALL);
    message.tenant = rng.bool().then(|| "greedy".parse().unwrap());
    message.route = (rng.u8(0..5) == 0).then(|| one_of(rng, &["one", "two"][..routes]).to_owned());
    message.on_ambiguous = if rng.u8(0..3) == 0 { OnAmbiguous::Hold } else { OnAmbiguous::Resend };
    message
}

async fn records(queue: &MemoryQueue) -> Vec<Record> {
    queue.list(&Filter::new().with_limit(1_000)).await.unwrap().records
}

/// Records which messages are in a terminal state, and checks that none has left one.
async fn note_over(queue: &MemoryQueue, world: &Shared) {
    let records = records(queue).await;
    let mut world = look(world);
    for record in records {
        if let Some(before) = world.over.get(&record.id) {
            assert_eq!(*before, record.state, "{}: a terminal state is final", record.id);
        }
        if record.state.is_terminal() {
            world.over.insert(record.id, record.state);
        }
    }
}

async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (queue, world) = (queue(), world(&mut rng));
    let store = Wrapped::new(&queue, {
        let world = Arc::clone(&world);
        move |_| fault(&mut look(&world))
    });
    let schedule = schedule(&mut rng, &world);
    let start = || {
        look(&world).epoch += 1;
        let store: Arc<dyn Queue> = Arc::<Wrapped>::clone(&store);
        Dispatcher::builder(store).plan(schedule.plan.clone()).start().unwrap()
    };
    let mut dispatcher = start();
    let mut ids = Vec::new();
    for _ in 0..rng.u32(3..12) {
        match rng.u8(0..16) {
            0 => {
                let place = rng.usize(0..2);
                look(&world).down[place] ^= true;
            }
            1 => drop(dispatcher.pause(&schedule.routes[0].name)),
            2 => drop(dispatcher.resume(&schedule.routes[0].name)),
            3 => dispatcher.update(schedule.plan.clone()).unwrap(),
            4 if !ids.is_empty() => {
                let id = one_of(&mut rng, &ids);
                if queue.apply(id, Command::Cancel).await.is_ok() {
                    look(&world).over.insert(id, State::Cancelled);
                }
            }
            5 => {
                dispatcher.shutdown(MILLISECOND * rng.u32(0..1_000)).await;
                dispatcher = start();
            }
            6 => {
                // A crash: what it had leased comes back when the leases run out.
                drop(dispatcher);
                dispatcher = start();
            }
            _ => {
                let message = new_message(&mut rng, schedule.routes.len());
                ids.push(queue.enqueue(message).await.unwrap().id);
            }
        }
        sleep(MILLISECOND * rng.u32(0..400)).await;
        note_over(&queue, &world).await;
    }
    look(&world).down = [false; 2];
    dispatcher.resume(&schedule.routes[0].name);
    until_empty(&queue, &dispatcher).await;
    note_over(&queue, &world).await;
    look(&world).shaky = 0;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(dispatcher.shutdown(MILLISECOND).await, 0);
    note_over(&queue, &world).await;
    check(&queue, &world, &schedule, &ids).await;
}

async fn until_empty(queue: &MemoryQueue, dispatcher: &Dispatcher) {
    if timeout(Duration::from_secs(600), dispatcher.until_empty()).await.is_err() {
        let mut stuck = records(queue).await;
        stuck.retain(|record| !record.state.is_terminal());
        panic!("stuck: {stuck:#?}, {:#?}", dispatcher.stats());
    }
}

async fn check(queue: &MemoryQueue, world: &Shared, schedule: &Schedule, ids: &[QueueId]) {
    let (records, stats) = (records(queue).await, queue.stats().await.unwrap());
    let world = look(world);
    assert_eq!(records.len(), ids.len(), "none is lost");
    let mut twice = 0;
    for record in &records {
        assert!(record.state.is_terminal(), "{record:?}");
        assert!(record.attempts <= schedule.attempts, "{record:?}");
        let copies = |address: &Address| world.copies.get(&(record.id, address.clone())).copied().unwrap_or(0);
        let most = record.recipients.iter().map(|recipient| copies(&recipient.address)).max().unwrap_or(0);
        assert!(most <= 1 || record.on_ambiguous == OnAmbiguous::Resend, "held, and delivered twice: {record:?}");
        twice += most.saturating_sub(1);
        for recipient in &record.recipients {
            let accepted = recipient.status == RecipientStatus::Accepted;
            assert!(!accepted || copies(&recipient.address) > 0, "accepted, and never delivered: {record:?}");
            assert!(accepted || record.state != State::Sent, "{record:?}");
        }
    }
    assert!(twice <= stats.ambiguous_total, "{twice} copies too many, {} ambiguous moments", stats.ambiguous_total);
    check_limits(&world, schedule);
}

fn check_limits(world: &World, schedule: &Schedule) {
    let all = |_: &Address| true;
    if let Some(limits) = &schedule.tenant {
        hold(limits, &world.taken, |taken| if taken.tenant.is_some() { count(taken, all) } else { 0 });
    }
    for (place, route) in schedule.routes.iter().enumerate() {
        let on_route = |taken: &Taken| taken.route == place;
        hold(&route.limits, &world.taken, |taken| if on_route(taken) { count(taken, all) } else { 0 });
        for domain in ["d0.example", "d1.example"] {
            let Some(limits) = route.per_domain.get("*") else { continue };
            let of_domain = |address: &Address| address.domain().as_ascii() == domain;
            hold(limits, &world.taken, |taken| if on_route(taken) { count(taken, of_domain) } else { 0 });
        }
    }
}

fn count(taken: &Taken, counts: impl Fn(&Address) -> bool) -> u32 {
    taken.recipients.iter().filter(|recipient| counts(recipient)).count() as u32
}

/// No window holds more than the limits say; `recipients` says how many of a job count.
fn hold(limits: &Limits, taken: &[Taken], recipients: impl Fn(&Taken) -> u32) {
    let counted: Vec<(&Taken, u32)> =
        taken.iter().map(|taken| (taken, recipients(taken))).filter(|c| c.1 > 0).collect();
    let weight = |unit, number| if unit == Unit::Messages { 1 } else { number };
    for (first, (start, _)) in counted.iter().enumerate() {
        let (mut smooth, mut hard) = (0, vec![0; limits.quotas.len()]);
        for (taken, number) in &counted[first..] {
            let span = taken.at - start.at;
            for (quota, total) in limits.quotas.iter().zip(&mut hard) {
                let quota: &Quota = quota;
                if span < quota.window() && !taken.released {
                    *total += u64::from(weight(quota.unit(), *number));
                    assert!(*total <= quota.limit().get(), "{total} within {span:?}: {quota}");
                }
            }
            if let Some(rate) = limits.rate.filter(|_| taken.epoch == start.epoch) {
                let rate: Rate = rate;
                smooth += weight(rate.unit(), *number);
                let largest = if rate.unit() == Unit::Recipients { 3 } else { 1 };
                let fits = span.as_secs_f64() / rate.interval().as_secs_f64();
                let most = fits + f64::from(rate.burst().get().max(largest)) + 1e-6;
                assert!(f64::from(smooth) <= most, "{smooth} within {span:?}: {rate}");
            }
        }
    }
}

/// How many schedules each part runs; all parts together are to be more than 10,000.
const SCHEDULES: u64 = 1_700;

fn part(number: u64) {
    for seed in number * SCHEDULES..(number + 1) * SCHEDULES {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(run(seed))));
        assert!(ran.is_ok(), "schedule {seed} broke a promise: see above");
    }
}

#[test]
fn schedules_of_chance_break_no_promise_1_of_6() {
    part(0);
}

#[test]
fn schedules_of_chance_break_no_promise_2_of_6() {
    part(1);
}

#[test]
fn schedules_of_chance_break_no_promise_3_of_6() {
    part(2);
}

#[test]
fn schedules_of_chance_break_no_promise_4_of_6() {
    part(3);
}

#[test]
fn schedules_of_chance_break_no_promise_5_of_6() {
    part(4);
}

#[test]
fn schedules_of_chance_break_no_promise_6_of_6() {
    part(5);
}
