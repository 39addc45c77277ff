//! Files that appear when they are whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Writes a file beside its place and moves it there once it is whole; until then, what was there stays.
///
/// What is no regular file, such as a device or a pipe, cannot be replaced and is written to.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    let unwritable = |error: io::Error| Failure::system(&format!("{} cannot be written", path.display()), &error);
    // What cannot be looked at is made anew, and that says what is wrong with the place.
    let known = fs::metadata(path).ok();
    if known.as_ref().is_some_and(|known| !known.is_file()) {
        let mut file = BufWriter::new(File::create(path).map_err(unwritable)?);
        write(&mut file)?;
        return file.flush().map_err(unwritable);
    }
    // Through a symbolic link: the link stays one.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut file = BufWriter::new(beside(&place).map_err(unwritable)?);
    if let Some(known) = known {
        // A file that may not be written may not be replaced either.
        OpenOptions::new().append(true).open(&place).map_err(unwritable)?;
        file.get_ref().as_file().set_permissions(known.permissions()).map_err(unwritable)?;
    }
    write(&mut file)?;
    let file = file.into_inner().map_err(|error| unwritable(error.into_error()))?;
    file.persist(&place).map(drop).map_err(|error| unwritable(error.error))
}

/// A file with a name of its own in the same folder, removed unless it is kept.
fn beside(place: &Path) -> io::Result<NamedTempFile> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mailkit-");
    #[cfg(unix)]
    builder.permissions({
        // As any new file: the mask of the process is taken off it.
        use std::os::unix::fs::PermissionsExt as _;
        fs::Permissions::from_mode(0o666)
    });
    builder.tempfile_in(folder)
}
