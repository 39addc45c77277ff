//! More recipients than a server takes in one transaction: they go in further ones at once, each to whom it is not sent.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailkit::queue::{RecipientStatus, State};
use mailkit::{EnqueueOptions, Mailer, Message, Report, Status};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{ended, impatient, route};

/// What the server says to RCPT: of this address, after it accepted so many in this transaction.
type Answer = dyn Fn(&str, usize) -> &'static str + Send + Sync;

/// A server that limits recipients.
#[derive(Default)]
struct Seen {
    /// Who got the message, transaction by transaction.
    delivered: Vec<Vec<String>>,
    rcpts: usize,
}

impl Seen {
    fn transactions(&self) -> usize {
        self.delivered.len()
    }

    /// How often each recipient got the message.
    fn copies(&self) -> BTreeMap<&str, usize> {
        let mut copies = BTreeMap::new();
        self.delivered.iter().flatten().for_each(|address| *copies.entry(address.as_str()).or_default() += 1);
        copies
    }
}

async fn server(
    lmtp: bool,
    extensions: &'static str,
    answer: impl Fn(&str, usize) -> &'static str + Send + Sync + 'static,
) -> (String, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, answer): (Arc<Mutex<Seen>>, Arc<Answer>) = (Arc::default(), Arc::new(answer));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            tokio::spawn(async move { serve(stream, lmtp, extensions, &seen, &*answer).await });
        }
    });
    (address, seen)
}

async fn serve(stream: TcpStream, lmtp: bool, extensions: &str, seen: &Mutex<Seen>, answer: &Answer) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mx\r\n").await.ok()?;
    let mut accepted: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let mut reply = "250 2.0.0 ok\r\n".to_owned();
        match verb.as_str() {
            "EHLO" | "LHLO" => reply = format!("250-mx\r\n{extensions}250 8BITMIME\r\n"),
            "MAIL" | "RSET" => accepted.clear(),
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1)?.to_owned();
                seen.lock().unwrap().rcpts += 1;
                reply = format!("{}\r\n", answer(&address, accepted.len()));
                if reply.starts_with("250") {
                    accepted.push(address);
                }
            }
            "DATA" if accepted.is_empty() => reply = "554 no valid recipients\r\n".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go\r\n").await.ok()?;
                while line != ".\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await.ok()?;
                }
                let replies = if lmtp { accepted.len() } else { 1 };
                reply = reply.repeat(replies);
                seen.lock().unwrap().delivered.push(std::mem::take(&mut accepted));
            }
            _ => {}
        }
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

/// Takes so many, and refuses the others with this.
fn takes(limit: usize, refusal: &'static str) -> impl Fn(&str, usize) -> &'static str {
    move |_, accepted| if accepted < limit { "250 ok" } else { refusal }
}

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("to{number:04}@example.org")).collect()
}

fn message(to: &[String]) -> Message {
    let builder = Message::builder().from("ann@example.com").subject("Hello").text("How are you?");
    to.iter().fold(builder, |builder, to| builder.bcc(to.as_str())).build().unwrap()
}

fn assert_each_got_it_once(seen: &Mutex<Seen>, to: &[String]) {
    let seen = seen.lock().unwrap();
    let copies = seen.copies();
    assert_eq!(copies.len(), to.len());
    assert!(copies.values().all(|count| *count == 1), "{copies:?}");
}

fn in_order(report: &Report) -> Vec<String> {
    report.recipients.iter().map(|entry| entry.address.to_string()).collect()
}

#[tokio::test]
async fn what_the_server_does_not_take_in_one_transaction_goes_in_further_ones_at_once() {
    let to = addresses(250);
    for refusal in
        ["452 too many recipients", "452 4.5.3 too many", "552 too many", "552 5.5.3 no more", "550 5.5.3 no"]
    {
        for (lmtp, extensions) in [(false, "250-PIPELINING\r\n"), (false, ""), (true, "250-PIPELINING\r\n")] {
            let (address, seen) = server(lmtp, extensions, takes(100, refusal)).await;
            let scheme = if lmtp { "lmtp" } else { "smtp" };
            let mailer = Mailer::from_url(&format!("{scheme}://{address}?tls=none")).unwrap();
            let report = mailer.send(&message(&to)).await.unwrap();
            assert!(report.is_accepted(), "{refusal} {scheme}: {report:?}");
            assert_eq!(in_order(&report), to);
            assert_each_got_it_once(&seen, &to);
            assert_eq!(seen.lock().unwrap().transactions(), 3, "{refusal}");
            mailer.close().await;
        }
    }
}

