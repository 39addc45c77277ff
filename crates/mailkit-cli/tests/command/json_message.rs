use mail_parser::MimeHeaders as _;

use crate::run::{Ended, mailkit_reading};

fn render(json: &str, more: &[&str]) -> Ended {
    let fixed = ["render", "--message", "-", "--date", "2026-11-23T08:00:00Z", "--seed", "1"];
    mailkit_reading(json.as_bytes(), fixed.iter().chain(more))
}

#[test]
fn a_message_in_json_has_the_fields_of_the_options() {
    let json = r#"{
        "from": "Ann <ann@example.com>", "sender": null, "reply_to": ["help@example.com"],
        "to": ["Bob <bob@example.org>"], "cc": [], "bcc": ["eve@example.net"],
        "subject": "Grüße", "text": "Hello", "headers": {"X-B": "1", "X-A": "2"},
        "in_reply_to": "<a@example.com>", "references": ["<a@example.com>"],
        "html": null, "attachments": [], "tags": [], "send_at": null,
        "envelope": {"from": "bounce@example.com", "dsn": {"notify": ["failure"], "ret": "headers", "envid": "x"}},
        "priority": "high"
    }"#;
    let ended = render(json, &["--cc", "carl@example.org", "--subject", "Replaced"]);
    let out = &ended.assert_code(0).out;
    for line in [
        "From: Ann <ann@example.com>\r\n",
        "Reply-To: help@example.com\r\n",
        "To: Bob <bob@example.org>\r\n",
        "Cc: carl@example.org\r\n",
        "Subject: Replaced\r\n",
        "X-B: 1\r\nX-A: 2\r\n",
        "In-Reply-To: <a@example.com>\r\n",
    ] {
        assert!(out.contains(line), "{line:?} is missing in {out}");
    }
    assert!(!out.contains("eve"));
}

