//! Work grows linearly with input from outside: the instructions that each parser and printer takes are counted, by
//! callgrind, for an input and for the double and the fourfold of it.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::hint::black_box;
use std::process::Command;

use mailkit::address::{AddressList, Envelope};
use mailkit::mime::{Attachment, Capabilities};
use mailkit::smtp::{Extensions, ReplyDecoder};
use mailkit::{Address, Message};

/// Names the case and the size for a run of this program that does nothing else.
const VARIABLE: &str = "MAILKIT_GROWTH";

type Work = fn(usize);

/// Each parser and printer, and the size to begin with.
const CASES: [(&str, usize, Work); 16] = [
    ("header: blanks before the colon, continuation lines", 1_000, |n| {
        let field = format!("X{}:{}", " ".repeat(20 * n), "\r\n a".repeat(n));
        eml(&format!("{field}\r\nFrom: a@x.example\r\nTo: b@y.example\r\n\r\n"));
    }),
    ("header: fields", 1_000, |n| {
        eml(&format!("{}From: a@x.example\r\nTo: b@y.example\r\n\r\n", "Received: x\r\n".repeat(n)));
    }),
    ("header: addresses", 500, |n| {
        eml(&format!("From: a@x.example\r\nTo: {}b@y.example\r\n\r\n", "\"Ann, A\" <a@x.example>, ".repeat(n)));
    }),
    ("addresses: comments and groups", 500, |n| {
        let _ = black_box(AddressList::parse(&format!("{}a@x{}", "(".repeat(n), ")".repeat(n))));
        let _ = black_box(AddressList::parse(&"g: a@x.example;, ".repeat(n)));
    }),
    ("content type: parameters", 500, |n| {
        let parameters: String = (0..n).map(|number| format!("; p{number}=v")).collect();
        let file = Attachment::bytes("a", "b").content_type(format!("application/x{parameters}"));
        let built = Message::builder().from("a@x.example").to("b@y.example").attach(file).build();
        let _ = black_box(built.map(|message| message.to_bytes()));
    }),
    ("builder: text, subject, file name", 500, |n| {
        let text = "gr\u{fc}n ".repeat(n);
        let file = Attachment::bytes(text.clone(), "b");
        let message =
            Message::builder().from("a@x.example").to("b@y.example").subject(&*text).text(&*text).attach(file);
        let _ = black_box(message.build().map(|message| message.to_bytes()));
    }),
    ("builder: recipients and attachments", 200, |n| {
        let mut builder = Message::builder().from("a@x.example").text("a");
        for number in 0..n {
            builder = builder.to(format!("a{number}@x.example")).attach(Attachment::bytes("a", "b"));
        }
        let _ = black_box(builder.build().map(|message| message.to_bytes()));
    }),
    ("conversion: fields, comments, phrases, parameters", 300, |n| {
        let words = "\u{e9} (\u{e9}) ".repeat(n);
        let nested = format!("{}\u{e9}{}", "(".repeat(n), ")".repeat(n));
        let parameters = "; p=\u{e9}".repeat(n);
        let sections: String = (0..n).map(|number| format!("; q*{number}=\"\u{e9}\"")).collect();
        convert(&format!(
            "Subject: {words}\r\nTo: {words}\r\nReceived: {nested}\r\nContent-Type: text/x{parameters}{sections}\r\n\r\n"
        ));
    }),
    ("conversion: parts and lines", 300, |n| {
        let part = "--b\r\n\r\n\u{e9}\r\n--no boundary\r\n";
        let long = "\u{e9}".repeat(10 * n);
        convert(&format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}{long}\r\n--b--\r\n", part.repeat(n)));
    }),
    ("conversion: nested parts and messages", 200, |n| {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(n);
        let multiparts: String = (0..n)
            .map(|number| format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n"))
            .collect();
        convert(&format!("{nested}A: b\r\n\r\nplain\r\n"));
        convert(&format!("{multiparts}A: b\r\n\r\nplain\r\n"));
    }),
    ("replies", 1_000, |n| {
        let mut decoder = ReplyDecoder::new();
        for piece in "250 2.0.0 fine\r\n".repeat(n).as_bytes().chunks(7) {
            decoder.feed(piece);
        }
        while let Ok(Some(reply)) = decoder.next_reply() {
            black_box(reply);
        }
    }),
    ("extensions", 500, |n| {
        let auth = format!("AUTH {}", (0..n).map(|number| format!("M{number} ")).collect::<String>());
        black_box(Extensions::parse(std::iter::once(&*auth).chain(std::iter::repeat_n("SIZE 1", n))));
    }),
    ("server: recipients and content", 100, |n| {
        let recipients = "RCPT TO:<a@x.example>\r\n".repeat(n);
        let content = ".. a line\r\n".repeat(10 * n);
        serve(&format!("EHLO c\r\nMAIL FROM:<>\r\n{recipients}DATA\r\n{content}.\r\n{}", "NOOP\r\n".repeat(n)));
    }),
    ("server: login lines", 500, |n| {
        serve(&format!("EHLO c\r\nAUTH PLAIN {}\r\n", "YWFh".repeat(n)));
    }),
    ("text read from a source", 4_000, |n| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "gr\u{fc}n =\r--=_0_1\n".repeat(n)).unwrap();
        let text = mailkit::mime::TextSource::file(file.path()).unwrap();
        let message = Message::builder().from("a@x.example").to("b@y.example").text_source(text).build().unwrap();
        black_box(message.to_bytes().unwrap());
    }),
    ("DKIM: names and fields", 200, |n| {
        #[cfg(feature = "dkim")]
        sign(n);
        #[cfg(not(feature = "dkim"))]
        (0..n).for_each(|number| drop(black_box(vec![number; 100])));
    }),
];

