use crate::run::{Ended, LETTER, mailkit, mailkit_reading};
use crate::store::line;

const FIXED: [&str; 4] = ["--date", "2026-11-23T08:00:00+01:00", "--seed", "7"];

fn render(more: &[&str]) -> Ended {
    mailkit(["render"].iter().chain(&LETTER).chain(more))
}

#[test]
fn with_date_and_seed_the_same_message_comes_out_each_time() {
    let first = render(&FIXED);
    first.assert_code(0);
    assert_eq!(
        first.out,
        "Date: Mon, 23 Nov 2026 08:00:00 +0100\r\n\
         From: ann@example.com\r\n\
         To: bob@example.org\r\n\
         Message-ID: <00000000000000000000000000000007@example.com>\r\n\
         Subject: Hello\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         How are you?\r\n"
    );
    assert_eq!(render(&FIXED).out, first.out);
    let given = ["--date", "2026-11-23T08:00:00+01:00", "--message-id", "one@example.com"];
    assert_eq!(render(&given).out, render(&given).out);
    assert!(render(&given).out.contains("Message-ID: <one@example.com>\r\n"));
}

#[test]
fn without_them_no_two_messages_have_the_same_identity() {
    assert_ne!(render(&[]).out, render(&[]).out);
}

#[test]
fn bcc_is_in_the_envelope_alone() {
    let ended = render(&["--bcc", "eve@example.net", "--json"]);
    let result = ended.assert_code(0).json();
    let names = ["content", "envelope", "message_id", "needs_8bit", "needs_smtputf8", "output", "size"];
    assert_eq!(Ended::keys(&result), names);
    assert!(!result["content"].as_str().unwrap().contains("eve"));
    assert_eq!(result["envelope"]["to"][1], "eve@example.net");
}

#[test]
fn a_file_takes_the_message_instead_of_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.eml");
    let path = file.to_str().unwrap();
    let ended = render(&[&FIXED[..], &["-o", path]].concat());
    assert_eq!(ended.assert_code(0).out, "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), render(&FIXED).out);
    render(&["-o", "/no/such/folder/letter.eml"]).assert_code(74).assert_says("/no/such/folder/letter.eml");
}

#[test]
fn text_and_header_fields_come_from_where_they_are_said_to() {
    let args = ["render", "--from", "ann@example.com", "--to", "bob@example.org", "--text-file", "-"];
    let ended = mailkit_reading(b"one\ntwo\n", args.iter().chain(&["--header", "X-Campaign: 42"]).chain(&FIXED));
    assert!(ended.assert_code(0).out.ends_with("\r\n\r\none\r\ntwo\r\n"), "{ended:?}");
    assert!(ended.out.contains("X-Campaign: 42\r\n"));
    let broken = mailkit_reading(b"one \xff", args);
    broken.assert_code(65).assert_says("text: the file - is not UTF-8 at byte 4");
}

#[test]
fn subject_and_text_may_begin_with_a_hyphen() {
    let args = ["render", "--from", "ann@example.com", "--to", "bob@example.org", "--subject", "-1 degrees"];
    let ended = mailkit(args.iter().chain(&["--text", "- first of a list"]));
    assert!(ended.assert_code(0).out.contains("Subject: -1 degrees\r\n"), "{ended:?}");
    assert!(ended.out.ends_with("\r\n- first of a list\r\n"), "{ended:?}");
}

#[test]
fn a_finished_message_keeps_its_bytes_and_gets_crlf() {
    let eml = "From: ann@example.com\nTo: bob@example.org\nX-Odd:   spaced\n\nline\n";
    let ended = mailkit_reading(eml.as_bytes(), ["render", "--eml", "-"]);
    assert_eq!(ended.assert_code(0).out, eml.replace('\n', "\r\n"));
    mailkit_reading(b"no header", ["render", "--eml", "-"]).assert_code(65).assert_says("eml: ");
}

#[test]
fn large_texts_and_finished_messages_are_the_same_from_a_file_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "\u{feff}Gr\u{fc}\u{df}e aus dem Norden, wo es kalt ist\n".to_owned() + &"a line of text\r\n".repeat(40_000);
    let eml = format!("From: ann@example.com\nTo: bob@example.org\n\n{}", text.trim_start_matches('\u{feff}'));
    let path = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [text_path, eml_path] = [path("text", text.as_bytes()), path("eml", eml.as_bytes())];
    let fields = ["render", "--from", "ann@example.com", "--to", "bob@example.org", "--seed", "1"];
    let date = ["--date", "2026-11-23T08:00:00Z"];
    for option in ["--text-file", "--html-file"] {
        let args = |file: &str| {
            fields
                .iter()
                .chain(&date)
                .map(|arg| (*arg).to_owned())
                .chain([option.into(), file.into()])
                .collect::<Vec<_>>()
        };
        let from_file = mailkit(args(&text_path)).assert_code(0).out.clone();
        let from_input = mailkit_reading(text.as_bytes(), args("-")).assert_code(0).out.clone();
        assert!(from_file == from_input && from_file.contains("Gr=C3=BC=C3=9Fe aus dem Norden"));
    }
    let from_file = mailkit(["render", "--eml", &eml_path]).assert_code(0).out.clone();
    let from_input = mailkit_reading(eml.as_bytes(), ["render", "--eml", "-"]).assert_code(0).out.clone();
    assert!(from_file == from_input && from_file == eml.replace("\r\n", "\n").replace('\n', "\r\n"));
    let broken = path("broken", &[text.as_bytes(), b"\xff"].concat());
    let args = fields.iter().copied().chain(["--text-file", &broken]).collect::<Vec<_>>();
    let place = text.trim_start_matches('\u{feff}').len();
    mailkit(args).assert_code(65).assert_says(&format!("is not UTF-8 at byte {place}"));
}

