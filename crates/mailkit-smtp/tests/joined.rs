//! Client and server joined in memory, with a simulated clock and no sockets: many random dialogues, in which the
//! server refuses, stalls and hangs up at any point, and the stream of octets is cut at any place.
//!
//! What the client reports must be what the server decided, recipient by recipient; a message that the client calls
//! unsent or refused was never captured, and no message is captured twice, in part, or mixed with another.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "what cannot be set up fails the test"
)]

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use mailkit_address::{Address, Envelope, ForwardPath};
use mailkit_smtp::client::{self, Client, ClientConfig, Protocol, Security, TransactionOptions};
use mailkit_smtp::parameter::Body;
use mailkit_smtp::sasl::{Credentials, Mechanisms, Secret};
use mailkit_smtp::server::{Event, Question, Server, ServerConfig, ServerTls};
use mailkit_smtp::{Limits, RecipientReport, Reply, ReplyCode, SizeLimit, Status, Step};

/// How many dialogues are run, and the seed of the first one: a failure names its own.
const DIALOGUES: u64 = 100_000;
const FIRST_SEED: u64 = 0;

/// No dialogue needs more; one that does hangs.
const MOST_STEPS: usize = 200_000;

/// A message that the client is to send.
#[derive(Clone, Debug)]
struct Message {
    recipients: Vec<Address>,
    body: Body,
    pieces: Vec<Vec<u8>>,
}

impl Message {
    fn random(rng: &mut Rng, binary: bool) -> Self {
        let address = |n: usize, rng: &mut Rng| Address::parse(&format!("r{n}@d{}.example", rng.u8(0..2))).unwrap();
        let recipients = (0..rng.usize(1..=3)).map(|n| address(n, rng)).collect();
        let octets = [b'.', b'\r', b'\n', b'.', b'\r', b'\n', b'a', b'b', 0, 0xff];
        let most = if rng.u8(0..40) == 0 { 800 } else { 30 };
        let piece = |rng: &mut Rng| (0..rng.usize(0..most)).map(|_| octets[rng.usize(..octets.len())]).collect();
        Self {
            recipients,
            body: if binary && rng.bool() { Body::BinaryMime } else { Body::SevenBit },
            pieces: (0..rng.usize(1..=4)).map(|_| piece(rng)).collect(),
        }
    }

    /// What the server is to get.
    fn content(&self) -> Vec<u8> {
        let whole = self.pieces.concat();
        if self.body == Body::BinaryMime {
            return whole;
        }
        let mut lines = Vec::new();
        let mut rest = whole.as_slice();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            lines.extend_from_slice(&rest[..end]);
            lines.extend_from_slice(b"\r\n");
            let line_end = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
            rest = rest.get(end + line_end..).unwrap_or_default();
        }
        lines
    }
}

/// How often each kind of outcome occurred, so that the dialogues cannot quietly stop to reach one.
type Census = BTreeMap<String, u64>;

fn kind(status: &Status, interrupted: bool, captured: bool) -> String {
    match status {
        Status::Refused { reply, .. } if reply.is_closing() => "refused by 421".to_owned(),
        Status::Refused { step, .. } => format!("refused at {step}"),
        Status::Ambiguous if captured => "ambiguous and captured".to_owned(),
        Status::Ambiguous => "ambiguous and lost".to_owned(),
        Status::Unsent if interrupted => "unsent".to_owned(),
        Status::Unsent => "abandoned".to_owned(),
        _ if interrupted => "accepted before the end".to_owned(),
        _ => "accepted".to_owned(),
    }
}

/// What the server decided and kept.
#[derive(Debug, Default)]
struct Truth {
    /// The words of each answer, by message, step and recipient. An answer for all has no recipient.
    answers: HashMap<(usize, Step, Option<String>), String>,
    words: HashSet<String>,
    /// For each message captured: the recipients that got it.
    captured: HashMap<usize, Vec<String>>,
}

/// The server's side: who answers the questions.
struct Decider {
    rng: Rng,
    /// Of 100 answers, so many are refusals.
    refusals: u8,
    lmtp: bool,
    expected: Arc<Vec<Message>>,
    truth: Truth,
    current: Option<usize>,
    recipients: Vec<String>,
    content: Vec<u8>,
    replies: usize,
    hanging: bool,
    cutting: bool,
}

