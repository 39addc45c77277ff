//! What goes wrong with the file, and what that means for the store.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use mailkit_address::{ErrorMessage, chained_display};
use mailkit_queue::QueueError;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE};

/// Why a piece of work with the file was not done.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// SQLite's word.
    Sqlite(rusqlite::Error),
    /// The file could not be looked at.
    Io(std::io::Error),
    /// What is in the file cannot have been written by this crate.
    Corrupt(String),
    /// What was opened is no longer where it was.
    FileReplaced(&'static str),
    /// What lies at the path, or beside it, must be put right first.
    UnusableFile(&'static str),
    /// There is no file at the path, or no folder to make it in.
    Missing(String),
    /// No store can be at the path before it was put right.
    Unusable(String),
    /// A transaction that failed could not be taken back.
    RollbackFailed(rusqlite::Error),
    /// The store was closed before this was done.
    Interrupted,
    /// The store was closed.
    Closed,
}

/// What work comes to that may be refused without harm to the store: the inner `Err`.
pub(crate) type Refusable<T> = Result<Result<T, QueueError>, StoreError>;

/// What an error means for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The same may succeed later.
    Transient,
    /// There is no store.
    Missing,
    /// Somebody has to put the place right first.
    Unusable,
    /// The file system has lost something: a second try might be told that all is well.
    Failed,
    /// The file is not as we left it.
    Damaged,
}

impl StoreError {
    /// Whether there was no room.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }

    /// Whether what SQLite needs beside a file cannot be there.
    pub(crate) fn is_log_inaccessible(&self) -> bool {
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied))
    }

    /// What it means where a store is opened at a path: what a person has to put right there is told apart from what may
    /// pass by itself, such as a disk without room.
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
                // A link that leads to itself has no kind of its own.
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
                // A full disk shows like this where the index of the log has to grow.
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
            Self::Io(_) | Self::Interrupted => Severity::Transient,
            Self::Missing(_) => Severity::Missing,
            Self::UnusableFile(_) | Self::Unusable(_) => Severity::Unusable,
            Self::Sqlite(_) | Self::FileReplaced(_) | Self::RollbackFailed(_) | Self::Closed => Severity::Failed,
        }
    }
}

/// What is missing for a file at a path: its folder, or only the file.
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
                f.write_str("another process has kept it locked for too long")
            }
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                Self::Interrupted.message(f)
            }
            Self::Sqlite(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Corrupt(what) | Self::Missing(what) | Self::Unusable(what) => f.write_str(what),
            Self::FileReplaced(what) | Self::UnusableFile(what) => f.write_str(what),
            Self::RollbackFailed(_) => f.write_str("a transaction could not be taken back"),
            Self::Interrupted => f.write_str("the store was closed, and the statement that ran was interrupted"),
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
            | Self::Missing(_)
            | Self::Unusable(_)
            | Self::FileReplaced(_)
            | Self::UnusableFile(_)
            | Self::Interrupted
            | Self::Closed => None,
        }
    }
}

/// An error that all who wait for one transaction are told.
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
            Severity::Damaged => Self::Damaged(Box::new(error)),
        }
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        Shared::from(error).into()
    }
}

/// Set once, by the first error after which nothing more may be done with the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<OnceLock<Shared>>);

impl Fault {
    /// Takes notice of an error, and stops the store if it is one after which nothing more may be done.
    pub(crate) fn note(&self, error: StoreError) -> Shared {
        let error = Shared::from(error);
        if error.severity() != Severity::Transient && self.0.set(error.clone()).is_ok() {
            tracing::error!(error = %error, "the queue's store stops");
        }
        error
    }

    /// Lets nothing pass once the store has stopped.
    pub(crate) fn check(&self) -> Result<(), Shared> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}
