//! Plays every dialogue in `tests/transcripts/` with the client machine: whole, byte by byte, and cut at every place.
//!
//! Settings of the session: `protocol`, `tls` (none, required, opportunistic, established), `login`, `token`,
//! `mechanism`, `cleartext-auth`, `nonce`, `host`, `port`, `ehlo`, `pipelining`, `chunking`, `ride` (the next message
//! begins behind the last), `window` (the client's bytes leave only as far as the dialogue shows them), `end` (what
//! follows the last step: `silence`), `quit = no`, `cuts = last`.
//!
//! Settings of a message, which begins with `from`: `rcpt`, `content` (a piece, with escapes), `size`, `body`,
//! `smtputf8`, `notify`, `ret`, `envid`, `requiretls`, `priority`, `holdfor`, `abandon`, `stall`.
//!
//! What is expected: `expect` (a status for each recipient), `refused` (why the message could not begin),
//! `round-trips`, and for the session `error` (its name and step).
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]
#![expect(clippy::disallowed_methods, reason = "any moment will do for the beginning")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mailkit_address::{Address, Envelope, ReversePath};
use mailkit_smtp::client::{Client, ClientConfig, Event, Protocol, Security, TransactionOptions};
use mailkit_smtp::parameter::{Body, DsnReturn, Hold, MtPriority, Notify};
use mailkit_smtp::sasl::{Credentials, Mechanism, decode_base64};
use mailkit_smtp::{Report, Status};
use mailkit_testkit::{Step, Transcript};

#[test]
fn every_transcript_passes_whole() {
    play_all(|_| vec![Cut::Whole]);
}

#[test]
fn every_transcript_passes_byte_by_byte() {
    play_all(|_| vec![Cut::Bytes]);
}

#[test]
fn every_transcript_passes_cut_at_every_place() {
    play_all(|octets| octets.map(Cut::At).collect());
}

#[test]
fn there_are_transcripts_for_every_document() {
    let sections: Vec<String> =
        transcripts().into_iter().map(|(_, transcript)| transcript.section().to_owned()).collect();
    for document in [
        "RFC 5321", "RFC 2920", "RFC 3030", "RFC 1870", "RFC 2033", "RFC 3207", "RFC 4954", "RFC 3461", "RFC 9422",
        "RFC 8689", "RFC 6710", "RFC 4865", "RFC 6152", "RFC 6531", "RFC 2034",
    ] {
        assert!(sections.iter().any(|section| section.starts_with(document)), "no transcript shows {document}");
    }
    assert!(sections.len() >= 45, "only {} transcripts", sections.len());
}

fn read(name: &str) -> Transcript {
    Transcript::read(&folder().join(name)).unwrap()
}

#[test]
fn bytes_behind_the_220_in_one_read_never_lead_to_a_handshake() {
    let transcript = read("3207-injected.txt");
    let mut player = Player::new(&transcript, Cut::Whole);
    let turns = std::mem::take(&mut player.turns);
    for (at, turn) in turns.iter().enumerate() {
        match (turn, turns.get(at + 1)) {
            (Step::Client(expected), _) => player.hear(expected).unwrap(),
            (Step::Server(said), Some(Step::Client(next))) => player.say(said, next).unwrap(),
            (Step::Server(said), _) => player.say(said, b"").unwrap(),
            (Step::Tls | Step::Close, _) => {}
        }
    }
    assert!(!player.start_tls && !player.ready && player.client.is_closed());
}

/// Hands a reply to the client, and lets what it says to that leave.
fn hear_and_send(client: &mut Client, now: Instant, reply: &str) {
    client.handle_input(now, reply.as_bytes());
    client.handle_transmitted(now, client.poll_transmit().len());
}

#[test]
fn a_session_under_tls_knows_the_servers_name_from_the_reply_to_ehlo() {
    let now = Instant::now();
    let mut client = Client::new(ClientConfig::new("client.example.com"), now);
    for reply in ["220 outside.example ESMTP\r\n", "250-outside.example\r\n250 STARTTLS\r\n"] {
        hear_and_send(&mut client, now, reply);
        assert_eq!(client.server_name(), "outside.example");
    }
    hear_and_send(&mut client, now, "220 go\r\n");
    assert_eq!(client.server_name(), "");
    client.handle_tls_established(now);
    client.handle_transmitted(now, client.poll_transmit().len());
    client.handle_input(now, b"250-inside.example greets\r\n250 SIZE\r\n");
    assert_eq!(client.server_name(), "inside.example");
}

