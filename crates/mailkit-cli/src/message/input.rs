//! Files, and standard input as one of them.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use mailkit::connection::read_settings_file;
use mailkit::mime::{ContentSource, FileSource, TextSource, TextSourceError};
use zeroize::Zeroizing;

use super::spool::{SpoolError, Spooled};
use crate::failure::Failure;

/// More than any private key takes.
const KEY_LIMIT: usize = 1024 * 1024;

const STANDARD_INPUT: &str = "standard input";

/// Up to this size a text or a finished message is held in memory.
const SMALL: u64 = 256 * 1024;

/// Reads files; `-` is standard input, which can be read once.
#[derive(Default)]
pub(super) struct Input {
    standard_input_read: bool,
}

/// What an option names: in memory if it is small, else read whenever it is needed.
#[derive(Clone)]
pub(super) enum Loaded {
    Octets(Vec<u8>),
    Source(Arc<dyn ContentSource>),
}

/// A text: in memory if it is small.
pub(super) enum TextInput {
    Memory(String),
    Source(TextSource),
}

impl Input {
    /// The whole of a file.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        if path.as_os_str() != "-" {
            return std::fs::read(path).map_err(|error| Failure::input(path, &error));
        }
        self.take_standard_input()?;
        let mut content = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut content);
        read.map(|_| content).map_err(|error| Failure::input(Path::new(STANDARD_INPUT), &error))
    }

    fn take_standard_input(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.standard_input_read, true) {
            return Err(Failure::usage("standard input (-) can be read once: give a file for the other"));
        }
        Ok(())
    }

    /// A file or standard input. What is large and cannot be read twice is kept in a temporary file.
    pub(super) fn load(&mut self, path: &Path) -> Result<Loaded, Failure> {
        if path.as_os_str() == "-" {
            self.take_standard_input()?;
            return load_once(Path::new(STANDARD_INPUT), &mut io::stdin().lock());
        }
        let unreadable = |error: io::Error| Failure::input(path, &error);
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return load_once(path, &mut std::fs::File::open(path).map_err(unreadable)?);
        }
        if metadata.len() <= SMALL {
            return std::fs::read(path).map(Loaded::Octets).map_err(unreadable);
        }
        FileSource::new(path).map(|file| Loaded::Source(Arc::new(file))).map_err(unreadable)
    }

    /// A private key, which is wiped from memory when it is no longer needed.
    pub(super) fn read_key(&mut self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if path.as_os_str() == "-" {
            return self.read(path).map(Zeroizing::new);
        }
        read_settings_file(path, KEY_LIMIT).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge => {
                Failure::configuration(&format!("the key {} is of no use", path.display()), &error)
            }
            _ => Failure::input(path, &error),
        })
    }

    /// A text file, for a field. A byte order mark in front says that it is UTF-8 and is no part of it.
    pub(super) fn read_text(&mut self, path: &Path, field: &str) -> Result<TextInput, Failure> {
        match self.load(path)? {
            Loaded::Octets(bytes) => text_in_memory(bytes, path, field).map(TextInput::Memory),
            Loaded::Source(source) => match TextSource::new(Arc::clone(&source)) {
                Ok(text) => Ok(TextInput::Source(text)),
                Err(TextSourceError::NotUtf8 { position }) => {
                    let mut start = Vec::new();
                    let read = source.open().and_then(|file| file.take(2).read_to_end(&mut start));
                    read.map_err(|error| Failure::input(path, &error))?;
                    Err(not_utf8(path, field, position, &start))
                }
                Err(TextSourceError::Unreadable(error)) => Err(Failure::input(path, &error)),
                Err(error) => Err(Failure::message(field, &error)),
            },
        }
    }
}

fn text_in_memory(mut bytes: Vec<u8>, path: &Path, field: &str) -> Result<String, Failure> {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to() as u64;
        not_utf8(path, field, place, error.as_bytes())
    })
}

fn not_utf8(path: &Path, field: &str, place: u64, start: &[u8]) -> Failure {
    let failure = Failure::message(field, format!("the file {} is not UTF-8 at byte {place}", path.display()));
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => failure.with_advice("it is UTF-16: save it as UTF-8"),
        _ => failure.with_advice("save it as UTF-8"),
    }
}

/// Reads what can be read once: into memory, or into a temporary file if it is large.
fn load_once(name: &Path, input: &mut dyn Read) -> Result<Loaded, Failure> {
    let mut start = Vec::new();
    let read = input.take(SMALL + 1).read_to_end(&mut start);
    if read.map_err(|error| Failure::input(name, &error))? as u64 <= SMALL {
        return Ok(Loaded::Octets(start));
    }
    let spooled = Spooled::of(&start, input).map_err(|error| match error {
        SpoolError::Read(error) => Failure::input(name, &error),
        SpoolError::Write(error) => {
            let folder = std::env::temp_dir();
            let what = format!("{} cannot be kept in a temporary file in {}", name.display(), folder.display());
            Failure::system(&what, &error).with_advice("make room there, or name another folder in TMPDIR")
        }
    })?;
    Ok(Loaded::Source(Arc::new(spooled)))
}
