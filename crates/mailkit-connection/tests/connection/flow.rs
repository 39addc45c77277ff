//! Both ends full at once, and peers without measure: no deadlock, and no memory without bound.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mailkit_connection::{Cause, Error};
use mailkit_smtp::{ReplyError, Step, client};
use tokio::time::timeout;

use crate::peer::{Peer, captured, envelope, submission, text};
use crate::script::{Babble, CHUNKING, Do, Freeze, Hear, PLAIN, Say, Wait, connect};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn large_content_and_long_replies_pass_through_tiny_pipes() {
    for pipe in [1, 2, 13] {
        for (pipelining, chunking) in [(true, true), (true, false), (false, false)] {
            let mut peer = Peer::new(pipelining, chunking);
            peer.pipe = pipe;
            // The reply to EHLO alone is many times what the pipe holds.
            peer.config.extensions.other = (0..100).map(|n| format!("X{n} {}", "x".repeat(100))).collect();
            let mut connection = peer.connect().await;
            let messages = stream::iter((0..5).map(|n| submission(n, 6_000)));
            let outcomes: Vec<_> = timeout(HOUR, connection.send_all(messages).collect()).await.unwrap();
            assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().is_accepted()));
            timeout(HOUR, connection.quit()).await.unwrap();
            assert_eq!(peer.messages(), (0..5).map(|n| captured(n, 6_000)).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_before_it_reads_on_does_not_block() {
    // 200 recipients: the server fills its side of the pipe with replies while the client still writes.
    for pipe in [16, 1024] {
        let mut peer = Peer::new(true, true);
        (peer.pipe, peer.stubborn) = (pipe, true);
        let mut connection = peer.connect().await;
        let to: Vec<String> =
            (0..200).map(|n| format!("{}{n}@example.org", if n % 2 == 0 { "to" } else { "no" })).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let envelope = envelope("ann@example.com", &to);
        let options = Default::default();
        let sent = connection.send(&envelope, &options, text(1, 500_000));
        let report = timeout(HOUR, sent).await.unwrap().unwrap();
        assert_eq!((report.accepted().count(), report.refused().count()), (100, 100));
    }
}

async fn fails(script: &[Do]) -> Error {
    let envelope = envelope("ann@example.com", &["bob@example.org"]);
    let outcome = timeout(HOUR, async {
        match connect(script).await {
            Ok(mut connection) => connection.send(&envelope, &Default::default(), text(1, 100)).await.map(|_| ()),
            Err(error) => Err(error),
        }
    });
    outcome.await.expect("it hangs").unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn replies_without_end_are_out_of_turn() {
    let error = fails(&[PLAIN[0], PLAIN[1], Babble("250 mx\r\n")]).await;
    let Cause::Session(client::Error::Unsolicited(_, reply)) = error.cause() else { panic!("{error:?}") };
    assert_eq!(reply.text(), "mx");
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_end_is_cut_off() {
    for (babble, step) in [("220-x\r\n", Step::Greeting), ("220-\r\n", Step::Greeting)] {
        let error = fails(&[Babble(babble)]).await;
        let Cause::Session(client::Error::Reply(at, ReplyError::TooManyLines)) = error.cause() else {
            panic!("{error:?}")
        };
        assert_eq!(*at, step);
    }
    let error = fails(&[PLAIN[0], PLAIN[1], PLAIN[2], Hear("MAIL"), Babble("250-more and more and more\r\n")]).await;
    assert!(matches!(error.cause(), Cause::Session(client::Error::Reply(Step::Mail, ReplyError::TooManyLines))));
    assert!(!error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_line_without_end_is_cut_off() {
    let error = fails(&[Babble("220 and so on ")]).await;
    let Cause::Session(client::Error::Reply(Step::Greeting, ReplyError::LineTooLong(words))) = error.cause() else {
        panic!("{error:?}")
    };
    assert!(words.starts_with("220 and so on 220 and so on ") && words.len() <= 120);
    let after = [CHUNKING[0], CHUNKING[1], CHUNKING[2], Hear("LAST"), Babble("x")];
    let error = fails(&after).await;
    // All of it had left: who babbles may have taken it.
    assert!(error.is_ambiguous(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn garbage_is_named_with_the_peers_words() {
    let error = fails(&[Say("HTTP/1.1 400 Bad Request\r\n\r\n")]).await;
    assert_eq!(error.step(), Step::Greeting);
    let protocol = std::error::Error::source(&error).unwrap();
    let words = std::error::Error::source(protocol).unwrap().to_string();
    assert_eq!(words, "not an SMTP reply: `HTTP/1.1 400 Bad Request`");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_is_told_from_one_that_says_why() {
    let error = fails(&[Say("220 mx\r\n"), Hear("EHLO"), Say("421 4.3.2 shutting down\r\n")]).await;
    let Cause::Session(client::Error::Closing(Step::Ehlo, reply)) = error.cause() else { panic!("{error:?}") };
    assert_eq!((reply.text(), error.is_temporary()), ("shutting down", true));
    let words = error.to_string();
    assert!(words.contains("the name client.example.com") && words.contains("`hostname`"), "{words}");
    let error = fails(&[Say("220 mx\r\n"), Hear("EHLO")]).await;
    assert!(matches!(error.cause(), Cause::Session(client::Error::Disconnected(Step::Ehlo, _))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_ehlo_names_the_name_that_was_given_and_how_to_set_it() {
    for (reply, named) in [
        ("550 5.7.1 who are you\r\n", true),
        ("421 4.7.0 not like this\r\n", true),
        ("504 need a full name\r\n", true),
        ("450 later\r\n", false),
    ] {
        let error = fails(&[Say("220 mx\r\n"), Hear("EHLO"), Say(reply), Hear("HELO"), Say(reply)]).await;
        let words = error.to_string();
        assert_eq!(words.contains("the name client.example.com (`hostname`"), named, "{reply}: {words}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_while_nobody_was_sending_answers_no_message() {
    let envelope = envelope("ann@example.com", &["bob@example.org"]);
    let said = [("421 idle too long\r\n", "Closing"), ("250 by the way\r\n", "Unsolicited"), ("", "Disconnected")];
    for (words, expected) in said {
        for looks in [true, false] {
            let end = if words.is_empty() { Wait } else { Freeze };
            let script = [PLAIN[0], PLAIN[1], PLAIN[2], Wait, Say(words), end];
            let mut connection = connect(&script).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(connection.is_clean(), "nobody has looked yet");
            if looks {
                assert!(!connection.is_alive(), "{words}");
            }
            let error = connection.send(&envelope, &Default::default(), text(1, 100)).await.unwrap_err();
            let Cause::Session(cause) = error.cause() else { panic!("{words}: {error:?}") };
            assert!(format!("{cause:?}").starts_with(expected), "{words}: {cause:?}");
            assert!(error.is_temporary() && !error.is_ambiguous(), "{words}: {error:?}");
            assert_eq!(error.report().unwrap().recipients.len(), 1);
        }
    }
}
