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

#[test]
fn errors_say_which_attachment_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.eml", b"no message");
    let ended = send(
        "smtp://127.0.0.1:1",
        &[
            "--attach",
            &path,
            "--attach",
            &format!("{path};type=message/rfc822"),
            "--attach",
            &format!("{path};type=b;name=c"),
        ],
    );
    ended.assert_code(65).assert_says("error: attachment 2 (a.eml): no message in `a.eml`: line 1 is no header field");
    ended.assert_says("error: attachment 3 (c): Content-Type: no content type for a part in `b`");
}

#[test]
fn a_message_and_a_report_are_attached_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let eml = file(folder.path(), "it's.eml", b"\xef\xbb\xbfFrom x Mon\nFrom: a@example.com\nSubject: s\n\nhi\n");
    let status = file(folder.path(), "status", b"Reporting-MTA: dns; mx.example.com\n");
    let sink = SinkProcess::start(&[]);
    let attach = [format!("{eml};type=message/rfc822"), format!("{status};type=message/delivery-status")];
    send(&sink.plain(), &["--attach", &attach[0], "--attach", &attach[1]]).assert_code(0);
    let raw = String::from_utf8(sink.raw_messages().remove(0)).unwrap();
    for wanted in [
        "filename=\"it's.eml\"\r\n\r\nFrom: a@example.com\r\nSubject: s\r\n\r\nhi\r\n",
        "filename=status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n",
    ] {
        assert!(raw.contains(wanted), "{wanted:?} is missing in {raw}");
    }
    assert!(!raw.contains("base64"), "{raw}");
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
