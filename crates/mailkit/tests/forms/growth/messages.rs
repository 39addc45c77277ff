//! Messages: built, finished, converted, signed.

use std::hint::black_box;

use mailkit::address::{AddressList, Envelope};
use mailkit::mime::{Attachment, Capabilities};
use mailkit::{Address, Message};

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::linear("header: blanks before the colon, continuation lines", 1_000, |n| {
        let field = format!("X{}:{}", " ".repeat(20 * n), "\r\n a".repeat(n));
        eml(&format!("{field}\r\nFrom: a@x.example\r\nTo: b@y.example\r\n\r\n"));
    }),
    Case::linear("header: fields", 1_000, |n| {
        eml(&format!("{}From: a@x.example\r\nTo: b@y.example\r\n\r\n", "Received: x\r\n".repeat(n)));
    }),
    Case::linear("header: addresses", 500, |n| {
        eml(&format!("From: a@x.example\r\nTo: {}b@y.example\r\n\r\n", "\"Ann, A\" <a@x.example>, ".repeat(n)));
    }),
    Case::linear("addresses: comments and groups", 500, |n| {
        let _ = black_box(AddressList::parse(&format!("{}a@x{}", "(".repeat(n), ")".repeat(n))));
        let _ = black_box(AddressList::parse(&"g: a@x.example;, ".repeat(n)));
    }),
    Case::linear("content type: parameters", 500, |n| {
        let parameters: String = (0..n).map(|number| format!("; p{number}=v")).collect();
        let file = Attachment::bytes("a", "b").content_type(format!("application/x{parameters}"));
        let built = Message::builder().from("a@x.example").to("b@y.example").attach(file).build();
        let _ = black_box(built.map(|message| message.to_bytes()));
    }),
    Case::linear("builder: text, subject, file name", 500, |n| {
        let text = "gr\u{fc}n ".repeat(n);
        let file = Attachment::bytes(text.clone(), "b");
        let message =
            Message::builder().from("a@x.example").to("b@y.example").subject(&*text).text(&*text).attach(file);
        let _ = black_box(message.build().map(|message| message.to_bytes()));
    }),
    Case::linear("builder: recipients and attachments", 200, |n| {
        let mut builder = Message::builder().from("a@x.example").text("a");
        for number in 0..n {
            builder = builder.to(format!("a{number}@x.example")).attach(Attachment::bytes("a", "b"));
        }
        let _ = black_box(builder.build().map(|message| message.to_bytes()));
    }),
    Case::linear("conversion: fields, comments, phrases, parameters", 300, |n| {
        let words = "\u{e9} (\u{e9}) ".repeat(n);
        let nested = format!("{}\u{e9}{}", "(".repeat(n), ")".repeat(n));
        let parameters = "; p=\u{e9}".repeat(n);
        let sections: String = (0..n).map(|number| format!("; q*{number}=\"\u{e9}\"")).collect();
        convert(&format!(
            "Subject: {words}\r\nTo: {words}\r\nReceived: {nested}\r\nContent-Type: text/x{parameters}{sections}\r\n\r\n"
        ));
    }),
    Case::linear("conversion: parts and lines", 300, |n| {
        let part = "--b\r\n\r\n\u{e9}\r\n--no boundary\r\n";
        let long = "\u{e9}".repeat(10 * n);
        convert(&format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}{long}\r\n--b--\r\n", part.repeat(n)));
    }),
    Case::linear("conversion: nested parts and messages", 200, |n| {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(n);
        let multiparts: String = (0..n)
            .map(|number| format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n"))
            .collect();
        convert(&format!("{nested}A: b\r\n\r\nplain\r\n"));
        convert(&format!("{multiparts}A: b\r\n\r\nplain\r\n"));
    }),
    Case::linear("text read from a source", 4_000, |n| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "gr\u{fc}n =\r--=_0_1\n".repeat(n)).unwrap();
        let text = mailkit::mime::TextSource::file(file.path()).unwrap();
        let message = Message::builder().from("a@x.example").to("b@y.example").text_source(text).build().unwrap();
        black_box(message.to_bytes().unwrap());
    }),
    Case::linear("DKIM: names and fields", 200, |n| {
        #[cfg(feature = "dkim")]
        sign(n);
        #[cfg(not(feature = "dkim"))]
        (0..n).for_each(|number| drop(black_box(vec![number; 100])));
    }),
    Case::linear("header: encoded words of a subject", 1_000, |n| {
        let subject = "=?utf-8?q?gr=C3=BCn?= =?x?b?!?= plain\r\n ".repeat(n);
        let text = format!("From: a@x.example\r\nTo: b@y.example\r\nSubject: {subject}a\r\n\r\n");
        black_box(Message::from_eml(text, None).unwrap().subject().map(str::to_owned));
    }),
    Case::linear("DKIM: key files", 2_000, |n| {
        #[cfg(feature = "dkim")]
        for text in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n".repeat(n),
            format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n", "AAAA\n".repeat(n)),
            "AAAA".repeat(n),
        ] {
            let _ = black_box(mailkit::mime::dkim::SigningKey::from_pem(text.as_bytes()));
        }
        #[cfg(not(feature = "dkim"))]
        (0..n).for_each(|number| drop(black_box(vec![number; 100])));
    }),
    Case::linear("DKIM: which domain signs", 300, |n| {
        #[cfg(feature = "dkim")]
        choose_signers(n);
        #[cfg(not(feature = "dkim"))]
        (0..n).for_each(|number| drop(black_box(vec![number; 100])));
    }),
];

