//! What is kept of a message, and where.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use mailkit_address::{ForwardPath, ReversePath};

use super::maildir::{Draft, Maildir};

/// A message that was accepted.
#[derive(Clone)]
#[non_exhaustive]
pub struct Captured {
    /// Where failures are reported to.
    pub reverse_path: ReversePath,
    /// The recipients that were accepted.
    pub recipients: Vec<ForwardPath>,
    /// The content as it came, with CRLF line ends. Empty where it went into a Maildir alone.
    pub content: Bytes,
    /// Octets of content.
    pub size: u64,
    /// The file in the Maildir.
    pub path: Option<PathBuf>,
    /// Who had logged in.
    pub user: Option<String>,
    /// Whether it came by TLS.
    pub tls: bool,
    /// When its end had come.
    pub received_at: SystemTime,
}

/// Leaves out the content.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("reverse_path", &self.reverse_path)
            .field("recipients", &self.recipients)
            .field("size", &self.size)
            .field("path", &self.path)
            .field("user", &self.user)
            .field("tls", &self.tls)
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) struct Callback {
    call: Arc<dyn Fn(&Captured) + Send + Sync>,
    /// Whether it wants the content, which has to be held in memory for it.
    with_content: bool,
}

impl Callback {
    pub(super) fn new(call: impl Fn(&Captured) + Send + Sync + 'static, with_content: bool) -> Self {
        Self { call: Arc::new(call), with_content }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

/// Where accepted messages go.
#[derive(Debug)]
pub(super) struct Archive {
    keep: usize,
    kept: Mutex<VecDeque<Captured>>,
    maildir: Option<Arc<Maildir>>,
    callback: Option<Callback>,
}

/// The content of a message that is still coming.
#[derive(Default)]
pub(super) struct Incoming {
    memory: Vec<u8>,
    file: Option<Draft>,
    size: u64,
    failed: Option<io::Error>,
}

impl Incoming {
    /// Octets so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }
}

impl Archive {
    pub(super) fn new(keep: usize, maildir: Option<Maildir>, callback: Option<Callback>) -> Self {
        Self { keep, kept: Mutex::default(), maildir: maildir.map(Arc::new), callback }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Captured>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kept(&self) -> Vec<Captured> {
        self.lock().iter().cloned().collect()
    }

    pub(super) fn take(&self) -> Vec<Captured> {
        std::mem::take(&mut *self.lock()).into()
    }

    /// Whether somebody wants the content in memory.
    fn shows_content(&self) -> bool {
        self.keep > 0 || self.callback.as_ref().is_some_and(|callback| callback.with_content)
    }

    /// Takes a piece of content.
    pub(super) async fn add(&self, incoming: &mut Incoming, piece: &[u8]) {
        incoming.size += piece.len() as u64;
        if self.shows_content() {
            incoming.memory.extend_from_slice(piece);
        } else if let Some(maildir) = &self.maildir {
            incoming.memory.extend_from_slice(piece);
            if incoming.memory.len() >= Draft::BLOCK && incoming.failed.is_none() {
                let block = std::mem::take(&mut incoming.memory);
                let spilled = Maildir::append(Arc::clone(maildir), incoming.file.take(), block).await;
                incoming.file = spilled.map_err(|error| incoming.failed = Some(error)).ok();
            }
        }
    }

    /// Keeps a whole message; `captured` lacks its content still.
    pub(super) async fn keep(&self, mut captured: Captured, incoming: Incoming) -> io::Result<()> {
        if let Some(error) = incoming.failed {
            return Err(error);
        }
        captured.size = incoming.size;
        let content = Bytes::from(incoming.memory);
        if let Some(maildir) = &self.maildir {
            let file = incoming.file;
            captured = Maildir::deliver(Arc::clone(maildir), file, content.clone(), captured).await?;
        }
        if self.shows_content() {
            captured.content = content;
        }
        if let Some(callback) = &self.callback {
            (callback.call)(&captured);
        }
        if self.keep > 0 {
            let mut kept = self.lock();
            if kept.len() >= self.keep {
                kept.pop_front();
            }
            kept.push_back(captured);
        }
        Ok(())
    }
}
