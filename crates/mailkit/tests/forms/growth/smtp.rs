//! What peers say: servers to the client machine, clients to the server machine, proxies.

use std::hint::black_box;
use std::time::Instant;

use mailkit::Address;
use mailkit::address::Envelope;
use mailkit::smtp::client::{Client, ClientConfig, Protocol, Security, TransactionOptions};
#[cfg(feature = "scram")]
use mailkit::smtp::sasl::{ClientExchange, ExchangeContext, MAX_ITERATIONS, MIN_ITERATIONS, encode_base64};
use mailkit::smtp::sasl::{Credentials, Mechanism, Redactor};
use mailkit::smtp::server::{Event, Server, ServerConfig};
use mailkit::smtp::{Command, Extensions, ReplyDecoder};

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::linear("replies", 1_000, |n| {
        let mut decoder = ReplyDecoder::new();
        for piece in "250 2.0.0 fine\r\n".repeat(n).as_bytes().chunks(7) {
            decoder.feed(piece);
        }
        while let Ok(Some(reply)) = decoder.next_reply() {
            black_box(reply);
        }
    }),
    Case::linear("extensions", 500, |n| {
        let auth = format!("AUTH {}", (0..n).map(|number| format!("M{number} ")).collect::<String>());
        black_box(Extensions::parse(std::iter::once(&*auth).chain(std::iter::repeat_n("SIZE 1", n))));
    }),
    Case::linear("server: recipients and content", 100, |n| {
        let recipients = "RCPT TO:<a@x.example>\r\n".repeat(n);
        let content = ".. a line\r\n".repeat(10 * n);
        serve(&format!("EHLO c\r\nMAIL FROM:<>\r\n{recipients}DATA\r\n{content}.\r\n{}", "NOOP\r\n".repeat(n)));
    }),
    Case::linear("server: login lines", 500, |n| {
        serve(&format!("EHLO c\r\nAUTH PLAIN {}\r\n", "YWFh".repeat(n)));
    }),
    Case::linear("server: a chunk for each octet", 300, |n| {
        serve(&format!(
            "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n{}BDAT 0 LAST\r\n",
            "BDAT 1\r\na".repeat(n)
        ));
    }),
    Case::linear("server: lines that are too long", 2_000, |n| {
        serve(&format!("EHLO c\r\nMAIL FROM:<{}", "a".repeat(10 * n)));
        serve(&format!("EHLO c\r\n{}", "NOOP \n\r".repeat(n)));
    }),
    Case::linear("server: a refused command after the other", 300, |n| {
        serve(&"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nVRFY a\r\nRSET\r\n".repeat(n));
    }),
    Case::linear("commands: parameters", 500, |n| {
        let known = "SIZE=1 RET=FULL SMTPUTF8 AUTH=+41+42 ".repeat(n);
        let unknown: String = (0..n).map(|number| format!(" X-{number}=y")).collect();
        let words = "+41".repeat(n);
        for line in [
            format!("MAIL FROM:<> {known}"),
            format!("MAIL FROM:<>{unknown}"),
            format!("MAIL FROM:<> AUTH={words}"),
            format!("RCPT TO:<a@x.example> NOTIFY={}DELAY ORCPT=utf-8;{words}{unknown}", "DELAY,".repeat(n)),
            format!("RCPT TO:<{}:a@x.example>", "@x.example,".repeat(n)),
            format!("MAIL FROM:<\"{}\"@x.example>", "\\a".repeat(n)),
            format!("BDAT {}", "1".repeat(n)),
            format!("EHLO {}", "a".repeat(n)),
            format!("MAIL FROM:{}", "<".repeat(n)),
        ] {
            let _ = black_box(Command::parse(line.as_bytes()).map(|command| command.write_to(&mut Vec::new())));
        }
    }),
    Case::linear("client: refused recipients", 100, |n| {
        let refusals: String = (0..n).map(|number| format!("550 5.1.1 no {number}\r\n")).collect();
        send(Protocol::Smtp, n, &format!("250 ok\r\n{refusals}554 nobody\r\n"));
        let (accepted, refused) = ("250 ok\r\n".repeat(n / 2), "452 4.5.3 too many\r\n".repeat(n - n / 2));
        send(Protocol::Smtp, n, &format!("250 ok\r\n{accepted}{refused}354 go\r\n250 ok\r\n"));
    }),
    Case::linear("client: LMTP replies for each recipient", 100, |n| {
        let replies: String = (0..n).map(|number| format!("{} for {number}\r\n", 250 + 202 * (number % 2))).collect();
        send(Protocol::Lmtp, n, &format!("250 ok\r\n{}354 go\r\n{replies}", "250 ok\r\n".repeat(n)));
    }),
    Case::linear("client: rounds of 334", 5_000, |n| {
        for mechanism in [Mechanism::Login, Mechanism::CramMd5, Mechanism::ScramSha256, Mechanism::XOAuth2] {
            log_in(mechanism, &"334 VXNlcm5hbWU6\r\n".repeat(n));
        }
    }),
    Case::bounded("client: long challenges", 8_000, |n| {
        for mechanism in [Mechanism::Login, Mechanism::CramMd5, Mechanism::ScramSha256, Mechanism::OAuthBearer] {
            log_in(mechanism, &format!("334 {}\r\n", "VXNl".repeat(n / 2)));
            log_in(mechanism, &format!("{}334 \r\n", "334-VXNl\r\n".repeat(n)));
        }
    }),
    #[cfg(feature = "scram")]
    Case::linear("client: SCRAM, first messages", 100, |n| {
        let nonce = encode_base64(&[7; 18]);
        for first in [
            // Without rounds: these come last, and have a bound of their own.
            format!("r={}{},s=AAAA,i=1", *nonce, "x".repeat(n)),
            format!("r={}x,s={},i=1", *nonce, "AAAA".repeat(n)),
            format!("r={}x,s=AAAA,i=1{}", *nonce, ",x=y".repeat(n)),
            format!("r={}x,s=AAAA,i={}", *nonce, "9".repeat(n)),
            ",".repeat(n),
            "r=".repeat(n),
            format!("e={}", "a".repeat(n)),
        ] {
            let _ = black_box(scram().respond(first.as_bytes()));
        }
    }),
    #[cfg(feature = "scram")]
    Case::bounded("client: SCRAM, last messages", 2_000, |n| {
        let nonce = encode_base64(&[7; 18]);
        let endings = [format!("v={}", "AAAA".repeat(n)), format!("v=AAAA{}", ",x=y".repeat(n)), "e=".repeat(n)];
        for last in endings {
            let mut exchange = scram();
            exchange.respond(format!("r={}x,s=AAAA,i={MIN_ITERATIONS}", *nonce).as_bytes()).unwrap();
            let _ = black_box(exchange.respond(last.as_bytes()));
        }
    }),
    #[cfg(feature = "scram")]
    Case::bounded("client: SCRAM, rounds beyond the limit", MAX_ITERATIONS as usize + 1, |n| {
        let nonce = encode_base64(&[7; 18]);
        scram().respond(format!("r={}x,s=AAAA,i={n}", *nonce).as_bytes()).unwrap_err();
    }),
    Case::linear("client: what a server repeats of a login", 1_000, |n| {
        let mut secrets = Redactor::new(&Credentials::password("ann", "abcabcabcabc").unwrap());
        (0..10).for_each(|number| secrets.add(&format!("secret-{number}")));
        for text in ["abcabc".repeat(n), "abcab ".repeat(n), "\n".repeat(n), "a".repeat(n), "secre".repeat(n)] {
            black_box(secrets.redact(&text).len());
        }
        let mut long = Redactor::new(&Credentials::token("ann", "ab1".repeat(n)).unwrap());
        long.add("c");
        black_box(long.redact(&"b1a".repeat(n)).len());
    }),
];

