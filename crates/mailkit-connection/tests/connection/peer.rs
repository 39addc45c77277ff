//! A server in memory, on the server machine: it captures messages and counts how often it was waited for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailkit_address::{Address, Envelope, ForwardPath};
use mailkit_connection::{Connection, Connector, ConnectorConfig, Endpoint, Protocol, Submission, TlsMode};
use mailkit_smtp::server::{Event, Question, Server, ServerConfig};
use mailkit_smtp::{Extensions, Reply, ReplyCode};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};
use tokio::time::{Instant, sleep_until};

/// A message that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) content: Vec<u8>,
}

/// What a peer has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) messages: Vec<Captured>,
    /// How often the client fell silent before the peer answered.
    pub(crate) waits: u32,
    /// Whether QUIT was said.
    pub(crate) parted: bool,
}

/// A server to be.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) config: ServerConfig,
    /// How long replies are held back while the client goes on: with a paused clock, until it falls silent.
    pub(crate) think: Duration,
    /// Octets that the pipe holds in each direction.
    pub(crate) pipe: usize,
    /// Reads nothing while a reply has not left.
    pub(crate) stubborn: bool,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Peer {
    pub(crate) fn new(pipelining: bool, chunking: bool) -> Self {
        let mut config = ServerConfig::new("mx.example.org");
        config.extensions = Extensions { pipelining, chunking, ..config.extensions };
        config.max_errors = 1_000_000;
        Self { config, think: Duration::ZERO, pipe: 64 * 1024, stubborn: false, seen: Arc::default() }
    }

    pub(crate) fn lmtp(pipelining: bool, chunking: bool) -> Self {
        let mut peer = Self::new(pipelining, chunking);
        peer.config.protocol = Protocol::Lmtp;
        peer
    }

    pub(crate) fn messages(&self) -> Vec<Captured> {
        self.seen.lock().unwrap().messages.clone()
    }

    pub(crate) fn waits(&self) -> u32 {
        self.seen.lock().unwrap().waits
    }

    /// A connection to this peer, which runs beside it.
    pub(crate) async fn connect(&self) -> Connection {
        let (ours, theirs) = duplex(self.pipe);
        let peer = self.clone();
        tokio::spawn(async move { peer.serve(theirs).await });
        connector(self.config.protocol).connect_over(ours).await.unwrap()
    }

    /// Serves until the client has gone.
    pub(crate) async fn serve(self, stream: impl AsyncRead + AsyncWrite) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut server = Server::new(self.config.clone(), now());
        let mut session = Session::default();
        let (mut held, mut released) = (None, false);
        let mut buffer = vec![0; 16 * 1024];
        loop {
            session.answer(&mut server, &self.seen);
            let pending = server.poll_transmit().to_vec();
            if pending.is_empty() {
                (held, released) = (None, self.think.is_zero());
                if server.is_closed() {
                    break;
                }
            } else {
                held.get_or_insert_with(|| Instant::now() + self.think);
            }
            let reads = server.wants_input() && (pending.is_empty() || !self.stubborn);
            tokio::select! {
                biased;
                read = reader.read(&mut buffer), if reads => match read {
                    Ok(octets) if octets > 0 => server.handle_input(now(), &buffer[..octets]),
                    _ => server.handle_eof(now()),
                },
                wrote = writer.write(&pending), if released && !pending.is_empty() => match wrote {
                    Ok(octets) => server.handle_transmitted(now(), octets),
                    Err(_) => break,
                },
                () = sleep_until(held.unwrap_or_else(Instant::now)), if held.is_some() && !released => {
                    released = true;
                    self.seen.lock().unwrap().waits += 1;
                }
            }
        }
        session.part(&server, &self.seen);
        let _ = writer.shutdown().await;
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// The message that is coming in.
#[derive(Default)]
struct Session {
    from: String,
    to: Vec<String>,
    content: Vec<u8>,
}

impl Session {
    fn answer(&mut self, server: &mut Server, seen: &Mutex<Seen>) {
        while let Some(event) = server.poll_event() {
            let refusal = match event {
                Event::Question(question) => self.decide(question, seen),
                Event::Content(piece) => {
                    self.content.extend_from_slice(piece);
                    continue;
                }
                Event::Reset => {
                    *self = Self::default();
                    continue;
                }
                _ => continue,
            };
            match refusal {
                Some(reply) => server.answer(now(), &reply),
                None => server.accept(now()),
            }
        }
    }

    fn decide(&mut self, question: Question, seen: &Mutex<Seen>) -> Option<Reply> {
        match question {
            Question::Mail { path, .. } => *self = Self { from: path.to_string(), ..Self::default() },
            Question::Rcpt { path, .. } => {
                let ForwardPath::Address(address) = path else { return None };
                if address.to_string().starts_with("no") {
                    return Some(reply(550, "no such user"));
                }
                self.to.push(address.to_string());
            }
            Question::Content { .. } => {
                let Self { from, to, content } = std::mem::take(self);
                seen.lock().unwrap().messages.push(Captured { from, to, content });
            }
            _ => {}
        }
        None
    }

    fn part(&self, server: &Server, seen: &Mutex<Seen>) {
        seen.lock().unwrap().parted = server.error().is_none();
    }
}

pub(crate) fn reply(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), None, text)
}

/// Settings without TLS for a stream that is brought.
pub(crate) fn config(protocol: Protocol) -> ConnectorConfig {
    ConnectorConfig::new(protocol, Endpoint::Unix("pipe".into()), TlsMode::None).with_ehlo_name("client.example.com")
}

pub(crate) fn connector(protocol: Protocol) -> Connector {
    Connector::new(config(protocol)).unwrap()
}

pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
    let to = to.iter().map(|text| Address::parse(text).unwrap()).collect();
    Envelope::new(Address::parse(from).unwrap(), to).unwrap()
}

/// Message `n`: its envelope and its content name it.
pub(crate) fn submission(n: usize, octets: usize) -> Submission {
    Submission::new(envelope(&format!("from{n}@example.com"), &[&format!("to{n}@example.org")]), text(n, octets))
}

/// Content that only message `n` has, of at least so many octets.
pub(crate) fn text(n: usize, octets: usize) -> String {
    let mut text = format!("Subject: {n}\r\n\r\n");
    while text.len() < octets {
        text.push_str(&format!(".{n} and {n} and {n}\r\n"));
    }
    text
}

/// Message `n` as it is captured.
pub(crate) fn captured(n: usize, octets: usize) -> Captured {
    Captured {
        from: format!("<from{n}@example.com>"),
        to: vec![format!("to{n}@example.org")],
        content: text(n, octets).into_bytes(),
    }
}
