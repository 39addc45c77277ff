//! A mailer on its pool: dead connections, limits of the server, streams of messages, no pool at all.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use mailkit::connection::ConnectorConfig;
use mailkit::{
    Address, Content, Envelope, ErrorKind, Mailer, Message, Outgoing, PoolSettings, ServerUrl, Status, Submission,
};
use mailkit_server::{Sink, SinkBuilder};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn config(address: impl std::fmt::Display) -> ConnectorConfig {
    ServerUrl::parse(&format!("smtp://{address}?tls=none")).unwrap().into_config().unwrap()
}

async fn start(sink: SinkBuilder) -> (Sink, Mailer) {
    let sink = sink.start().await.unwrap();
    let mailer = Mailer::with_pool(config(sink.addr()), PoolSettings { min_idle: 0, ..PoolSettings::default() });
    (sink, mailer.unwrap())
}

fn message(subject: impl Into<String>) -> Message {
    Message::builder().from("ann@example.com").to("bob@example.org").subject(subject.into()).text("Hi").build().unwrap()
}

fn envelope(recipients: u32) -> Envelope {
    let address = |text: String| Address::parse(&text).unwrap();
    let recipients = (0..recipients).map(|number| address(format!("r{number}@example.org"))).collect();
    Envelope::new(address("ann@example.com".to_owned()), recipients).unwrap()
}

async fn until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
}

/// A server without PIPELINING that takes so many messages on the connection, and then says or does this to MAIL.
async fn serve(stream: TcpStream, messages: usize, last: &str) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut taken, mut content) = (String::new(), 0, false);
    stream.write_all(b"220 here\r\n").await.unwrap();
    while stream.read_line(&mut line).await.is_ok_and(|octets| octets > 0) {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            _ if content && line != ".\r\n" => "",
            "MAIL" if taken == messages => {
                stream.write_all(last.as_bytes()).await.unwrap();
                return;
            }
            "DATA" => {
                content = true;
                "354 go on\r\n"
            }
            _ if content => {
                (content, taken) = (false, taken + 1);
                "250 taken\r\n"
            }
            _ => "250 fine\r\n",
        };
        stream.write_all(reply.as_bytes()).await.unwrap();
        line.clear();
    }
}

#[tokio::test]
async fn a_connection_that_is_dead_before_content_is_on_its_way_is_replaced_without_a_word() {
    for last in ["", "421 4.3.2 going down\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mailer = Mailer::new(config(listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move {
            for messages in [1, 1, 0, 0] {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, messages, last).await;
            }
        });
        assert!(mailer.send(&message("one")).await.unwrap().is_accepted());
        assert!(mailer.send(&message("two")).await.unwrap().is_accepted());
        // Once: the next connection is dead as well, and that is no accident any more.
        let outcome = mailer.send(&message("three")).await;
        assert!(outcome.is_err() || !outcome.unwrap().is_accepted());
        assert_eq!(mailer.stats().unwrap().opened, 3);
        server.abort();
    }
}

#[tokio::test]
async fn a_message_whose_end_had_left_is_never_sent_again() {
    let (sink, mailer) = start(Sink::builder().fail("content=lose,after=1,times=1".parse().unwrap())).await;
    assert!(mailer.send(&message("one")).await.unwrap().is_accepted());
    let error = mailer.send(&message("two")).await.unwrap_err();
    assert!(error.is_ambiguous());
    assert_eq!((sink.captured().len(), sink.counters().connections), (2, 1));
}

#[tokio::test]
async fn a_message_goes_on_over_another_connection_when_the_server_takes_no_more_on_this_one() {
    for pooled in [true, false] {
        let limits = |offered: &mut mailkit::smtp::Extensions| {
            (offered.limits.rcpt_max, offered.limits.mail_max) = (Some(10), Some(2));
        };
        let (sink, mut mailer) = start(Sink::builder().extensions(limits)).await;
        if !pooled {
            mailer = Mailer::direct(config(sink.addr())).unwrap();
        }
        let report =
            mailer.send_content(&envelope(55), &Default::default(), "Subject: all\r\n\r\nHi\r\n").await.unwrap();
        assert!(report.is_accepted());
        let order: Vec<_> = report.recipients.iter().map(|entry| entry.address.to_string()).collect();
        let expected: Vec<_> = (0..55).map(|number| format!("r{number}@example.org")).collect();
        assert_eq!(order, expected);
        let counters = sink.counters();
        assert_eq!((counters.transactions, counters.recipients, counters.connections), (6, 55, 3));
        mailer.close().await;
    }
}

