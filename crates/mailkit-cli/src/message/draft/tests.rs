//! How a message in JSON is read, and what is refused in it.

use super::*;

fn read(json: &str) -> Result<Draft, Failure> {
    let mut problems = Problems::default();
    let draft = from_json(json.as_bytes(), &mut problems);
    problems.finish(draft)
}

fn refusal(json: &str) -> String {
    read(json).map(|_| ()).unwrap_err().text()
}

#[test]
fn header_fields_keep_their_order() {
    let draft = read(r#"{"headers": {"X-B": "1", "X-A": "2", "X-B": "3"}}"#).unwrap();
    let names: Vec<_> = draft.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-B", "X-A", "X-B"]);
}

#[test]
fn null_means_the_same_as_a_field_that_is_not_there() {
    let json = r#"{"from": null, "to": null, "headers": null, "envelope": null, "priority": null, "html": null, "tags": [],
        "attachments": null, "list_unsubscribe": null, "calendar": null}"#;
    assert!(read(json).is_ok());
    assert!(read(r#"{"envelope": {"dsn": null, "to": null}}"#).is_ok());
}

#[test]
fn unknown_fields_and_those_of_a_queue_are_refused_by_name() {
    for (json, wanted) in [
        (r#"{"form": "a@x"}"#, "form: unknown field `form`, expected one of from, sender, "),
        (
            r#"{"attachments": [{"file": "r.pdf"}]}"#,
            "attachments[0].file: unknown field `file`, expected one of filename, ",
        ),
        (r#"{"list_unsubscribe": {"post": true}}"#, "list_unsubscribe.post: unknown field `post`"),
        (r#"{"envelope": {"dsn": {"when": 1}}}"#, "envelope.dsn.when: unknown field `when`"),
        (r#"{"subject": "a", "subject": "b"}"#, "subject: given twice"),
    ] {
        let refused = refusal(json);
        assert!(refused.starts_with(wanted), "{refused}");
    }
    let draft = read(r#"{"route": "a", "tags": ["b"]}"#).unwrap();
    let refused = draft.refuse_wishes_to_a_queue().unwrap_err().text();
    assert!(refused.starts_with("route, tags: belong to the queue"), "{refused}");
}

#[test]
fn a_message_is_an_object_also_behind_a_byte_order_mark() {
    for json in ["[]", " [\"ann@example.com\"]", "[{\"from\": \"ann@example.com\"}]", "1", "\"text\"", "null"] {
        assert!(refusal(json).contains("no object"), "{json}");
    }
    assert!(read("\u{feff}{\"subject\": \"Hello\"}").is_ok());
    assert!(refusal("").starts_with("not JSON: EOF"));
}

#[test]
fn every_field_of_another_type_is_named_by_its_path() {
    let json = r#"{
        "from": 1, "sender": true, "to": ["bob@example.org", 2, null], "cc": {}, "bcc": 3.5, "subject": [], "text": {},
        "attachments": [{"filename": 1, "inline": "yes"}, "r.pdf", ["r.pdf"], {"content_base64": false, "path": 1}],
        "headers": {"X-A": 1, "X-B": "2", "X-C": null}, "references": "<a@x>", "tags": "t", "priority": "urgent",
        "list_unsubscribe": ["u@example.com"], "calendar": {"method": "REQUEST"},
        "envelope": {"from": [], "to": 7, "dsn": [["failure"], "full"], "require_tls": "no"}
    }"#;
    let text = refusal(json);
    let lines: Vec<_> = text.lines().collect();
    for wanted in [
        "from: expected a string, found a number",
        "sender: expected a string, found true or false",
        "to[1]: expected a string, found a number",
        "to[2]: expected a string, found null",
        "cc: expected a string or an array of strings, found an object",
        "bcc: expected a string or an array of strings, found a number",
        "subject: expected a string, found an array",
        "text: expected a string, found an object",
        "attachments[0].filename: expected a string, found a number",
        "attachments[0].inline: expected true or false, found a string",
        "attachments[1]: expected an object, found a string",
        "attachments[2]: expected an object, found an array",
        "attachments[3].content_base64: expected a string, found true or false",
        "attachments[3].path: expected a string, found a number",
        "headers.X-A: expected a string, found a number",
        "headers.X-C: expected a string, found null",
        "references: expected an array of strings, found a string",
        "tags: expected an array of strings, found a string",
        "priority: `urgent` is none of high, normal, low",
        "list_unsubscribe: expected an object, found an array",
        "calendar.content: missing: a calendar has a method, such as REQUEST, and content",
        "envelope.from: expected a string, found an array",
        "envelope.to: expected a string or an array of strings, found a number",
        "envelope.dsn: expected an object, found an array",
        "envelope.require_tls: expected true or false, found a string",
    ] {
        assert!(lines.contains(&wanted), "{wanted} is missing in:\n{text}");
    }
    assert_eq!(lines.len(), 25, "{text}");
}

#[test]
fn a_field_of_the_wrong_type_is_not_missing_as_well() {
    for (json, wanted) in [
        (
            r#"{"calendar": {"method": 1, "content": "BEGIN:VCALENDAR"}}"#,
            "calendar.method: expected a string, found a number",
        ),
        (r#"{"list_unsubscribe": {"url": 1}}"#, "list_unsubscribe.url: expected a string, found a number"),
    ] {
        assert_eq!(read(json).err().unwrap().text(), wanted);
    }
}

#[test]
fn a_recipient_list_may_be_one_string() {
    let draft =
        read(r#"{"to": "a@x, b@x", "cc": "c@x", "bcc": "d@x", "reply_to": "e@x", "envelope": {"to": "f@x"}}"#).unwrap();
    let given = [&draft.to, &draft.cc, &draft.bcc, &draft.reply_to, &draft.envelope.to];
    let texts =
        given.map(|list| list.iter().map(|given| (given.place.as_str(), given.text.as_str())).collect::<Vec<_>>());
    assert_eq!(
        texts.concat(),
        [("to", "a@x, b@x"), ("cc", "c@x"), ("bcc", "d@x"), ("reply_to", "e@x"), ("envelope.to", "f@x")]
    );
}

#[test]
fn a_finished_message_has_no_other_fields() {
    let mut draft = read(r#"{"eml": "A: b\n\n", "subject": "c", "to": "d@x"}"#).unwrap();
    let mut problems = Problems::default();
    let eml = draft.take_finished(&mut problems);
    let text = problems.finish(eml).err().unwrap().text();
    assert!(text.contains("\nsubject: ") && text.starts_with("to: "), "{text}");
    let mut draft = read(r#"{"eml_base64": "QTogYgoK"}"#).unwrap();
    assert!(draft.is_finished());
    let mut problems = Problems::default();
    let finished = draft.take_finished(&mut problems);
    assert!(matches!(finished, Some(Loaded::Octets(octets)) if octets == b"A: b\n\n"));
}