#[test]
fn a_refusal_of_everybody_is_the_outcome_though_the_server_hangs_up_behind_it() {
    for (replies, refused) in [
        ("550 blocked\r\n", true),
        ("250 ok\r\n550 no such user\r\n", true),
        ("250 ok\r\n250 ok\r\n554 not here\r\n", true),
        ("250 ok\r\n250 ok\r\n", false),
    ] {
        let now = Instant::now();
        let mut client = Client::new(ClientConfig { security: Security::None, ..ClientConfig::new("client") }, now);
        hear_and_send(&mut client, now, "220 mx\r\n");
        hear_and_send(&mut client, now, "250-mx\r\n250 PIPELINING\r\n");
        let envelope = Envelope::null_sender(vec![Address::parse("bob@example.org").unwrap()]).unwrap();
        client.begin(now, envelope, &TransactionOptions::default()).unwrap();
        client.handle_transmitted(now, client.poll_transmit().len());
        client.handle_input(now, replies.as_bytes());
        client.handle_eof();
        let outcome = std::iter::from_fn(|| client.poll_event()).find_map(|event| match event {
            Event::Finished(report) => Some((true, report)),
            Event::Interrupted(report) => Some((false, report)),
            _ => None,
        });
        let (finished, report) = outcome.unwrap();
        assert_eq!((finished, report.refused().count()), (refused, usize::from(refused)), "{replies}");
        assert!(client.is_closed() && !client.is_idle());
    }
}

#[test]
fn a_login_that_is_about_to_leave_is_not_shown() {
    let transcript = read("4954-535.txt");
    let mut player = Player::new(&transcript, Cut::Whole);
    hear_and_send(&mut player.client, player.now, "220 mx\r\n");
    player.client.handle_input(player.now, b"250-mx\r\n250 AUTH PLAIN\r\n");
    let waiting = player.client.poll_transmit();
    assert!(waiting.windows(10).any(|bytes| bytes == b"AUTH PLAIN"));
    let secret = format!("{:?}", &waiting[waiting.len() - 12..]);
    let shown = format!("{:?}", player.client);
    assert!(!shown.contains(secret.trim_matches(['[', ']'])) && !shown.contains("s3cret"), "{shown}");
}

/// How what the server says is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytes,
    At(usize),
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn transcripts() -> Vec<(PathBuf, Transcript)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let read = |path: PathBuf| match Transcript::read(&path) {
        Ok(transcript) => (path, transcript),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    paths.into_iter().map(read).collect()
}

