//! The conformance suite: the rules that every queue must keep, as tests.
//!
//! A store provides a function that creates an empty queue, and gets one test for each rule:
//!
//! ```
//! use std::sync::Arc;
//! use mailkit_queue::{Clock, MemoryQueue, Queue, QueueSettings};
//!
//! /// A queue, and a guard that must live as long: a temporary folder or a server.
//! async fn create(settings: QueueSettings, clock: Clock) -> (Arc<dyn Queue>, ()) {
//!     (Arc::new(MemoryQueue::with(settings, clock)), ())
//! }
//!
//! mailkit_queue::conformance_tests!(create);
//! # mailkit_queue::conformance::run("higher_priority_is_leased_first", create);
//! ```
//!
//! Every test has a queue and a [`TestClock`] of its own. The clock changes only when the test advances it. The rules about
//! waiting take real time, at most some seconds.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests, which another crate runs")]

mod batches;
mod changes;
mod clock;
mod commands;
mod concurrency;
mod controls;
mod enqueueing;
mod expiry;
mod filters;
mod health;
mod keys;
mod leases;
mod limits;
mod model;
mod order;
mod queries;
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

/// The time after which the test of a rule fails, because a method of the store does not return.
const TIME_LIMIT: Duration = Duration::from_secs(120);

