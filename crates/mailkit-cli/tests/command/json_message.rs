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
fn what_is_not_supported_is_refused_by_its_name() {
    for (json, words) in [
        (r#"{"html": "<p>"}"#, "html: not supported"),
        (r#"{"attachments": [{"path": "r.pdf"}]}"#, "attachments: not supported"),
        (r#"{"idempotency_key": "k"}"#, "idempotency_key: belongs to the queue"),
        (r#"{"form": "ann@example.com"}"#, "unknown field `form`"),
        (r#"{"from": 1}"#, "line 1 column 10"),
        (r#"{"from": "#, "message: "),
        (r#"{"date": "x", "from": "a@example.com", "to": ["b@example.org"]}"#, "date"),
    ] {
        mailkit_reading(json.as_bytes(), ["render", "--message", "-"]).assert_code(65).assert_says(words);
    }
}

#[test]
fn a_finished_message_may_be_inside() {
    let json =
        r#"{"eml": "From: a@example.com\n\nhello\n", "envelope": {"from": "a@example.com", "to": ["b@example.org"]}}"#;
    let ended = mailkit_reading(json.as_bytes(), ["render", "--message", "-"]);
    assert_eq!(ended.assert_code(0).out, "From: a@example.com\r\n\r\nhello\r\n");
}
