//! Attachments that are read while the message is encoded.

use std::fs;
use std::io::{self, Read};

use mailkit_mime::{Attachment, Capabilities, EncodeError, FieldProblem, Message, MessageBuilder, Stamps};
use time::macros::datetime;

fn builder() -> MessageBuilder<Stamps> {
    let stamps = Stamps::new(datetime!(2026-11-23 07:03 UTC), 0x2a);
    Message::builder(stamps).from("ann@example.com").to("bob@example.org").text("See the file.")
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

#[test]
fn a_file_renders_as_the_same_bytes_in_memory_do() {
    let folder = tempfile::tempdir().unwrap();
    for length in [0, 1, 56, 57, 58, 48 * 1024 - 1, 48 * 1024, 48 * 1024 + 1, 1_000_000] {
        let path = folder.path().join("data.pdf");
        fs::write(&path, pattern(length)).unwrap();
        let from_file = builder().attach(Attachment::file(&path)).build().unwrap();
        let from_memory = builder().attach(Attachment::bytes("data.pdf", pattern(length))).build().unwrap();
        let reader = Attachment::reader("data.pdf", None, io::Cursor::new(pattern(length)));
        let from_reader = builder().attach(reader).build().unwrap();
        let wanted = from_memory.to_bytes().unwrap();
        assert_eq!(from_file.size(), Some(wanted.len() as u64));
        assert_eq!(from_file.to_bytes().unwrap(), wanted);
        assert_eq!(from_file.to_bytes().unwrap(), wanted, "a file can be read again");
        assert_eq!(from_reader.size(), None);
        assert_eq!(from_reader.to_bytes().unwrap(), wanted);
        for message in [&from_file, &from_memory] {
            for server in [Capabilities::default(), Capabilities { binary: true, ..Capabilities::default() }] {
                let encoded = message.encode(server).unwrap();
                let mut chunks = encoded.chunks();
                let mut sum = 0;
                while let Some(chunk) = chunks.next() {
                    sum += chunk.unwrap().len() as u64;
                    assert_eq!(chunks.remaining(), encoded.size().map(|size| size - sum));
                }
                assert_eq!(Some(sum), encoded.size());
            }
        }
    }
}

#[test]
fn a_large_reader_goes_through_another_thread_in_pieces_of_bounded_size() {
    const LENGTH: u64 = 8 * 1024 * 1024;
    let reader = Attachment::reader("big", Some(LENGTH), io::repeat(0).take(LENGTH));
    let message = builder().attach(reader).build().unwrap();
    let mut chunks = message.chunks();
    let lengths = std::thread::spawn(move || chunks.by_ref().map(|chunk| chunk.unwrap().len()).collect::<Vec<_>>());
    let lengths = lengths.join().unwrap();
    assert!(lengths.iter().all(|length| *length <= 256 * 1024));
    assert_eq!(Some(lengths.iter().sum::<usize>() as u64), message.size());
}

#[test]
fn chunks_can_be_read_as_a_reader() {
    let message = builder().attach(Attachment::bytes("x", pattern(300_000))).build().unwrap();
    let mut read = Vec::new();
    message.chunks().into_reader().read_to_end(&mut read).unwrap();
    assert_eq!(read, message.to_bytes().unwrap());
}

#[test]
fn what_cannot_be_attached_is_told_when_the_message_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pdf");
    let errors =
        builder().attach(Attachment::file(&missing)).attach(Attachment::file(folder.path())).build().unwrap_err();
    let found: Vec<_> = errors.iter().collect();
    assert_eq!(found.len(), 2);
    assert!(matches!(found[0].problem(), FieldProblem::Unreadable { kind: io::ErrorKind::NotFound, .. }));
    assert_eq!(found[0].value(), missing.to_str().unwrap());
    assert_eq!(*found[1].problem(), FieldProblem::NotAFile);
    assert!(errors.to_string().contains("missing.pdf"), "{errors}");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_an_unreadable_file_does_not_stop_the_build() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let errors = builder().attach(Attachment::file(&socket)).build().unwrap_err();
    assert_eq!(*errors.iter().next().unwrap().problem(), FieldProblem::NotAFile);

    let secret = folder.path().join("secret");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let looped = folder.path().join("looped");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    // The superuser reads the first.
    for path in [secret, looped].iter().filter(|path| fs::read(path).is_err()) {
        let errors = builder().attach(Attachment::file(path)).build().unwrap_err();
        assert!(matches!(errors.iter().next().unwrap().problem(), FieldProblem::Unreadable { .. }), "{errors}");
        assert!(errors.to_string().contains(path.to_str().unwrap()), "{errors}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_opens_and_cannot_be_read_is_an_error_with_its_name() {
    let message = builder().attach(Attachment::file("/proc/self/mem")).build().unwrap();
    let error = outcome(&message).unwrap_err();
    assert!(error.to_string().starts_with("cannot read /proc/self/mem: "), "{error}");
}

/// A reader as no one should write it, and which the contract of `Read` allows.
struct Stubborn(io::Cursor<Vec<u8>>, bool);

impl Read for Stubborn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

#[test]
fn a_reader_of_single_bytes_that_is_interrupted_each_time_gives_all_it_has() {
    for length in [0, 1, 57, 58, 48 * 1024, 48 * 1024 + 1] {
        let reader = Stubborn(io::Cursor::new(pattern(length)), false);
        let read = builder().attach(Attachment::reader("x", Some(length as u64), reader)).build().unwrap();
        let wanted = builder().attach(Attachment::bytes("x", pattern(length))).build().unwrap();
        assert_eq!(read.size(), wanted.size());
        assert_eq!(read.to_bytes().unwrap(), wanted.to_bytes().unwrap());
    }
}

/// Reads the content to its end or its error.
fn outcome(message: &Message) -> io::Result<u64> {
    let mut sum = 0;
    let mut chunks = message.chunks();
    for chunk in chunks.by_ref() {
        sum += chunk?.len() as u64;
    }
    assert!(chunks.next().is_none());
    Ok(sum)
}

#[test]
fn a_file_that_changed_its_length_since_the_build_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    for (now, kind, word) in [
        (pattern(50_000), io::ErrorKind::UnexpectedEof, "shorter"),
        (pattern(200_000), io::ErrorKind::InvalidData, "longer"),
    ] {
        fs::write(&path, pattern(100_000)).unwrap();
        let message = builder().attach(Attachment::file(&path)).build().unwrap();
        fs::write(&path, now).unwrap();
        for error in [outcome(&message).unwrap_err(), message.to_bytes().unwrap_err()] {
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("log.txt") && error.to_string().contains(word), "{error}");
        }
    }
    let message = builder().attach(Attachment::file(&path)).build().unwrap();
    fs::remove_file(&path).unwrap();
    let error = outcome(&message).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("log.txt"), "{error}");
}

