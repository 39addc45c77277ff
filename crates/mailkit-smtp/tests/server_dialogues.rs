//! Whole sessions as a server has them. Each runs in one piece, byte by byte, and cut in two at every place:
//! what the server says and keeps must be the same.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "what cannot be set up fails the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailkit_smtp::client::Protocol;
use mailkit_smtp::sasl::Secret;
use mailkit_smtp::server::{Error, Event, Question, Server, ServerConfig, ServerTls};
use mailkit_smtp::{EnhancedStatus, FutureRelease, Limits, Reply, ReplyCode, SizeLimit, Step};

/// What a run leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    said: String,
    /// What the caller saw, in words.
    seen: String,
    error: Option<Error>,
}

fn reply(code: u16, text: &str) -> Reply {
    let class = u8::try_from(code / 100).unwrap();
    Reply::new(ReplyCode::new(code).unwrap(), EnhancedStatus::new(class, 1, 1), text)
}

/// A caller that refuses whoever is called `no`, for now whoever is called `later`, and content that says so.
struct Caller {
    content: Vec<u8>,
    run: Run,
}

impl Caller {
    fn answer(&self, question: &Question) -> Option<Reply> {
        let words = match question {
            Question::Mail { path, .. } => path.to_string(),
            Question::Rcpt { path, .. } => path.to_string(),
            Question::Chunk | Question::Content { .. } => String::from_utf8_lossy(&self.content).into_owned(),
            Question::Hello { name } => format!("<{name}"),
            _ => String::new(),
        };
        match words {
            words if words.starts_with("<no") => Some(reply(550, "no")),
            words if words.starts_with("<later") => Some(reply(450, "later")),
            _ => None,
        }
    }

    fn advance(&mut self, server: &mut Server, now: Instant) {
        while let Some(event) = server.poll_event() {
            match event {
                Event::Content(piece) => self.content.extend_from_slice(piece),
                Event::Reset => {
                    self.run.seen.push_str("reset; ");
                    self.content.clear();
                }
                Event::Question(question) => {
                    if let Question::Content { octets } = question {
                        assert_eq!(octets, self.content.len() as u64);
                        let content = String::from_utf8_lossy(&self.content).into_owned();
                        write!(self.run.seen, "{content:?} for {}; ", server.recipients()).unwrap();
                    }
                    match self.answer(&question) {
                        Some(reply) => server.answer(now, &reply),
                        None => server.accept(now),
                    }
                    if matches!(question, Question::Content { .. }) {
                        self.content.clear();
                    }
                }
                Event::Closed => self.run.seen.push_str("closed"),
                other => panic!("{other:?}"),
            }
        }
        let said = server.poll_transmit().to_vec();
        self.run.said.push_str(&String::from_utf8(said.clone()).unwrap());
        server.handle_transmitted(now, said.len());
    }
}

fn run<'a>(config: &ServerConfig, pieces: impl IntoIterator<Item = &'a [u8]>) -> Run {
    let now = Instant::now();
    let mut server = Server::new(config.clone(), now);
    let mut caller = Caller { content: Vec::new(), run: Run::default() };
    caller.advance(&mut server, now);
    for piece in pieces {
        server.handle_input(now, piece);
        caller.advance(&mut server, now);
    }
    caller.run.error = server.error().cloned();
    caller.run
}

