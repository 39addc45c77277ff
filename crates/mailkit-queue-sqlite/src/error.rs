//! The errors of the file, and what each means for the store.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use mailkit_address::{ErrorMessage, chained_display};
use mailkit_queue::QueueError;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE};

/// The reason why a job on the file failed.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
    /// An error of the file system.
    Io(std::io::Error),
    /// The file contains data that this crate cannot have written.
    Corrupt(String),
    /// The file has a schema of another version.
    Incompatible(String),
    /// The path no longer names the file that was opened.
    FileReplaced(&'static str),
    /// The file, or another one beside it, has to be repaired by an operator first.
    UnusableFile(&'static str),
    /// The file does not exist, or the folder for a new one does not.
    Missing(String),
    /// No store can be opened at the path.
    Unusable(String),
    /// A failed transaction could not be rolled back.
    RollbackFailed(rusqlite::Error),
    /// The store was closed while the job ran.
    Interrupted,
    /// The store was closed.
    Closed,
}

/// The result of a job. The inner error refuses the request; the outer one is an error of the store.
pub(crate) type Refusable<T> = Result<Result<T, QueueError>, StoreError>;

/// The severity of an error for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The same job may succeed later.
    Transient,
    /// The store does not exist.
    Missing,
    /// An operator has to repair the path first.
    Unusable,
    /// The file system may have lost data. A second attempt might report success all the same.
    Failed,
    /// The file has a schema of another version.
    Incompatible,
    /// The file is damaged, or belongs to another program.
    Damaged,
}

impl StoreError {
    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }

    /// Whether SQLite cannot create or open the WAL and its index beside the file.
    pub(crate) fn is_log_inaccessible(&self) -> bool {
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied))
    }

    /// Adds the path to an error of opening a store. Errors that an operator has to repair become
    /// [`Unusable`](Self::Unusable), in contrast to transient ones such as a full disk.
    pub(crate) fn at(self, path: &Path) -> Self {
        let shown = path.display();
        match self {
            Self::Io(error) => match error.kind() {
                ErrorKind::NotFound => Self::Missing(missing(path)),
                ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::NotADirectory
                | ErrorKind::IsADirectory
                | ErrorKind::InvalidInput
                | ErrorKind::InvalidFilename => Self::Unusable(format!("{shown}: {error}")),
                // A symbolic link to itself has no error kind of its own.
                _ if path.is_symlink() => Self::Unusable(format!("{shown}: {error}")),
                _ => Self::Io(error),
            },
            error if error.is_log_inaccessible() => {
                Self::Unusable(format!("{shown}: {error}: the file and its folder must be readable and writable"))
            }
            error => error,
        }
    }

    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => match failure.code {
                // SQLite reports a full disk like this if the index of the WAL has to grow.
                ErrorCode::SystemIoFailure
                    if [SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN]
                        .contains(&failure.extended_code) =>
                {
                    Severity::Transient
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Severity::Damaged,
                ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::FileLockingProtocolFailed => Severity::Transient,
                _ => Severity::Failed,
            },
            Self::Sqlite(
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::QueryReturnedNoRows,
            )
            | Self::Corrupt(_) => Severity::Damaged,
            Self::Incompatible(_) => Severity::Incompatible,
            Self::Io(_) | Self::Interrupted => Severity::Transient,
            Self::Missing(_) => Severity::Missing,
            Self::UnusableFile(_) | Self::Unusable(_) => Severity::Unusable,
            Self::Sqlite(_) | Self::FileReplaced(_) | Self::RollbackFailed(_) | Self::Closed => Severity::Failed,
        }
    }
}

/// The message for a missing file: its folder is missing, or only the file.
fn missing(path: &Path) -> String {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        Some(folder) => format!("there is no folder {}", folder.display()),
        None => format!("there is no file {}", path.display()),
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl ErrorMessage for StoreError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                f.write_str("another process has kept the file locked for too long")
            }
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                Self::Interrupted.message(f)
            }
            Self::Sqlite(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Corrupt(what) | Self::Incompatible(what) | Self::Missing(what) | Self::Unusable(what) => {
                f.write_str(what)
            }
            Self::FileReplaced(what) | Self::UnusableFile(what) => f.write_str(what),
            Self::RollbackFailed(_) => f.write_str("a failed transaction could not be rolled back"),
            Self::Interrupted => f.write_str("the store was closed, and the running statement was interrupted"),
            Self::Closed => f.write_str("the store was closed"),
        }
    }
}

chained_display!(StoreError);

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Sqlite(error) => error.source(),
            Self::Io(error) => error.source(),
            Self::RollbackFailed(error) => Some(error),
            Self::Corrupt(_)
            | Self::Incompatible(_)
            | Self::Missing(_)
            | Self::Unusable(_)
            | Self::FileReplaced(_)
            | Self::UnusableFile(_)
            | Self::Interrupted
            | Self::Closed => None,
        }
    }
}

/// The error of a transaction, which is returned to every request in it.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<StoreError>);

impl Shared {
    pub(crate) fn severity(&self) -> Severity {
        self.0.severity()
    }
}

impl From<StoreError> for Shared {
    fn from(error: StoreError) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Shared> for QueueError {
    fn from(error: Shared) -> Self {
        match error.severity() {
            Severity::Transient => Self::Unavailable(Box::new(error)),
            Severity::Missing => Self::Missing(Box::new(error)),
            Severity::Unusable => Self::Unusable(Box::new(error)),
            Severity::Failed => Self::Failed(Box::new(error)),
            Severity::Incompatible => Self::Incompatible(Box::new(error)),
            Severity::Damaged => Self::Damaged(Box::new(error)),
        }
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        Shared::from(error).into()
    }
}

/// The first error after which the store does nothing more. It is set once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<OnceLock<Shared>>);

impl Fault {
    /// Stops the store, unless the error is transient.
    pub(crate) fn note(&self, error: StoreError) -> Shared {
        let error = Shared::from(error);
        if error.severity() != Severity::Transient && self.0.set(error.clone()).is_ok() {
            tracing::error!(error = %error, "the queue's store has failed and stops");
        }
        error
    }

    /// Returns the error that has stopped the store, if there is one.
    pub(crate) fn check(&self) -> Result<(), Shared> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}