type Running = Pin<Box<dyn Future<Output = ()>>>;
type Scenario = (&'static str, fn(Maker) -> Running);

/// The table of the rules. From it come the list for [`run`] and the macro with one test for each rule.
macro_rules! scenarios {
    (($d:tt) $($module:ident { $($name:ident,)+ })+) => {
        const SCENARIOS: &[Scenario] = &[$($((stringify!($name), |make| Box::pin($module::$name(make))),)+)+];

        /// Defines a `#[test]` for every rule of the [suite](crate::conformance). The argument is the function that creates a
        /// queue: an `async fn(QueueSettings, Clock) -> (Arc<dyn Queue>, impl Send)`.
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
        a_message_is_leased_and_listed_as_it_was_enqueued,
        content_in_chunks_is_stored_whole,
        content_that_cannot_be_read_leaves_nothing_behind,
        a_queue_is_full_at_its_limit_of_unfinished_messages,
        a_queue_is_full_at_its_limit_of_octets,
        an_imported_message_keeps_its_id_and_time_and_is_stored_once,
        an_id_that_another_message_has_is_refused,
        a_message_that_would_expire_before_it_could_be_sent_is_refused,
        an_imported_message_that_has_expired_is_dead,
        a_dropped_enqueue_is_done_completely_or_not_at_all,
    }
    keys {
        a_key_makes_one_message,
        a_key_for_another_message_is_a_conflict,
        a_duplicate_is_answered_with_the_state_of_its_message,
        a_key_outlives_a_sent_message_until_its_window_ends,
        a_key_does_not_stand_for_a_message_purged_without_having_been_sent,
        a_key_does_not_stand_for_a_dead_message_removed_after_its_retention,
        a_key_does_not_stand_for_a_cancelled_message,
        an_imported_message_whose_key_has_expired_conflicts_with_no_key,
        the_fingerprint_of_a_key_is_shown_while_the_key_stands_for_its_message,
        a_full_queue_answers_a_known_key,
        a_full_queue_accepts_the_archive_copy_of_a_message,
        two_hundred_enqueues_with_one_key_make_one_message,
    }
    order {
        higher_priority_is_leased_first,
        tenants_take_turns_in_one_lease,
        tenants_take_turns_from_lease_to_lease,
        within_a_tenant_the_oldest_due_is_leased_first,
        mail_pinned_to_a_skipped_route_stays,
        scheduled_mail_is_leased_when_it_is_due_and_not_before,
        an_abandoned_message_keeps_its_position,
    }
    leases {
        a_leased_message_is_leased_by_nobody_else,
        an_expired_lease_is_counted_and_the_message_is_leased_again,
        a_lease_that_expires_after_its_commit_point_is_held_if_the_policy_is_hold,
        a_lease_that_expires_before_its_commit_point_is_sent_again_uncounted_if_the_policy_is_hold,
        a_commit_point_belongs_to_one_lease,
        a_renewed_lease_does_not_expire,
        renew_reports_lost_leases,
        a_stale_token_changes_nothing,
        a_late_settlement_is_accepted_until_the_lease_is_ended,
        no_commit_point_is_recorded_after_the_lease_has_expired,
    }
    settling {
        a_message_accepted_for_all_recipients_is_sent_whatever_next_says,
        only_open_recipients_are_leased_again,
        a_message_without_open_recipients_is_dead_whatever_next_says,
        the_settlement_decides_the_next_state,
        an_attempt_is_counted_and_recorded_only_with_a_route,
        outcomes_of_other_recipients_are_ignored,
        an_ambiguous_moment_is_counted_once,
    }
    batches {
        a_batch_is_enqueued_in_its_order_with_a_result_each,
        a_duplicate_inside_a_batch_is_stored_once,
        a_batch_fills_a_queue_up_to_its_limit,
        enqueue_all_stores_nothing_if_one_message_is_refused,
        a_dropped_batch_is_done_completely_or_not_at_all,
        a_stale_token_in_a_batch_changes_nothing_and_the_others_are_settled,
        a_batch_of_settlements_settles_each_message_as_its_settlement_says,
        a_batch_is_counted_as_its_messages_are,
        a_batch_of_commit_points_records_those_of_current_leases,
        a_command_is_applied_to_the_messages_of_a_batch_that_allow_it,
    }
    expiry {
        expired_mail_is_dead_with_that_reason,
        a_leased_message_expires_only_after_its_settlement,
        purge_removes_messages_that_finished_long_enough_ago,
        purge_removes_only_the_named_states,
        finished_mail_is_removed_after_its_retention,
        held_mail_stays_until_an_operator_decides,
    }
    commands {
        a_command_is_applied_only_in_the_states_that_allow_it,
        retrying_a_dead_message_starts_anew_for_the_recipients_that_were_not_accepted,
        a_scheduled_message_that_is_retried_is_ready_at_once,
        a_released_message_is_ready_at_once,
        retrying_an_expired_message_clears_its_expiry,
    }
    limits {
        a_full_limit_has_room_again_at_the_reported_time,
        permits_are_acquired_from_all_limits_or_from_none,
        released_permits_can_be_acquired_again,
        no_window_exceeds_its_limit_with_concurrent_callers,
    }
    queries {
        a_list_has_the_matching_messages_newest_first,
        pages_neither_repeat_nor_skip_messages_while_mail_is_enqueued,
        messages_are_counted_by_state,
        an_unknown_message_is_none,
    }
    waiting {
        a_waiting_worker_is_woken_by_an_enqueue,
        a_waiting_worker_is_woken_when_mail_becomes_due,
        a_waiting_worker_is_woken_by_an_abandoned_message,
    }
    concurrency {
        concurrent_workers_settle_each_message_once,
        concurrent_enqueues_are_all_stored,
    }
    filters {
        a_list_is_filtered_by_message_id_and_failure_class,
        a_page_has_at_most_a_thousand_messages,
    }
    controls {
        a_control_is_stored_replaced_and_removed,
        a_control_is_changed_only_if_what_is_there_was_expected,
        every_change_of_a_control_raises_the_version_of_all,
        a_control_whose_time_is_over_is_gone,
        controls_are_listed_by_prefix_and_in_pages,
        no_update_of_a_control_is_lost_among_concurrent_writers,
        a_waiting_worker_is_woken_by_a_control,
    }
    changes {
        every_change_of_a_state_is_logged_in_its_order,
        a_change_has_the_time_the_tenant_and_the_attempt,
        the_changes_of_a_batch_are_logged_in_its_order,
        a_refused_batch_logs_nothing,
        changes_are_read_in_pages,
        no_change_is_logged_while_no_consumer_is_registered,
        a_consumer_goes_on_from_its_stored_cursor,
        changes_are_kept_until_every_consumer_has_passed_them,
        a_consumer_that_is_silent_for_a_week_is_dropped,
        a_queue_has_a_bounded_number_of_consumers,
        no_change_appears_behind_a_cursor_that_was_handed_out,
    }
    health {
        a_store_describes_itself,
        a_sound_store_has_no_problems,
        a_store_is_closed_when_its_work_is_done,
    }
    random {
        random_operations_match_the_model,
        random_batches_do_what_single_calls_do,
    }
}

/// Returns the names of all rules.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|(name, _)| *name)
}

/// Tests one rule with a queue that the function creates, on a runtime of its own.
///
/// # Panics
/// The queue breaks the rule or takes more than two minutes, or no rule has that name.
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