/// Runs what the client says however it is cut. Of the transcript, lines with `S: ` are what the server says,
/// lines with `C: ` what the client says, `c: ` the same without a line end, and `=` closes with what the caller saw.
fn dialogue(config: &ServerConfig, transcript: &str) {
    let (mut client, mut expected, mut seen) = (Vec::new(), String::new(), "");
    for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        match line.split_at(line.find(' ').map_or(line.len(), |at| at + 1)) {
            ("C: ", said) => client.extend_from_slice(format!("{said}\r\n").as_bytes()),
            ("C:", _) => client.extend_from_slice(b"\r\n"),
            ("c: ", said) => client.extend_from_slice(said.replace("\\r", "\r").replace("\\n", "\n").as_bytes()),
            ("S: ", said) => writeln!(expected, "{said}\r").unwrap(),
            ("= ", words) => seen = words,
            _ => panic!("{line}"),
        }
    }
    let whole = run(config, [client.as_slice()]);
    assert_eq!(whole.said.replace('\r', ""), expected.replace('\r', ""));
    assert_eq!(whole.seen.trim_end(), seen.trim_end());
    assert_eq!(run(config, client.chunks(1)), whole, "byte by byte");
    for cut in 0..=client.len() {
        let (first, second) = client.split_at(cut);
        assert_eq!(run(config, [first, second]), whole, "cut at {cut}");
    }
}

/// A server that offers nothing but what the dialogue is about.
fn bare() -> ServerConfig {
    let mut config = ServerConfig::new("mx.example.com");
    config.extensions.size = None;
    config.extensions.binary_mime = false;
    config.extensions.eight_bit_mime = false;
    config.extensions.smtp_utf8 = false;
    config.extensions.enhanced_status_codes = false;
    config
}

#[test]
fn a_typical_session_of_rfc_5321_appendix_d_1() {
    dialogue(
        &bare(),
        "S: 220 mx.example.com ESMTP
         C: EHLO client.example.org
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250 CHUNKING
         C: MAIL FROM:<ann@example.org>
         S: 250 sender ok
         C: RCPT TO:<bob@example.com>
         S: 250 recipient ok
         C: RCPT TO:<no@example.com>
         S: 550 no
         C: DATA
         S: 354 go on; end with a dot on a line of its own
         C: Blah..
         C: ..and a dot
         C: .
         S: 250 message accepted
         C: QUIT
         S: 221 bye
         = \"Blah..\\r\\n.and a dot\\r\\n\" for 1; closed",
    );
}

#[test]
fn enhanced_status_codes_are_given_where_they_are_offered_and_added_where_they_are_missing() {
    let mut config = bare();
    config.extensions.enhanced_status_codes = true;
    dialogue(
        &config,
        "S: 220 mx.example.com ESMTP
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250-CHUNKING
         S: 250 ENHANCEDSTATUSCODES
         C: MAIL FROM:<later@example.org>
         S: 450 4.1.1 later
         C: DATA
         S: 503 5.5.1 MAIL comes first
         C: HELO me
         S: 250 mx.example.com
         C: MAIL FROM:<later@example.org>
         S: 450 later
         C: QUIT
         S: 221 bye
         = closed",
    );
}

#[test]
fn lmtp_answers_the_content_for_each_recipient() {
    let config = ServerConfig { protocol: Protocol::Lmtp, ..bare() };
    dialogue(
        &config,
        "S: 220 mx.example.com LMTP
         C: EHLO me
         S: 500 command not recognized
         C: LHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250 CHUNKING
         C: MAIL FROM:<>
         S: 250 sender ok
         C: DATA
         S: 503 no valid recipients
         C: RCPT TO:<a@example.com>
         S: 250 recipient ok
         C: RCPT TO:<no@example.com>
         S: 550 no
         C: RCPT TO:<Postmaster>
         S: 250 recipient ok
         C: DATA
         S: 354 go on; end with a dot on a line of its own
         C: .
         S: 250 message accepted
         S: 250 message accepted
         C: MAIL FROM:<>
         S: 250 sender ok
         C: RCPT TO:<no@example.com>
         S: 550 no
         C: DATA
         S: 503 no valid recipients
         C: BDAT 4 LAST
         c: QUIT
         S: 503 no valid recipients
         C: RSET
         S: 250 ok
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<a@example.com>
         S: 250 recipient ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: BDAT 3 LAST
         c: <no
         S: 550 no
         S: 550 no
         C: QUIT
         S: 221 bye
         = \"\" for 2; reset; \"<no\" for 2; closed",
    );
}

