//! A Maildir: one file for each message, whole or not there at all, and a line for its envelope.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mailkit_address::{ForwardPath, ReversePath};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Captured, SinkError};

/// The file of the envelopes, in the Maildir's folder.
const ENVELOPES: &str = "envelopes.jsonl";

#[derive(Debug)]
pub(super) struct Maildir {
    folder: PathBuf,
    envelopes: Mutex<File>,
    delivered: AtomicU64,
}

/// A file in `tmp/`, removed unless it is delivered.
#[derive(Debug)]
pub(super) struct Draft {
    name: String,
    path: PathBuf,
    file: Option<File>,
}

impl Draft {
    /// Octets that are written at once.
    pub(super) const BLOCK: usize = 1024 * 1024;
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What is left in tmp/ is nobody's message; readers of a Maildir remove it in time.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Maildir {
    pub(super) fn open(folder: PathBuf) -> Result<Self, SinkError> {
        let broken = |path: &Path, error| SinkError::File(path.to_owned(), error);
        for part in ["tmp", "new", "cur"] {
            let path = folder.join(part);
            private_folder().create(&path).map_err(|error| broken(&path, error))?;
        }
        let path = folder.join(ENVELOPES);
        let envelopes = private_file().create(true).append(true).open(&path);
        let envelopes = Mutex::new(envelopes.map_err(|error| broken(&path, error))?);
        Ok(Self { folder, envelopes, delivered: AtomicU64::new(0) })
    }

    /// Appends a block to the draft, which is made where there is none yet.
    pub(super) async fn append(maildir: Arc<Self>, draft: Option<Draft>, block: Vec<u8>) -> io::Result<Draft> {
        blocking(move || maildir.write(draft, &block)).await
    }

    /// Moves a message to `new/` and notes its envelope.
    pub(super) async fn deliver(
        maildir: Arc<Self>,
        draft: Option<Draft>,
        rest: Bytes,
        captured: Captured,
    ) -> io::Result<Captured> {
        blocking(move || {
            let draft = maildir.write(draft, &rest)?;
            maildir.publish(draft, captured)
        })
        .await
    }

    fn write(&self, draft: Option<Draft>, block: &[u8]) -> io::Result<Draft> {
        let mut draft = match draft {
            Some(draft) => draft,
            None => self.draft()?,
        };
        if let Some(file) = &mut draft.file {
            file.write_all(block)?;
        }
        Ok(draft)
    }

    fn draft(&self) -> io::Result<Draft> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let name = format!("{}.M{}P{process}Q{number}.mailkit", since.as_secs(), since.subsec_micros());
        let path = self.folder.join("tmp").join(&name);
        let file = Some(private_file().write(true).create_new(true).open(&path)?);
        Ok(Draft { name, path, file })
    }

    fn publish(&self, mut draft: Draft, mut captured: Captured) -> io::Result<Captured> {
        let path = self.folder.join("new").join(&draft.name);
        let mut line = envelope(&draft.name, &captured);
        line.push('\n');
        // The envelope goes first: whoever sees the message finds it.
        self.envelopes.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())?;
        fs::rename(&draft.path, &path)?;
        draft.file = None;
        captured.path = Some(path);
        Ok(captured)
    }
}

/// Makes folders for their owner alone: captured mail holds addresses, and links by which passwords are reset. Folders that
/// are there already keep their mode.
fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Makes files for their owner alone.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn envelope(name: &str, captured: &Captured) -> String {
    let received_at = OffsetDateTime::from(captured.received_at).format(&Rfc3339).unwrap_or_default();
    let to: Vec<String> = captured.recipients.iter().map(recipient).collect();
    serde_json::json!({
        "file": format!("new/{name}"),
        "from": sender(&captured.reverse_path),
        "to": to,
        "size": captured.size,
        "user": captured.user,
        "tls": captured.tls,
        "received_at": received_at,
    })
    .to_string()
}

/// The address without brackets; nothing for the null path.
pub(super) fn sender(path: &ReversePath) -> String {
    path.address().map(ToString::to_string).unwrap_or_default()
}

/// The address without brackets.
pub(super) fn recipient(path: &ForwardPath) -> String {
    path.address().map_or_else(|| "Postmaster".to_owned(), ToString::to_string)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