#[tokio::test]
async fn a_thousand_recipients_over_a_server_that_takes_a_hundred_are_one_attempt() {
    let to = addresses(1_000);
    for (refusal, most) in [("452 4.5.3 too many", 10), ("552 no more", 10)] {
        let (address, seen) = server(false, "250-PIPELINING\r\n", takes(100, refusal)).await;
        let outbox = impatient().route(route("only", &address)).start().await.unwrap();
        let id = outbox.enqueue(&message(&to), EnqueueOptions::new()).await.unwrap().id;
        ended(&outbox).await;
        let record = outbox.queue().get(id).await.unwrap().unwrap();
        assert_eq!((record.state, record.attempts), (State::Sent, 1), "{refusal}");
        assert_each_got_it_once(&seen, &to);
        assert_eq!(seen.lock().unwrap().transactions(), most);
        // Each transaction is written down before the next, so that a crash in between sends nobody a second copy.
        let accepted = |entry: &&mailkit::queue::RecipientRecord| entry.status == RecipientStatus::Accepted;
        let counts: Vec<_> =
            record.history.iter().map(|attempt| attempt.recipients.iter().filter(accepted).count()).collect();
        assert_eq!(counts, [100; 10]);
        outbox.shutdown(Duration::from_secs(10)).await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_recipients_out_of_a_durable_queue_are_one_attempt() {
    let to = addresses(1_000);
    let folder = tempfile::tempdir().unwrap();
    let queue = mailkit::SqliteQueue::open(folder.path().join("q.db")).await.unwrap();
    let (address, seen) = server(false, "250-PIPELINING\r\n", takes(100, "452 4.5.3 too many")).await;
    let outbox = impatient().queue(queue).route(route("only", &address)).start().await.unwrap();
    let id = outbox.enqueue(&message(&to), EnqueueOptions::new()).await.unwrap().id;
    // The limit of `ended` is seconds: a wait between two rounds would take minutes.
    ended(&outbox).await;
    let record = outbox.queue().get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Sent, 1));
    assert_each_got_it_once(&seen, &to);
    assert_eq!(seen.lock().unwrap().transactions(), 10);
    outbox.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_server_that_takes_one_recipient_at_a_time_costs_work_that_grows_with_their_number() {
    let to = addresses(200);
    let (address, seen) = server(false, "250-PIPELINING\r\n", takes(1, "452 one at a time")).await;
    let outbox = impatient().route(route("only", &address)).start().await.unwrap();
    let id = outbox.enqueue(&message(&to), EnqueueOptions::new()).await.unwrap().id;
    ended(&outbox).await;
    let record = outbox.queue().get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Sent, 1));
    assert_each_got_it_once(&seen, &to);
    let rcpts = seen.lock().unwrap().rcpts;
    assert!(rcpts <= 2 * to.len(), "{rcpts} RCPT commands");
    outbox.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn recipients_refused_for_another_reason_have_no_part_in_further_rounds() {
    let to = addresses(30);
    let answer = |address: &str, accepted: usize| match address {
        "to0003@example.org" => "550 5.1.1 no such user",
        "to0004@example.org" => "450 4.2.0 greylisted",
        "to0005@example.org" => "452 4.2.2 mailbox full",
        _ if accepted < 10 => "250 ok",
        _ => "452 4.5.3 too many",
    };
    let (address, seen) = server(false, "250-PIPELINING\r\n", answer).await;
    let mailer = Mailer::from_url(&format!("smtp://{address}?tls=none")).unwrap();
    let report = mailer.send(&message(&to)).await.unwrap();
    let refused: Vec<_> = report.refused().map(|(address, reply)| (address.to_string(), reply.code().get())).collect();
    let wanted = [(3, 550), (4, 450), (5, 452)].map(|(number, code)| (to[number].clone(), code));
    assert_eq!(refused, wanted);
    assert_eq!((report.accepted().count(), in_order(&report)), (27, to.clone()));
    mailer.close().await;

    let outbox = impatient().route(route("only", &address)).start().await.unwrap();
    let before = seen.lock().unwrap().rcpts;
    let id = outbox.enqueue(&message(&to), EnqueueOptions::new()).await.unwrap().id;
    tokio::time::timeout(super::LIMIT, outbox.dispatcher().until_idle()).await.unwrap().unwrap();
    let record = outbox.queue().get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Scheduled, 1));
    let count = |status| record.recipients.iter().filter(|entry| entry.status == status).count();
    let counts =
        (count(RecipientStatus::Accepted), count(RecipientStatus::Permanent), count(RecipientStatus::Temporary));
    assert_eq!(counts, (27, 1, 2));
    assert_eq!(record.recipients[4].text, "greylisted");
    // 30 in the first round, then 17 that were not taken.
    assert_eq!(seen.lock().unwrap().rcpts - before, 47);
    outbox.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_round_in_which_nobody_is_accepted_is_a_failure_for_now() {
    let to = addresses(3);
    let (address, seen) = server(false, "250-PIPELINING\r\n", |_, _| "452 no room").await;
    let mailer = Mailer::from_url(&format!("smtp://{address}?tls=none")).unwrap();
    let report = mailer.send(&message(&to)).await.unwrap();
    assert!(report.recipients.iter().all(|entry| entry.status.is_temporary()), "{report:?}");
    {
        let seen = seen.lock().unwrap();
        assert_eq!((seen.rcpts, seen.transactions()), (3, 0));
    }
    mailer.close().await;
}