#[test]
fn only_crlf_dot_crlf_ends_the_content() {
    dialogue(
        &bare(),
        "S: 220 mx.example.com ESMTP
         C: HELO me
         S: 250 mx.example.com
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: DATA
         S: 354 go on; end with a dot on a line of its own
         c: a\\n.\\nQUIT\\r\\n.\\nb\\r.\\r\\n..\\r\\n.\\r.\\n\\r\\n
         C: .
         S: 250 message accepted
         C: QUIT
         S: 221 bye
         = \"a\\n.\\nQUIT\\r\\n\\nb\\r.\\r\\n.\\r\\n\\r.\\n\\r\\n\" for 1; closed",
    );
}

#[test]
fn chunks_are_counted_and_never_read_as_commands() {
    dialogue(
        &bare(),
        "S: 220 mx.example.com ESMTP
         C: BDAT 6
         c: QUIT\\r\\n
         S: 502 command not implemented
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250 CHUNKING
         C: MAIL FROM:<no@example.com>
         S: 550 no
         C: RCPT TO:<b@example.com>
         S: 503 MAIL comes first
         C: BDAT 6 LAST
         c: QUIT\\r\\n
         S: 503 MAIL comes first
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: BDAT 0
         S: 250 ok
         C: BDAT 3
         c: \\r\\n.
         S: 250 ok
         C: DATA
         S: 503 BDAT was used: DATA is out of order
         C: MAIL FROM:<a@example.com>
         S: 503 one transaction at a time
         C: BDAT 2 LAST
         c: \\r\\n
         S: 250 message accepted
         C: BDAT 6 LAST
         c: QUIT\\r\\n
         S: 503 MAIL comes first
         C: QUIT
         S: 221 bye
         = \"\\r\\n.\\r\\n\" for 1; closed",
    );
}

#[test]
fn behind_a_refused_chunk_all_others_are_refused_as_well() {
    dialogue(
        &bare(),
        "S: 220 mx.example.com ESMTP
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250 CHUNKING
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: BDAT 6
         c: <later
         S: 450 later
         C: BDAT 6
         c: QUIT\\r\\n
         S: 450 later
         C: BDAT 6 LAST
         c: QUIT\\r\\n
         S: 450 later
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: BDAT 3
         c: <no
         S: 550 no
         C: RSET
         S: 250 ok
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: QUIT
         S: 221 bye
         = reset; reset; closed",
    );
}

#[test]
fn too_much_content_is_read_to_its_end_and_refused() {
    let mut config = bare();
    config.extensions.size = Some(SizeLimit::Octets(8));
    dialogue(
        &config,
        "S: 220 mx.example.com ESMTP
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250-CHUNKING
         S: 250 SIZE 8
         C: MAIL FROM:<a@example.com> SIZE=9
         S: 552 message too large
         C: MAIL FROM:<a@example.com> SIZE=8
         S: 250 sender ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: DATA
         S: 354 go on; end with a dot on a line of its own
         C: 1234567
         C: QUIT
         C: .
         S: 552 message too large
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: BDAT 9
         c: 123456789
         S: 552 message too large
         C: BDAT 1 LAST
         c: 1
         S: 552 message too large
         C: QUIT
         S: 221 bye
         = reset; reset; closed",
    );
}

