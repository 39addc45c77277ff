//! Every message of the queue: whether it can be read, and whether its content has its checksum.

use crc32fast::Hasher;
use mailkit_queue::{Problem, ProblemKind, QueueId, Verification};
use rusqlite::Connection;

use super::is_there;
use crate::content;
use crate::details::{self, MessageDetails};
use crate::error::StoreError;
use crate::message::{self, Row, read_id};

pub(super) fn check(conn: &Connection, queue: i64, found: &mut Verification) -> Result<(), StoreError> {
    if !is_there(queue) {
        return Ok(());
    }
    let mut statement = conn.prepare(&format!(
        "SELECT {}, {}, message_body.content, message_body.seq IS NULL, ready_bucket.id IS NULL FROM message \
         LEFT JOIN message_body ON message_body.seq = message.seq \
         LEFT JOIN ready_bucket ON ready_bucket.id = message.bucket WHERE message.queue = ? ORDER BY message.seq",
        message::COLUMNS,
        details::COLUMNS,
    ))?;
    let mut rows = statement.query([queue])?;
    while let Some(columns) = rows.next()? {
        match read_id(columns, 1) {
            Err(error) => found.add(Problem::new(ProblemKind::Message, format!("the id of a message: {error}"))),
            Ok(id) => check_message(conn, columns, id, found)?,
        }
    }
    Ok(())
}

fn check_message(
    conn: &Connection,
    columns: &rusqlite::Row<'_>,
    id: QueueId,
    found: &mut Verification,
) -> Result<(), StoreError> {
    const CONTENT: usize = message::WIDTH + MessageDetails::WIDTH;
    if columns.get(CONTENT + 1)? {
        found.add(Problem::new(ProblemKind::Message, "its sender, subject and content are missing").of(id));
        return Ok(());
    }
    if columns.get(CONTENT + 2)? {
        found.add(Problem::new(ProblemKind::Message, "its priority, tenant and route are missing").of(id));
        return Ok(());
    }
    let read = || {
        let row = Row::read(columns)?;
        row.recipients()?;
        Ok::<_, StoreError>((row, MessageDetails::read(columns, message::WIDTH)?))
    };
    let (row, details) = match read() {
        Ok(read) => read,
        Err(error) => {
            found.add(Problem::new(ProblemKind::Message, error.to_string()).of(id));
            return Ok(());
        }
    };
    let damage = match details.chunks {
        Some(chunks) => check_chunks(conn, chunks, row.size, details.crc)?,
        None => match columns.get::<_, Option<Vec<u8>>>(CONTENT) {
            Ok(bytes) => {
                content::check(bytes.unwrap_or_default().into(), row.size, details.crc).err().map(str::to_owned)
            }
            Err(error) => Some(format!("the stored content is damaged: {error}")),
        },
    };
    if let Some(text) = damage {
        found.add(Problem::new(ProblemKind::Content, text).of(id));
    }
    Ok(())
}

/// What is wrong with a content in chunks.
fn check_chunks(conn: &Connection, content: i64, size: u64, crc: u32) -> Result<Option<String>, StoreError> {
    let select = "SELECT number, crc, data FROM chunk WHERE content = ? ORDER BY number";
    let mut statement = conn.prepare_cached(select)?;
    let mut rows = statement.query([content])?;
    let (mut next, mut octets, mut whole) = (0, 0, Hasher::new());
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if number != next {
            return Ok(Some(format!("chunk {next} of the stored content is missing")));
        }
        let read = || Ok::<_, rusqlite::Error>((row.get::<_, u32>(1)?, row.get_ref(2)?.as_blob()?));
        match read() {
            Ok((crc, data)) if crc32fast::hash(data) == crc => {
                octets += data.len() as u64;
                whole.update(data);
            }
            _ => {
                return Ok(Some(format!(
                    "chunk {number} of the stored content is damaged: it does not have its checksum"
                )));
            }
        }
        next += 1;
    }
    let is_whole = octets == size && whole.finalize() == crc;
    Ok((!is_whole)
        .then(|| format!("the stored content is damaged: {octets} of {size} octets are there, in {next} chunks")))
}
