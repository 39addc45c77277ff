//! What can be read once, kept in a temporary file to be read as often as needed.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use mailkit::mime::ContentSource;

/// A temporary file without a name: the system removes it when the process ends.
#[derive(Debug)]
pub(super) struct Spooled {
    file: Arc<Mutex<File>>,
}

/// Why input could not be kept.
pub(super) enum SpoolError {
    Read(io::Error),
    Write(io::Error),
}

impl Spooled {
    /// Keeps what was read already, and the rest of the input.
    pub(super) fn of(start: &[u8], input: &mut dyn Read) -> Result<Self, SpoolError> {
        let mut file = tempfile::tempfile().map_err(SpoolError::Write)?;
        file.write_all(start).map_err(SpoolError::Write)?;
        let mut piece = vec![0; 64 * 1024];
        loop {
            match input.read(&mut piece) {
                Ok(0) => return Ok(Self { file: Arc::new(Mutex::new(file)) }),
                Ok(count) => {
                    file.write_all(piece.get(..count).unwrap_or_default()).map_err(SpoolError::Write)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SpoolError::Read(error)),
            }
        }
    }
}

impl ContentSource for Spooled {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(SpoolReader { file: Arc::clone(&self.file), position: 0 }))
    }
}

/// Reads the shared file from a position of its own.
struct SpoolReader {
    file: Arc<Mutex<File>>,
    position: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}