#[test]
fn a_field_that_is_unknown_or_of_another_kind_is_refused_by_its_name() {
    for (json, words) in [
        (r#"{"form": "ann@example.com"}"#, "unknown field `form`"),
        (r#"{"attachments": [{"url": "https://example.com/r.pdf"}]}"#, "unknown field `url`"),
        (r#"{"list_unsubscribe": {"post": true}}"#, "unknown field `post`"),
        (r#"{"envelope": {"dsn": {"when": []}}}"#, "unknown field `when`"),
        (r#"{"from": 1}"#, "from: expected a string, found a number"),
        (r#"{"from": "#, "not JSON: EOF while parsing a value at line 1 column 9"),
        ("[1]", "it is no object but an array"),
    ] {
        mailkit_reading(json.as_bytes(), ["render", "--message", "-"]).assert_code(65).assert_says(words);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let json = r#"{
        "from": "ann", "to": ["bob@@x"], "date": "tomorrow", "html": "<p>",
        "envelope": {"dsn": {"notify": ["often"], "ret": "half"}},
        "attachments": [{"filename": "a"}, {"content_base64": "%"}, {"path": "/no/such/file"}],
        "list_unsubscribe": {"url": "http://example.com/", "one_click": true}
    }"#;
    let ended = mailkit_reading(json.as_bytes(), ["render", "--message", "-", "--header", "no colon"]);
    for words in [
        "header: no colon",
        "envelope.dsn.notify[0]: `often`",
        "envelope.dsn.ret: `half`",
        "date: no date",
        "attachments[0]: no content",
        "attachments[1].content_base64: no base64",
        "from: no domain",
        "to[0]: ",
        "list_unsubscribe: no https URL",
        "attachments[2].path: cannot read `/no/such/file`",
    ] {
        ended.assert_code(65).assert_says(&format!("error: {words}"));
    }
    assert_eq!(ended.err.matches("error: ").count(), 10, "{ended:#?}");
}

#[test]
fn every_bad_field_is_named_by_its_path_on_a_line_of_its_own() {
    let json = r#"{
        "from": ["ann@example.com"], "to": ["bob@example.org", "bob@", 3], "cc": "Doe, Ann <ann@example.com>",
        "attachments": [
            {"filename": "a.txt", "content_base64": "aGk=", "content_type": "csv", "content_language": "fran\u00e7ais"},
            {"filename": "b.txt", "content_base64": "a"}, {"filename": "c.eml", "content_base64": "aGk=",
             "content_type": "message/rfc822"}, {"path": 1}
        ],
        "headers": {"X-A": "a\nb", "X-B": 1, "Return-Path": "<a@example.com>", "List-Help": "<https://\u00fc.example>"},
        "envelope": {"to": ["x"], "dsn": {"envid": false}}, "subject": "a\nb"
    }"#;
    let ended = mailkit_reading(json.as_bytes(), ["render", "--message", "-"]);
    let wanted = [
        "from: expected a string, found an array",
        "to[1]: no domain in `bob@`",
        "to[2]: expected a string, found a number",
        "cc: no address before the comma in `Doe, Ann <ann@example.com>`",
        "attachments[0].content_type: no content type for a part in `csv`",
        "attachments[0].content_language: `fran\u{e7}ais` has characters beyond ASCII",
        "attachments[1].content_base64: no base64",
        "attachments[2]: no message in `c.eml`",
        "attachments[3].path: expected a string, found a number",
        "headers.X-A: control character",
        "headers.X-B: expected a string, found a number",
        "headers.Return-Path: a field of the builder",
        "headers.List-Help: `<https://\u{fc}.example>` has characters beyond ASCII",
        "envelope.to[0]: no domain",
        "envelope.dsn.envid: expected a string, found true or false",
        "subject: control character",
    ];
    for start in wanted {
        let line = format!("error: {start}");
        assert!(
            ended.assert_code(65).err.lines().any(|found| found.starts_with(&line)),
            "{line} is missing in {ended:#?}"
        );
    }
    assert_eq!(ended.err.lines().count(), wanted.len(), "{ended:#?}");
    ended.assert_says("(attachment a.txt)\n").assert_says("(attachment b.txt)\n");
    let line = format!("{}\n", json.replace('\n', " "));
    let folder = tempfile::tempdir().unwrap();
    let queue = format!("sqlite:{}/q.db", folder.path().display());
    let stored = mailkit_reading(line.as_bytes(), ["enqueue", "--queue", &queue, "--ndjson", "-"]);
    for start in wanted {
        stored.assert_code(65).assert_says(&format!("line 1: {start}"));
    }
}

#[test]
fn a_recipient_list_may_be_one_string() {
    let json = r#"{"from": "ann@example.com", "to": "Bob <bob@example.org>, carl@example.org", "cc": "dan@example.org",
        "bcc": "eve@example.net", "reply_to": "help@example.com", "text": "x"}"#;
    let shown = render(json, &["--json"]).assert_code(0).json();
    let to = serde_json::json!(["bob@example.org", "carl@example.org", "dan@example.org", "eve@example.net"]);
    assert_eq!(shown["envelope"]["to"], to);
    let json = r#"{"from": "ann@example.com", "to": "a@x.example", "envelope": {"to": "b@x.example"}}"#;
    assert_eq!(render(json, &["--json"]).json()["envelope"]["to"], serde_json::json!(["b@x.example"]));
}

#[test]
fn a_message_and_a_calendar_go_along_by_json() {
    let json = r#"{"from": "ann@example.com", "to": ["bob@example.org"], "text": "see",
        "calendar": {"method": "REQUEST", "content": "BEGIN:VCALENDAR\nEND:VCALENDAR\n"},
        "headers": {"Content-Language": "en"},
        "attachments": [{"filename": "f.eml", "content_type": "message/rfc822", "content_description": "Gr\u00fc\u00dfe",
            "content_base64": "RnJvbTogYUBleGFtcGxlLmNvbQpCY2M6IGV2ZUBleGFtcGxlLm5ldAoKaGVsbG8K"}]}"#;
    let ended = render(json, &[]);
    let out = &ended.assert_code(0).out;
    for wanted in [
        "Content-Language: en\r\n",
        "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n",
        "Content-Type: message/rfc822; name=f.eml\r\nContent-Transfer-Encoding: 7bit\r\n",
        "Content-Description: =?utf-8?b?R3LDvMOfZQ==?=\r\n",
        "\r\n\r\nFrom: a@example.com\r\n\r\nhello\r\n",
    ] {
        assert!(out.contains(wanted), "{wanted:?} is missing in {out}");
    }
    assert!(!out.contains("base64\r\n") && !out.contains("eve"), "{out}");
}

#[test]
fn attachments_come_from_paths_and_from_base64() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.pdf"), b"%PDF-1.7 \xff\x00").unwrap();
    let json = r#"{
        "from": "Ann <ann@example.com>", "sender": "sue@example.com", "to": ["bob@example.org"], "subject": "Files",
        "text": "See the files.", "html": "<img src='cid:logo'>",
        "attachments": [
            {"filename": "report.pdf", "path": "r.pdf"},
            {"filename": "a.txt", "content_type": "text/plain", "content_base64": "aGVsbG8="},
            {"filename": "logo.png", "content_base64": "iVBORw==", "content_id": "logo", "inline": true}
        ],
        "list_unsubscribe": {"mailto": "u@example.com", "url": "https://example.com/u", "one_click": true}
    }"#;
    let mut command = crate::run::command(["render", "--message", "letter.json"]);
    std::fs::write(folder.path().join("letter.json"), json).unwrap();
    let ended: Ended = command.current_dir(folder.path()).output().unwrap().into();
    let message = mail_parser::MessageParser::new().parse(&ended.assert_code(0).out).unwrap();
    let parts: Vec<_> = message
        .attachments()
        .map(|part| (part.attachment_name().unwrap(), part.content_id(), part.contents().to_vec()))
        .collect();
    assert!(parts.contains(&("report.pdf", None, b"%PDF-1.7 \xff\x00".to_vec())), "{parts:?}");
    assert!(parts.contains(&("a.txt", None, b"hello".to_vec())), "{parts:?}");
    assert!(parts.contains(&("logo.png", Some("logo"), b"\x89PNG".to_vec())), "{parts:?}");
    assert_eq!(message.body_html(0).unwrap().trim_end(), "<img src='cid:logo'>");
    let header = ended.out.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    for line in [
        "Sender: sue@example.com",
        "List-Unsubscribe: <https://example.com/u>, <mailto:u@example.com>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ] {
        assert!(header.lines().any(|found| found == line), "{line:?} is missing in {header}");
    }
}

#[test]
fn a_finished_message_may_be_inside() {
    let json =
        r#"{"eml": "From: a@example.com\n\nhello\n", "envelope": {"from": "a@example.com", "to": ["b@example.org"]}}"#;
    let ended = mailkit_reading(json.as_bytes(), ["render", "--message", "-"]);
    assert_eq!(ended.assert_code(0).out, "From: a@example.com\r\n\r\nhello\r\n");
}

/// The whole example of the interface.
const WHOLE: &str = r#"{
    "from": "Ann <ann@example.com>", "sender": null, "reply_to": ["help@example.com"],
    "to": ["Bob <bob@example.org>"], "cc": [], "bcc": ["hidden@example.net"], "subject": "Grüße", "text": "a", "html": "<p>b",
    "attachments": [
        {"filename": "a.txt", "content_type": "text/plain", "content_base64": "aGVsbG8="},
        {"filename": "logo.png", "content_base64": "iVBORw==", "content_id": "logo", "inline": true}
    ],
    "headers": {"X-Campaign": "42"}, "message_id": null, "date": null, "in_reply_to": null, "references": [],
    "list_unsubscribe": {"mailto": "u@example.com", "url": "https://example.com/u", "one_click": true}, "eml": null,
    "envelope": {"from": "bounce@example.com", "to": ["bob@example.org"],
        "dsn": {"notify": ["failure"], "ret": "headers", "envid": "x"}},
    "idempotency_key": "order-42", "send_at": "2026-12-01T08:00:00Z", "expires_at": null,
    "priority": "high", "route": null, "tenant": null, "tags": ["welcome"], "on_ambiguous": "resend"
}"#;

