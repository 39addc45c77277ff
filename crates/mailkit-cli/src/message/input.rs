//! Files, and standard input as one of them.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mailkit::connection::read_settings_file;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// More than any private key takes.
const KEY_LIMIT: usize = 1024 * 1024;

/// Up to this size a finished message is read at once.
const SMALL: u64 = 256 * 1024;

/// Reads files; `-` is standard input, which can be read once.
#[derive(Default)]
pub(super) struct Input {
    standard_input_read: bool,
}

/// A finished message: in a file, which is read while it is sent, or in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    File(PathBuf),
    Octets(Vec<u8>),
}

impl Finished {
    /// What an option names. Only a regular file can be read again: anything else, and what is small, is read now.
    pub(super) fn of(path: PathBuf, input: &mut Input) -> Result<Self, Failure> {
        let is_standard_input = path.as_os_str() == "-";
        if !is_standard_input && std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() > SMALL) {
            // What cannot be read is told by its own name.
            return std::fs::File::open(&path).map_err(|error| Failure::input(&path, &error)).map(|_| Self::File(path));
        }
        input.read(&path).map(Self::Octets)
    }
}

impl Input {
    /// The whole of a file.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        if path.as_os_str() != "-" {
            return std::fs::read(path).map_err(|error| Failure::input(path, &error));
        }
        if std::mem::replace(&mut self.standard_input_read, true) {
            return Err(Failure::usage("standard input (-) can be read once: give a file for the other"));
        }
        let mut content = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut content);
        read.map(|_| content).map_err(|error| Failure::input(Path::new("standard input"), &error))
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

    /// The whole of a text file, for a field. A byte order mark in front says that it is UTF-8 and is no part of it.
    pub(super) fn read_text(&mut self, path: &Path, field: &str) -> Result<String, Failure> {
        let mut bytes = self.read(path)?;
        if bytes.starts_with("\u{feff}".as_bytes()) {
            bytes.drain(.."\u{feff}".len());
        }
        String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            let failure = Failure::message(field, format!("the file {} is not UTF-8 at byte {place}", path.display()));
            match error.as_bytes() {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => failure.with_advice("it is UTF-16: save it as UTF-8"),
                _ => failure.with_advice("save it as UTF-8"),
            }
        })
    }
}