fn play_all(cuts: impl Fn(Range<usize>) -> Vec<Cut>) {
    let mut failures = Vec::new();
    for (path, transcript) in transcripts() {
        if !is_playable(&transcript) {
            continue;
        }
        for cut in cuts(octets_said(&transcript)) {
            if let Err(failure) = Player::new(&transcript, cut).play() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                failures.push(format!("{name} ({cut:?}): {failure}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The places where what the server says is to be cut. `cuts = last` leaves out all but its last turn, where another
/// dialogue is the same up to there and a run of it is slow.
fn octets_said(transcript: &Transcript) -> Range<usize> {
    let octets = |step: &Step| if let Step::Server(said) = step { said.len() } else { 0 };
    let turns: Vec<usize> = transcript.turns().iter().map(octets).filter(|octets| *octets > 0).collect();
    let (all, last) = (turns.iter().sum::<usize>(), turns.last().copied().unwrap_or_default());
    if transcript.setting("cuts") == Some("last") { all - last..all } else { 1..all }
}

/// Whether this build has the mechanism that the dialogue logs in by.
fn is_playable(transcript: &Transcript) -> bool {
    transcript.setting("mechanism").and_then(Mechanism::parse).is_none_or(Mechanism::available)
}

/// A message of the dialogue, and what is expected of it.
#[derive(Default)]
struct Message {
    from: String,
    recipients: Vec<String>,
    pieces: Vec<Vec<u8>>,
    options: TransactionOptions,
    abandon: bool,
    /// Nothing comes behind the pieces.
    stall: bool,
    expect: Option<String>,
    refused: Option<String>,
    round_trips: Option<u32>,
}

impl Message {
    fn read_all(transcript: &Transcript) -> Vec<Self> {
        let mut messages: Vec<Self> = Vec::new();
        for (key, value) in transcript.settings() {
            if key == "from" {
                messages.push(Self { from: value.to_owned(), ..Self::default() });
            } else if let Some(message) = messages.last_mut() {
                message.set(key, value);
            }
        }
        messages
    }

    fn set(&mut self, key: &str, value: &str) {
        let options = &mut self.options;
        match key {
            "rcpt" => self.recipients.push(value.to_owned()),
            "content" => self.pieces.push(unescape(value)),
            "size" => options.size = Some(value.parse().unwrap()),
            "body" if value == "8bitmime" => options.body = Body::EightBitMime,
            "body" if value == "binarymime" => options.body = Body::BinaryMime,
            "smtputf8" => options.smtp_utf8 = value == "yes",
            "notify" => {
                let wants = |word| value.split(',').any(|wanted| wanted == word);
                options.notify =
                    Some(Notify { success: wants("success"), failure: wants("failure"), delay: wants("delay") });
            }
            "ret" => options.ret = Some(if value == "full" { DsnReturn::Full } else { DsnReturn::Headers }),
            "envid" => options.envid = Some(String::from_utf8(unescape(value)).unwrap()),
            "requiretls" => options.require_tls = value == "yes",
            "priority" => options.priority = MtPriority::new(value.parse().unwrap()),
            "holdfor" => options.hold = Some(Hold::For(value.parse().unwrap())),
            "abandon" => self.abandon = value == "yes",
            "stall" => self.stall = value == "yes",
            "expect" => self.expect = Some(value.to_owned()),
            "refused" => self.refused = Some(value.to_owned()),
            "round-trips" => self.round_trips = Some(value.parse().unwrap()),
            _ => panic!("a message has no setting `{key} = {value}`"),
        }
    }

    fn envelope(&self) -> Envelope {
        let path = if self.from.is_empty() { ReversePath::Null } else { Address::parse(&self.from).unwrap().into() };
        Envelope::new(path, self.recipients.iter().map(|text| Address::parse(text).unwrap()).collect()).unwrap()
    }
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0").into_bytes()
}

const KNOWN_SESSION_SETTINGS: [&str; 18] = [
    "protocol",
    "tls",
    "login",
    "token",
    "mechanism",
    "cleartext-auth",
    "nonce",
    "host",
    "port",
    "ehlo",
    "pipelining",
    "chunking",
    "ride",
    "window",
    "end",
    "quit",
    "error",
    "cuts",
];

fn config(transcript: &Transcript) -> ClientConfig {
    let is = |key: &str, value: &str| transcript.setting(key).is_some_and(|own| own == value);
    let pair = |key: &'static str| transcript.setting(key).and_then(|text| text.split_once(':'));
    let password = pair("login").map(|(user, password)| Credentials::password(user, password).unwrap());
    let token = pair("token").map(|(user, token)| Credentials::token(user, token).unwrap());
    ClientConfig {
        protocol: if is("protocol", "lmtp") { Protocol::Lmtp } else { Protocol::Smtp },
        security: match transcript.setting("tls") {
            None | Some("none") => Security::None,
            Some("required") => Security::Required,
            Some("opportunistic") => Security::Opportunistic,
            Some("established") => Security::Established,
            Some(other) => panic!("tls = {other}"),
        },
        credentials: password.or(token),
        mechanism: transcript.setting("mechanism").and_then(Mechanism::parse),
        cleartext_auth: is("cleartext-auth", "yes"),
        pipelining: !is("pipelining", "off"),
        chunking: !is("chunking", "off"),
        // The nonce goes over the wire in base64: so it stands in the settings.
        nonce: transcript.setting("nonce").map_or_else(Vec::new, |text| decode_base64(text).unwrap().to_vec()),
        host: transcript.setting("host").unwrap_or_default().to_owned(),
        port: transcript.setting("port").map_or(0, |port| port.parse().unwrap()),
        ..ClientConfig::new(transcript.setting("ehlo").unwrap_or("client.example.com"))
    }
}

/// Plays one dialogue.
struct Player<'a> {
    transcript: &'a Transcript,
    turns: Vec<Step>,
    client: Client,
    now: Instant,
    cut: Cut,
    /// What the server has said so far, in octets.
    said: usize,
    /// What the client has sent and the dialogue has not accounted for.
    sent: Vec<u8>,
    window: bool,
    messages: Vec<Message>,
    begun: usize,
    /// The pieces of the message that began last which were not handed in.
    pieces: std::vec::IntoIter<Vec<u8>>,
    abandon: bool,
    stall: bool,
    reports: Vec<Report>,
    refusals: Vec<String>,
    ready: bool,
    start_tls: bool,
}

impl<'a> Player<'a> {
    fn new(transcript: &'a Transcript, cut: Cut) -> Self {
        for (key, value) in transcript.settings().take_while(|(key, _)| *key != "from") {
            assert!(KNOWN_SESSION_SETTINGS.contains(&key), "a session has no setting `{key} = {value}`");
        }
        let now = Instant::now();
        Self {
            transcript,
            turns: transcript.turns(),
            client: Client::new(config(transcript), now),
            now,
            cut,
            said: 0,
            sent: Vec::new(),
            window: transcript.setting("window") == Some("transcript"),
            messages: Message::read_all(transcript),
            begun: 0,
            pieces: Vec::new().into_iter(),
            abandon: false,
            stall: false,
            reports: Vec::new(),
            refusals: Vec::new(),
            ready: false,
            start_tls: false,
        }
    }

    fn play(mut self) -> Result<(), String> {
        let turns = std::mem::take(&mut self.turns);
        for (at, turn) in turns.iter().enumerate() {
            let next = match turns.get(at + 1) {
                Some(Step::Client(expected)) => &expected[..],
                _ => &[],
            };
            match turn {
                Step::Client(expected) => self.hear(expected)?,
                Step::Server(said) => self.say(said, next)?,
                Step::Tls => {
                    if !std::mem::take(&mut self.start_tls) {
                        return Err("no handshake was asked for".to_owned());
                    }
                    self.client.handle_tls_established(self.now);
                }
                Step::Close => self.client.handle_eof(),
            }
            self.work();
        }
        self.end()
    }

    /// The client says exactly this, and no more until the server has spoken.
    fn hear(&mut self, expected: &[u8]) -> Result<(), String> {
        self.work();
        self.transmit(expected.len());
        self.work();
        if self.sent != expected {
            return Err(differ(&self.sent, expected));
        }
        self.sent.clear();
        Ok(())
    }

    /// The server says this, cut as the run wants it; the client may begin to say what comes next.
    fn say(&mut self, said: &[u8], next: &[u8]) -> Result<(), String> {
        self.work();
        if !self.sent.is_empty() {
            return Err(format!("the client says `{}` where the server speaks", self.sent.escape_ascii()));
        }
        let end = self.said + said.len();
        let pieces: Vec<&[u8]> = match self.cut {
            Cut::Whole => vec![said],
            Cut::Bytes => said.chunks(1).collect(),
            Cut::At(place) if place > self.said && place < end => {
                let (first, second) = said.split_at(place - self.said);
                vec![first, second]
            }
            Cut::At(_) => vec![said],
        };
        self.said = end;
        for piece in pieces {
            self.client.handle_input(self.now, piece);
            self.work();
            if !next.starts_with(&self.sent) {
                return Err(differ(&self.sent, next));
            }
        }
        Ok(())
    }

    /// Does what a caller does: takes events, begins messages, hands in content, sends.
    fn work(&mut self) {
        loop {
            while let Some(event) = self.client.poll_event() {
                self.take(event);
            }
            let handed_in = self.hand_in();
            let begun = !handed_in && self.begin();
            if !self.window {
                self.transmit(usize::MAX);
            }
            if !handed_in && !begun {
                break;
            }
        }
        self.check();
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::StartTls => self.start_tls = true,
            Event::Ready => self.ready = true,
            Event::Finished(report) | Event::Interrupted(report) => self.reports.push(report),
            _ => assert!(self.client.is_closed()),
        }
    }

    fn hand_in(&mut self) -> bool {
        if !self.client.wants_content() {
            return false;
        }
        match self.pieces.next() {
            Some(piece) => self.client.put_content(&piece, self.pieces.len() == 0 && !self.abandon && !self.stall),
            None if self.stall => return false,
            None if self.abandon => self.client.abandon_content(),
            None => self.client.put_content(b"", true),
        }
        true
    }

    fn begin(&mut self) -> bool {
        let ride = self.transcript.setting("ride") == Some("yes");
        let free = self.client.is_used_up() || self.client.can_begin();
        if !free || !(ride || self.client.is_idle()) {
            return false;
        }
        let Some(message) = self.messages.get(self.begun).filter(|_| !self.client.is_used_up()) else {
            let stays = self.transcript.setting("quit") == Some("no") || self.transcript.setting("end").is_some();
            if self.client.is_idle() && !stays {
                self.client.quit(self.now);
            }
            return false;
        };
        self.begun += 1;
        match self.client.begin(self.now, message.envelope(), &message.options) {
            Ok(()) => {
                self.pieces = message.pieces.clone().into_iter();
                self.abandon = message.abandon;
                self.stall = message.stall;
            }
            Err(error) => self.refusals.push(name_of(&error)),
        }
        true
    }

    fn transmit(&mut self, most: usize) {
        while !self.client.poll_transmit().is_empty() && self.sent.len() < most {
            let octets = match self.cut {
                Cut::Whole => self.client.poll_transmit().len(),
                _ => 1,
            };
            let octets = octets.min(most - self.sent.len());
            self.sent.extend_from_slice(&self.client.poll_transmit()[..octets]);
            self.client.handle_transmitted(self.now, octets);
        }
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let client = &self.client;
        assert!(!client.is_closed() || client.poll_transmit().is_empty(), "a closed session still wants to send");
        assert!(!client.is_closed() || client.poll_timeout().is_none(), "a closed session still has a deadline");
        assert!(!client.is_idle() || client.poll_timeout().is_none(), "an idle session has a deadline");
        assert!(!client.is_idle() || client.in_flight() == 0, "an idle session has a message in flight");
        let busy = client.in_flight() > 0 && !client.is_closed();
        assert!(!busy || client.poll_timeout().is_some(), "a message is in flight without a deadline");
    }

    fn end(mut self) -> Result<(), String> {
        if self.transcript.setting("end") == Some("silence") {
            let deadline = self.client.poll_timeout().ok_or("no deadline")?;
            self.client.handle_timeout(deadline - Duration::from_nanos(1));
            if self.client.is_closed() {
                return Err("it gave up before the deadline".to_owned());
            }
            self.client.handle_timeout(deadline);
        }
        self.work();
        if !self.sent.is_empty() {
            return Err(format!("at the end the client says `{}`", self.sent.escape_ascii()));
        }
        let error = self.client.error().map(|error| format!("{} {}", name_of(error), error.step()));
        if error.as_deref() != self.transcript.setting("error") {
            return Err(format!("the session ended with {error:?}"));
        }
        let over = self.client.is_closed() || (self.transcript.setting("quit") == Some("no") && self.client.is_idle());
        if !over {
            return Err(format!("the session is not over; it waits at {}", self.client.step()));
        }
        self.compare_outcomes()
    }

    fn compare_outcomes(&self) -> Result<(), String> {
        let (mut reports, mut refusals) = (self.reports.iter(), self.refusals.iter());
        for (at, message) in self.messages.iter().enumerate() {
            if let Some(refused) = &message.refused {
                let refusal = refusals.next();
                if refusal != Some(refused) {
                    return Err(format!("message {at} was to be refused as {refused}, not {refusal:?}"));
                }
                continue;
            }
            let Some(expected) = &message.expect else {
                if at < self.begun {
                    return Err(format!("nothing is expected of message {at}"));
                } else {
                    continue;
                };
            };
            let report = reports.next().ok_or_else(|| format!("there is no report of message {at}"))?;
            let statuses: Vec<&str> = report.recipients.iter().map(|recipient| word(&recipient.status)).collect();
            // How the replies are cut may decide: then several outcomes stand there.
            if !expected.split(" | ").any(|expected| expected == statuses.join(",")) {
                return Err(format!("message {at} ended as {}, not {expected}", statuses.join(",")));
            }
            if message.round_trips.is_some_and(|trips| trips != report.round_trips) {
                return Err(format!("message {at} took {} round trips", report.round_trips));
            }
            let addresses = report.recipients.iter().map(|recipient| &recipient.address);
            if !addresses.eq(message.envelope().recipients()) {
                return Err(format!("the report of message {at} has other recipients"));
            }
        }
        match (reports.next(), refusals.next()) {
            (None, None) => Ok(()),
            more => Err(format!("there is more than was expected: {more:?}")),
        }
    }
}

/// A variant's name.
fn name_of(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn word(status: &Status) -> &'static str {
    match status {
        Status::Accepted(_) => "accepted",
        Status::Refused { reply, .. } if reply.is_temporary() => "temporary",
        Status::Refused { .. } => "permanent",
        Status::Ambiguous => "ambiguous",
        _ => "unsent",
    }
}

fn differ(sent: &[u8], expected: &[u8]) -> String {
    format!("the client says\n  {}\nnot\n  {}", sent.escape_ascii(), expected.escape_ascii())
}
