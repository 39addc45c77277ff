//! An outbox from end to end: a queue in memory, the dispatcher, pools, and capture servers.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

#[path = "outbox/recipients.rs"]
mod recipients;

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailkit::dispatch::{BreakerState, Event, RetrySettings, Settings};
use mailkit::queue::{Command, OnAmbiguous, RecipientStatus, State};
use mailkit::{
    Attachment, EnqueueOptions, ErrorKind, MemoryQueue, Message, Outbox, OutboxBuilder, PoolSettings, Queue as _,
    QueueId, Route,
};
use mailkit_server::{Sink, SinkBuilder};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

/// Far above what any of these takes: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(30);

fn route(name: &str, address: impl std::fmt::Display) -> Route {
    let pool = PoolSettings { max_size: NonZeroU32::new(4).unwrap(), ..PoolSettings::default() };
    Route::new(name, &format!("smtp://{address}?tls=none")).unwrap().pool(pool)
}

/// Waits between attempts that no test has to sit out.
fn impatient() -> OutboxBuilder {
    let retry = RetrySettings::default()
        .with_first(Duration::from_millis(20))
        .with_max(Duration::from_millis(50))
        .with_attempts(NonZeroU32::new(3).unwrap());
    Outbox::builder().queue(MemoryQueue::new()).settings(Settings::default().with_retry(retry))
}

fn letter(to: &str) -> Message {
    Message::builder().from("ann@example.com").to(to).subject("Hello").text("How are you?").build().unwrap()
}

async fn ended(outbox: &Outbox) {
    tokio::time::timeout(LIMIT, outbox.dispatcher().until_empty()).await.unwrap().unwrap();
}

async fn state(outbox: &Outbox, id: QueueId) -> State {
    outbox.queue().get(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn what_is_enqueued_arrives_once_under_the_message_id_that_it_was_built_with() {
    let sink = Sink::builder().start().await.unwrap();
    let outbox = impatient().route(route("only", sink.addr())).start().await.unwrap();
    let message = letter("bob@example.org");
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(outbox.enqueue(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap().id);
    }
    ids.push(outbox.enqueue(&message, EnqueueOptions::new()).await.unwrap().id);
    ended(&outbox).await;
    for id in ids {
        assert_eq!(state(&outbox, id).await, State::Sent);
    }
    let captured = sink.captured();
    assert_eq!(captured.len(), 51);
    let id = message.message_id().unwrap();
    let with_id = captured.iter().filter(|mail| String::from_utf8_lossy(&mail.content).contains(id)).count();
    assert_eq!(with_id, 1);
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}

#[tokio::test]
async fn one_key_is_one_message_whenever_it_was_built_and_another_message_under_it_is_refused() {
    let sink = Sink::builder().start().await.unwrap();
    let outbox = impatient().route(route("only", sink.addr())).start().await.unwrap();
    let options = || EnqueueOptions::new().idempotency_key("order-42");
    let first = outbox.enqueue(&letter("bob@example.org"), options()).await.unwrap().id;
    let again = outbox.enqueue(&letter("bob@example.org"), options()).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first, true));
    let later = options().send_at(std::time::SystemTime::now() + Duration::from_secs(3600));
    let error = outbox.enqueue(&letter("bob@example.org"), later).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "the same message at another time is another one");
    let error = outbox.enqueue(&letter("eve@example.org"), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    ended(&outbox).await;
    assert_eq!(sink.captured().len(), 1);

    let once = Attachment::reader("a.bin", None, io::Cursor::new(b"abc".to_vec()));
    let once = Message::builder().from("a@example.com").to("b@example.org").attach(once).build().unwrap();
    let error = outbox.enqueue(&once, EnqueueOptions::new().idempotency_key("once")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Message);
    outbox.enqueue(&once, EnqueueOptions::new()).await.unwrap();
    ended(&outbox).await;
    assert_eq!(sink.captured().len(), 2);
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}

#[tokio::test]
async fn recipients_that_were_accepted_are_not_sent_to_again() {
    let fail = ["rcpt=450 later,to=later@example.org", "rcpt=550 never,to=never@example.org"];
    let sink = fail.iter().fold(Sink::builder(), |sink: SinkBuilder, rule| sink.fail(rule.parse().unwrap()));
    let sink = sink.start().await.unwrap();
    let outbox = impatient().route(route("only", sink.addr())).start().await.unwrap();
    let message = letter("bob@example.org, later@example.org, never@example.org");
    let id = outbox.enqueue(&message, EnqueueOptions::new()).await.unwrap().id;
    ended(&outbox).await;
    let record = outbox.queue().get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Dead, 3));
    let statuses: Vec<_> = record.recipients.iter().map(|entry| (entry.status, entry.code)).collect();
    let wanted = [
        (RecipientStatus::Accepted, Some(250)),
        (RecipientStatus::Temporary, Some(450)),
        (RecipientStatus::Permanent, Some(550)),
    ];
    assert_eq!(statuses, wanted);
    assert_eq!(sink.captured().len(), 1);
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}

