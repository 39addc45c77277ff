//! Reading the files that settings name: configurations, certificates, keys, passwords.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// Reads a whole file that a setting names: at most `limit` octets, wiped when dropped. Blocks.
///
/// Only regular files are read. A named pipe would wait for somebody who writes to it, a device may never end. An exception
/// are the descriptors that a process was started with (`/dev/stdin`, `/dev/fd/3`, a shell's `<(command)`): whoever started
/// it has tied their other end to something.
///
/// # Errors
/// The system's own, [`io::ErrorKind::InvalidInput`] for what is no regular file, and [`io::ErrorKind::FileTooLarge`].
pub fn read_settings_file(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // The kind is asked first: to open a named pipe waits for its writer.
    check_kind(path, fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    check_kind(path, metadata.file_type())?;
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    if metadata.len() > most {
        return Err(too_large(limit));
    }
    // Room for all of it at once where its length is known: growing leaves copies of a secret behind in freed memory.
    let room = match metadata.is_file() {
        true => usize::try_from(metadata.len()).unwrap_or(limit),
        false => limit,
    };
    let mut content = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() > limit { Err(too_large(limit)) } else { Ok(content) }
}

fn check_kind(path: &Path, kind: FileType) -> io::Result<()> {
    if kind.is_file() || (is_pipe(kind) && is_inherited(path)) {
        return Ok(());
    }
    let what = if kind.is_dir() { "a folder" } else { special(kind) };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, and has to be a regular file")))
}

/// Whether the path is one of a descriptor that the process was started with.
fn is_inherited(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

#[cfg(unix)]
fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: FileType) -> &'static str {
    "no file of the ordinary kind"
}

fn too_large(limit: usize) -> io::Error {
    let text = match limit {
        0..1_048_576 => format!("it is longer than {} KiB", limit >> 10),
        _ => format!("it is longer than {} MiB", limit >> 20),
    };
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_up_to_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings");
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(**read_settings_file(&path, 10).unwrap(), *b"0123456789");
        assert_eq!(read_settings_file(&path, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let refused = |path: &Path| read_settings_file(path, 10).unwrap_err();
        assert_eq!(refused(folder.path()).kind(), io::ErrorKind::InvalidInput);
        assert_eq!(refused(&folder.path().join("none")).kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn what_could_wait_or_never_end_is_refused_without_being_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [
            (pipe.as_path(), "a named pipe"),
            (&link, "a named pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = read_settings_file(path, 10).unwrap_err();
            assert!(error.to_string().starts_with(&format!("it is {what}")), "{error}");
        }
    }
}
