//! Lines from a file or standard input, read ahead as far as a bound of memory allows.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::failure::Failure;

/// The longest line, in octets.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;
/// Octets of lines that are read and not stored yet, beside one more line.
const AHEAD: u32 = 8 * 1024 * 1024;

/// A line that is not empty.
pub(super) struct Line {
    /// Counted from 1, with the empty ones.
    pub(super) number: u64,
    /// Nothing where it is too long.
    pub(super) text: Option<Vec<u8>>,
    /// Its share of the memory.
    pub(super) room: OwnedSemaphorePermit,
}

/// Opens the file; `-` is standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|error| Failure::input(path, &error))?;
    Ok(Box::new(BufReader::with_capacity(64 * 1024, file)))
}

/// Reads the lines on a thread of its own, which ends with the program: standard input may never.
pub(super) fn read(input: Box<dyn BufRead + Send>) -> mpsc::Receiver<io::Result<Line>> {
    let (sender, receiver) = mpsc::channel(16);
    let (room, runtime) = (Arc::new(Semaphore::new(AHEAD as usize)), Handle::current());
    std::thread::spawn(move || {
        let mut input = input;
        for number in 1.. {
            let line = match next(&mut input) {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(error) => {
                    // Nobody is left to hear it where the other end is closed.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            };
            if line.as_ref().is_some_and(|text| text.trim_ascii().is_empty()) {
                continue;
            }
            let size = line.as_ref().map_or(0, Vec::len);
            let share = u32::try_from(size).unwrap_or(AHEAD).clamp(1, AHEAD);
            let Ok(room) = runtime.block_on(Arc::clone(&room).acquire_many_owned(share)) else { return };
            if sender.blocking_send(Ok(Line { number, text: line, room })).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line without its end; nothing at the end, and a line without text where it is too long.
fn next(input: &mut dyn BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let (mut line, mut any, mut fits) = (Vec::new(), false, true);
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(any.then_some(fits.then_some(line)));
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
        fits &= line.len() + part.len() <= LONGEST;
        if fits {
            line.extend_from_slice(part);
        } else {
            line = Vec::new();
        }
        let taken = part.len() + usize::from(end.is_some());
        input.consume(taken);
        if end.is_some() {
            return Ok(Some(fits.then_some(line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parted_and_one_that_is_too_long_costs_nothing_but_itself() {
        let mut text = b"one\n\n".to_vec();
        text.resize(text.len() + LONGEST + 1, b'x');
        text.extend_from_slice(b"\nlast");
        let mut input: &[u8] = &text;
        let mut next = || next(&mut input).unwrap();
        assert_eq!(next(), Some(Some(b"one".to_vec())));
        assert_eq!(next(), Some(Some(Vec::new())));
        assert_eq!(next(), Some(None));
        assert_eq!(next(), Some(Some(b"last".to_vec())));
        assert_eq!(next(), None);
    }
}