impl Decider {
    fn reply(&mut self, positive: u16) -> Reply {
        let code = match (self.rng.u8(0..100) < self.refusals, self.rng.u8(0..20)) {
            (false, _) => positive,
            (true, 0) => 421,
            (true, 1..=8) => 450,
            (true, _) => 550,
        };
        self.replies += 1;
        let words = format!("answer {}", self.replies);
        self.truth.words.insert(words.clone());
        Reply::new(ReplyCode::new(code).unwrap(), None, &words)
    }

    fn note(&mut self, step: Step, recipient: Option<String>, reply: &Reply) {
        if let Some(message) = self.current {
            self.truth.answers.insert((message, step, recipient), reply.text().to_owned());
        }
    }

    fn advance(&mut self, server: &mut Server, now: Instant) {
        while !self.hanging {
            match server.poll_event() {
                None => break,
                Some(Event::Content(piece)) => self.content.extend_from_slice(piece),
                Some(Event::Reset) => self.forget(),
                Some(Event::StartTls | Event::Closed) => {}
                Some(Event::Question(question)) => match self.rng.u8(0..200) {
                    0 if self.refusals > 0 => self.hanging = true,
                    1 if self.refusals > 0 => (self.hanging, self.cutting) = (true, true),
                    _ => self.decide(server, now, question),
                },
                Some(other) => panic!("{other:?}"),
            }
        }
    }

    fn forget(&mut self) {
        self.current = None;
        self.recipients.clear();
        self.content.clear();
    }

    fn decide(&mut self, server: &mut Server, now: Instant, question: Question) {
        let step = question.step();
        match question {
            Question::Mail { path, .. } => {
                self.forget();
                let local = path.address().unwrap().local_part().to_owned();
                self.current = Some(local.strip_prefix('m').unwrap().parse().unwrap());
                let reply = self.reply(250);
                self.note(step, None, &reply);
                server.answer(now, &reply);
            }
            Question::Rcpt { path: ForwardPath::Address(address), .. } => {
                let reply = self.reply(250);
                self.note(step, Some(address.to_string()), &reply);
                if reply.is_success() {
                    self.recipients.push(address.to_string());
                }
                server.answer(now, &reply);
            }
            Question::Data => {
                let reply = self.reply(354);
                self.note(step, None, &reply);
                server.answer(now, &reply);
            }
            Question::Content { .. } => self.conclude(server, now),
            // The words of these are the machine's, so that the session comes about.
            _ => match self.reply(250) {
                reply if reply.is_success() => server.accept(now),
                reply => {
                    self.note(step, None, &reply);
                    server.answer(now, &reply);
                }
            },
        }
    }

    /// The end of a message: what is accepted here is captured, whatever the client hears of it.
    fn conclude(&mut self, server: &mut Server, now: Instant) {
        let message = self.current.expect("content without MAIL");
        assert_eq!(self.content, self.expected[message].content(), "the content of message {message}");
        assert_eq!(server.recipients(), self.recipients.len());
        let replies: Vec<Reply> = if self.lmtp {
            self.recipients.clone().into_iter().map(|recipient| self.content_reply(Some(recipient))).collect()
        } else {
            vec![self.content_reply(None)]
        };
        let said = replies.iter().take_while(|reply| !reply.is_closing());
        let captured: Vec<String> = if self.lmtp {
            let taken = self.recipients.iter().zip(said).filter(|(_, reply)| reply.is_success());
            taken.map(|(recipient, _)| recipient.clone()).collect()
        } else if replies[0].is_success() {
            self.recipients.clone()
        } else {
            Vec::new()
        };
        if !captured.is_empty() {
            assert!(self.truth.captured.insert(message, captured).is_none(), "message {message} was captured twice");
        }
        server.answer_each(now, &replies);
        self.forget();
    }

    fn content_reply(&mut self, recipient: Option<String>) -> Reply {
        let reply = self.reply(250);
        self.note(Step::Content, recipient, &reply);
        reply
    }
}

/// What the client began, and what it said of it.
struct Begun {
    message: usize,
    /// Where in the stream of octets its last one stands, once it was written.
    last_octet: Option<u64>,
}