#[test]
fn parameters_must_be_offered() {
    let mut config = bare();
    config.extensions.chunking = false;
    config.extensions.future_release =
        Some(FutureRelease { max_interval: 60, max_datetime: "2030-01-01T00:00:00Z".into() });
    dialogue(
        &config,
        "S: 220 mx.example.com ESMTP
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250 FUTURERELEASE 60 2030-01-01T00:00:00Z
         C: MAIL FROM:<a@example.com> SIZE=1
         S: 555 SIZE is not offered
         C: MAIL FROM:<a@example.com> BODY=8BITMIME
         S: 555 BODY is not offered
         C: MAIL FROM:<a@example.com> SMTPUTF8
         S: 555 SMTPUTF8 is not offered
         C: MAIL FROM:<a@example.com> RET=FULL
         S: 555 RET is not offered
         C: MAIL FROM:<a@example.com> REQUIRETLS
         S: 555 REQUIRETLS is not offered
         C: MAIL FROM:<a@example.com> MT-PRIORITY=3
         S: 555 MT-PRIORITY is not offered
         C: MAIL FROM:<a@example.com> AUTH=<>
         S: 555 AUTH is not offered
         C: MAIL FROM:<a@example.com> XFOO=1
         S: 555 XFOO is not offered
         C: MAIL FROM:<a@example.com> HOLDFOR=61
         S: 501 held no longer than FUTURERELEASE says
         C: MAIL FROM:<a@example.com> HOLDFOR=60
         S: 250 sender ok
         C: RCPT TO:<b@example.com> NOTIFY=NEVER
         S: 555 NOTIFY is not offered
         C: RCPT TO:<b@example.com> XFOO
         S: 555 XFOO is not offered
         = ",
    );
}

#[test]
fn what_makes_no_sense_has_its_code() {
    dialogue(
        &ServerConfig { max_recipients: 1, ..bare() },
        "S: 220 mx.example.com ESMTP
         C: BLURB
         S: 500 command not recognized
         C:
         S: 500 command not recognized
         C: MAIL FROM:<a@example.com>
         S: 503 greet first
         C: EHLO
         S: 501 syntax: EHLO name
         C: EHLO no
         S: 550 no
         C: HELO me
         S: 250 mx.example.com
         C: EXPN list
         S: 502 command not implemented
         C: STARTTLS
         S: 502 command not implemented
         C: AUTH PLAIN
         S: 502 command not implemented
         C: VRFY ann
         S: 252 cannot verify; send to it and see
         C: NOOP
         S: 250 ok
         C: HELP me
         S: 214 see RFC 5321
         C: RCPT TO:<b@example.com>
         S: 503 MAIL comes first
         C: MAIL FROM:<a@example.com> SIZE=x
         S: 501 parameter not understood: invalid parameter `SIZE=x`
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: DATA
         S: 503 no valid recipients
         C: RCPT TO:<b>
         S: 553 not a mail address: no domain in `<b>` at 2: write it as name@example.com
         C: RCPT TO:<no@example.com>
         S: 550 no
         C: DATA
         S: 554 no valid recipients
         C: RCPT TO:<b@example.com>
         S: 250 recipient ok
         C: RCPT TO:<c@example.com>
         S: 452 too many recipients
         C: QUIT now
         S: 501 syntax: QUIT
         C: QUIT
         S: 221 bye
         = closed",
    );
}

#[test]
fn ehlo_again_and_rset_end_the_transaction() {
    dialogue(
        &bare(),
        "S: 220 mx.example.com ESMTP
         C: HELO me
         S: 250 mx.example.com
         C: RSET
         S: 250 ok
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: HELO me
         S: 250 mx.example.com
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RSET
         S: 250 ok
         C: DATA
         S: 503 MAIL comes first
         = reset; reset;",
    );
}

#[test]
fn announced_limits_hold() {
    let mut config = bare();
    config.extensions.limits = Limits { mail_max: Some(1), rcpt_max: Some(3), rcpt_domain_max: Some(1) };
    dialogue(
        &config,
        "S: 220 mx.example.com ESMTP
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250-CHUNKING
         S: 250 LIMITS MAILMAX=1 RCPTMAX=3 RCPTDOMAINMAX=1
         C: MAIL FROM:<a@example.com>
         S: 250 sender ok
         C: RCPT TO:<a@example.com>
         S: 250 recipient ok
         C: RCPT TO:<a@example.org>
         S: 452 too many recipients
         C: RCPT TO:<b@EXAMPLE.com>
         S: 250 recipient ok
         C: RCPT TO:<c@example.com>
         S: 250 recipient ok
         C: RCPT TO:<d@example.com>
         S: 452 too many recipients
         C: RSET
         S: 250 ok
         C: MAIL FROM:<a@example.com>
         S: 451 too many messages on this connection
         = reset;",
    );
}

