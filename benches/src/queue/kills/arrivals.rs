//! The server that lives through all kills, and what arrived there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mailkit_server::{Captured, Sink};

use crate::work::Failure;

/// What a network takes: the worker is slower than the enqueuer, and has mail on its way whenever it is killed.
const LATENCY: Duration = Duration::from_millis(20);

/// How long the server may take to read what a killed worker had written.
const PATIENCE: Duration = Duration::from_secs(10);

/// The Message-IDs that arrived, by subject: one for each copy.
pub(super) type Copies = HashMap<String, Vec<String>>;

pub(super) struct Arrivals {
    sink: Sink,
    copies: Arc<Mutex<Copies>>,
}

impl Arrivals {
    pub(super) async fn start() -> Result<Self, Failure> {
        let copies = Arc::new(Mutex::new(Copies::new()));
        let arrived = Arc::clone(&copies);
        let note = move |captured: &Captured| {
            let [subject, id] = ["Subject: ", "Message-ID: "].map(|name| field(&captured.content, name));
            arrived.lock().unwrap_or_else(PoisonError::into_inner).entry(subject).or_default().push(id);
        };
        let sink = Sink::builder().latency(LATENCY).on_message(note).start().await?;
        Ok(Self { sink, copies })
    }

    pub(super) fn server(&self) -> String {
        format!("smtp://{}?tls=none", self.sink.addr())
    }

    /// How often each message has arrived, once all connections of a worker that was killed are read to their end.
    pub(super) fn when_quiet(&self) -> Result<HashMap<String, u64>, Failure> {
        let start = Instant::now();
        while self.sink.counters().open > 0 {
            if start.elapsed() > PATIENCE {
                return Err("the server does not get rid of a worker that was killed".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(copies.iter().map(|(subject, ids)| (subject.clone(), ids.len() as u64)).collect())
    }

    pub(super) fn take(&self) -> Copies {
        std::mem::take(&mut self.copies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What stands in a header field.
fn field(content: &[u8], name: &str) -> String {
    let content = String::from_utf8_lossy(content);
    let value = content.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().to_owned()
}
