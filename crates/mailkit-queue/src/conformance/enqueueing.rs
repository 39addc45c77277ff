//! Rules about enqueueing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::world::{ACCEPTED, MINUTE, Maker, message, message_to, outcome, seconds, tried};
use crate::clock::Timestamp;
use crate::content::{Chunks, Content, ContentSource};
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::{DeliveryOptions, Idempotency, NewMessage, Notify, OnAmbiguous, Priority, ReturnContent};
use crate::settings::QueueSettings;
use crate::settlement::Next;
use crate::state::State;

fn elaborate(now: Timestamp) -> NewMessage {
    let mut message = message_to(&["bob@example.org", "\"c d\"@bücher.example"]);
    message.content = "Subject: all\r\n\r\n\0\u{fffd}.\r\n".into();
    message.message_id = Some("<1@example.com>".to_owned());
    message.subject = Some("all of it, é".to_owned());
    message.delivery = DeliveryOptions {
        needs_8bit: true,
        needs_smtp_utf8: true,
        notify: vec![Notify::Failure, Notify::Delay],
        return_content: Some(ReturnContent::Headers),
        envelope_id: Some("env".to_owned()),
        require_tls: true,
        mt_priority: Some(-3),
    };
    message.idempotency = Some(Idempotency::new("order-42".parse().unwrap(), [7; 32]));
    message.expires_at = Some(now + MINUTE);
    message.priority = Priority::High;
    message.route = Some("primary".to_owned());
    message.tenant = Some("shop".parse().unwrap());
    message.tags = vec!["welcome".parse().unwrap(), "it's".parse().unwrap()];
    message.on_ambiguous = OnAmbiguous::Hold;
    message.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
    message
}

pub(super) async fn a_message_is_leased_and_listed_as_it_was_enqueued(make: Maker) {
    let world = make.world().await;
    let given = elaborate(world.now());
    let id = world.put(given.clone()).await;

    let record = world.record(id).await;
    assert_eq!((record.id, record.state, record.attempts), (id, State::Ready, 0));
    assert_eq!((&record.subject, &record.message_id), (&given.subject, &given.message_id));
    assert_eq!(&record.from, given.envelope.reverse_path());
    let addresses: Vec<_> = record.recipients.iter().map(|recipient| recipient.address.clone()).collect();
    assert_eq!(addresses, given.envelope.recipients());
    assert_eq!((record.created_at, record.expires_at), (world.now(), given.expires_at));
    assert_eq!((record.next_attempt_at, record.finished_at), (Some(world.now()), None));
    assert_eq!((&record.route, &record.tenant, &record.tags), (&given.route, &given.tenant, &given.tags));
    assert_eq!((record.priority, record.on_ambiguous), (given.priority, given.on_ambiguous));
    assert_eq!((record.idempotency_key.as_deref(), &record.delivery), (Some("order-42"), &given.delivery));
    assert_eq!((record.fingerprint, &record.traceparent), (Some([7; 32]), &given.traceparent));
    assert_eq!((record.size, record.history.len()), (given.content.size().unwrap(), 0));
    let content = world.content(id).await.unwrap().unwrap();
    assert_eq!(content.to_bytes().unwrap(), given.content.to_bytes().unwrap());

    let leased = world.take_one().await;
    assert_eq!((leased.id(), &leased.envelope), (id, &given.envelope));
    assert_eq!(leased.content.to_bytes().unwrap(), given.content.to_bytes().unwrap());
    assert_eq!((leased.message_id, leased.delivery), (given.message_id, given.delivery));
    assert_eq!((leased.priority, leased.route, leased.tenant), (given.priority, given.route, given.tenant));
    assert_eq!((leased.on_ambiguous, leased.traceparent), (given.on_ambiguous, given.traceparent));
    assert_eq!((leased.created_at, leased.message_expires_at), (world.now(), given.expires_at));
    assert_eq!((leased.expires_at, leased.attempts), (world.now() + MINUTE, 0));
}

/// A source of chunks, of which the last may fail.
struct ChunkSource {
    chunks: usize,
    fails: bool,
}

