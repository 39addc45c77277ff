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
        (r#"{"from": 1}"#, "line 1 column 10"),
        (r#"{"from": "#, "message: "),
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
        "dsn notify: `often`",
        "dsn ret: `half`",
        "date: no date",
        "attachments[0]: no content",
        "attachments[1].content_base64: no base64",
        "From: no domain",
        "To: ",
        "List-Unsubscribe: no https URL",
        "/no/such/file",
    ] {
        ended.assert_code(65).assert_says(words);
    }
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