#[test]
fn every_field_and_every_option_renders_and_does_so_alike_each_time() {
    let more = [
        "--cc",
        "carl@example.org",
        "--bcc",
        "also-hidden@example.net",
        "--reply-to",
        "more@example.com",
        "--subject",
        "S",
        "--text",
        "t",
        "--html",
        "<b>h",
        "--header",
        "X-A: b",
        "--message-id",
        "one@example.com",
        "--priority",
        "low",
        "--envelope-from",
        "",
        "--envelope-to",
        "dora@example.org",
        "--dsn-notify",
        "success,delay",
        "--from",
        "c@example.com",
        "--to",
        "eva@example.org",
        "--idempotency-key",
        "k",
        "--send-at",
        "2026-12-02T08:00:00Z",
    ];
    let first = render(WHOLE, &more);
    assert!(first.assert_code(0).out.contains("Message-ID: <one@example.com>\r\n"), "{first:?}");
    assert!(!first.out.contains("hidden") && !first.out.contains("order-42"), "{first:?}");
    assert_eq!(first.out, render(WHOLE, &more).out);
    let shown = render(WHOLE, &[&more[..], &["--json"]].concat()).json();
    assert_eq!(shown["envelope"], serde_json::json!({"from": "", "to": ["bob@example.org", "dora@example.org"]}));
    assert_eq!(shown["size"], first.out.len());
}

#[test]
fn what_only_a_queue_can_grant_is_refused_where_there_is_none() {
    let send = ["send", "--server", "smtp://127.0.0.1:1", "--message", "-"];
    for (json, more, words) in [
        (r#"{"idempotency_key": "k"}"#, &[][..], "idempotency_key: belongs to the queue"),
        (r#"{"send_at": "2026-12-01T08:00:00Z", "tags": ["a"]}"#, &[], "send_at, tags: belong to the queue"),
        ("{}", &["--idempotency-key", "k"], "idempotency_key: belongs to the queue"),
        ("{}", &["--send-at", "2026-12-01T08:00:00Z"], "send_at: belongs to the queue"),
    ] {
        mailkit_reading(json.as_bytes(), send.iter().chain(more)).assert_code(65).assert_says(words);
    }
}