impl ContentSource for ChunkSource {
    fn open(&self) -> io::Result<Chunks> {
        let whole = (0..self.chunks).map(|chunk| Ok(Bytes::from(vec![b'a' + (chunk % 26) as u8; 10_000])));
        let broken = self.fails.then(|| Err(io::Error::other("the file is gone")));
        Ok(Box::new(whole.chain(broken)))
    }
}

fn in_chunks(chunks: usize, fails: bool) -> Content {
    Content::stored(Arc::new(ChunkSource { chunks, fails }), None)
}

pub(super) async fn content_in_chunks_is_stored_whole(make: Maker) {
    let world = make.world().await;
    let id = world.put(NewMessage { content: in_chunks(30, false), ..message() }).await;
    let whole = in_chunks(30, false).to_bytes().unwrap();
    assert_eq!(world.record(id).await.size, 300_000);
    let leased = world.take_one().await;
    // Chunks may block: a thread that may asks for them.
    let read = tokio::task::spawn_blocking(move || leased.content.to_bytes()).await.unwrap();
    assert_eq!(read.unwrap(), whole);
}

pub(super) async fn content_that_cannot_be_read_leaves_nothing_behind(make: Maker) {
    let world = make.world().await;
    let broken = NewMessage { content: in_chunks(30, true), ..super::world::with_key("k", 1) };
    let error = world.enqueue(broken).await.unwrap_err();
    assert!(matches!(error, QueueError::Content(_)), "{error:?}");
    world.expect_none().await;
    assert!(world.all().await.is_empty());
    world.put(super::world::with_key("k", 2)).await;
}

pub(super) async fn a_queue_is_full_at_its_limit_of_unfinished_messages(make: Maker) {
    let world = make.world_with(QueueSettings { max_messages: 2, ..QueueSettings::default() }).await;
    world.put(message()).await;
    world.put(NewMessage { send_at: Some(world.now() + MINUTE), ..message() }).await;
    let leased = world.take_one().await;
    let error = world.enqueue(message()).await.unwrap_err();
    assert!(matches!(error, QueueError::Full { .. }) && error.is_temporary(), "{error:?}");

    world.settle(leased, tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead)).await;
    world.put(message()).await;
}

pub(super) async fn a_queue_is_full_at_its_limit_of_octets(make: Maker) {
    let world = make.world_with(QueueSettings { max_bytes: 25_000, ..QueueSettings::default() }).await;
    world.put(NewMessage { content: in_chunks(2, false), ..message() }).await;
    for too_much in [in_chunks(1, false), Bytes::from(vec![b'x'; 5_001]).into(), in_chunks(4, false)] {
        let error = world.enqueue(NewMessage { content: too_much, ..message() }).await.unwrap_err();
        assert!(matches!(error, QueueError::Full { .. }), "{error:?}");
    }
    world.put(NewMessage { content: Bytes::from(vec![b'x'; 5_000]).into(), ..message() }).await;
    assert_eq!(world.stats().await.unwrap().ready, 2);
}

pub(super) async fn an_imported_message_keeps_its_id_and_time_and_is_stored_once(make: Maker) {
    let world = make.world().await;
    let created_at = world.now() - MINUTE;
    let id = QueueId::new(created_at, 42);
    let imported = NewMessage { id: Some(id), created_at: Some(created_at), ..message() };
    assert_eq!(world.put(imported.clone()).await, id);
    let again = world.enqueue(imported.clone()).await.unwrap();
    assert_eq!((again.id, again.duplicate, again.state), (id, true, State::Ready));

    assert_eq!(world.record(id).await.created_at, created_at);
    let leased = world.expect(&[id]).await.remove(0);
    world.settle(leased, tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead)).await;
    let again = world.enqueue(imported).await.unwrap();
    assert_eq!((again.id, again.duplicate, again.state), (id, true, State::Sent));
    world.expect_none().await;
}

