//! Scenarios of the client machine: dialogues with servers that say too much, refuse a login, or repeat secrets.

mod login;
mod order;
mod trace;

use std::time::Instant;

use mailkit_address::{Address, Envelope};

use super::{Client, ClientConfig, Event, Security, TransactionOptions};
use crate::Report;

/// A client and all that it has sent.
struct Dialogue {
    client: Client,
    now: Instant,
    sent: String,
    reports: Vec<Report>,
    start_tls: bool,
}

impl Dialogue {
    #[expect(clippy::disallowed_methods, reason = "any moment will do for the beginning")]
    fn new(config: ClientConfig) -> Self {
        let now = Instant::now();
        Self { client: Client::new(config, now), now, sent: String::new(), reports: Vec::new(), start_tls: false }
    }

    /// In clear, without a login.
    fn plain() -> Self {
        Self::new(ClientConfig { security: Security::None, ..ClientConfig::new("client.example.com") })
    }

    /// The server says this, in one packet.
    fn hear(&mut self, said: &str) -> &mut Self {
        self.client.handle_input(self.now, said.as_bytes());
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Finished(report) | Event::Interrupted(report) => self.reports.push(report),
                Event::StartTls => self.start_tls = true,
                _ => {}
            }
        }
        self
    }

    /// What the client wants to send leaves.
    fn send(&mut self) -> &mut Self {
        let waiting = self.client.poll_transmit().to_vec();
        self.sent.push_str(&String::from_utf8(waiting.clone()).unwrap());
        self.client.handle_transmitted(self.now, waiting.len());
        self
    }

    /// Greeting and EHLO, with what this server offers.
    fn open(&mut self, offered: &[&str]) -> &mut Self {
        self.hear("220 mx\r\n").send();
        let lines: String = offered.iter().map(|line| format!("250-{line}\r\n")).collect();
        self.hear(&format!("250-mx\r\n{lines}250 HELP\r\n"))
    }

    fn begin(&mut self) -> &mut Self {
        let to = ["bob@example.org", "carl@example.org"].map(|text| Address::parse(text).unwrap());
        let envelope = Envelope::null_sender(to.into()).unwrap();
        self.client.begin(self.now, envelope, &TransactionOptions::default()).unwrap();
        self
    }

    fn content(&mut self) -> &mut Self {
        if self.client.wants_content() {
            self.client.put_content(b"Hello\r\n", true);
        }
        self
    }
}
