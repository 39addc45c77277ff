//! The rules that every queue keeps, as tests: a store that passes them keeps the contract.
//!
//! A store names how it is made, and gets a test for each rule:
//!
//! ```
//! use std::sync::Arc;
//! use mailkit_queue::{Clock, MemoryQueue, Queue, QueueSettings};
//!
//! /// A queue, and whatever must live as long: a temporary folder, a server.
//! async fn make(settings: QueueSettings, clock: Clock) -> (Arc<dyn Queue>, ()) {
//!     (Arc::new(MemoryQueue::with(settings, clock)), ())
//! }
//!
//! mailkit_queue::conformance_tests!(make);
//! # mailkit_queue::conformance::run("priorities_go_before_one_another", make);
//! ```
//!
//! Every test has a queue and a [`TestClock`] of its own. Time passes only when the test says so, except where a rule is
//! about waiting: that takes at most some seconds.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests, which another crate runs")]

mod clock;
mod concurrency;
mod ending;
mod enqueueing;
mod hands;
mod keys;
mod leases;
mod looking;
mod model;
mod order;
mod quotas;
mod random;
mod settling;
mod waiting;
mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::clock::TestClock;
use self::world::Maker;
use crate::clock::Clock;
use crate::queue::Queue;
use crate::settings::QueueSettings;

/// How long a rule may take before its test fails: none waits for that long, but a store could.
const TIME_LIMIT: Duration = Duration::from_secs(120);

type Running = Pin<Box<dyn Future<Output = ()>>>;
type Scenario = (&'static str, fn(Maker) -> Running);

/// One table of the rules: what [`run`] finds, and the macro that makes a test of each.
macro_rules! scenarios {
    (($d:tt) $($module:ident { $($name:ident,)+ })+) => {
        const SCENARIOS: &[Scenario] = &[$($((stringify!($name), |make| Box::pin($module::$name(make))),)+)+];

        /// Makes a `#[test]` of every rule of the [suite](crate::conformance), for the queue that the named function
        /// makes: an `async fn(QueueSettings, Clock) -> (Arc<dyn Queue>, impl Send)`.
        #[macro_export]
        macro_rules! conformance_tests {
            ($d make:path) => {
                $($(
                    #[test]
                    fn $name() {
                        $d crate::conformance::run(stringify!($name), $d make);
                    }
                )+)+
            };
        }
    };
}

scenarios! { ($)
    enqueueing {
        what_is_enqueued_is_leased_and_shown_as_it_was,
        content_in_pieces_is_stored_whole,
        content_that_cannot_be_read_leaves_nothing_behind,
        a_queue_is_full_at_its_number_of_unfinished_messages,
        a_queue_is_full_at_its_octets,
        an_imported_message_keeps_its_name_and_time_and_comes_in_once,
        an_id_that_another_message_has_is_refused,
        a_message_that_would_expire_before_it_could_be_sent_is_refused,
        an_imported_message_whose_time_is_over_ends_dead,
        a_dropped_enqueue_was_done_whole_or_not_at_all,
    }
    keys {
        a_key_makes_one_message,
        a_key_for_another_message_is_a_conflict,
        a_duplicate_is_answered_with_the_state_of_its_message,
        a_key_outlives_a_sent_message_until_its_window_is_over,
        a_key_does_not_stand_for_a_message_purged_without_having_been_sent,
        a_key_does_not_stand_for_a_message_forgotten_dead_after_its_retention,
        a_key_does_not_stand_for_a_cancelled_message,
        a_message_from_another_queue_whose_key_is_over_meets_no_key,
        the_fingerprint_of_a_key_is_shown_while_the_key_stands_for_its_message,
        a_known_key_is_answered_by_a_full_queue,
        a_full_queue_takes_in_the_archive_copy_of_a_message,
        two_hundred_enqueues_with_one_key_make_one_message,
    }
    order {
        priorities_go_before_one_another,
        tenants_take_turns_in_one_lease,
        tenants_take_turns_from_lease_to_lease,
        of_one_tenant_the_oldest_due_goes_first,
        mail_pinned_to_a_skipped_route_stays,
        scheduled_mail_is_leased_when_it_is_due_and_not_before,
        a_message_given_back_keeps_its_place,
    }
    leases {
        a_leased_message_is_leased_by_nobody_else,
        a_lease_that_runs_out_is_counted_and_the_message_goes_again,
        a_marked_lease_that_runs_out_is_held_where_the_sender_wants_that,
        an_unmarked_lease_that_runs_out_goes_again_uncounted_where_it_would_be_held,
        a_mark_is_for_one_lease_only,
        a_renewed_lease_does_not_run_out,
        a_lost_lease_is_told_when_it_is_renewed,
        a_stale_token_changes_nothing,
        a_late_settlement_counts_while_nobody_has_ended_the_lease,
        nothing_is_marked_after_the_lease_has_run_out,
    }
    settling {
        a_message_that_all_have_accepted_is_sent_whatever_is_said,
        only_open_recipients_are_leased_again,
        a_message_without_open_recipients_is_dead_whatever_is_said,
        where_a_message_goes_is_what_the_settlement_says,
        an_attempt_is_counted_and_remembered_only_with_a_route,
        what_is_said_of_others_is_left_out,
        an_ambiguous_moment_is_counted_once,
    }
    ending {
        mail_that_expires_is_dead_and_says_so,
        a_leased_message_expires_after_the_word_of_its_worker,
        purging_forgets_what_was_finished_so_long_ago,
        purging_forgets_only_the_states_that_are_named,
        finished_mail_goes_by_itself_after_its_retention,
        held_mail_stays_until_a_person_decides,
    }
    hands {
        an_action_is_done_where_the_state_allows_it_and_nothing_changes_elsewhere,
        a_dead_message_that_is_retried_starts_afresh_for_those_who_have_it_not,
        a_scheduled_message_that_is_retried_is_ready_at_once,
        a_released_message_is_ready_at_once,
        a_message_retried_after_its_last_moment_has_none,
    }
    quotas {
        a_quota_has_room_again_when_it_was_told,
        quotas_are_spent_from_all_or_from_none,
        what_was_refunded_can_be_spent_again,
        no_window_exceeds_its_limit_whoever_spends,
    }
    looking {
        a_list_shows_what_its_filter_lets_through_newest_first,
        pages_follow_one_another_while_mail_comes_in,
        messages_are_counted_by_state,
        who_asks_for_a_message_that_is_not_there_gets_nothing,
    }
    waiting {
        who_waits_is_woken_by_an_enqueue,
        who_waits_is_woken_when_mail_becomes_due,
        who_waits_is_woken_by_a_message_given_back,
    }
    concurrency {
        workers_beside_one_another_settle_each_message_once,
        enqueues_beside_one_another_are_all_there,
    }
    random {
        whatever_is_done_the_queue_stands_where_a_simple_model_does,
    }
}

/// The names of all rules.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|(name, _)| *name)
}

/// Tests one rule with a queue that the function makes, on a runtime of its own.
///
/// # Panics
/// Where the queue breaks the rule, takes minutes, or no rule has that name.
pub fn run<F, G>(name: &str, make: impl Fn(QueueSettings, Clock) -> F + Send + Sync + 'static)
where
    F: Future<Output = (Arc<dyn Queue>, G)> + Send + 'static,
    G: Send + 'static,
{
    let (_, scenario) = SCENARIOS.iter().find(|(known, _)| *known == name).expect("a rule of that name");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let running = scenario(Maker::new(make));
    let ended = runtime.block_on(async { tokio::time::timeout(TIME_LIMIT, running).await });
    ended.expect("the rule within its time limit");
}