/// Takes a message whole, and hangs up instead of answering; answers those on later connections.
async fn forget_the_first_answer(listener: TcpListener) {
    let mut silent = true;
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, std::mem::take(&mut silent)));
    }
}

async fn serve(stream: TcpStream, silent: bool) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut content) = (String::new(), false);
    stream.write_all(b"220 here\r\n").await?;
    while stream.read_line(&mut line).await? > 0 {
        let reply = match line.get(..4).unwrap_or_default() {
            _ if content && line != ".\r\n" => "",
            _ if content && silent => return Ok(()),
            "DATA" => {
                content = true;
                "354 go on\r\n"
            }
            _ => {
                content = false;
                "250 fine\r\n"
            }
        };
        stream.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

#[tokio::test]
async fn an_ambiguous_message_goes_again_or_is_held_as_its_sender_wants() {
    for (policy, wanted) in [(OnAmbiguous::Resend, State::Sent), (OnAmbiguous::Hold, State::Held)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(forget_the_first_answer(listener));
        let outbox = impatient().route(route("only", address)).start().await.unwrap();
        let options = EnqueueOptions::new().on_ambiguous(policy);
        let id = outbox.enqueue(&letter("bob@example.org"), options).await.unwrap().id;
        ended(&outbox).await;
        assert_eq!(state(&outbox, id).await, wanted);
        assert_eq!(outbox.queue().stats().await.unwrap().ambiguous_total, 1);
        if wanted == State::Held {
            outbox.queue().apply(id, Command::Release).await.unwrap();
            ended(&outbox).await;
            assert_eq!(state(&outbox, id).await, State::Sent);
        }
        outbox.shutdown(LIMIT).await;
        server.abort();
    }
}

#[tokio::test]
async fn mail_goes_over_the_next_route_while_the_first_is_away() {
    let sink = Sink::builder().start().await.unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let outbox = impatient().route(route("away", away)).route(route("backup", sink.addr())).start().await.unwrap();
    for _ in 0..20 {
        outbox.enqueue(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap();
    }
    ended(&outbox).await;
    assert_eq!(sink.captured().len(), 20);
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}

/// All mail goes over the backup while the first route is a server that says nothing.
async fn goes_over_the_backup(mute: &TcpListener) {
    let sink = Sink::builder().start().await.unwrap();
    let primary = route("mute", mute.local_addr().unwrap());
    let outbox = impatient().route(primary).route(route("backup", sink.addr())).start().await.unwrap();
    let start = Instant::now();
    for _ in 0..20 {
        outbox.enqueue(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap();
    }
    ended(&outbox).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}: far less than a time limit", start.elapsed());
    assert_eq!(sink.captured().len(), 20);
    outbox.shutdown(Duration::ZERO).await;
    sink.shutdown().await;
}

#[tokio::test]
async fn mail_goes_over_the_next_route_though_the_first_accepts_and_never_greets() {
    goes_over_the_backup(&TcpListener::bind("127.0.0.1:0").await.unwrap()).await;
}

#[tokio::test]
async fn mail_goes_over_the_next_route_though_the_first_swallows_connections() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // Nobody accepts from it: once its queue is full, the system swallows further connections.
    let full = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(full.local_addr().unwrap())).await
    {
        waiting.push(stream);
        assert!(waiting.len() < 100);
    }
    goes_over_the_backup(&full).await;
}

