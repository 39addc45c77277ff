//! Controls: small values that workers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::world::{MINUTE, Maker, World, seconds};
use crate::control::{Control, ControlPut, ControlValue, Expected};
use crate::text::ControlKey;

fn key(text: &str) -> ControlKey {
    text.parse().unwrap()
}

fn value(text: &str) -> ControlValue {
    ControlValue::new(text.as_bytes().to_vec()).unwrap()
}

async fn put(world: &World, name: &str, text: Option<&str>, expected: Expected) -> ControlPut {
    world.control_put(&key(name), text.map(value), expected, None).await.unwrap()
}

/// Stores a value whatever is there, and gives its version.
async fn set(world: &World, name: &str, text: &str) -> u64 {
    match put(world, name, Some(text), Expected::Any).await {
        ControlPut::Stored(version) => version,
        ControlPut::Mismatch(found) => panic!("{found:?} where anything was expected"),
    }
}

async fn get(world: &World, name: &str) -> Option<Control> {
    world.control_get(&key(name)).await.unwrap()
}

async fn list(world: &World, prefix: &str) -> Vec<String> {
    let found = world.control_list(prefix, None, 1_000).await.unwrap();
    found.into_iter().map(|(key, _)| key.to_string()).collect()
}

pub(super) async fn a_control_is_stored_replaced_and_removed(make: Maker) {
    let world = make.world().await;
    assert_eq!(get(&world, "route/a/paused").await, None);
    let first = set(&world, "route/a/paused", "one").await;
    assert_eq!(get(&world, "route/a/paused").await, Some(Control::new(value("one"), first, None)));
    let second = set(&world, "route/a/paused", "").await;
    assert!(second > first);
    assert_eq!(get(&world, "route/a/paused").await, Some(Control::new(value(""), second, None)));
    let large = ControlValue::new(vec![0xff; ControlValue::MAX_OCTETS]).unwrap();
    world.control_put(&key("large"), Some(large.clone()), Expected::Any, None).await.unwrap();
    assert_eq!(get(&world, "large").await.unwrap().value, large);
    put(&world, "route/a/paused", None, Expected::Any).await;
    assert_eq!(get(&world, "route/a/paused").await, None);
}

pub(super) async fn a_control_is_changed_only_if_what_is_there_was_expected(make: Maker) {
    let world = make.world().await;
    let absent = put(&world, "a", Some("x"), Expected::Version(1)).await;
    assert_eq!(absent, ControlPut::Mismatch(None));
    let ControlPut::Stored(first) = put(&world, "a", Some("x"), Expected::Absent).await else { panic!("it is absent") };
    let there = Control::new(value("x"), first, None);
    for expected in [Expected::Absent, Expected::Version(first + 1)] {
        for text in [Some("y"), None] {
            assert_eq!(put(&world, "a", text, expected).await, ControlPut::Mismatch(Some(there.clone())));
        }
    }
    assert_eq!(get(&world, "a").await, Some(there));
    assert_eq!(world.controls_version().await.unwrap(), first, "nothing was changed since");
    assert!(matches!(put(&world, "a", Some("y"), Expected::Version(first)).await, ControlPut::Stored(_)));
    let second = get(&world, "a").await.unwrap().version;
    assert!(matches!(put(&world, "a", None, Expected::Version(second)).await, ControlPut::Stored(_)));
    assert_eq!(get(&world, "a").await, None);
}

pub(super) async fn every_change_of_a_control_raises_the_version_of_all(make: Maker) {
    let world = make.world().await;
    let mut versions = vec![world.controls_version().await.unwrap()];
    for text in [Some("x"), Some("x"), None, Some("x")] {
        let ControlPut::Stored(version) = put(&world, "a", text, Expected::Any).await else { panic!("anything goes") };
        assert_eq!(world.controls_version().await.unwrap(), version);
        versions.push(version);
    }
    assert!(versions.is_sorted_by(|one, next| one < next), "no version stands for two values: {versions:?}");
    assert_eq!(put(&world, "b", None, Expected::Any).await, ControlPut::Stored(versions[4]), "nothing to remove");
}