pub(super) async fn an_id_that_another_message_has_is_refused(make: Maker) {
    let world = make.world().await;
    let id = QueueId::new(world.now(), 42);
    let with = |message: NewMessage| NewMessage { id: Some(id), ..message };
    world.put(with(super::world::with_key("a", 1))).await;
    for other in [message(), super::world::with_key("b", 1)] {
        let error = world.enqueue(with(other)).await.unwrap_err();
        assert!(matches!(error, QueueError::Exists(there) if there == id), "{error:?}");
    }
    let conflict = world.enqueue(with(super::world::with_key("a", 2))).await;
    assert!(matches!(conflict, Err(QueueError::Conflict { .. })), "{conflict:?}");
    world.apply(id, crate::query::Command::Cancel).await.unwrap();
    let again = world.enqueue(with(super::world::with_key("a", 1))).await.unwrap();
    assert_eq!((again.duplicate, again.state), (true, State::Cancelled), "an import that is repeated revives nothing");
}

pub(super) async fn a_message_that_would_expire_before_it_could_be_sent_is_refused(make: Maker) {
    let world = make.world().await;
    let now = world.now();
    for (send_at, expires_at, refused) in [
        (None, now - MINUTE, true),
        (None, now, true),
        (None, now + MINUTE, false),
        (Some(now - 2 * MINUTE), now - MINUTE, true),
        (Some(now + MINUTE), now + MINUTE, true),
        (Some(now + 2 * MINUTE), now + MINUTE, true),
        (Some(now + MINUTE), now + 2 * MINUTE, false),
    ] {
        for content in [message().content, in_chunks(30, false)] {
            let message = NewMessage { send_at, expires_at: Some(expires_at), content, ..message() };
            let enqueued = world.enqueue(message).await;
            match enqueued {
                Err(QueueError::Expired { expires_at: at, .. }) => assert!(refused && at == expires_at),
                other => assert_eq!((other.is_ok(), refused), (true, false), "{other:?}"),
            }
        }
    }
    // What was enqueued in time is answered as it was, also when its time is over.
    let in_time = NewMessage { expires_at: Some(now + MINUTE), ..super::world::with_key("k", 1) };
    let id = world.put(in_time.clone()).await;
    world.advance(2 * MINUTE);
    world.expect_none().await;
    let again = world.enqueue(in_time).await.unwrap();
    assert_eq!((again.id, again.duplicate, again.state), (id, true, State::Dead));
}

pub(super) async fn an_imported_message_that_has_expired_is_dead(make: Maker) {
    let world = make.world().await;
    let created_at = Some(world.now() - MINUTE);
    let over = world.put(NewMessage { created_at, expires_at: Some(world.now() - seconds(1)), ..message() }).await;
    let (send_at, expires_at) = (Some(world.now() + MINUTE), Some(world.now() + seconds(30)));
    let between = world.put(NewMessage { created_at, send_at, expires_at, ..message() }).await;
    world.expect_none().await;
    assert_eq!((world.state(over).await, world.state(between).await), (State::Dead, State::Scheduled));
    world.advance(MINUTE);
    world.expect_none().await;
    assert_eq!(world.state(between).await, State::Dead);
}

pub(super) async fn a_dropped_enqueue_is_done_completely_or_not_at_all(make: Maker) {
    let world = make.world().await;
    for round in 0..40 {
        let key = format!("order-{round}");
        let message = || NewMessage { content: in_chunks(5, false), ..super::world::with_key(&key, 1) };
        let limit = Duration::from_micros(round * 25);
        let done = tokio::time::timeout(limit, world.enqueue(message())).await;
        let again = world.enqueue(message()).await.unwrap();
        if let Ok(done) = done {
            let done = done.unwrap();
            assert_eq!((done.id, again.duplicate), (again.id, true), "what was acknowledged is there");
        }
    }
    let all = world.all().await;
    assert_eq!(all.len(), 40, "one message of each key, dropped or not");
    for record in all {
        let content = world.content(record.id).await.unwrap().unwrap();
        let read = tokio::task::spawn_blocking(move || content.to_bytes()).await.unwrap();
        assert_eq!((record.size, read.unwrap().len()), (50_000, 50_000));
    }
}