fn now() -> Instant {
    Instant::now()
}

/// Runs a session of a server that accepts everything.
fn serve(input: &str) {
    let now = now();
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

fn config(protocol: Protocol) -> ClientConfig {
    ClientConfig { protocol, security: Security::None, ..ClientConfig::new("c.example") }
}

/// Greeting and EHLO, and then all that the server says, in small packets.
fn client(config: ClientConfig, offered: &str) -> Client {
    let mut client = Client::new(config, now());
    hear(&mut client, "220 mx\r\n");
    hear(&mut client, &format!("250-mx\r\n250-PIPELINING\r\n250 {offered}\r\n"));
    client
}

fn hear(client: &mut Client, said: &str) {
    let now = now();
    transmit(client, now);
    for packet in said.as_bytes().chunks(1_000) {
        client.handle_input(now, packet);
        transmit(client, now);
        while let Some(event) = client.poll_event() {
            black_box(event);
        }
    }
}

fn transmit(client: &mut Client, now: Instant) {
    while client.wants_content() {
        client.put_content(b"Hello\r\n", true);
    }
    while !client.poll_transmit().is_empty() {
        let length = client.poll_transmit().len();
        client.handle_transmitted(now, length.min(1_000));
    }
}

/// Sends a message to N recipients.
fn send(protocol: Protocol, n: usize, said: &str) {
    let mut client = client(config(protocol), "HELP");
    let to = (0..n).map(|number| Address::parse(&format!("a{number}@x.example")).unwrap()).collect();
    client.begin(now(), Envelope::null_sender(to).unwrap(), &TransactionOptions::default()).unwrap();
    hear(&mut client, said);
    assert_eq!(client.in_flight(), 0, "{:?}", client.error());
}

fn log_in(mechanism: Mechanism, said: &str) {
    let credentials = match mechanism.takes_token() {
        true => Credentials::token("ann", "s3cret-pw"),
        false => Credentials::password("ann", "s3cret-pw"),
    };
    let config = ClientConfig {
        cleartext_auth: true,
        credentials: Some(credentials.unwrap()),
        nonce: vec![7; 18],
        ..config(Protocol::Smtp)
    };
    let mut client = client(config, &format!("AUTH {}", mechanism.name()));
    hear(&mut client, said);
    black_box(client.error().map(ToString::to_string));
}

#[cfg(feature = "scram")]
fn scram() -> ClientExchange {
    let context = ExchangeContext { host: "", port: 0, nonce: &[7; 18] };
    let credentials = Credentials::password("ann", "s3cret-pw").unwrap();
    let mut exchange = ClientExchange::start(Mechanism::ScramSha256, &credentials, context).unwrap();
    exchange.initial_response().unwrap();
    exchange
}