#[test]
fn a_file_that_was_rewritten_in_the_same_length_since_the_build_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    fs::write(&path, pattern(100_000)).unwrap();
    let message = builder().attach(Attachment::file(&path)).build().unwrap();
    assert_eq!(outcome(&message).unwrap(), message.size().unwrap());
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let error = outcome(&message).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("log.txt was modified"), "{error}");
}

#[test]
fn a_file_that_changes_its_length_while_it_is_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    for (length, kind) in [(100_000, io::ErrorKind::UnexpectedEof), (2_000_000, io::ErrorKind::InvalidData)] {
        fs::write(&path, pattern(1_000_000)).unwrap();
        let message = builder().attach(Attachment::file(&path)).build().unwrap();
        let mut chunks = message.chunks();
        chunks.next().unwrap().unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let error = chunks.by_ref().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(chunks.next().is_none());
    }
}

#[test]
fn what_failed_does_not_seem_to_have_ended() {
    let reader = Attachment::reader("x", Some(101), io::Cursor::new(pattern(100)));
    let mut reader = builder().attach(reader).build().unwrap().chunks().into_reader();
    let mut buffer = Vec::new();
    assert!(reader.read_to_end(&mut buffer).is_err());
    assert!(reader.read(&mut [0; 8]).is_err());
}

#[test]
fn a_reader_is_held_to_its_size() {
    for (promised, kind) in
        [(0, io::ErrorKind::InvalidData), (99, io::ErrorKind::InvalidData), (101, io::ErrorKind::UnexpectedEof)]
    {
        let reader = Attachment::reader("x", Some(promised), io::Cursor::new(pattern(100)));
        let message = builder().attach(reader).build().unwrap();
        assert_eq!(outcome(&message).unwrap_err().kind(), kind, "{promised}");
    }
}

#[test]
fn a_reader_is_read_once() {
    let reader = Attachment::reader("x", Some(100), io::Cursor::new(pattern(100)));
    let message = builder().attach(reader).build().unwrap();
    let first = message.encode(Capabilities::default()).unwrap();
    let second = message.clone().encode(Capabilities::default()).unwrap();
    first.to_bytes().unwrap();
    assert!(second.to_bytes().unwrap_err().to_string().contains("read already"));
    assert!(outcome(&message).is_err());
    assert_eq!(message.encode(Capabilities::default()).unwrap_err(), EncodeError::AlreadyRead);
}

#[test]
fn an_error_of_a_reader_reaches_the_caller() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "the line went dead"))
        }
    }
    let message = builder().attach(Attachment::reader("x", None, Broken)).build().unwrap();
    let error = outcome(&message).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(error.to_string().contains("the line went dead"));
}
