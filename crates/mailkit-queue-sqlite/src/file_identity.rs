//! The identity of a database file by its inode, and the check that the path still names the same file.
//!
//! On POSIX systems a process loses all its locks on a file when it closes any descriptor of that file, including the locks of
//! SQLite. Another process may then believe that it is the last user, and remove the write-ahead log (WAL). So this process never
//! opens a file on its own while it has it open as a store: a second open uses the header that the first one has read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StoreError;

/// Device and inode number. `None` on systems without them.
type Inode = Option<(u64, u64)>;

/// The files that this process has open as stores.
static OPEN: Mutex<Open> = Mutex::new(Open::new());

type Open = BTreeMap<(u64, u64), OpenFile>;

/// An open file: the number of its users and the header that was read before it was opened.
#[derive(Debug)]
struct OpenFile {
    count: usize,
    header: Vec<u8>,
}

/// The identity of a file that this process has open as a store, or is about to open. It outlives all connections to the file.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    file: TrackedPath,
    /// The WAL and its shared-memory index. They are tracked once the store is open.
    log_files: Vec<(TrackedPath, &'static str)>,
    /// The header of the file, read before this process opened it as a store.
    pub(crate) header: Vec<u8>,
    /// Whether the last check could not be done, so that this is logged once.
    is_check_failing: AtomicBool,
}

impl FileIdentity {
    /// The file at a path. It is created if it does not exist, and only its owner may read it, since it will contain mail.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::track(path, |path, _| options.open(path).map(drop))?.with_one_name()
    }

    /// The existing file at a path, to be read.
    pub(crate) fn existing(path: &Path) -> Result<Self, StoreError> {
        Self::track(path, |_, missing| Err(missing))
    }

    /// The existing file at a path, to be written.
    pub(crate) fn existing_for_writing(path: &Path) -> Result<Self, StoreError> {
        Self::existing(path)?.with_one_name()
    }

    /// Checks that the file has no second hard link. SQLite finds the WAL by the name of the file: processes that use different
    /// names would use different WALs for one file.
    fn with_one_name(self) -> Result<Self, StoreError> {
        match links(&std::fs::metadata(self.path())?) > 1 {
            true => Err(StoreError::UnusableFile(
                "the file has a second hard link, and each name would have its own write-ahead log (-wal): remove the \
                 other name, or copy the file and its -wal",
            )),
            false => Ok(self),
        }
    }

    fn track(path: &Path, make: impl FnOnce(&Path, io::Error) -> io::Result<()>) -> Result<Self, StoreError> {
        Self::open_path(path, make).map_err(|error| error.at(path))
    }

    fn open_path(path: &Path, make: impl FnOnce(&Path, io::Error) -> io::Result<()>) -> Result<Self, StoreError> {
        // SQLite does not take an absolute path for a URL or `:memory:`, and the working directory may change.
        let path = std::path::absolute(path)?;
        let mut open = open();
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path, error)?,
            _ => {}
        }
        // SQLite creates its other files beside the target of a symbolic link.
        let path = path.canonicalize()?;
        // A store has its header before it has a WAL. This is checked for every file: a known one may have been removed, and
        // this one may have got its inode number.
        let had_log = has_log(&path);
        let metadata = std::fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(StoreError::Unusable(format!("{} is a folder or a device, not a file", path.display())));
        }
        if had_log && metadata.len() == 0 {
            return Err(StoreError::UnusableFile(
                "it is empty, but beside it is the write-ahead log (-wal) of a store that was moved or removed, which \
                 SQLite would delete: move the -wal to where its file is",
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
            log_files: Vec::new(),
            header,
            is_check_failing: AtomicBool::new(false),
        })
    }

    /// The path of the file, without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    /// The path of a file that SQLite keeps beside the file.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        beside(self.path(), suffix)
    }

    /// Whether there is a WAL that is not empty.
    pub(crate) fn has_log(&self) -> bool {
        has_log(self.path())
    }

    /// The URL of the file for SQLite, with the promise that nobody writes to it.
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

    /// Starts to track the WAL and its index, which exist from the first read until the last connection is closed.
    pub(crate) fn track_log_files(&mut self) -> Result<(), StoreError> {
        for (suffix, gone) in [
            ("-wal", "the write-ahead log of the file (-wal) was removed or replaced while it was open"),
            ("-shm", "the index of the write-ahead log (-shm) was removed or replaced while it was open"),
        ] {
            let path = self.beside(suffix);
            let inode = match inode_at(&path) {
                Err(error) if is_missing(&error) => return Err(StoreError::FileReplaced(gone)),
                found => found?,
            };
            self.log_files.push((TrackedPath { path, inode }, gone));
        }
        Ok(())
    }

    /// Checks that the path still names the file that was opened.
    pub(crate) fn check_file(&self) -> Result<(), StoreError> {
        match self.file.is_same()? {
            true => Ok(()),
            false => Err(StoreError::FileReplaced(
                "the file was removed, moved or replaced while it was open; if it was moved, move its write-ahead log \
                 (-wal) with it before it is opened again",
            )),
        }
    }

    /// Checks that the paths still name the file, the WAL and the index that were opened. What is written to a removed file is
    /// lost when the process ends. If the check cannot be done, for example without access to the folder, the next one decides.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let outcome = self.check_file().and_then(|()| self.check_log_files());
        match outcome {
            Err(StoreError::Io(error)) => {
                if !self.is_check_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "cannot check whether the path still names the queue's file");
                }
                Ok(())
            }
            outcome => {
                self.is_check_failing.store(false, Ordering::Relaxed);
                outcome
            }
        }
    }

    fn check_log_files(&self) -> Result<(), StoreError> {
        for (place, gone) in &self.log_files {
            if !place.is_same()? {
                return Err(StoreError::FileReplaced(gone));
            }
        }
        Ok(())
    }

    /// Whether only the WAL was removed, and no process has written to a new one. While this process has the file open, no
    /// process would remove a new WAL; and a process that finds the shared index can create an empty WAL but not use it.
    pub(crate) fn is_only_log_missing(&self) -> bool {
        let is_free = match std::fs::metadata(self.beside("-wal")) {
            Ok(log) => {
                log.len() == 0 && self.log_files.last().is_some_and(|(index, _)| index.is_same().is_ok_and(|same| same))
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

/// A path and the inode that it named when the file was opened.
#[derive(Debug)]
struct TrackedPath {
    path: PathBuf,
    inode: Inode,
}

impl TrackedPath {
    /// Whether the path still names the same inode.
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

/// Whether the error says that the file does not exist, and not that access was denied.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn inode_of(metadata: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// On other systems an open file cannot be removed, and locks belong to the handle.
#[cfg(not(unix))]
const fn inode_of(_: &Metadata) -> Inode {
    None
}

/// The number of hard links.
#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// The number of hard links is not known on this system.
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

/// Reads the header of an SQLite file. A shorter file has a shorter header.
fn read_header(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inode number of a removed file may be given to the next one.
    #[test]
    fn an_empty_file_beside_a_wal_is_refused_also_if_its_inode_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let known = FileIdentity::create(&path).unwrap();
        std::fs::write(known.beside("-wal"), "mail").unwrap();
        assert!(matches!(FileIdentity::create(&path), Err(StoreError::UnusableFile(_))));
        drop(known);
        assert!(matches!(FileIdentity::existing(&path), Err(StoreError::UnusableFile(_))));
    }
}