fn with_login() -> ServerConfig {
    let users = BTreeMap::from([("ann".to_owned(), Secret::new("secret"))]);
    let mut config = ServerConfig { users: Arc::new(users), cleartext_auth: true, require_login: true, ..bare() };
    config.extensions.auth = mailkit_smtp::sasl::Mechanisms::parse("PLAIN LOGIN");
    config.extensions.enhanced_status_codes = true;
    config
}

#[test]
fn a_login_can_fail_be_cancelled_and_succeed_once() {
    dialogue(
        &with_login(),
        "S: 220 mx.example.com ESMTP
         C: AUTH PLAIN
         S: 503 greet first
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250-CHUNKING
         S: 250-ENHANCEDSTATUSCODES
         S: 250 AUTH PLAIN LOGIN
         C: MAIL FROM:<a@example.com>
         S: 530 5.7.0 log in first
         C: AUTH NTLM
         S: 504 5.5.4 mechanism not offered
         C: AUTH PLAIN AGFubgB3cm9uZw==
         S: 535 5.7.8 user or password wrong
         C: AUTH PLAIN ???
         S: 501 5.5.2 the response makes no sense
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: *
         S: 501 5.7.0 login cancelled
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: YW5u
         S: 334 UGFzc3dvcmQ6
         C: c2VjcmV0
         S: 235 2.7.0 logged in
         C: AUTH PLAIN AGFubgBzZWNyZXQ=
         S: 503 5.5.1 logged in already
         C: MAIL FROM:<a@example.com>
         S: 250 2.1.0 sender ok
         C: QUIT
         S: 221 2.0.0 bye
         = closed",
    );
}

#[test]
fn a_login_is_not_offered_and_not_taken_in_clear() {
    let config = ServerConfig { cleartext_auth: false, ..with_login() };
    dialogue(
        &config,
        "S: 220 mx.example.com ESMTP
         C: EHLO me
         S: 250-mx.example.com
         S: 250-PIPELINING
         S: 250-CHUNKING
         S: 250 ENHANCEDSTATUSCODES
         C: AUTH PLAIN AGFubgBzZWNyZXQ=
         S: 538 5.7.11 a login needs TLS
         = ",
    );
}

#[test]
fn too_many_errors_end_the_session_but_the_caller_s_refusals_do_not_count() {
    let config = ServerConfig { max_errors: 1, ..bare() };
    dialogue(
        &config,
        "S: 220 mx.example.com ESMTP
         C: HELO me
         S: 250 mx.example.com
         C: MAIL FROM:<no@example.com>
         S: 550 no
         C: RCPT TO:<a@example.com>
         S: 503 MAIL comes first
         C: DATA
         S: 503 MAIL comes first
         C: BLURB
         S: 500 command not recognized
         C: BLURB
         S: 421 too many errors; closing
         C: NOOP
         = closed",
    );
    assert_eq!(run(&config, [&b"A\r\nB\r\nC\r\n"[..]]).error, Some(Error::TooManyErrors));
}

#[test]
fn a_line_beyond_the_limit_is_skipped_and_the_session_goes_on() {
    let mut input = vec![b'x'; 40_000];
    input.extend_from_slice(b"\r\nQUIT\r\n");
    let whole = run(&bare(), [&input[..]]);
    assert_eq!(whole.said, "220 mx.example.com ESMTP\r\n500 line too long\r\n221 bye\r\n");
    assert_eq!(run(&bare(), input.chunks(999)), whole);
}

#[test]
fn a_chunk_without_a_size_ends_the_session_since_its_octets_would_be_commands() {
    let run = run(&bare(), [&b"HELO me\r\nBDAT much LAST\r\nRCPT TO:<evil@example.com>\r\n"[..]]);
    assert!(run.said.ends_with("421 syntax: BDAT size [LAST]; closing\r\n"), "{}", run.said);
    assert_eq!(run.error, Some(Error::UnreadableChunk));
}

