//! Through real servers: Postfix by STARTTLS and login, Dovecot by LMTP; what arrives is what was sent, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use mailkit::mime::Capabilities;
use mailkit::{Address, Envelope, Mailer, Message, Report, Status, TransactionOptions};
use mailkit_testkit::{DOMAIN, Dovecot, DovecotOptions, Postfix, PostfixOptions, available, content_after_trace};

const MULTIPART: &[u8] = include_bytes!("data/multipart.eml");

fn submission(postfix: &Postfix, more: &str) -> Mailer {
    let (user, password) = (postfix.user().replace('@', "%40"), postfix.password());
    let (address, ca) = (postfix.submission_address(), postfix.ca_pem().display().to_string());
    Mailer::from_url(&format!("smtp://{user}:{password}@{address}?ca={ca}{more}")).unwrap()
}

fn text() -> Message {
    Message::builder()
        .from("Ann Müller <ann@example.com>")
        .to(format!("Bob <bob@{DOMAIN}>"))
        .subject("Größe – and a long subject that has to be folded since it goes on and on and on")
        .text("Hello Bob,\n\n.a line with a dot\n..\n.\ntrailing blanks   \nFrom the start. Grüße\n")
        .build()
        .unwrap()
}

fn envelope(recipients: &[&str]) -> Envelope {
    let recipients = recipients.iter().map(|name| Address::parse(&format!("{name}@{DOMAIN}")).unwrap()).collect();
    Envelope::new(Address::parse("ann@example.com").unwrap(), recipients).unwrap()
}

fn accepted(report: &Report) {
    assert!(report.is_accepted(), "{report:?}");
}

#[tokio::test]
async fn real_postfix_delivers_text_and_multipart_byte_for_byte_in_every_way() {
    let Some(postfix) = available(Postfix::start(PostfixOptions::new())) else { return };
    let mut sent = Vec::new();
    for more in ["", "&chunking=off", "&pipelining=off&chunking=off"] {
        let mailer = submission(&postfix, more);
        let message = text();
        accepted(&mailer.send(&message).await.unwrap());
        let form = Capabilities { eight_bit: true, ..Capabilities::default() };
        sent.push(message.encode(form).unwrap().to_bytes().unwrap().to_vec());

        let eml = Message::from_eml(MULTIPART, Some(envelope(&["bob"]))).unwrap();
        let report = mailer.send(&eml).await.unwrap();
        accepted(&report);
        let trips = if more.is_empty() {
            1
        } else if more == "&chunking=off" {
            2
        } else {
            4
        };
        assert_eq!(report.round_trips, trips);
        sent.push(MULTIPART.to_vec());
    }
    let mut arrived: Vec<Vec<u8>> =
        postfix.delivered("bob", sent.len()).await.unwrap().iter().map(|file| content_after_trace(file)).collect();
    arrived.sort();
    sent.sort();
    assert_eq!(arrived.len(), sent.len(), "{}", postfix.log());
    for (arrived, sent) in arrived.iter().zip(&sent) {
        assert_eq!(String::from_utf8_lossy(arrived), String::from_utf8_lossy(sent));
    }
}

#[tokio::test]
async fn real_postfix_refuses_one_recipient_for_good_and_one_for_now_and_the_rest_arrives() {
    let Some(postfix) = available(Postfix::start(PostfixOptions::new().deferred_recipient("later"))) else { return };
    for more in ["", "&chunking=off", "&pipelining=off"] {
        let mailer = submission(&postfix, more);
        let report = mailer
            .send_content(&envelope(&["nobody", "bob", "later"]), &TransactionOptions::default(), MULTIPART)
            .await
            .unwrap();
        let codes: Vec<_> = report.recipients.iter().map(|one| one.status.reply().unwrap().code().get()).collect();
        assert_eq!(codes, [550, 250, 450], "{more}: {report:?}");
    }
    assert_eq!(postfix.delivered("bob", 3).await.unwrap().len(), 3, "{}", postfix.log());
}

#[tokio::test]
async fn real_postfix_refuses_a_wrong_password_and_a_message_that_is_too_large() {
    let Some(postfix) = available(Postfix::start(PostfixOptions::new().message_size_limit(10_000))) else { return };
    let (user, address, ca) = (postfix.user().replace('@', "%40"), postfix.submission_address(), postfix.ca_pem());
    for mechanism in ["plain", "login", "cram-md5", "scram-sha-256"] {
        let url = format!("smtp://{user}:wrong@{address}?auth={mechanism}&ca={}", ca.display());
        let error = Mailer::from_url(&url).unwrap().send(&text()).await.unwrap_err();
        assert_eq!((error.kind(), error.step()), (mailkit::ErrorKind::Login, Some(mailkit::Step::Auth)), "{error:?}");
        let more = format!("&auth={mechanism}");
        accepted(&submission(&postfix, &more).send(&text()).await.unwrap());
    }
    let large =
        Message::builder().from("ann@example.com").to("bob@example.org").text("x".repeat(20_000)).build().unwrap();
    let error = submission(&postfix, "").send(&large).await.unwrap_err();
    assert_eq!(error.kind(), mailkit::ErrorKind::Refused);
    let words = std::error::Error::source(&error).unwrap().to_string();
    assert!(words.contains("the server takes 10000"), "{words}");
}

#[tokio::test]
async fn real_dovecot_by_lmtp_answers_for_each_recipient() {
    let Some(dovecot) = available(Dovecot::start(DovecotOptions::new())) else { return };
    let known = "bob";
    let urls = [format!("lmtp://{}", dovecot.address()), format!("lmtp+unix://{}", dovecot.socket().display())];
    for (round, url) in urls.iter().enumerate() {
        for (turn, more) in ["", "?chunking=off", "?pipelining=off"].into_iter().enumerate() {
            let mailer = Mailer::from_url(&format!("{url}{more}")).unwrap();
            let report = mailer
                .send_content(&envelope(&[known, "nobody"]), &TransactionOptions::default(), MULTIPART)
                .await
                .unwrap();
            let statuses: Vec<_> = report.recipients.iter().map(|one| &one.status).collect();
            assert!(matches!(statuses[0], Status::Accepted(_)), "{report:?}");
            assert!(matches!(statuses[1], Status::Refused { reply, .. } if reply.code().get() == 550), "{report:?}");
            let count = round * 3 + turn + 1;
            let files = dovecot.delivered(known, count).await.unwrap();
            assert_eq!(files.len(), count, "{}", dovecot.log());
            for file in files {
                let content = content_after_trace(&file);
                assert_eq!(String::from_utf8_lossy(&content), String::from_utf8_lossy(MULTIPART));
            }
        }
    }
}