#[test]
fn what_does_not_belong_on_the_wire_is_left_out_with_a_note() {
    let eml = "From: ann@example.com\r\nTo: bob@example.org\r\n\r\nline\r\n";
    for (before, words) in [
        ("\u{feff}", "note: the byte order mark"),
        ("From ann@example.com Mon Nov 23 07:03:00 2026\n", "note: the line \"From …\""),
        ("Return-Path: <ann@example.com>\n", "note: the field Return-Path"),
    ] {
        let saved = format!("{before}{eml}");
        let ended = mailkit_reading(saved.as_bytes(), ["render", "--eml", "-"]);
        assert_eq!(ended.assert_code(0).assert_says(words).out, eml);
        assert_eq!(mailkit_reading(saved.as_bytes(), ["render", "-q", "--eml", "-"]).err, "");
    }
    assert_eq!(mailkit_reading(eml.as_bytes(), ["render", "--eml", "-"]).err, "");
}

#[test]
fn advice_fits_what_is_wrong_with_a_finished_message() {
    let render = |eml: &str| mailkit_reading(eml.as_bytes(), ["render", "--eml", "-"]);
    for eml in ["no header\n", "", "From: a@example.com\nnonsense\n\n"] {
        let ended = render(eml);
        assert!(!ended.assert_code(65).err.contains("--envelope"), "{ended:#?}");
        ended.assert_says("try: open the file");
    }
    for eml in ["From: a@example.com\n\n", "To: b@example.org\n\n", "From: a@\nTo: b@example.org\n\n"] {
        render(eml).assert_code(65).assert_says("try: --envelope-from and --envelope-to");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    let args = ["render", "--from", "ann@example.com", "--to", "bob@example.org"];
    for option in ["--text-file", "--html-file"] {
        let ended = mailkit_reading("\u{feff}one\n".as_bytes(), args.iter().chain(&[option, "-"]));
        assert!(ended.assert_code(0).out.ends_with("Content-Transfer-Encoding: 7bit\r\n\r\none\r\n"), "{ended:?}");
    }
    let utf16 = mailkit_reading(b"\xff\xfeo\0", args.iter().chain(&["--text-file", "-"]));
    utf16.assert_code(65).assert_says("try: it is UTF-16: save it as UTF-8");
}

#[test]
fn an_address_stands_as_its_own_name_and_a_comma_in_a_name_is_explained() {
    let render = |from: &str| mailkit(["render", "--from", from, "--to", "bob@example.org"]);
    let ended = render("ann@example.com <ann@example.com>");
    assert!(ended.assert_code(0).out.contains("From: \"ann@example.com\" <ann@example.com>\r\n"), "{ended:?}");
    render("Doe, Ann <ann@example.com>").assert_code(65).assert_says("put the name in quotation marks");
}

#[test]
fn what_a_queue_would_refuse_is_refused_by_render_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let rendered = |more: &str| {
        let path = folder.path().join("letter.json");
        std::fs::write(&path, line("bob@example.org", more)).unwrap();
        mailkit(["render", "--message", path.to_str().unwrap()])
    };
    let all = r#", "idempotency_key": "", "send_at": "soon", "on_ambiguous": "drop", "id": "x", "tags": [""], "route": "",
        "tenant": "", "created_at": "then", "idempotency_fingerprint": "ff", "envelope": {"mt_priority": "10"}"#;
    let ended = rendered(&all.replace('\n', " "));
    for words in [
        "idempotency_key: empty",
        "send_at: no date in `soon`",
        "on_ambiguous: `drop`",
        "id: `x`",
        "tags[0]: empty",
        "route: empty",
        "tenant: empty",
        "created_at: no date in `then`",
        "idempotency_fingerprint: no fingerprint",
        "envelope.mt_priority: `10` is no priority",
    ] {
        ended.assert_code(65).assert_says(words);
    }
    rendered(r#", "priority": "urgent""#).assert_code(65).assert_says("urgent");
    let (over, later) = (r#", "expires_at": "2001-01-01T00:00:00Z""#, r#", "send_at": "2099-01-01T00:00:00Z""#);
    rendered(over).assert_code(65).assert_says("expires_at: it is in the past");
    rendered(&format!("{later}{}", r#", "expires_at": "2098-12-31T23:59:59Z""#))
        .assert_code(65)
        .assert_says("expires_at: it is not after send_at");
    rendered(&format!("{later}{}", r#", "expires_at": "2099-01-01T00:00:01Z", "on_ambiguous": "hold""#)).assert_code(0);
    let send_at = ["render", "--send-at", "soon"];
    mailkit(send_at.iter().chain(&LETTER)).assert_code(65).assert_says("send_at: no date");
}