/// Answers everything at once, but the content when it is told to.
async fn serve_late(listener: TcpListener, answer: Arc<Notify>) -> io::Result<()> {
    let mut stream = BufReader::new(listener.accept().await?.0);
    let (mut line, mut content) = (String::new(), false);
    stream.write_all(b"220 here\r\n").await?;
    while stream.read_line(&mut line).await? > 0 {
        if line == ".\r\n" {
            answer.notified().await;
            content = false;
        }
        let reply = match line.get(..4).unwrap_or_default() {
            _ if content => "",
            "DATA" => "354 go on\r\n",
            _ => "250 fine\r\n",
        };
        content |= line.starts_with("DATA");
        stream.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_slow_to_answer_keeps_what_it_has_and_gets_nothing_more_until_it_speaks() {
    let (sink, listener) = (Sink::builder().start().await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (primary, answer) = (route("slow", listener.local_addr().unwrap()), Arc::new(Notify::new()));
    let server = tokio::spawn(serve_late(listener, Arc::clone(&answer)));
    let outbox = impatient().route(primary).route(route("backup", sink.addr())).start().await.unwrap();
    let mut events = outbox.dispatcher().events();
    let first = outbox.enqueue(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap().id;
    for wanted in [BreakerState::HalfOpen, BreakerState::Closed] {
        let changed = async {
            while !matches!(events.next().await, Some(Ok(Event::RouteChanged { breaker, .. })) if breaker == wanted) {}
        };
        tokio::time::timeout(LIMIT, changed).await.unwrap();
        if wanted == BreakerState::HalfOpen {
            let second = outbox.enqueue(&letter("eve@example.org"), EnqueueOptions::new()).await.unwrap().id;
            let sent = async {
                while state(&outbox, second).await != State::Sent {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(LIMIT, sent).await.unwrap();
            assert_eq!((sink.captured().len(), state(&outbox, first).await), (1, State::Leased));
            answer.notify_one();
        }
    }
    ended(&outbox).await;
    assert_eq!((sink.captured().len(), state(&outbox, first).await), (1, State::Sent));
    outbox.shutdown(LIMIT).await;
    server.abort();
    sink.shutdown().await;
}

#[tokio::test]
async fn an_outbox_without_a_queue_or_a_route_is_not_started() {
    for builder in [Outbox::builder(), impatient()] {
        assert_eq!(builder.start().await.unwrap_err().kind(), ErrorKind::Configuration);
    }
}

/// Takes one connection, and is gone then.
async fn serve_one(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    drop(listener);
    drop(serve(stream, false).await);
}

#[tokio::test]
async fn a_message_is_not_taken_for_a_connection_that_is_still_to_be_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sink, address) = (Sink::builder().start().await.unwrap(), listener.local_addr().unwrap());
    let server = tokio::spawn(serve_one(listener));
    let one = NonZeroU32::MIN;
    let pool = PoolSettings { max_size: one, messages_per_connection: one, min_idle: 0, ..PoolSettings::default() };
    let primary = Route::new("primary", &format!("smtp://{address}?tls=none")).unwrap().pool(pool);
    let outbox = impatient().route(primary).route(route("backup", sink.addr())).start().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(outbox.enqueue(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap().id);
    }
    ended(&outbox).await;
    for id in ids {
        let record = outbox.queue().get(id).await.unwrap().unwrap();
        assert_eq!((record.state, record.attempts), (State::Sent, 1), "{:?}", record.history);
    }
    assert_eq!(sink.captured().len(), 2);
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
    server.await.unwrap();
}

#[tokio::test]
async fn an_outbox_that_is_dropped_stops_and_parts_from_its_servers() {
    let sink = Sink::builder().start().await.unwrap();
    let queue = MemoryQueue::new();
    let outbox = Outbox::builder().queue(queue.clone()).route(route("only", sink.addr())).start().await.unwrap();
    outbox.enqueue(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap();
    ended(&outbox).await;
    drop(outbox);
    let gone = async {
        while sink.counters().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    let late = EnqueueOptions::new().prepare(&letter("bob@example.org")).await.unwrap();
    queue.enqueue(late).await.unwrap();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.stats().await.unwrap().ready, 1, "nobody works off the queue");
    assert_eq!(sink.captured().len(), 1);
    sink.shutdown().await;
}

#[cfg(feature = "dkim")]
#[tokio::test]
async fn what_an_outbox_prepares_is_what_it_enqueues_signed() {
    use mailkit::mime::dkim::{Signer, SigningKey};
    // The key of RFC 8463 A.2.
    let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let signer = Signer::new(key, mailkit::address::Domain::parse("example.com").unwrap(), "s").unwrap();
    let sink = Sink::builder().start().await.unwrap();
    let outbox = impatient().signers([signer]).route(route("only", sink.addr())).start().await.unwrap();
    let prepared = outbox.prepare(&letter("bob@example.org"), EnqueueOptions::new()).await.unwrap();
    let is_signed = |content: &[u8]| content.windows(15).any(|part| part == b"DKIM-Signature:");
    assert!(is_signed(&prepared.content.to_bytes().unwrap()));
    assert!(!outbox.queue().enqueue(prepared).await.unwrap().duplicate);
    ended(&outbox).await;
    assert!(is_signed(&sink.captured()[0].content));
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}
