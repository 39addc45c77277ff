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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StoreError;

/// What tells a file from every other, whatever its name; nothing where the system does not say.
type Inode = Option<(u64, u64)>;

/// The files that this process has open as stores.
static OPEN: Mutex<Open> = Mutex::new(Open::new());

type Open = BTreeMap<(u64, u64), OpenFile>;

/// A file that is open, how often, and its header from before it was.
#[derive(Debug)]
struct OpenFile {
    count: usize,
    header: Vec<u8>,
}

/// A file that this process has open as a store, or is about to open. It outlives all connections to it.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    file: TrackedPath,
    /// The log, and its index that all who write share; known once the store is open.
    beside: Vec<(TrackedPath, &'static str)>,
    /// What the look at the file gave, before anybody here had it open.
    pub(crate) header: Vec<u8>,
    /// Whether it was said that the places cannot be looked at.
    is_check_failing: AtomicBool,
}

impl FileIdentity {
    /// The file at a path, which is made where there is none: for its owner alone, since it will hold mail.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::track(path, |path, _| options.open(path).map(drop))?.with_one_name()
    }

    /// The file at a path, to read what is in it.
    pub(crate) fn existing(path: &Path) -> Result<Self, StoreError> {
        Self::track(path, |_, missing| Err(missing))
    }

    /// The file at a path, to write to it; it is not made.
    pub(crate) fn existing_for_writing(path: &Path) -> Result<Self, StoreError> {
        Self::existing(path)?.with_one_name()
    }

    /// Checks that the file has no second name. The log is found by the file's name: who comes by another has another
    /// log, and both write to one file.
    fn with_one_name(self) -> Result<Self, StoreError> {
        match links(&std::fs::metadata(self.path())?) > 1 {
            true => Err(StoreError::UnusableFile(
                "the file has another name as well, a hard link, and each name would have a log of its own: remove the \
                 other name, or copy the file and its -wal",
            )),
            false => Ok(self),
        }
    }

    fn track(path: &Path, make: impl FnOnce(&Path, io::Error) -> io::Result<()>) -> Result<Self, StoreError> {
        Self::open_path(path, make).map_err(|error| error.at(path))
    }

    fn open_path(path: &Path, make: impl FnOnce(&Path, io::Error) -> io::Result<()>) -> Result<Self, StoreError> {
        // In this form, SQLite takes no path for a URL or a place in memory, and the working directory may change.
        let path = std::path::absolute(path)?;
        let mut open = open();
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path, error)?,
            _ => {}
        }
        // SQLite puts its other files beside what a link leads to.
        let path = path.canonicalize()?;
        // Who makes a store has its header written before there is a log. Asked of every file: one that is known here may
        // have been removed, and its number given to this one.
        let had_log = has_log(&path);
        let metadata = std::fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(StoreError::Unusable(format!("{} is a folder or a device, and no file", path.display())));
        }
        if had_log && metadata.len() == 0 {
            return Err(StoreError::UnusableFile(
                "it is empty, but beside it lies the log (-wal) of a store that was moved or removed, which SQLite would \
                 take away: move the log to where its file is",
            ));
        }
        let inode = inode_of(&metadata);
        let header = match inode.and_then(|inode| open.get_mut(&inode)) {
            Some(opened) => {
                opened.count += 1;
                opened.header.clone()
            }
            None => {
                let header = read_header(&path)?;
                inode
                    .into_iter()
                    .for_each(|inode| _ = open.insert(inode, OpenFile { count: 1, header: header.clone() }));
                header
            }
        };
        Ok(Self {
            file: TrackedPath { path, inode },
            beside: Vec::new(),
            header,
            is_check_failing: AtomicBool::new(false),
        })
    }

    /// The path of the file itself, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    /// The path of a file that SQLite keeps beside it.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        beside(self.path(), suffix)
    }

    /// Whether there is a log beside it with something in it.
    pub(crate) fn has_log(&self) -> bool {
        has_log(self.path())
    }

    /// The file as a URL for SQLite that says that nobody writes to it.
    pub(crate) fn immutable(&self) -> String {
        let mut url = String::from("file:");
        for byte in self.file.path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' => url.push(char::from(*byte)),
                _ if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
                // Writing into a String cannot fail.
                _ => _ = write!(url, "%{byte:02x}"),
            }
        }
        url + "?immutable=1"
    }

    /// Notes the log and its index, which are there from the first look into the file on until the last connection is
    /// closed.
    pub(crate) fn track_log_files(&mut self) -> Result<(), StoreError> {
        for (suffix, gone) in [
            ("-wal", "the log of the file (-wal) was removed or replaced while it was open"),
            ("-shm", "the index of the log (-shm) was removed or replaced while it was open"),
        ] {
            let path = self.beside(suffix);
            let inode = match inode_at(&path) {
                Err(error) if is_missing(&error) => return Err(StoreError::FileReplaced(gone)),
                found => found?,
            };
            self.beside.push((TrackedPath { path, inode }, gone));
        }
        Ok(())
    }

    /// Checks that the file is still the one that was opened.
    pub(crate) fn check_file(&self) -> Result<(), StoreError> {
        match self.file.is_same()? {
            true => Ok(()),
            false => Err(StoreError::FileReplaced(
                "the file was removed, moved or replaced while it was open; where it was moved, move its log (-wal) along \
                 before it is opened again",
            )),
        }
    }

    /// Checks that file, log and index are still those that were opened: what goes into one that was removed is gone with
    /// the process. Where that cannot be seen, as in a folder that is closed for a moment, it is seen the next time.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let outcome = self.check_file().and_then(|()| self.check_beside());
        match outcome {
            Err(StoreError::Io(error)) => {
                if !self.is_check_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "cannot see whether the queue's file is still where it was");
                }
                Ok(())
            }
            outcome => {
                self.is_check_failing.store(false, Ordering::Relaxed);
                outcome
            }
        }
    }

    fn check_beside(&self) -> Result<(), StoreError> {
        for (place, gone) in &self.beside {
            if !place.is_same()? {
                return Err(StoreError::FileReplaced(gone));
            }
        }
        Ok(())
    }

    /// Whether the file is where it was, and nobody has written to a new log in place of one that was removed. While the
    /// file is open here, nobody who had made one would remove it; and who came and found the index that is shared could
    /// do nothing with a new log but make it.
    pub(crate) fn is_only_log_missing(&self) -> bool {
        let is_free = match std::fs::metadata(self.beside("-wal")) {
            Ok(log) => {
                log.len() == 0 && self.beside.last().is_some_and(|(index, _)| index.is_same().is_ok_and(|same| same))
            }
            Err(error) => is_missing(&error),
        };
        is_free && self.check_file().is_ok()
    }
}