#[test]
fn a_tls_handshake_on_a_plain_port_ends_the_session_at_its_first_byte() {
    let run = run(&bare(), [&b"\x16\x03\x01\x02\x00\x01"[..]]);
    assert_eq!((run.said.as_str(), run.error), ("220 mx.example.com ESMTP\r\n", Some(Error::SpeaksTls)));
}

/// Drives a server by hand.
struct Hand {
    server: Server,
    now: Instant,
}

impl Hand {
    fn new(config: ServerConfig) -> Self {
        let now = Instant::now();
        Self { server: Server::new(config, now), now }
    }

    /// Says something, accepts whatever is asked, and gives what the server says.
    fn say(&mut self, words: &str) -> String {
        self.server.handle_input(self.now, words.as_bytes());
        loop {
            match self.server.poll_event() {
                Some(Event::Question(_)) => self.server.accept(self.now),
                Some(_) => {}
                None => return self.heard(),
            }
        }
    }

    fn heard(&mut self) -> String {
        let said = self.server.poll_transmit().to_vec();
        self.server.handle_transmitted(self.now, said.len());
        String::from_utf8(said).unwrap()
    }

    fn events(&mut self) -> String {
        let mut events = String::new();
        while let Some(event) = self.server.poll_event() {
            write!(events, "{event:?} ").unwrap();
        }
        events
    }
}

fn with_tls() -> ServerConfig {
    ServerConfig { tls: ServerTls::StartTls, require_tls: true, cleartext_auth: false, ..with_login() }
}

#[test]
fn behind_tls_everything_begins_anew() {
    let mut hand = Hand::new(with_tls());
    let hello = hand.say("EHLO me\r\n");
    assert!(hello.contains("STARTTLS") && !hello.contains("AUTH"), "{hello}");
    assert!(hand.say("MAIL FROM:<a@example.com>\r\n").starts_with("530 5.7.0 STARTTLS comes first"));
    assert!(hand.say("STARTTLS\r\n").starts_with("220 2.0.0"));
    assert_eq!(hand.events(), "StartTls ");
    hand.server.handle_tls_established(hand.now);
    assert!(hand.server.is_secured());
    assert_eq!(hand.say("MAIL FROM:<a@example.com>\r\n"), "503 greet first\r\n");
    let hello = hand.say("EHLO me\r\n");
    assert!(!hello.contains("STARTTLS") && hello.contains("AUTH"), "{hello}");
    assert!(hand.say("STARTTLS\r\n").starts_with("503"));
    assert!(hand.say("AUTH PLAIN AGFubgBzZWNyZXQ=\r\n").starts_with("235"));
    assert_eq!(hand.server.user(), Some("ann"));
    assert!(hand.say("MAIL FROM:<a@example.com>\r\n").starts_with("250"));
}

#[test]
fn what_comes_once_the_220_to_starttls_has_left_is_for_the_handshake() {
    let mut hand = Hand::new(with_tls());
    hand.say("EHLO me\r\n");
    assert!(hand.server.wants_input());
    hand.say("STARTTLS\r\n");
    assert!(!hand.server.wants_input(), "a client that is quick has its ClientHello here already");
}

#[test]
fn whatever_comes_behind_starttls_in_clear_ends_the_session() {
    let mut together = Hand::new(with_tls());
    together.say("EHLO me\r\n");
    assert!(together.say("STARTTLS\r\nNOOP\r\n").starts_with("421"));
    assert_eq!(together.server.error(), Some(&Error::InjectedBeforeTls));

    let mut later = Hand::new(with_tls());
    later.say("EHLO me\r\n");
    later.say("STARTTLS\r\n");
    later.say("N");
    assert_eq!(later.server.error(), Some(&Error::InjectedBeforeTls));
}