pub(super) async fn a_control_whose_time_is_over_is_gone(make: Maker) {
    let world = make.world().await;
    let ends = world.now() + MINUTE;
    let put_for = async |ttl| world.control_put(&key("a"), Some(value("x")), Expected::Absent, ttl).await.unwrap();
    assert!(matches!(put_for(Some(MINUTE)).await, ControlPut::Stored(_)));
    set(&world, "b", "stays").await;
    world.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(get(&world, "a").await.unwrap().expires_at, Some(ends));
    assert_eq!(list(&world, "").await, ["a", "b"]);
    world.advance(Duration::from_millis(1));
    assert_eq!((get(&world, "a").await, list(&world, "").await), (None, vec!["b".to_owned()]));
    assert!(matches!(put_for(None).await, ControlPut::Stored(_)), "it counts as absent");
    world.advance(MINUTE);
    assert_eq!(get(&world, "a").await.unwrap().expires_at, None, "the new value has no end");
}

pub(super) async fn controls_are_listed_by_prefix_and_in_pages(make: Maker) {
    let world = make.world().await;
    for name in ["route/b", "tenant/ü", "route", "route/a", "route0", "tenant/a", "route/c"] {
        set(&world, name, name).await;
    }
    world.control_put(&key("route/bb"), Some(value("x")), Expected::Any, Some(seconds(1))).await.unwrap();
    world.advance(seconds(1));
    assert_eq!(list(&world, "route/").await, ["route/a", "route/b", "route/c"]);
    assert_eq!(list(&world, "route").await, ["route", "route/a", "route/b", "route/c", "route0"]);
    assert_eq!(list(&world, "tenant/ü").await, ["tenant/ü"]);
    assert_eq!(
        (list(&world, "").await.len(), list(&world, "x").await.len(), list(&world, "\n").await.len()),
        (7, 0, 0)
    );
    let page = async |after: Option<&str>, limit| -> Vec<String> {
        let found = world.control_list("route/", after.map(key).as_ref(), limit).await.unwrap();
        assert!(found.iter().all(|(key, control)| control.value == value(key)));
        found.into_iter().map(|(key, _)| key.to_string()).collect()
    };
    assert_eq!(page(None, 2).await, ["route/a", "route/b"]);
    assert_eq!(page(Some("route/b"), 2).await, ["route/c"]);
    assert_eq!(page(Some("a"), 1).await, ["route/a"], "a key before the prefix");
    assert_eq!((page(Some("x"), 2).await.len(), page(None, 0).await.len()), (0, 0));
}

pub(super) async fn no_update_of_a_control_is_lost_among_concurrent_writers(make: Maker) {
    const WRITERS: usize = 8;
    const EACH: usize = 15;
    let world = make.world().await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let queue = Arc::clone(&world.queue);
        writers.spawn(async move {
            let (counter, mut stored) = (key("counter"), 0);
            while stored < EACH {
                let found = queue.control_get(&counter).await.unwrap();
                let count = found.as_ref().map_or(0, |found| found.value.as_bytes().len());
                let expected = found.map_or(Expected::Absent, |found| Expected::Version(found.version));
                let next = ControlValue::new(vec![b'x'; count + 1]).unwrap();
                let put = queue.control_put(&counter, Some(next), expected, None).await.unwrap();
                stored += usize::from(matches!(put, ControlPut::Stored(_)));
            }
        });
    }
    writers.join_all().await;
    assert_eq!(get(&world, "counter").await.unwrap().value.as_bytes().len(), WRITERS * EACH);
}

pub(super) async fn a_waiting_worker_is_woken_by_a_control(make: Maker) {
    const ROUNDS: u32 = 10;
    let world = make.world().await;
    let start = tokio::time::Instant::now();
    for round in 0..ROUNDS {
        let text = round.to_string();
        tokio::join!(world.wait(), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            set(&world, "a", &text).await;
        });
    }
    // A worker that nobody wakes waits for up to a second each time.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
