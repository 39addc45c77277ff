//! A regular file as the source of content.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{ContentSource, changed, look_at, rewritten};

/// A regular file as it was when this was made: once it was changed, to open it is an error.
#[derive(Debug, Clone)]
pub struct FileSource {
    path: Arc<Path>,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileSource {
    /// Looks at a file, which has to be a regular one that can be read.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or can be read once only, as a pipe.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let Some(metadata) = look_at(path)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        };
        Ok(Self { path: Arc::from(path), length: metadata.len(), modified: metadata.modified().ok() })
    }
}

impl ContentSource for FileSource {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        let file = File::open(&self.path).map_err(about)?;
        let now = file.metadata().map_err(about)?;
        if now.len() != self.length {
            return Err(changed(&self.path.to_string_lossy(), self.length, now.len()));
        }
        if now.modified().ok() != self.modified {
            return Err(rewritten(&self.path));
        }
        Ok(Box::new(file))
    }
}