#[test]
fn a_client_that_waits_too_long_is_told_so() {
    let mut hand = Hand::new(bare());
    hand.say("HELO me\r\n");
    // Half a command at a time does not help.
    for _ in 0..5 {
        hand.now += Duration::from_secs(59);
        hand.say("N");
    }
    hand.server.handle_timeout(hand.now);
    assert!(!hand.server.is_closed());
    hand.now += Duration::from_secs(5);
    assert!(hand.server.poll_timeout().is_some_and(|deadline| deadline <= hand.now));
    hand.server.handle_timeout(hand.now);
    assert_eq!(hand.events(), "Closed ");
    assert_eq!(hand.heard(), "421 waited too long; closing\r\n");
    assert_eq!(hand.server.error(), Some(&Error::TimedOut(Step::Mail, Duration::from_secs(300))));
    assert_eq!(hand.server.poll_timeout(), None);
}

#[test]
fn content_that_trickles_is_not_waited_for() {
    let mut hand = Hand::new(bare());
    hand.say("HELO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
    for _ in 0..17 {
        hand.now += Duration::from_secs(10);
        hand.say("x");
    }
    hand.now += Duration::from_secs(10);
    hand.server.handle_timeout(hand.now);
    assert_eq!(hand.server.error(), Some(&Error::TimedOut(Step::Content, Duration::from_secs(180))));
}

#[test]
fn there_is_no_time_limit_while_the_caller_owes_an_answer() {
    let mut hand = Hand::new(bare());
    assert!(matches!(hand.server.poll_event(), Some(Event::Question(Question::Greeting))));
    assert_eq!(hand.server.poll_timeout(), None);
    assert!(hand.server.proposed().is_some_and(|reply| reply.to_string() == "220 mx.example.com ESMTP"));
    hand.now += Duration::from_secs(1000);
    hand.server.accept(hand.now);
    assert_eq!(hand.heard(), "220 mx.example.com ESMTP\r\n");
    assert!(hand.server.poll_timeout().is_some_and(|deadline| deadline > hand.now));
}

#[test]
fn what_is_pipelined_waits_for_the_answer_in_order_and_only_so_much_of_it() {
    let mut hand = Hand::new(bare());
    hand.say("HELO me\r\n");
    hand.server.handle_input(hand.now, b"MAIL FROM:<a@example.com>\r\nNOOP\r\n");
    assert!(matches!(hand.server.poll_event(), Some(Event::Question(Question::Mail { .. }))));
    assert!(hand.server.poll_event().is_none());
    assert_eq!(hand.heard(), "");
    hand.server.answer(hand.now, &reply(451, "not now"));
    assert!(hand.server.poll_event().is_none());
    assert_eq!(hand.heard(), "451 not now\r\n250 ok\r\n");

    hand.server.handle_input(hand.now, b"MAIL FROM:<a@example.com>\r\n");
    hand.server.handle_input(hand.now, &[b'x'; 100_000]);
    assert!(matches!(hand.server.poll_event(), Some(Event::Question(_))));
    assert!(!hand.server.wants_input());
}

#[test]
fn a_client_that_does_not_read_what_it_is_told_is_not_listened_to() {
    let mut hand = Hand::new(bare());
    let mut fed = 0;
    while hand.server.wants_input() && fed < 10_000_000 {
        hand.server.handle_input(hand.now, &b"NOOP\r\n".repeat(1000));
        while hand.server.poll_event().is_some() {
            hand.server.accept(hand.now);
        }
        fed += 6000;
    }
    assert!(!hand.server.wants_input());
    assert!(hand.server.poll_transmit().len() < 128 * 1024, "{} octets wait", hand.server.poll_transmit().len());
    assert!(hand.server.poll_timeout().is_some());
    hand.heard();
    assert!(hand.server.wants_input());
}

#[test]
fn a_refused_greeting_leaves_quit_alone() {
    let mut hand = Hand::new(bare());
    assert!(matches!(hand.server.poll_event(), Some(Event::Question(Question::Greeting))));
    hand.server.answer(hand.now, &reply(554, "no service"));
    assert_eq!(
        hand.say("EHLO me\r\nBDAT 2\r\nhiQUIT\r\n"),
        "554 no service\r\n503 no service here; QUIT\r\n503 no service here; QUIT\r\n221 bye\r\n"
    );
}

#[test]
fn a_421_at_any_question_ends_the_session() {
    let mut hand = Hand::new(bare());
    hand.say("HELO me\r\n");
    hand.server.handle_input(hand.now, b"MAIL FROM:<a@example.com>\r\nNOOP\r\n");
    assert!(hand.server.poll_event().is_some());
    hand.server.answer(hand.now, &reply(421, "closing"));
    assert_eq!(hand.events(), "Closed ");
    assert_eq!(hand.heard(), "421 closing\r\n");
    assert_eq!(hand.server.error(), Some(&Error::Dismissed(reply(421, "closing"))));
}

#[test]
fn a_client_that_sends_all_and_closes_its_side_is_still_answered() {
    let mut hand = Hand::new(bare());
    hand.server.handle_input(hand.now, b"HELO me\r\nNOOP\r\nMAIL");
    hand.server.handle_eof(hand.now);
    assert!(hand.say("").ends_with("250 ok\r\n"));
    assert_eq!(hand.server.error(), Some(&Error::Disconnected(Step::Mail)));
}

#[test]
fn lmtp_recipients_can_have_different_answers() {
    let mut hand = Hand::new(ServerConfig { protocol: Protocol::Lmtp, ..bare() });
    hand.say("LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
    hand.server.handle_input(hand.now, b"BDAT 0 LAST\r\n");
    assert!(matches!(hand.server.poll_event(), Some(Event::Question(Question::Content { octets: 0 }))));
    hand.server.answer_each(hand.now, &[reply(250, "a has it"), reply(452, "b is full")]);
    assert_eq!(hand.heard(), "250 a has it\r\n452 b is full\r\n");
    assert!(hand.say("MAIL FROM:<>\r\n").starts_with("250"));
}

#[test]
fn turns_are_the_times_that_the_client_waited() {
    let mut hand = Hand::new(bare());
    hand.say("");
    hand.say("EHLO me\r\n");
    assert_eq!(hand.server.turns(), 1);
    // One write altogether, cut where the network likes.
    for piece in ["MAIL FROM:<a@example.com>\r\nRC", "PT TO:<b@example.com>\r\nBDAT 4 LAST\r\n", "a", "b\r\n"] {
        hand.say(piece);
    }
    assert_eq!(hand.server.turns(), 2);
    hand.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
    for piece in ["x\r\n", "y\r\n", ".", "\r\n"] {
        hand.say(piece);
    }
    assert_eq!(hand.server.turns(), 4);
}

#[test]
fn debug_shows_neither_logins_nor_mail() {
    let now = Instant::now();
    let users = [("ann".to_owned(), Secret::new("s3cret-pw"))].into_iter().collect();
    let config = ServerConfig { users: Arc::new(users), cleartext_auth: true, ..ServerConfig::new("mx") };
    let mut server = Server::new(config, now);
    let input =
        b"EHLO c\r\nAUTH PLAIN AGFubgBzM2NyZXQtcHc=\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\n\
                  DATA\r\nprivate words\r\n";
    let mut shown = String::new();
    for byte in input {
        server.handle_input(now, &[*byte]);
        shown.push_str(&format!("{server:?}"));
        while let Some(event) = server.poll_event() {
            shown.push_str(&format!("{event:?}"));
            if matches!(event, Event::Question(_)) {
                server.accept(now);
            }
        }
        shown.push_str(&format!("{server:?}"));
    }
    let octets = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
    for secret in ["AGFubgBz", "s3cret", "private"] {
        assert!(!shown.contains(secret) && !shown.contains(&octets(secret)), "{secret}");
    }
    assert!(shown.contains("Content(1 octets)") && shown.contains("recipients: 1"), "{shown}");
}
