use std::fs;

use mailkit::address::Domain;
use mailkit::mime::dkim::{Signer, SigningKey, sign_message};
use tempfile::TempDir;

use crate::run::{LETTER, mailkit, send};
use crate::sink_process::SinkProcess;
use crate::store::Store;

/// The key of RFC 8463, appendix A.2.
const KEY: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";

fn key() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dkim.key");
    fs::write(&path, KEY).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn options(key: &str) -> [&str; 6] {
    ["--dkim-key", key, "--dkim-selector", "mail", "--dkim-domain", "example.com"]
}

/// The signature in front of a message is the one that its content makes, and says when it was made.
#[track_caller]
fn assert_signed(message: &str) -> u64 {
    assert!(message.starts_with("DKIM-Signature: "), "{message}");
    let end = message.match_indices("\r\n").find(|(at, _)| !message[at + 2..].starts_with([' ', '\t'])).unwrap().0;
    let (field, content) = message.split_at(end + 2);
    let time = field.split("t=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
    let key = SigningKey::from_pem(KEY.as_bytes()).unwrap();
    let signer = Signer::new(key, Domain::parse("example.com").unwrap(), "mail").unwrap();
    assert_eq!(field.as_bytes(), sign_message(content.as_bytes(), &[signer], time).unwrap());
    time
}

#[test]
fn a_rendered_message_is_signed_with_its_own_date() {
    let (_folder, key) = key();
    let more = ["--date", "2026-11-23T08:00:00+01:00", "--text", "Grüße\n.\n"];
    let args = ["render", "--from", "ann@example.com", "--to", "bob@example.org"];
    let ended = mailkit(args.iter().chain(&more).chain(&options(&key)));
    assert_eq!(assert_signed(&ended.assert_code(0).out), 1_795_417_200);
    let result = mailkit(args.iter().chain(&more).chain(&options(&key)).chain(&["--json"])).assert_code(0).json();
    let content = result["content"].as_str().unwrap();
    assert_signed(content);
    assert_eq!(result["size"], content.len());
}

#[test]
fn a_finished_message_is_signed_as_well() {
    let (_folder, key) = key();
    let eml = "From: ann@example.com\nTo: bob@example.org\n\nGrüße\n";
    let ended = crate::run::mailkit_reading(eml.as_bytes(), ["render", "--eml", "-"].iter().chain(&options(&key)));
    assert_signed(&ended.assert_code(0).out);
}

#[test]
fn a_sent_message_arrives_signed() {
    let (_folder, key) = key();
    let sink = SinkProcess::start(&[]);
    let attach = format!("{key};name=a.bin");
    send(&sink.plain(), &[&options(&key)[..], &["--attach", &attach]].concat()).assert_code(0);
    assert_signed(&sink.messages()[0]);
}

#[test]
fn a_sent_message_is_signed_with_its_own_date_and_alike_each_time() {
    let (_folder, key) = key();
    let sink = SinkProcess::start(&[]);
    let fixed = ["--date", "2026-11-23T08:00:00+01:00", "--message-id", "one@example.com"];
    let more = [&fixed[..], &options(&key)].concat();
    send(&sink.plain(), &more).assert_code(0);
    send(&sink.plain(), &more).assert_code(0);
    let messages = sink.messages();
    assert_eq!(assert_signed(&messages[0]), 1_795_417_200);
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[0], mailkit(["render"].iter().chain(&LETTER).chain(&more)).assert_code(0).out);
}

#[test]
fn a_queued_message_is_signed_with_its_own_date_as_a_rendered_one_is() {
    let (_folder, key) = key();
    let (sink, store) = (SinkProcess::start(&[]), Store::new());
    let more =
        [&["--date", "2026-11-23T08:00:00+01:00", "--message-id", "one@example.com"], &options(&key)[..]].concat();
    store.enqueue(&more);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    assert_eq!(sink.messages()[0], mailkit(["render"].iter().chain(&LETTER).chain(&more)).assert_code(0).out);
}

