//! Recipients refused, divided, and counted: partial success, LMTP, and the limits of RFC 9422.

use futures_util::{StreamExt as _, stream};
use mailkit_connection::{Cause, Content, Submission};
use mailkit_smtp::client::{BeginError, TransactionOptions};
use mailkit_smtp::parameter::Notify;
use mailkit_smtp::{Limits, Report, SizeLimit, Status};

use crate::peer::{Captured, Peer, captured, envelope, submission, text};
use crate::script::{Hear, PLAIN, Say, connect};

fn limited(mut peer: Peer, limits: Limits) -> Peer {
    peer.config.extensions.limits = limits;
    peer
}

fn recipients_of(messages: &[Captured]) -> Vec<Vec<&str>> {
    messages.iter().map(|message| message.to.iter().map(String::as_str).collect()).collect()
}

fn statuses(report: &Report) -> Vec<(String, bool)> {
    let status = |status: &Status| status.is_accepted();
    report.recipients.iter().map(|recipient| (recipient.address.to_string(), status(&recipient.status))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refused_recipient_is_in_the_report_and_the_others_get_the_message() {
    for (pipelining, chunking) in [(true, true), (true, false), (false, true), (false, false)] {
        for peer in [Peer::new(pipelining, chunking), Peer::lmtp(pipelining, chunking)] {
            let mut connection = peer.connect().await;
            let envelope = envelope("ann@example.com", &["a@example.org", "no@example.org", "b@example.org"]);
            let report = connection.send(&envelope, &Default::default(), text(1, 100)).await.unwrap();
            let expected = [("a@example.org", true), ("no@example.org", false), ("b@example.org", true)];
            assert_eq!(statuses(&report), expected.map(|(address, accepted)| (address.to_owned(), accepted)));
            assert!(connection.is_clean());
            assert_eq!(recipients_of(&peer.messages()), [["a@example.org", "b@example.org"]]);
        }
    }
}

fn without_smtp_utf8(mut peer: Peer) -> Peer {
    peer.config.extensions.smtp_utf8 = false;
    peer
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_the_server_cannot_be_told_costs_the_others_nothing() {
    const JOERG: &str = "j\u{f6}rg@example.org";
    for (pipelining, chunking) in [(true, true), (true, false), (false, true), (false, false)] {
        for peer in [Peer::new(pipelining, chunking), Peer::lmtp(pipelining, chunking)] {
            for recipients in [
                &[JOERG, "a@example.org", "b@example.org"],
                &["a@example.org", JOERG, "b@example.org"],
                &["a@example.org", "b@example.org", JOERG],
            ] {
                let peer = without_smtp_utf8(peer.clone());
                let mut connection = peer.connect().await;
                let (before, sent) = (peer.messages().len(), envelope("ann@example.com", recipients));
                let options = TransactionOptions { notify: Some(Notify::default()), ..TransactionOptions::default() };
                let report = connection.send(&sent, &options, text(1, 100)).await.unwrap();
                for entry in &report.recipients {
                    match &entry.status {
                        Status::Unaddressable(error) => {
                            assert_eq!(entry.address.to_string(), JOERG);
                            assert!(error.to_string().contains("SMTPUTF8") && !entry.status.is_temporary());
                        }
                        status => assert!(status.is_accepted() && entry.address.to_string() != JOERG, "{entry:?}"),
                    }
                }
                assert!(connection.is_clean());
                assert_eq!(recipients_of(&peer.messages()[before..]), [["a@example.org", "b@example.org"]]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recipients_that_cannot_be_told_are_no_fault_of_the_messages_beside_them() {
    let limits = Limits { rcpt_max: Some(1), ..Limits::default() };
    for (pipelining, chunking) in [(true, true), (true, false), (false, true), (false, false)] {
        let peer = limited(without_smtp_utf8(Peer::new(pipelining, chunking)), limits);
        let mut connection = peer.connect().await;
        let recipients = ["a@example.org", "\u{f6}@example.org", "b@example.org"];
        let divided = Submission::new(envelope("ann@example.com", &recipients), text(1, 100));
        let alone = Submission::new(envelope("ann@example.com", &["\u{e4}@example.org"]), text(2, 100));
        let outcomes: Vec<_> =
            connection.send_all(stream::iter([divided, alone, submission(9, 100)])).map(Result::unwrap).collect().await;
        let accepted = |report: &Report| report.accepted().count();
        assert_eq!(outcomes.iter().map(accepted).collect::<Vec<_>>(), [2, 0, 1]);
        assert!(connection.is_clean());
        assert_eq!(recipients_of(&peer.messages()), [["a@example.org"], ["b@example.org"], ["to9@example.org"]]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_or_a_header_that_needs_smtp_utf8_is_the_messages_own_fault() {
    let peer = without_smtp_utf8(Peer::new(true, true));
    let mut connection = peer.connect().await;
    let header = TransactionOptions { smtp_utf8: true, ..TransactionOptions::default() };
    for (from, options) in [("j\u{f6}rg@example.com", TransactionOptions::default()), ("ann@example.com", header)] {
        let error = connection.send(&envelope(from, &["b@example.org"]), &options, text(1, 100)).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Begin(BeginError::Unsupported { extension: "SMTPUTF8", .. })));
    }
    assert!(connection.is_clean() && peer.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_everybody_refuses_leaves_the_connection_clean() {
    for (pipelining, chunking) in [(true, true), (true, false), (false, true), (false, false)] {
        for peer in [Peer::new(pipelining, chunking), Peer::lmtp(pipelining, chunking)] {
            let mut connection = peer.connect().await;
            let refused =
                Submission::new(envelope("ann@example.com", &["no1@example.org", "no2@example.org"]), text(1, 100_000));
            let messages = stream::iter([submission(7, 100), refused, submission(9, 100)]);
            let outcomes: Vec<_> = connection.send_all(messages).map(Result::unwrap).collect().await;
            let accepted: Vec<bool> = outcomes.iter().map(Report::is_accepted).collect();
            assert_eq!(accepted, [true, false, true]);
            assert!(connection.is_clean());
            assert_eq!(peer.messages(), [captured(7, 100), captured(9, 100)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_recipients_than_the_server_takes_go_in_several_transactions_and_one_report() {
    for (pipelining, chunking) in [(true, true), (true, false), (false, true), (false, false)] {
        let limits = Limits { rcpt_max: Some(2), ..Limits::default() };
        let peer = limited(Peer::new(pipelining, chunking), limits);
        let mut connection = peer.connect().await;
        let to = ["a@example.org", "no@example.org", "b@example.org", "c@example.org", "d@example.org"];
        let envelope = envelope("ann@example.com", &to);
        let report = connection.send(&envelope, &Default::default(), text(1, 50_000)).await.unwrap();
        let expected = to.map(|address| (address.to_owned(), !address.starts_with("no")));
        assert_eq!(statuses(&report), expected);
        let messages = peer.messages();
        assert_eq!(
            recipients_of(&messages),
            [&["a@example.org"][..], &["b@example.org", "c@example.org"], &["d@example.org"]]
        );
        assert!(messages.iter().all(|message| message.content == text(1, 50_000).into_bytes()));
        assert!(connection.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn domains_are_limited_apart_from_recipients() {
    let limits = Limits { rcpt_domain_max: Some(1), ..Limits::default() };
    let peer = limited(Peer::new(true, true), limits);
    let mut connection = peer.connect().await;
    let envelope = envelope("ann@example.com", &["a@one.example", "b@one.example", "c@two.example", "d@one.example"]);
    let report = connection.send(&envelope, &Default::default(), text(1, 100)).await.unwrap();
    assert!(report.is_accepted());
    let expected = [&["a@one.example", "b@one.example"][..], &["c@two.example"], &["d@one.example"]];
    assert_eq!(recipients_of(&peer.messages()), expected);
}

#[tokio::test(start_paused = true)]
async fn content_that_can_be_read_once_is_not_divided() {
    let peer = limited(Peer::new(true, true), Limits { rcpt_max: Some(1), ..Limits::default() });
    let mut connection = peer.connect().await;
    let envelope = envelope("ann@example.com", &["a@example.org", "b@example.org"]);
    let content = Content::reader(std::io::Cursor::new(text(1, 100)), None);
    let error = connection.send(&envelope, &Default::default(), content).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Begin(BeginError::TooManyRecipients { limit: 1 })), "{error:?}");
    assert!(connection.is_clean() && peer.messages().is_empty());
    assert_eq!(error.report().unwrap().recipients.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_limits_its_messages_ends_the_reuse_and_the_rest_stays_with_the_caller() {
    for (pipelining, chunking) in [(true, true), (true, false), (false, false)] {
        let peer = limited(Peer::new(pipelining, chunking), Limits { mail_max: Some(3), ..Limits::default() });
        let mut source = stream::iter((0..8).map(|n| submission(n, 100)));
        let mut sent = 0;
        for connections in [3, 3, 2] {
            let mut connection = peer.connect().await;
            let outcomes: Vec<_> = connection.send_all(&mut source).map(Result::unwrap).collect().await;
            assert!(outcomes.iter().all(Report::is_accepted));
            assert_eq!(outcomes.len(), connections);
            assert_eq!(connection.is_clean(), connections < 3);
            sent += outcomes.len();
            connection.quit().await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert!(peer.seen.lock().unwrap().parted, "a connection that is used up says goodbye all the same");
        }
        assert_eq!(peer.messages(), (0..sent).map(|n| captured(n, 100)).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_runs_into_the_limit_says_who_got_it() {
    let limits = Limits { mail_max: Some(2), rcpt_max: Some(1), ..Limits::default() };
    let peer = limited(Peer::new(true, true), limits);
    let mut connection = peer.connect().await;
    let envelope = envelope("ann@example.com", &["a@example.org", "b@example.org", "c@example.org"]);
    let error = connection.send(&envelope, &Default::default(), text(1, 100)).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Begin(BeginError::UsedUp)) && error.is_temporary());
    let report = error.report().unwrap();
    assert_eq!(statuses(report).iter().map(|(_, accepted)| *accepted).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(report.recipients[2].status, Status::Unsent);
    assert!(!error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_421_to_the_first_part_of_a_message_is_told_as_the_reason_of_the_rest() {
    let greeted = Say("250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1\r\n");
    let mut connection =
        connect(&[PLAIN[0], PLAIN[1], greeted, Hear("DATA\r\n"), Say("421 closing\r\n")]).await.unwrap();
    let envelope = envelope("ann@example.com", &["a@example.org", "b@example.org"]);
    let error = connection.send(&envelope, &Default::default(), text(1, 100)).await.unwrap_err();
    assert_eq!(error.reply().map(|reply| reply.code().get()), Some(421), "{error:?}");
    let [first, rest] = &error.report().unwrap().recipients[..] else { panic!("{error:?}") };
    assert!(matches!(first.status, Status::Refused { .. }) && rest.status == Status::Unsent);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_costs_neither_a_byte_nor_the_stream() {
    let mut peer = Peer::new(true, true);
    peer.config.extensions.size = Some(SizeLimit::Octets(1000));
    let mut connection = peer.connect().await;
    let messages = stream::iter([submission(1, 900), submission(2, 1001), submission(3, 900)]);
    let outcomes: Vec<_> = connection.send_all(messages).collect().await;
    let [Ok(_), Err(error), Ok(_)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(matches!(error.cause(), Cause::Begin(BeginError::TooLarge { limit: 1000, .. })), "{error:?}");
    assert!(!error.is_temporary() && connection.is_clean());
    assert_eq!(peer.messages(), [captured(1, 900), captured(3, 900)]);
}