impl Drop for FileIdentity {
    fn drop(&mut self) {
        let mut open = open();
        let Some(file) = self.file.inode else { return };
        if let Some(opened) = open.get_mut(&file) {
            opened.count -= 1;
            if opened.count == 0 {
                open.remove(&file);
            }
        }
    }
}

/// A path, and what was there when it was opened.
#[derive(Debug)]
struct TrackedPath {
    path: PathBuf,
    inode: Inode,
}

impl TrackedPath {
    /// Whether the same is still there; an error where that cannot be seen.
    fn is_same(&self) -> io::Result<bool> {
        match inode_at(&self.path) {
            Ok(found) => Ok(found == self.inode),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn inode_at(path: &Path) -> io::Result<Inode> {
    std::fs::metadata(path).map(|metadata| inode_of(&metadata))
}

/// Whether an error says that nothing is there, and not that one may not look.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn inode_of(metadata: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open cannot be removed, and locks belong to what opened it.
#[cfg(not(unix))]
const fn inode_of(_: &Metadata) -> Inode {
    None
}

/// How many names a file has.
#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// How many names a file has, as far as the system says.
#[cfg(not(unix))]
const fn links(_: &Metadata) -> u64 {
    1
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn has_log(path: &Path) -> bool {
    std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.is_file() && log.len() > 0)
}

/// The header of an SQLite file, as far as it goes.
fn read_header(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is removed while it is known gives its number to the next one.
    #[test]
    fn an_empty_file_beside_a_log_is_refused_also_where_its_number_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let known = FileIdentity::create(&path).unwrap();
        std::fs::write(known.beside("-wal"), "mail").unwrap();
        assert!(matches!(FileIdentity::create(&path), Err(StoreError::UnusableFile(_))));
        drop(known);
        assert!(matches!(FileIdentity::existing(&path), Err(StoreError::UnusableFile(_))));
    }
}