#[test]
fn a_key_that_is_of_no_use_is_78_and_a_missing_one_66() {
    let (folder, key) = key();
    let render = |options: [&str; 6]| mailkit(["render"].iter().chain(&LETTER).chain(&options));
    render(options("/no/such/file")).assert_code(66).assert_says("/no/such/file");
    let [.., domain] = options(&key);
    render(["--dkim-key", &key, "--dkim-selector", "a b", "--dkim-domain", domain])
        .assert_code(78)
        .assert_says("`a b` is no selector");
    render(["--dkim-key", &key, "--dkim-selector", "a", "--dkim-domain", "a b"]).assert_code(78).assert_says("domain");
    let text = folder.path().join("text");
    fs::write(&text, "s3cret-text").unwrap();
    let ended = render(options(text.to_str().unwrap()));
    ended.assert_code(78).assert_says("no private key");
    assert!(!ended.err.contains("s3cret"), "{ended:?}");
}

#[test]
fn the_keys_of_the_configuration_sign_the_mail_of_their_domain_once_wherever_it_is_handled() {
    let (_folder, key) = key();
    let dkim = format!("[[dkim]]\ndomain = \"example.com\"\nselector = \"mail\"\nkey = \"{key}\"\n");
    for (enqueued, worked) in [(true, false), (false, true), (true, true), (false, false)] {
        let (sink, store) = (SinkProcess::start(&[]), Store::new());
        let route = format!("[[route]]\nname = \"main\"\nserver = \"{}\"\n", sink.plain());
        let signing = store.file("signing.toml", &format!("{dkim}{route}"));
        let plain = store.file("plain.toml", &route);
        let file = |signs| if signs { &signing } else { &plain };
        let large = store.file("large", &"A line.\n".repeat(50_000));
        let enqueue = ["--config", file(enqueued)];
        store.enqueue(&enqueue);
        store.enqueue(&[&enqueue[..], &["--attach", &large]].concat());
        let line = crate::store::line("bob@example.org", ", \"subject\": \"a line\"");
        let ndjson = ["enqueue", "--queue", &store.url, "--ndjson", "-"];
        crate::run::mailkit_reading(line.as_bytes(), ndjson.iter().chain(&enqueue)).assert_code(0);
        mailkit(["work", "--queue", &store.url, "--config", file(worked), "--until-empty", "-q"]).assert_code(0);
        let messages = sink.messages();
        assert_eq!(messages.len(), 3);
        for message in &messages {
            let signatures = message.matches("DKIM-Signature:").count();
            assert_eq!(signatures, usize::from(enqueued || worked), "{enqueued} {worked}");
            if signatures > 0 {
                assert_signed(message);
            }
        }
    }
}

#[test]
fn mail_of_other_domains_is_not_signed_and_a_key_of_no_use_is_named() {
    let (_folder, key) = key();
    let (sink, store) = (SinkProcess::start(&[]), Store::new());
    let config = |domain: &str, key: &str| {
        store.file("c.toml", &format!("[[dkim]]\ndomain = \"{domain}\"\nselector = \"mail\"\nkey = \"{key}\"\n"))
    };
    send(&sink.plain(), &["--config", &config("example.net", &key)]).assert_code(0);
    assert!(!sink.messages()[0].contains("DKIM-Signature"));
    send(&sink.plain(), &["--config", &config("example.com", &key)]).assert_code(0);
    assert!(sink.messages().iter().any(|message| message.starts_with("DKIM-Signature")));
    let nothing = store.file("nothing.pem", "nothing");
    for (path, words) in [("/nowhere.pem", "/nowhere.pem"), (&*nothing, "is of no use")] {
        send(&sink.plain(), &["--config", &config("example.com", path)]).assert_code(78).assert_says(words);
        mailkit(["config", "check", "--config", &config("example.com", path)]).assert_code(78).assert_says(words);
    }
}