struct Outcome {
    message: usize,
    recipients: Vec<RecipientReport>,
    interrupted: bool,
    /// Whether its last octet had been handed over.
    handed_over: bool,
}

/// One dialogue.
struct Dialogue {
    seed: u64,
    rng: Rng,
    now: Instant,
    client: Client,
    server: Server,
    decider: Decider,
    messages: Arc<Vec<Message>>,
    next: usize,
    pieces: VecDeque<Vec<u8>>,
    begun: VecDeque<Begun>,
    outcomes: Vec<Outcome>,
    /// Octets on their way.
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    sent: u64,
    /// The most octets that move at once.
    stride: usize,
    /// After so many steps the connection breaks.
    cut_at: usize,
    cut: bool,
    client_secures: bool,
    over: bool,
}

impl Dialogue {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let now = Instant::now();
        let lmtp = rng.u8(0..4) == 0;
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let server = server_config(&mut rng, protocol);
        let binary = server.extensions.binary_mime && server.extensions.chunking;
        let mut client = ClientConfig::new("client.example.com");
        client.protocol = protocol;
        client.pipelining = rng.u8(0..8) > 0;
        client.chunking = rng.u8(0..8) > 0;
        client.cleartext_auth = true;
        client.security = if server.tls == ServerTls::StartTls { Security::Required } else { Security::None };
        if !server.users.is_empty() {
            client.credentials = Some(Credentials::password("ann", "secret").unwrap());
        }
        let binary = binary && client.chunking;
        let messages: Vec<Message> = (0..rng.usize(1..=6)).map(|_| Message::random(&mut rng, binary)).collect();
        let messages = Arc::new(messages);
        Self {
            seed,
            now,
            client: Client::new(client, now),
            server: Server::new(server, now),
            decider: Decider {
                rng: rng.fork(),
                refusals: [0, 0, 4, 25][rng.usize(..4)],
                lmtp,
                expected: Arc::clone(&messages),
                truth: Truth::default(),
                current: None,
                recipients: Vec::new(),
                content: Vec::new(),
                replies: 0,
                hanging: false,
                cutting: false,
            },
            messages,
            next: 0,
            pieces: VecDeque::new(),
            begun: VecDeque::new(),
            outcomes: Vec::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            sent: 0,
            stride: [5, 40, 300, 100_000, 100_000, 100_000, 100_000, 100_000][rng.usize(..8)],
            cut_at: if rng.u8(0..4) == 0 { rng.usize(1..80) } else { MOST_STEPS },
            cut: false,
            client_secures: false,
            over: false,
            rng,
        }
    }

    fn run(mut self, census: &mut Census) {
        for step in 0.. {
            assert!(step < MOST_STEPS, "dialogue {} hangs", self.seed);
            if (step >= self.cut_at || self.decider.cutting) && !self.cut {
                self.cut();
            }
            let moved = self.step();
            if self.over && self.to_server.is_empty() {
                break;
            }
            if !moved {
                self.wait();
            }
        }
        self.verify(census);
    }

    /// Lets everything move that can; returns whether anything did.
    fn step(&mut self) -> bool {
        let mut moved = self.drive_client();
        let octets = self.some(self.client.poll_transmit().len());
        if octets > 0 && !self.cut {
            self.to_server.extend_from_slice(&self.client.poll_transmit()[..octets]);
            self.client.handle_transmitted(self.now, octets);
            self.sent += octets as u64;
            moved = true;
        }
        let octets = if self.server.wants_input() { self.some(self.to_server.len()) } else { 0 };
        if octets > 0 {
            let piece: Vec<u8> = self.to_server.drain(..octets).collect();
            self.server.handle_input(self.now, &piece);
            moved = true;
        } else if self.server.is_closed() || self.decider.hanging {
            self.to_server.clear();
        }
        self.decider.advance(&mut self.server, self.now);
        let octets = self.some(self.server.poll_transmit().len());
        if octets > 0 {
            if !self.cut {
                self.to_client.extend_from_slice(&self.server.poll_transmit()[..octets]);
            }
            self.server.handle_transmitted(self.now, octets);
            self.decider.advance(&mut self.server, self.now);
            moved = true;
        }
        let octets = self.some(self.to_client.len());
        if octets > 0 {
            let piece: Vec<u8> = self.to_client.drain(..octets).collect();
            self.client.handle_input(self.now, &piece);
            moved = true;
        } else if self.server.is_closed() && !self.client.is_closed() {
            self.client.handle_eof();
            moved = true;
        }
        self.secure();
        moved
    }

    fn some(&mut self, octets: usize) -> usize {
        if octets <= 1 { octets } else { self.rng.usize(1..=octets.min(self.stride)).max(octets.min(self.stride) / 2) }
    }

    /// The connection breaks: of what is on its way, a part arrives.
    fn cut(&mut self) {
        self.cut = true;
        let (server, client) = (self.rng.usize(0..=self.to_server.len()), self.rng.usize(0..=self.to_client.len()));
        self.to_server.truncate(server);
        self.to_client.truncate(client);
    }

    /// Nothing moves: the connection has broken, or a time limit has to end it.
    fn wait(&mut self) {
        if self.cut && self.to_server.is_empty() && self.to_client.is_empty() {
            self.client.handle_eof();
            self.server.handle_eof(self.now);
            return;
        }
        let deadlines = [self.client.poll_timeout(), self.server.poll_timeout()];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            panic!("dialogue {} is stuck: {:?} {:?}", self.seed, self.client, self.server);
        };
        self.now = self.now.max(deadline);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    fn secure(&mut self) {
        if self.client_secures && self.to_client.is_empty() && self.to_server.is_empty() {
            self.client_secures = false;
            self.server.handle_tls_established(self.now);
            self.client.handle_tls_established(self.now);
        }
    }

    fn drive_client(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.client.poll_event() {
            moved = true;
            match event {
                client::Event::StartTls => self.client_secures = true,
                client::Event::Ready => {}
                client::Event::Finished(report) => self.report(report.recipients, false),
                client::Event::Interrupted(report) => self.report(report.recipients, true),
                client::Event::Closed => self.over = true,
                other => panic!("{other:?}"),
            }
        }
        if self.client.is_closed() {
            return moved;
        }
        moved |= self.put_content();
        let riding = self.client.in_flight() == 0 || self.rng.u8(0..4) > 0;
        if self.client.can_begin() && riding && self.next < self.messages.len() {
            self.begin();
            moved = true;
        }
        if self.client.is_idle() && (self.next >= self.messages.len() || self.client.is_used_up()) {
            self.client.quit(self.now);
            moved = true;
        }
        moved
    }

    fn begin(&mut self) {
        let message = self.next;
        self.next += 1;
        let Message { recipients, body, pieces } = &self.messages[message];
        let sender = Address::parse(&format!("m{message}@client.example.com")).unwrap();
        let envelope = Envelope::new(sender, recipients.clone()).unwrap();
        let options = TransactionOptions { body: *body, ..TransactionOptions::default() };
        if self.client.begin(self.now, envelope, &options).is_ok() {
            self.pieces = pieces.iter().cloned().collect();
            self.begun.push_back(Begun { message, last_octet: None });
        }
    }

    fn put_content(&mut self) -> bool {
        if !self.client.wants_content() {
            return false;
        }
        if self.rng.u16(..) < 200 {
            self.client.abandon_content();
            return true;
        }
        let piece = self.pieces.pop_front().expect("content is wanted until its end");
        let last = self.pieces.is_empty();
        self.client.put_content(&piece, last);
        if last {
            let end = self.sent + self.client.poll_transmit().len() as u64;
            self.begun.back_mut().expect("a transaction").last_octet = Some(end);
        }
        true
    }

    fn report(&mut self, recipients: Vec<RecipientReport>, interrupted: bool) {
        let Begun { message, last_octet } = self.begun.pop_front().expect("a report for each transaction");
        let handed_over = last_octet.is_some_and(|end| end <= self.sent);
        self.outcomes.push(Outcome { message, recipients, interrupted, handed_over });
    }

    /// The client's reports against what the server decided.
    fn verify(&mut self, census: &mut Census) {
        let seed = self.seed;
        self.server.handle_eof(self.now);
        self.decider.advance(&mut self.server, self.now);
        assert!(self.begun.is_empty(), "dialogue {seed}: transactions without a report");
        let truth = &self.decider.truth;
        for outcome in &self.outcomes {
            let message = outcome.message;
            let sent_to: Vec<&Address> = outcome.recipients.iter().map(|recipient| &recipient.address).collect();
            assert_eq!(sent_to, self.messages[message].recipients.iter().collect::<Vec<_>>(), "dialogue {seed}");
            for RecipientReport { address, status, .. } in &outcome.recipients {
                let address = address.to_string();
                let captured = truth.captured.get(&message).is_some_and(|to| to.contains(&address));
                let place = || format!("dialogue {seed}, message {message} to {address}: {status:?}");
                *census.entry(kind(status, outcome.interrupted, captured)).or_default() += 1;
                match status {
                    Status::Accepted(reply) => {
                        assert!(captured, "{}, but was not captured", place());
                        assert_eq!(truth.answer(message, Step::Content, &address), Some(reply.text()), "{}", place());
                    }
                    Status::Refused { step, reply } => {
                        assert!(!captured, "{}, but was captured", place());
                        truth.verify_refusal(message, *step, reply, &address, &place());
                    }
                    Status::Unsent => {
                        assert!(!captured, "{}, but was captured", place());
                        assert!(!outcome.handed_over, "{}, but had left", place());
                    }
                    Status::Ambiguous => {
                        assert!(outcome.interrupted && outcome.handed_over, "{}, but had not left", place());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        // What was captured was sent: a message of which the client knows nothing cannot be there.
        for message in truth.captured.keys() {
            assert!(self.outcomes.iter().any(|outcome| outcome.message == *message), "dialogue {seed}: {message}");
        }
    }
}

impl Truth {
    fn answer(&self, message: usize, step: Step, recipient: &str) -> Option<&str> {
        let one = self.answers.get(&(message, step, Some(recipient.to_owned())));
        one.or_else(|| self.answers.get(&(message, step, None))).map(String::as_str)
    }

    /// The words are those that the server gave at this step for this recipient, or the machine's own.
    fn verify_refusal(&self, message: usize, step: Step, reply: &Reply, recipient: &str, place: &str) {
        if !reply.text().starts_with("answer") {
            return;
        }
        assert!(self.words.contains(reply.text()), "{place}");
        if !reply.is_closing() {
            assert_eq!(self.answer(message, step, recipient), Some(reply.text()), "{place}");
        }
    }
}

fn server_config(rng: &mut Rng, protocol: Protocol) -> ServerConfig {
    let mut config = ServerConfig::new("server.example.com");
    config.protocol = protocol;
    config.max_errors = 1000;
    let offered = &mut config.extensions;
    offered.pipelining = rng.u8(0..4) > 0;
    offered.chunking = rng.bool();
    offered.enhanced_status_codes = rng.bool();
    offered.binary_mime = rng.bool();
    offered.auth = Mechanisms::parse(if rng.bool() { "PLAIN" } else { "LOGIN" });
    offered.size = match rng.u8(0..6) {
        0 => None,
        1 => Some(SizeLimit::Unknown),
        2 => Some(SizeLimit::Octets(60)),
        _ => Some(SizeLimit::Octets(1_000_000)),
    };
    if rng.u8(0..6) == 0 {
        offered.limits = Limits {
            mail_max: Some(rng.u32(1..4)),
            rcpt_max: Some(rng.u32(1..4)),
            rcpt_domain_max: Some(rng.u32(1..3)),
        };
    }
    if rng.u8(0..6) == 0 {
        config.max_recipients = 1;
    }
    if rng.u8(0..6) == 0 {
        config.users = Arc::new([("ann".to_owned(), Secret::new("secret"))].into());
        (config.cleartext_auth, config.require_login) = (true, true);
    }
    if rng.u8(0..6) == 0 {
        (config.tls, config.require_tls) = (ServerTls::StartTls, true);
    }
    config
}

#[test]
fn what_the_client_reports_is_what_the_server_decided() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let run = |thread: usize| {
        let mut census = Census::new();
        for seed in (FIRST_SEED..FIRST_SEED + DIALOGUES).skip(thread).step_by(threads) {
            let dialogue = AssertUnwindSafe(|| Dialogue::new(seed).run(&mut census));
            if let Err(panic) = catch_unwind(dialogue) {
                eprintln!("the dialogue with seed {seed} failed");
                resume_unwind(panic);
            }
        }
        census
    };
    let censuses: Vec<Census> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("a dialogue failed")).collect()
    });
    let mut census = Census::new();
    for (kind, count) in censuses.into_iter().flatten() {
        *census.entry(kind).or_default() += count;
    }
    println!("{census:#?}");
    for kind in [
        "abandoned",
        "accepted",
        "accepted before the end",
        "ambiguous and captured",
        "ambiguous and lost",
        "refused at content",
        "refused at data",
        "refused at mail",
        "refused at rcpt",
        "refused by 421",
        "unsent",
    ] {
        let often = census.get(kind).copied().unwrap_or_default();
        assert!(often >= DIALOGUES / 2000, "{kind}: {often}");
    }
}