/// Signs a header of N fields by a signer that lists N names.
#[cfg(feature = "dkim")]
fn sign(n: usize) {
    use mailkit::mime::dkim::{BodyHasher, Canonicalization, Signer, SigningKey};
    // The key of RFC 8463 A.2.
    let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let signer = Signer::new(key, mailkit::address::Domain::parse("x.example").unwrap(), "s").unwrap();
    let signer = signer.headers((0..n).map(|number| format!("X-{number}"))).unwrap();
    let fields: String = (0..n).map(|number| format!("X-{number}: a\r\n")).collect();
    let body = BodyHasher::new(Canonicalization::Relaxed).finish().unwrap();
    let _ = black_box(signer.sign(format!("From: a@x.example\r\n{fields}").as_bytes(), &body, 1));
}

/// Chooses among N signers for a header of N fields, N of which are signatures of other domains.
#[cfg(feature = "dkim")]
fn choose_signers(n: usize) {
    use mailkit::address::Domain;
    use mailkit::mime::dkim::{Signer, SigningKey};
    let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let signers = (0..n).map(|number| {
        let domain = Domain::parse(&format!("d{number}.example")).unwrap();
        (domain.clone(), Signer::new(key.clone(), domain, "s").unwrap())
    });
    let signers = mailkit::DomainSigners::new(signers.collect::<Vec<_>>());
    let signatures: String = (0..n).map(|number| format!("DKIM-Signature: a=b;\r\n d=e{number}.example\r\n")).collect();
    black_box(signers.for_header(format!("{signatures}From: a@d1.example\r\n").as_bytes()));
}

fn eml(text: &str) {
    black_box(Message::from_eml(text, None).unwrap().to_bytes().unwrap());
}

fn convert(text: &str) {
    let address = Address::parse("a@x.example").unwrap();
    let envelope = Envelope::new(address.clone(), vec![address]).unwrap();
    let message = Message::from_eml(text, Some(envelope)).unwrap();
    let everything = Capabilities { eight_bit: true, smtp_utf8: true, binary: false };
    let conversion = message.encode(everything).unwrap().convert(Capabilities::default(), &[]);
    black_box(conversion.map(|conversion| conversion.encoded.to_bytes().unwrap())).unwrap();
}
