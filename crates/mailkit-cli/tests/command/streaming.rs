use std::fs::{self, File};
use std::io::Read as _;
#[cfg(target_os = "linux")]
use std::path::Path;
use std::process::Stdio;

use crate::run::{LETTER, command, mailkit};
#[cfg(target_os = "linux")]
use crate::sink_process::SinkProcess;
#[cfg(target_os = "linux")]
use crate::store::Store;

const FIXED: [&str; 6] = ["--date", "2026-11-23T08:00:00+01:00", "--message-id", "one@example.com", "--seed", "7"];

/// Whatever the message is made of, the same options make the same bytes.
#[test]
fn a_render_is_repeatable_with_attachments_and_a_signature() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = file("dkim.key", "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n");
    let (report, logo) = (file("r.csv", "a,b\n"), format!("logo={}", file("logo.png", "PNG")));
    let more = ["--html", "<img src='cid:logo'>", "--attach", &report, "--inline", &logo];
    let dkim = ["--dkim-key", &key, "--dkim-selector", "mail", "--dkim-domain", "example.com"];
    let render = || mailkit(["render"].iter().chain(&LETTER).chain(&FIXED).chain(&more).chain(&dkim));
    let first = render();
    assert!(first.assert_code(0).out.starts_with("DKIM-Signature: "), "{first:?}");
    assert_eq!(first.out, render().out);
}

#[test]
fn a_file_appears_when_it_is_whole_and_keeps_what_was_there_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("letter.eml");
    let path = place.to_str().unwrap();
    let render = |more: &[&str]| mailkit(["render"].iter().chain(&LETTER).chain(&["-o", path]).chain(more));
    // Says that it is empty, and is not.
    let broken = ["--attach", "/proc/version"];
    if cfg!(target_os = "linux") {
        render(&broken).assert_code(74).assert_says("the content could not be read").assert_says("/proc/version");
        assert!(!place.exists());
    }
    render(&[]).assert_code(0);
    let before = fs::read(&place).unwrap();
    if cfg!(target_os = "linux") {
        render(&broken).assert_code(74);
    }
    render(&["--attach", "/no/such/file"]).assert_code(66);
    assert_eq!(fs::read(&place).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_keeps_its_permissions_and_its_links() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (place, link) = (folder.path().join("letter.eml"), folder.path().join("link.eml"));
    let old = "much longer than the message will be\n".repeat(100);
    fs::write(&place, old).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&place, &link).unwrap();
    mailkit(["render"].iter().chain(&LETTER).chain(&["-o", link.to_str().unwrap()])).assert_code(0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&place).unwrap().ends_with("\r\n\r\nHow are you?\r\n"));
    mailkit(["render"].iter().chain(&LETTER).chain(&["-o", "/dev/null"])).assert_code(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

/// The largest amount of memory that a `mailkit` process has had, in KiB. `None` once it has ended, and as long as it has
/// the memory of the test that starts it: for a moment a new process shares that.
#[cfg(target_os = "linux")]
pub(crate) fn peak_of(id: u32) -> Option<u64> {
    let program = fs::read_link(format!("/proc/{id}/exe")).ok()?;
    if program != Path::new(env!("CARGO_BIN_EXE_mailkit")).canonicalize().ok()? {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// In KiB: what a message with an attachment of any size may take.
#[cfg(target_os = "linux")]
const MOST_MEMORY: u64 = 32 * 1024;

#[cfg(target_os = "linux")]
fn sparse(folder: &Path, size: u64) -> String {
    let path = folder.join("sparse.bin");
    File::create(&path).unwrap().set_len(size).unwrap();
    path.to_str().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_attachment_is_never_in_memory() {
    const SIZE: u64 = 64 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(folder.path(), SIZE);
    let mut command = command(["render"].iter().chain(&LETTER).chain(&["--attach", &path]));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut buffer, mut read, mut peak) = (vec![0; 256 * 1024], 0, 0);
    loop {
        let count = out.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        let before = read / (16 * 1024 * 1024);
        read += count as u64;
        if read / (16 * 1024 * 1024) > before || peak == 0 {
            // Nothing once it has ended.
            peak = peak_of(child.id()).unwrap_or_default().max(peak);
        }
    }
    assert!(child.wait().unwrap().success());
    assert!(read > SIZE / 3 * 4, "{read}");
    assert!(peak > 0 && peak < MOST_MEMORY, "{peak} KiB");
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_attachment_is_never_in_memory_where_it_is_sent_or_where_it_arrives() {
    const SIZE: u64 = 40 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(folder.path(), SIZE);
    for more in ["", "&chunking=off"] {
        let sink = SinkProcess::start(&[]);
        let server = format!("{}{more}", sink.plain());
        let args = ["send", "--server", &server, "--attach", &path];
        let mut child = command(args.iter().chain(&LETTER)).stdout(Stdio::piped()).spawn().unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak_of(child.id()).unwrap_or_default().max(peak);
            std::thread::yield_now();
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(sink.envelopes()[0]["size"], sink.raw_messages()[0].len());
        assert!(sink.raw_messages()[0].len() as u64 > SIZE);
        assert!(peak > 0 && peak < MOST_MEMORY, "{peak} KiB to send");
        assert!(peak_of(sink.id()).unwrap() < MOST_MEMORY, "to take");
    }
}

/// A large text or finished message is read from its file whenever it is needed, and written into a queue piece by piece.
#[cfg(target_os = "linux")]
#[test]
fn a_large_text_or_finished_message_is_never_in_memory() {
    const SIZE: usize = 24 * 1024 * 1024;
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let line = "Gr\u{fc}n sind alle B\u{e4}ume, und so weiter und so fort.\r\n";
    let text = line.repeat(SIZE / line.len());
    let header = "From: ann@example.com\r\nTo: bob@example.org\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
    let (eml, text) = (store.file("message.eml", &format!("{header}{text}")), store.file("text", &text));
    let (server, envelope) = (sink.plain(), ["--from", "ann@example.com", "--to", "bob@example.org"]);
    for target in [["send", "--server", &server], ["enqueue", "--queue", &store.url]] {
        for message in [
            [&envelope[..], &["--text-file", &text]].concat(),
            [&envelope[..], &["--html-file", &text]].concat(),
            vec!["--eml", &eml],
        ] {
            let mut child = command(target.iter().chain(&message)).stdout(Stdio::piped()).spawn().unwrap();
            let mut peak = 0;
            while child.try_wait().unwrap().is_none() {
                peak = peak_of(child.id()).unwrap_or_default().max(peak);
                std::thread::yield_now();
            }
            assert!(child.wait().unwrap().success());
            assert!(peak > 0 && peak < MOST_MEMORY, "{peak} KiB for {target:?} {message:?}");
        }
    }
}
