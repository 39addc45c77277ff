use std::fs;
use std::path::Path;

use mail_parser::{MessageParser, MimeHeaders as _};

use crate::run::{LETTER, mailkit, send};
use crate::sink_process::SinkProcess;

/// Every octet there is, with line ends and dots of all kinds.
fn octets() -> Vec<u8> {
    let every = (0..=u8::MAX).cycle().take(100_000);
    b".\r\n..\n.\r\r\n".iter().copied().chain(every).collect()
}

fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn attachments_arrive_intact_whatever_the_server_takes() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "numbers.bin", &octets());
    let logo = file(folder.path(), "logo.png", b"\x89PNG");
    let attach = format!("{path};type=application/x-numbers; header=present;name=Zahlen für Bob.csv");
    let inline = format!("logo={logo}");
    for more in ["", "&chunking=off"] {
        let sink = SinkProcess::start(&[]);
        let options =
            ["--attach", &attach, "--attach", &path, "--html", "<img src='cid:logo'> Grüße", "--inline", &inline];
        send(&format!("{}{more}", sink.plain()), &options).assert_code(0);
        let raw = sink.raw_messages().remove(0);
        let message = MessageParser::new().parse(&raw).unwrap();
        assert_eq!(message.body_text(0).unwrap().trim_end(), "How are you?");
        assert_eq!(message.body_html(0).unwrap().trim_end(), "<img src='cid:logo'> Grüße");
        let parts: Vec<_> = message.attachments().collect();
        let named = |name| parts.iter().find(|part| part.attachment_name() == Some(name)).unwrap();
        let renamed = named("Zahlen für Bob.csv");
        assert!(renamed.contents() == octets());
        assert_eq!(renamed.content_type().unwrap().attribute("header"), Some("present"));
        assert!(named("numbers.bin").contents() == octets());
        assert_eq!(named("logo.png").contents(), b"\x89PNG");
        assert_eq!(named("logo.png").content_id(), Some("logo"));
    }
}

#[test]
fn html_comes_from_where_it_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let html = file(folder.path(), "letter.html", b"<p>one\n</p>");
    let render = |more: &[&str]| mailkit(["render"].iter().chain(&LETTER).chain(more));
    let ended = render(&["--html-file", &html]);
    assert!(ended.assert_code(0).out.contains("Content-Type: multipart/alternative;"), "{ended:?}");
    assert!(ended.out.contains("\r\n<p>one\r\n</p>\r\n"), "{ended:?}");
    let latin1 = file(folder.path(), "latin1.html", b"<p>\xfc");
    render(&["--html-file", &latin1]).assert_code(65).assert_says("html: the file");
}

#[test]
fn a_content_type_that_is_none_is_65() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a", b"");
    let ended = send("smtp://127.0.0.1:1", &["--attach", &format!("{path};type=csv")]);
    ended.assert_code(65).assert_says("Content-Type: no content type for a part in `csv`");
}

/// One file says that it is empty and is not, the other opens and cannot be read, whoever reads.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_fails_while_it_is_sent_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let large = file(folder.path(), "large.bin", &vec![7; 1_000_000]);
    for more in ["", "&chunking=off"] {
        let sink = SinkProcess::start(&[]);
        for path in ["/proc/version", "/proc/self/mem"] {
            let ended = send(&format!("{}{more}", sink.plain()), &["--attach", &large, "--attach", path]);
            ended.assert_code(74).assert_says("the content could not be read").assert_says(path);
        }
        assert!(sink.raw_messages().is_empty());
    }
}