#[tokio::test]
async fn a_full_mailbox_teaches_nothing_and_a_limit_that_the_server_states_is_kept() {
    let to = addresses(6);
    let full = |address: &str, _: usize| if address == "to0002@example.org" { "452 no room" } else { "250 ok" };
    for (answer, transactions) in [
        (Box::new(full) as Box<Answer>, vec![1, 1]),
        (Box::new(takes(2, "452 4.5.3 too many")), vec![3, 3]),
        (Box::new(takes(2, "452 no more")), vec![3, 3]),
    ] {
        let (address, seen) = server(false, "250-PIPELINING\r\n", answer).await;
        let mailer = Mailer::from_url(&format!("smtp://{address}?tls=none")).unwrap();
        let mut counts = Vec::new();
        for _ in 0..2 {
            let before = seen.lock().unwrap().transactions();
            let _ = mailer.send(&message(&to)).await.unwrap();
            counts.push(seen.lock().unwrap().transactions() - before);
        }
        assert_eq!(counts, transactions);
        // After two messages that stopped at two, or one to which the server said so, nobody is refused any more.
        let before = seen.lock().unwrap().rcpts;
        let _ = mailer.send(&message(&to)).await.unwrap();
        let rcpts = seen.lock().unwrap().rcpts - before;
        assert_eq!(rcpts, if transactions == [1, 1] { 7 } else { 6 });
        mailer.close().await;
    }
}

#[tokio::test]
async fn a_limit_of_the_route_or_one_that_the_server_offers_is_kept_from_the_first_message_on() {
    let to = addresses(25);
    for (extensions, configured) in
        [("250-PIPELINING\r\n", true), ("250-PIPELINING\r\n250-LIMITS RCPTMAX=10\r\n", false)]
    {
        let (address, seen) = server(false, extensions, takes(10, "554 never more than ten")).await;
        let mut route = route("only", &address);
        if configured {
            route = route.max_recipients(NonZeroU32::new(10).unwrap());
        }
        let outbox = impatient().route(route).start().await.unwrap();
        // Content that is not in memory too.
        let large = Message::builder().from("ann@example.com").subject("Large").text("x".repeat(300_000));
        let large = to.iter().fold(large, |builder, to| builder.bcc(to.as_str())).build().unwrap();
        let id = outbox.enqueue(&large, EnqueueOptions::new()).await.unwrap().id;
        ended(&outbox).await;
        let record = outbox.queue().get(id).await.unwrap().unwrap();
        assert_eq!((record.state, record.attempts), (State::Sent, 1));
        assert_each_got_it_once(&seen, &to);
        assert_eq!(seen.lock().unwrap().rcpts, to.len());
        outbox.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_recipient_that_one_route_cannot_address_goes_over_another_or_is_dead_beside_those_that_got_it() {
    let to = ["bob@example.org".to_owned(), "j\u{f6}rg@example.org".to_owned()];
    let (ascii, at_ascii) = server(false, "250-PIPELINING\r\n", takes(10, "")).await;
    let (utf8, at_utf8) = server(false, "250-PIPELINING\r\n250-SMTPUTF8\r\n", takes(10, "")).await;
    let mailer = Mailer::from_url(&format!("smtp://{ascii}?tls=none")).unwrap();
    let report = mailer.send(&message(&to)).await.unwrap();
    assert!(report.recipients[0].status.is_accepted());
    assert!(
        matches!(&report.recipients[1].status, Status::Unaddressable(error) if error.to_string().contains("SMTPUTF8"))
    );
    mailer.close().await;

    let outbox = impatient().route(route("first", &ascii)).route(route("second", &utf8)).start().await.unwrap();
    let id = outbox.enqueue(&message(&to), EnqueueOptions::new()).await.unwrap().id;
    ended(&outbox).await;
    assert_eq!(outbox.queue().get(id).await.unwrap().unwrap().state, State::Sent);
    assert_eq!(at_ascii.lock().unwrap().delivered, [["bob@example.org"], ["bob@example.org"]]);
    assert_eq!(at_utf8.lock().unwrap().delivered, [["j\u{f6}rg@example.org"]]);
    outbox.shutdown(Duration::from_secs(10)).await;

    let outbox = impatient().route(route("only", &ascii)).start().await.unwrap();
    let id = outbox.enqueue(&message(&to), EnqueueOptions::new()).await.unwrap().id;
    ended(&outbox).await;
    let record = outbox.queue().get(id).await.unwrap().unwrap();
    assert_eq!(record.state, State::Dead);
    let [bob, joerg] = &record.recipients[..] else { panic!("{record:?}") };
    assert_eq!((bob.status, joerg.status, joerg.code), (RecipientStatus::Accepted, RecipientStatus::Permanent, None));
    assert!(joerg.text.contains("SMTPUTF8"), "{}", joerg.text);
    outbox.shutdown(Duration::from_secs(10)).await;
}
