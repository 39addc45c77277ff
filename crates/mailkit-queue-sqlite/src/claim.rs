//! Which file a path names, and that it stays the one.
//!
//! POSIX has a process lose all its locks on a file when it closes any descriptor of it, SQLite's locks included; another
//! process may then take itself for the last, and remove the log. So a file that this process has open as a store is not
//! opened beside SQLite: whoever comes second does not look at it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::StoreError;

/// What tells a file from every other, whatever its name; nothing where the system does not say.
type Identity = Option<(u64, u64)>;

/// The files that this process has open as stores, and how often.
static OPEN: Mutex<Open> = Mutex::new(Open::new());

type Open = BTreeMap<(u64, u64), usize>;

/// A file that this process has open as a store, or is about to open. It outlives all connections to it.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    file: Identity,
    log: OnceLock<Identity>,
    /// What the look at it gave, where nobody here had it open.
    pub(crate) header: Option<Vec<u8>>,
}

impl Claim {
    /// The file at a path, which is made where there is none: for its owner alone, since it will hold mail.
    pub(crate) fn make(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::take(path, |path, _| options.open(path).map(drop))
    }

    /// The file at a path.
    pub(crate) fn find(path: &Path) -> Result<Self, StoreError> {
        Self::take(path, |_, missing| Err(missing))
    }

    fn take(path: &Path, make: impl FnOnce(&Path, io::Error) -> io::Result<()>) -> Result<Self, StoreError> {
        // In this form, SQLite takes no path for a URL or a place in memory, and the working directory may change.
        let path = std::path::absolute(path)?;
        let mut open = open();
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path, error)?,
            _ => {}
        }
        // SQLite puts its other files beside what a link leads to.
        let path = path.canonicalize()?;
        let metadata = std::fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(StoreError::Broken("it is a folder or a device, and no file".into()));
        }
        let file = identity(&metadata);
        let is_open = file.is_some_and(|file| open.contains_key(&file));
        let header = if is_open { None } else { Some(first_bytes(&path)?) };
        file.into_iter().for_each(|file| *open.entry(file).or_default() += 1);
        Ok(Self { path, file, log: OnceLock::new(), header })
    }

    /// The path of the file itself, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file that SQLite keeps beside it.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    /// Whether there is a log beside it with something in it.
    pub(crate) fn has_log(&self) -> bool {
        std::fs::metadata(self.beside("-wal")).is_ok_and(|log| log.is_file() && log.len() > 0)
    }

    /// The file as a URL for SQLite that says that nobody writes to it.
    pub(crate) fn immutable(&self) -> String {
        let mut url = String::from("file:");
        for byte in self.path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' => url.push(char::from(*byte)),
                _ if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
                // Writing into a String cannot fail.
                _ => _ = write!(url, "%{byte:02x}"),
            }
        }
        url + "?immutable=1"
    }

    /// Checks that the file is still the one that was opened.
    pub(crate) fn check_file(&self) -> Result<(), StoreError> {
        match file_at(&self.path) {
            Ok(found) if found == self.file => Ok(()),
            _ => Err(StoreError::Gone("the file was removed, moved or replaced while it was open")),
        }
    }

    /// Checks that file and log are still those that were opened: what goes into one that was removed is gone with the
    /// process. The log is there from the first transaction on, until the last connection is closed.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.check_file()?;
        match (self.log.get(), file_at(&self.beside("-wal"))) {
            (None, found) => {
                found.into_iter().for_each(|found| _ = self.log.set(found));
                Ok(())
            }
            (Some(known), Ok(found)) if found == *known => Ok(()),
            (Some(_), _) => {
                Err(StoreError::Gone("the log of the file (-wal) was removed or replaced while it was open"))
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut open = open();
        let Some(file) = self.file else { return };
        if let Some(count) = open.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                open.remove(&file);
            }
        }
    }
}

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn file_at(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|metadata| identity(&metadata))
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open cannot be removed, and locks belong to what opened it.
#[cfg(not(unix))]
const fn identity(_: &Metadata) -> Identity {
    None
}

/// The header of an SQLite file, as far as it goes.
fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header)
}
