//! What a message needs, held against what the server has.

#[path = "forms/growth.rs"]
mod growth;

use mailkit::{Mailer, Message};
use mailkit_server::Sink;

const EIGHT_BIT: &[u8] = "From: a@example.com\r\nTo: b@example.org\r\n\r\nGr\u{fc}\u{df}e\r\n".as_bytes();

#[tokio::test]
async fn a_finished_message_with_8_bit_content_is_converted_where_the_server_lacks_it_and_goes_as_it_is_elsewhere() {
    for has_it in [false, true] {
        let change = move |offered: &mut mailkit::smtp::Extensions| {
            (offered.eight_bit_mime, offered.smtp_utf8, offered.binary_mime) = (has_it, false, false);
        };
        let sink = Sink::builder().extensions(change).start().await.unwrap();
        let mailer = Mailer::from_url(&format!("smtp://{}?tls=none", sink.addr())).unwrap();
        #[cfg(feature = "dkim")]
        let mailer = {
            use mailkit::mime::dkim::{Signer, SigningKey};
            // The key of RFC 8463 A.2.
            let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
            mailer
                .with_signers([Signer::new(key, mailkit::address::Domain::parse("example.com").unwrap(), "s").unwrap()])
        };
        let outcome = mailer.send(&Message::from_eml(EIGHT_BIT, None).unwrap()).await;
        if has_it {
            assert!(outcome.unwrap().is_accepted());
            assert!(sink.captured().first().unwrap().content.ends_with(EIGHT_BIT));
        } else {
            assert!(outcome.unwrap().is_accepted());
            let content = sink.captured().remove(0).content;
            assert!(content.is_ascii() && content.ends_with(b"\r\n\r\nR3LDvMOfZQ0K\r\n"));
            // It is signed in the form in which it goes.
            #[cfg(feature = "dkim")]
            assert!(content.starts_with(b"DKIM-Signature: "));
        }
        sink.shutdown().await;
    }
}

#[tokio::test]
async fn rfc_6152_without_8bitmime_no_octet_beyond_ascii_is_sent_whatever_else_the_server_offers() {
    for (smtp_utf8, binary_mime) in [(false, false), (true, false), (false, true), (true, true)] {
        let change = move |offered: &mut mailkit::smtp::Extensions| {
            (offered.eight_bit_mime, offered.smtp_utf8, offered.binary_mime) = (false, smtp_utf8, binary_mime);
        };
        let sink = Sink::builder().extensions(change).start().await.unwrap();
        let mailer = Mailer::from_url(&format!("smtp://{}?tls=none", sink.addr())).unwrap();
        let raw_header = "From: a@example.com\r\nTo: b@example.org\r\nSubject: \u{e9}\r\n\r\n\u{e9}\r\n";
        let built = Message::builder().from("a@example.com").to("b@example.org").text("Gr\u{fc}\u{df}e\n");
        for message in [
            Message::from_eml(EIGHT_BIT, None).unwrap(),
            Message::from_eml(raw_header, None).unwrap(),
            built.build().unwrap(),
        ] {
            let outcome = mailer.send(&message).await.unwrap();
            assert!(outcome.is_accepted(), "{smtp_utf8} {binary_mime} {outcome:?}");
        }
        assert!(sink.captured().iter().all(|mail| mail.content.is_ascii()), "{smtp_utf8} {binary_mime}");
        sink.shutdown().await;
    }
}
