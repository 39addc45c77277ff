use std::fs::{self, File};
use std::io::Read as _;
use std::process::Stdio;

use crate::run::{LETTER, command, mailkit};

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

/// Looks at the largest share of memory that the process has had, while it is still there.
#[cfg(target_os = "linux")]
#[test]
fn a_large_attachment_is_never_in_memory() {
    const SIZE: u64 = 200 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.bin");
    File::create(&path).unwrap().set_len(SIZE).unwrap();
    let path = path.to_str().unwrap();
    let mut command = command(["render"].iter().chain(&LETTER).chain(&["--attach", path]));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let status = format!("/proc/{}/status", child.id());
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
            let status = fs::read_to_string(&status).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            peak = size.unwrap_or_default().max(peak);
        }
    }
    assert!(child.wait().unwrap().success());
    assert!(read > SIZE / 3 * 4, "{read}");
    assert!(peak > 0 && peak < 32 * 1024, "{peak} KiB");
}