/// Runs a session of a server that accepts everything.
fn serve(input: &str) {
    use mailkit::smtp::server::{Event, Server, ServerConfig};
    let now = std::time::Instant::now();
    let mut config =
        ServerConfig { cleartext_auth: true, max_recipients: usize::MAX, ..ServerConfig::new("s.example") };
    config.users = std::sync::Arc::new([("a".to_owned(), mailkit::smtp::sasl::Secret::new("b"))].into());
    let mut server = Server::new(config, now);
    for piece in input.as_bytes().chunks(1000) {
        server.handle_input(now, piece);
        while let Some(event) = server.poll_event() {
            if matches!(event, Event::Question(_)) {
                server.accept(now);
            }
        }
        server.handle_transmitted(now, server.poll_transmit().len());
    }
    black_box(server);
}

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

/// Does the work that the environment names.
#[test]
fn one_case() {
    let Ok(case) = std::env::var(VARIABLE) else { return };
    let (place, size) = case.split_once(' ').unwrap();
    let (_, _, work) = CASES[place.parse::<usize>().unwrap()];
    work(size.parse().unwrap());
}

fn instructions(place: usize, size: usize) -> u64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "growth::one_case", "--test-threads=1"]).env(VARIABLE, format!("{place} {size}"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let count = said.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    count.trim().parse().unwrap()
}

#[test]
fn work_grows_linearly_with_input_from_outside() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        assert!(std::env::var_os("MAILKIT_REQUIRE_REAL").is_none(), "valgrind is required and missing");
        return;
    }
    for (place, (name, size, _)) in CASES.into_iter().enumerate() {
        let [once, twice, fourfold] = [1, 2, 4].map(|times| instructions(place, times * size));
        // Twice as much again, if it is linear; four times as much, if it grows with the square.
        let growth = (fourfold - twice) as f64 / (twice - once) as f64;
        println!("{name}: {growth:.2}");
        assert!(growth < 2.8, "{name}: {once}, {twice}, {fourfold} instructions");
    }
}
