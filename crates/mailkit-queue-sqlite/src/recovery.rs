//! Recovery of the messages of a damaged file.

use std::path::Path;
use std::sync::Arc;

use mailkit_queue::{Content, QueueError, Record};
use rusqlite::Connection;

use crate::content;
use crate::details::{self, MessageDetails};
use crate::error::StoreError;
use crate::file;
use crate::file_identity::FileIdentity;
use crate::interrupt::Interrupt;
use crate::keys;
use crate::message::{self, Row};
use crate::query::{history, record};
use crate::readers::Readers;
use crate::store::SqliteQueue;

/// The row number at which the search for the next message ends. No store has more messages.
const END: i64 = 1 << 40;

/// A message that could be read completely.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveredMessage {
    /// The queue in the file that it belongs to.
    pub queue: String,
    /// The record, with the part of the history that could be read.
    pub record: Record,
    /// The content. Its checksum is correct.
    pub content: Content,
}

/// An iterator over the readable messages of a file, oldest first. Messages that cannot be read are skipped. Blocks while it
/// reads.
#[derive(Debug)]
pub struct Recovery {
    conn: Connection,
    identity: Arc<FileIdentity>,
    next: i64,
    skipped: u64,
}

impl SqliteQueue {
    /// Opens a store that may be damaged, to read its messages. The store is not changed.
    ///
    /// # Errors
    /// [`QueueError::Damaged`] if its tables cannot be found, or if it was not created by mailkit; [`QueueError::Incompatible`]
    /// if it has the schema of another version; [`QueueError::Missing`] if the file does not exist; [`QueueError::Unusable`] if
    /// it cannot be read in its place.
    pub fn recover(path: impl AsRef<Path>) -> Result<Recovery, QueueError> {
        let identity = Arc::new(FileIdentity::existing(path.as_ref()).map_err(QueueError::from)?);
        let conn = file::open_damaged(&identity, &Interrupt::default())?;
        Ok(Recovery { conn, identity, next: i64::MIN, skipped: 0 })
    }
}

impl Recovery {
    /// The number of messages, or pages of messages, that could not be read so far.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The row number of the first message at or after `from`.
    fn first_from(&self, from: i64) -> Result<Option<i64>, StoreError> {
        let select = "SELECT min(seq) FROM message WHERE seq >= ?";
        Ok(self.conn.prepare_cached(select)?.query_row([from], |row| row.get(0))?)
    }

    /// The row number of the first message behind pages that cannot be read, by a search with growing steps.
    fn find_behind_damage(&self, from: i64) -> Option<i64> {
        let (mut bad, mut step) = (from.max(0), 1);
        let mut good = loop {
            let probe = bad + step;
            if probe > END {
                return None;
            }
            match self.first_from(probe) {
                Ok(_) => break probe,
                Err(_) => step *= 2,
            }
        };
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2;
            if self.first_from(middle).is_ok() {
                good = middle;
            } else {
                bad = middle;
            }
        }
        self.first_from(good).ok().flatten()
    }

    fn read(&self, seq: i64) -> Result<RecoveredMessage, StoreError> {
        let with_bucket = format!("{}, {}", message::COLUMNS, details::COLUMNS);
        // A message can be recovered without its tenant, route and priority.
        let without =
            with_bucket.replace("ready_bucket.priority, ready_bucket.tenant, ready_bucket.route", "1, NULL, NULL");
        let join = "JOIN ready_bucket ON ready_bucket.id = message.bucket";
        let (row, details, bytes) = self.select(&with_bucket, join, seq).or_else(|_| self.select(&without, "", seq))?;
        let content = match details.chunks {
            None => content::check(bytes.unwrap_or_default().into(), row.size, details.crc)
                .map_err(|why| StoreError::Corrupt(why.into()))?,
            Some(chunks) => {
                let readers = Readers::of_damaged(Arc::clone(&self.identity));
                let content = content::stored(&readers, chunks, row.size, details.crc);
                for chunk in content.chunks().map_err(StoreError::Io)? {
                    chunk.map_err(StoreError::Io)?;
                }
                content
            }
        };
        let name = "SELECT name FROM queue JOIN message ON message.queue = queue.id WHERE message.seq = ?";
        let queue = self.conn.prepare_cached(name)?.query_row([seq], |row| row.get(0));
        let history = history(&self.conn, seq).unwrap_or_default();
        // If its table cannot be read, the key is returned without the fingerprint.
        let fingerprint = keys::fingerprint(&self.conn, seq).unwrap_or_default();
        let mut record = record(&row, details)?;
        (record.history, record.fingerprint) = (history, fingerprint);
        Ok(RecoveredMessage { queue: queue.unwrap_or_else(|_| "default".to_owned()), record, content })
    }

    fn select(
        &self,
        columns: &str,
        join: &str,
        seq: i64,
    ) -> Result<(Row, MessageDetails, Option<Vec<u8>>), StoreError> {
        let select = format!(
            "SELECT {columns}, message_body.content FROM message JOIN message_body USING (seq) {join} WHERE message.seq = ?"
        );
        let mut statement = self.conn.prepare_cached(&select)?;
        let mut rows = statement.query([seq])?;
        let row = rows.next()?.ok_or_else(|| StoreError::Corrupt("a message has no details".into()))?;
        Ok((
            Row::read(row)?,
            MessageDetails::read(row, message::WIDTH)?,
            row.get(message::WIDTH + MessageDetails::WIDTH)?,
        ))
    }
}

impl Iterator for Recovery {
    type Item = RecoveredMessage;

    fn next(&mut self) -> Option<RecoveredMessage> {
        loop {
            let seq = match self.first_from(self.next) {
                Ok(found) => found?,
                Err(_) => {
                    self.skipped += 1;
                    self.find_behind_damage(self.next)?
                }
            };
            self.next = seq.checked_add(1)?;
            match self.read(seq) {
                Ok(message) => return Some(message),
                Err(error) => {
                    tracing::warn!(%error, "a message could not be recovered");
                    self.skipped += 1;
                }
            }
        }
    }
}