#[tokio::test]
async fn what_can_be_read_once_and_is_not_taken_goes_over_another_connection_too() {
    let (sink, mailer) = start(Sink::builder().extensions(|offered| offered.limits.mail_max = Some(2))).await;
    let letters = (0..5).map(|_| Submission::new(envelope(1), Content::reader(&b"Hi\r\n"[..], Some(4))));
    let outcomes: Vec<_> = mailer.send_all(stream::iter(letters)).collect().await;
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().is_accepted()));
    assert_eq!((sink.counters().accepted, sink.counters().connections), (5, 3));
}

#[tokio::test]
async fn a_stream_of_messages_rides_on_one_connection_and_its_outcomes_keep_their_order() {
    let limit = PoolSettings { messages_per_connection: NonZeroU32::new(40).unwrap(), ..PoolSettings::default() };
    let sink = Sink::builder().start().await.unwrap();
    let mailer = Mailer::with_pool(config(sink.addr()), limit).unwrap();
    let letters: Vec<Outgoing<'_>> = (0..100)
        .map(|number| match number % 10 {
            3 => Submission::new(envelope(1), "Subject: finished\r\n\r\nHi\r\n").into(),
            _ => message(number.to_string()).into(),
        })
        .collect();
    let outcomes: Vec<_> = mailer.send_all(stream::iter(letters)).collect().await;
    assert_eq!(outcomes.len(), 100);
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().is_accepted()));
    let stats = mailer.stats().unwrap();
    assert_eq!((sink.counters().connections, stats.closed.used_up), (3, 2));
    assert!(sink.counters().turns < 60, "{:?}", sink.counters());
}

#[tokio::test]
async fn a_message_that_cannot_be_made_fails_in_its_place_and_holds_nobody_up() {
    let change = |offered: &mut mailkit::smtp::Extensions| {
        (offered.eight_bit_mime, offered.smtp_utf8, offered.binary_mime) = (false, false, false);
    };
    let (sink, mailer) = start(Sink::builder().extensions(change)).await;
    let eight_bit = "From: a@example.com\r\nTo: b@example.org\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n\
                     --s\r\n\r\nGr\u{fc}\u{df}e\r\n--s--\r\n"
        .as_bytes();
    let letters = (0..9).map(|number| match number % 3 {
        1 => Message::from_eml(eight_bit, None).unwrap(),
        _ => message(number.to_string()),
    });
    let outcomes: Vec<_> = mailer.send_all(stream::iter(letters)).collect().await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match number % 3 {
            1 => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Refused),
            _ => assert!(outcome.unwrap().is_accepted()),
        }
    }
    assert_eq!((sink.counters().accepted, sink.counters().connections), (6, 1));
}

#[tokio::test]
async fn without_a_pool_each_message_has_a_connection_and_a_farewell() {
    let sink = Sink::builder().start().await.unwrap();
    let mailer = Mailer::direct(config(sink.addr())).unwrap();
    for _ in 0..2 {
        assert!(mailer.send(&message("one")).await.unwrap().is_accepted());
    }
    let both = [message("two"), message("three")];
    let outcomes: Vec<_> = mailer.send_all(stream::iter(&both)).collect().await;
    assert_eq!(outcomes.len(), 2);
    until(|| sink.counters().open == 0).await;
    assert_eq!((sink.counters().connections, sink.counters().most_open), (4, 1));
    assert!(mailer.stats().is_none());
}

#[tokio::test]
async fn what_the_pool_says_is_the_mailers_error() {
    let sink = Sink::builder().user("ann", "right").start().await.unwrap();
    let url = format!("smtp://ann:wrong@{}?tls=none&allow-cleartext-auth=yes", sink.addr());
    let mailer = Mailer::from_url(&url).unwrap();
    let letter = message("one");
    for outcome in join_all((0..20).map(|_| mailer.send(&letter))).await {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.reply().unwrap().code().get()), (ErrorKind::Login, 535));
        assert!(error.retry_in().is_some() && error.report().is_none());
    }
    assert_eq!(sink.counters().connections, 1);
    mailer.close().await;
    let error = mailer.send(&letter).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Closed, "the pool was closed"));
}

#[tokio::test]
async fn a_refused_rest_leaves_the_answers_of_the_others_in_the_report() {
    let limits = |offered: &mut mailkit::smtp::Extensions| {
        (offered.limits.rcpt_max, offered.limits.mail_max) = (Some(1), Some(1));
    };
    let (sink, mailer) =
        start(Sink::builder().extensions(limits).fail("greeting=554 no more,after=1".parse().unwrap())).await;
    let error = mailer.send_content(&envelope(2), &Default::default(), "Hi\r\n").await.unwrap_err();
    let statuses: Vec<_> = error.report().unwrap().recipients.iter().map(|entry| entry.status.is_accepted()).collect();
    assert_eq!(statuses, [true, false]);
    assert_eq!(error.report().unwrap().recipients[1].status, Status::Unsent);
    assert_eq!(sink.counters().accepted, 1);
}