/// Sends so many messages over one session in which every write reaches the other side before it answers; gives the
/// server's turns per message, and the client's own count of round trips per message.
fn turns(messages: u32, riding: bool, configure: impl FnOnce(&mut ServerConfig)) -> (f64, f64) {
    let now = Instant::now();
    let mut config = ServerConfig::new("server.example.com");
    configure(&mut config);
    let mut server = Server::new(config, now);
    let client = ClientConfig { security: Security::None, ..ClientConfig::new("client.example.com") };
    let mut client = Client::new(client, now);
    let (mut begun, mut finished, mut round_trips, mut before) = (0, 0, 0, None);
    while finished < messages {
        while let Some(event) = client.poll_event() {
            if let client::Event::Finished(report) = event {
                assert!(report.is_accepted());
                round_trips += report.round_trips;
                finished += 1;
            }
        }
        if client.is_idle() && before.is_none() {
            before = Some(server.turns());
        }
        loop {
            if client.wants_content() {
                client.put_content(&[b'x'; 500], true);
            } else if begun < messages && client.can_begin() && (riding || client.is_idle()) {
                let address = |text| Address::parse(text).unwrap();
                let recipients = vec![address("a@example.com"), address("b@example.com"), address("c@example.com")];
                let envelope = Envelope::new(address("ann@example.com"), recipients).unwrap();
                client.begin(now, envelope, &TransactionOptions::default()).unwrap();
                begun += 1;
            } else {
                break;
            }
        }
        let octets = client.poll_transmit().to_vec();
        client.handle_transmitted(now, octets.len());
        server.handle_input(now, &octets);
        while let Some(event) = server.poll_event() {
            if let Event::Question(_) = event {
                server.accept(now);
            }
        }
        let octets = server.poll_transmit().to_vec();
        server.handle_transmitted(now, octets.len());
        client.handle_input(now, &octets);
    }
    let per_message = |count: f64| count / f64::from(messages);
    (per_message((server.turns() - before.unwrap()) as f64), per_message(f64::from(round_trips)))
}

#[test]
fn a_message_takes_one_round_trip_with_chunking() {
    assert_eq!(turns(20, false, |_| {}), (1.0, 1.0));
}

#[test]
fn a_message_takes_two_round_trips_with_pipelining_alone() {
    assert_eq!(turns(20, false, |config| config.extensions.chunking = false), (2.0, 2.0));
}

#[test]
fn a_message_takes_a_round_trip_for_each_command_with_neither() {
    let neither = |config: &mut ServerConfig| {
        config.extensions.chunking = false;
        config.extensions.pipelining = false;
    };
    // MAIL, three RCPT, DATA, the content.
    assert_eq!(turns(20, false, neither), (6.0, 6.0));
}

#[test]
fn messages_that_ride_take_far_less_than_a_round_trip_each_with_chunking() {
    let (turns, _) = turns(200, true, |_| {});
    assert!(turns <= 0.3, "{turns}");
}

#[test]
fn messages_that_ride_take_one_round_trip_each_with_pipelining_alone() {
    let (turns, _) = turns(200, true, |config| config.extensions.chunking = false);
    assert!(turns <= 1.01, "{turns}");
}
