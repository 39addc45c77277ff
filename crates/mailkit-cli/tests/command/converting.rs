//! Finished messages with 8-bit content to servers that take none.

use mailkit::smtp::Extensions;
use mailkit_server::Sink;

use crate::run::{Ended, mailkit};

const EML: &str =
    "From: J\u{f6}rg <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\nsch\u{f6}n\r\n";

const CONVERTED: &str = "From: =?utf-8?q?J=C3=B6rg?= <ann@example.com>\r\nTo: bob@example.org\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    sch=C3=B6n\r\n";

/// A server without 8BITMIME and SMTPUTF8.
fn seven_bit(offered: &mut Extensions) {
    (offered.eight_bit_mime, offered.smtp_utf8, offered.binary_mime) = (false, false, false);
}

fn folder_with(eml: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.eml");
    std::fs::write(&path, eml).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    tokio::task::block_in_place(work)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eight_bit_message_is_converted_by_send_and_its_size_is_that_of_what_is_sent() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let (_folder, path) = folder_with(EML);
    let server = format!("smtp://{}?tls=none", sink.addr());
    in_thread(|| mailkit(["send", "--server", &server, "--eml", &path])).assert_code(0);
    let captured = sink.captured().remove(0);
    assert_eq!(String::from_utf8_lossy(&captured.content), CONVERTED);
    // The server is told no less and no more.
    for (limit, code) in [(CONVERTED.len(), 0), (CONVERTED.len() - 1, 69)] {
        let sink = Sink::builder().extensions(seven_bit).size_limit(limit as u64).start().await.unwrap();
        let server = format!("smtp://{}?tls=none", sink.addr());
        in_thread(|| mailkit(["send", "--server", &server, "--eml", &path])).assert_code(code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_as_it_is_where_the_server_takes_it() {
    let sink = Sink::builder().start().await.unwrap();
    let (_folder, path) = folder_with(EML);
    let server = format!("smtp://{}?tls=none", sink.addr());
    in_thread(|| mailkit(["send", "--server", &server, "--eml", &path])).assert_code(0);
    assert_eq!(String::from_utf8_lossy(&sink.captured().remove(0).content), EML);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_changed_is_refused_by_the_name_of_what_the_server_lacks() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let signed = "From: a@x.example\r\nTo: b@y.example\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n\u{e9}\r\n--s--\r\n";
    let (_folder, path) = folder_with(signed);
    let server = format!("smtp://{}?tls=none", sink.addr());
    let ended = in_thread(|| mailkit(["send", "--server", &server, "--eml", &path]));
    ended.assert_code(69).assert_says("8BITMIME").assert_says("multipart/signed");
    assert!(sink.captured().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eight_bit_message_is_converted_out_of_the_queue_and_stays_in_it_as_it_came() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let (folder, path) = folder_with(EML);
    let queue = format!("sqlite:{}", folder.path().join("q.db").display());
    let server = format!("smtp://{}?tls=none", sink.addr());
    let work = |args: &[&str]| in_thread(|| mailkit(args));
    work(&["enqueue", "--queue", &queue, "--eml", &path]).assert_code(0);
    work(&["work", "--queue", &queue, "--server", &server, "--until-empty"]).assert_code(0);
    let captured = sink.captured().remove(0);
    assert_eq!(String::from_utf8_lossy(&captured.content), CONVERTED);
    let listed: Ended = work(&["queue", "export", "--queue", &queue]);
    assert!(!listed.out.contains("quoted-printable"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_is_converted_while_it_is_read() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let body = "Gr\u{fc}\u{df}e an alle, die dies lesen.\r\n".repeat(40_000);
    let (folder, path) = folder_with(&format!("From: a@x.example\r\nTo: b@y.example\r\n\r\n{body}"));
    let queue = format!("sqlite:{}", folder.path().join("q.db").display());
    let server = format!("smtp://{}?tls=none", sink.addr());
    let work = |args: &[&str]| in_thread(|| mailkit(args));
    work(&["send", "--server", &server, "--eml", &path]).assert_code(0);
    work(&["enqueue", "--queue", &queue, "--eml", &path]).assert_code(0);
    work(&["work", "--queue", &queue, "--server", &server, "--until-empty"]).assert_code(0);
    let captured = sink.captured();
    assert_eq!(captured.len(), 2);
    for captured in captured {
        assert!(captured.content.is_ascii() && captured.content.ends_with(b"die dies lesen.\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_not_convert() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let signed = format!("DKIM-Signature: v=1; d=other.example; s=x; b=\r\n{EML}");
    for (policy, eml, arrives) in
        [("never", EML, 0), ("unsigned", &*signed, 0), ("unsigned", EML, 1), ("always", &*signed, 1)]
    {
        let (folder, path) = folder_with(eml);
        let config = folder.path().join("mailkit.toml");
        let queue = format!("sqlite:{}", folder.path().join("q.db").display());
        let text = format!(
            "[[route]]\nname = \"only\"\nserver = \"smtp://{}?tls=none\"\nconvert = \"{policy}\"\n",
            sink.addr()
        );
        std::fs::write(&config, text).unwrap();
        let before = sink.captured().len();
        let work = |args: &[&str]| in_thread(|| mailkit(args));
        work(&["enqueue", "--queue", &queue, "--eml", &path]).assert_code(0);
        work(&["work", "--queue", &queue, "--config", config.to_str().unwrap(), "--until-empty"]).assert_code(0);
        assert_eq!(sink.captured().len() - before, arrives, "{policy}");
        if arrives == 0 {
            let listed = work(&["queue", "list", "--queue", &queue, "--json"]);
            let id = listed.json()["id"].as_str().unwrap().to_owned();
            let shown = work(&["queue", "show", &id, "--queue", &queue, "--json"]);
            assert_eq!(shown.json()["state"], "dead");
            assert!(shown.out.contains("8BITMIME") || shown.out.contains("SMTPUTF8"), "{}", shown.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_signed_elsewhere_goes_over_another_route_before_it_is_converted() {
    let poor = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let signed = format!("DKIM-Signature: v=1; d=other.example; s=x; b=\r\n{EML}");
    for has_rich in [true, false] {
        let rich = Sink::builder()
            .extensions(|offered| (offered.eight_bit_mime, offered.smtp_utf8) = (has_rich, has_rich))
            .start()
            .await
            .unwrap();
        let (folder, path) = folder_with(&signed);
        let config = folder.path().join("mailkit.toml");
        let queue = format!("sqlite:{}", folder.path().join("q.db").display());
        let route = |name: &str, sink: &Sink| {
            format!("[[route]]\nname = \"{name}\"\nserver = \"smtp://{}?tls=none\"\n", sink.addr())
        };
        std::fs::write(&config, route("poor", &poor) + &route("rich", &rich)).unwrap();
        let work = |args: &[&str]| in_thread(|| mailkit(args));
        work(&["enqueue", "--queue", &queue, "--eml", &path]).assert_code(0);
        work(&["work", "--queue", &queue, "--config", config.to_str().unwrap(), "--until-empty"]).assert_code(0);
        let (to_poor, to_rich) = (poor.captured().len(), rich.captured().len());
        if has_rich {
            assert_eq!((to_poor, to_rich), (0, 1));
            continue;
        }
        // No route takes it as it is: then it is converted, and the history says what that did.
        assert_eq!(to_poor + to_rich, 1);
        let listed = work(&["queue", "list", "--queue", &queue, "--json"]);
        let id = listed.json()["id"].as_str().unwrap().to_owned();
        let shown = work(&["queue", "show", &id, "--queue", &queue, "--json"]).json();
        assert_eq!(shown["state"], "sent");
        assert!(
            shown["history"].to_string().contains("the DKIM signature of other.example no longer holds"),
            "{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_an_own_domain_is_made_anew_over_what_is_sent() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let (folder, path) = folder_with(&format!("DKIM-Signature: v=1; d=example.com; s=old; bh=x; b=y\r\n{EML}"));
    let config = folder.path().join("mailkit.toml");
    // The key of RFC 8463 A.2.
    std::fs::write(folder.path().join("k.pem"), "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let queue = format!("sqlite:{}", folder.path().join("q.db").display());
    let text = format!(
        "[[dkim]]\ndomain = \"example.com\"\nselector = \"new\"\nkey = \"{}\"\n\
         [[route]]\nname = \"only\"\nserver = \"smtp://{}?tls=none\"\n",
        folder.path().join("k.pem").display(),
        sink.addr()
    );
    std::fs::write(&config, text).unwrap();
    let work = |args: &[&str]| in_thread(|| mailkit(args));
    work(&["enqueue", "--queue", &queue, "--eml", &path]).assert_code(0);
    work(&["work", "--queue", &queue, "--config", config.to_str().unwrap(), "--until-empty"]).assert_code(0);
    let content = String::from_utf8_lossy(&sink.captured().remove(0).content).into_owned();
    assert!(content.starts_with("DKIM-Signature: ") && content.contains("s=new"), "{content}");
    assert!(content.ends_with(CONVERTED) && !content.contains("s=old"), "{content}");
}

/// Built messages whose header names a recipient that only a server with SMTPUTF8 can address.
const TO_BOTH: [&str; 10] = [
    "--from",
    "ann@example.com",
    "--to",
    "bob@example.org",
    "--to",
    "Jo <j\u{f6}rg@example.org>",
    "--subject",
    "Hello",
    "--text",
    "Hi",
];

/// The header field of [`TO_BOTH`] for a server without SMTPUTF8.
const DOWNGRADED: &str = "To: bob@example.org, =?utf-8?q?Jo_=3Cj=C3=B6rg=40example=2Eorg=3E?= :;\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn rfc_6857_section_3_1_a_recipient_in_the_header_that_cannot_be_addressed_costs_the_others_nothing() {
    let (folder, key) = folder_with("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=");
    let seven: fn(&mut Extensions) = seven_bit;
    let eight: fn(&mut Extensions) = |offered| offered.smtp_utf8 = false;
    for (offer, signed) in [(seven, false), (eight, false), (seven, true), (eight, true)] {
        let sink = Sink::builder().extensions(offer).start().await.unwrap();
        let server = format!("smtp://{}?tls=none", sink.addr());
        let signing = ["--dkim-key", &key, "--dkim-domain", "example.com", "--dkim-selector", "s"];
        let mut args = [&["send", "--server", &server, "--json"], &TO_BOTH[..]].concat();
        if signed {
            args.extend(signing);
        }
        let ended = in_thread(|| mailkit(&args));
        let report = ended.json();
        assert_eq!(report["recipients"][0]["status"], "accepted", "{ended:?}");
        assert_ne!(report["recipients"][1]["status"], "accepted", "{ended:?}");
        assert!(report["recipients"][1].to_string().contains("SMTPUTF8"), "{ended:?}");
        let captured = sink.captured().remove(0);
        assert_eq!(captured.recipients.len(), 1);
        let content = String::from_utf8(captured.content.to_vec()).unwrap();
        assert!(content.is_ascii() && content.contains(DOWNGRADED), "{content}");
        assert_eq!(content.starts_with("DKIM-Signature: "), signed, "{content}");
    }
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_one_route_cannot_address_gets_the_header_as_it_was_over_another() {
    let poor = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let rich = Sink::builder().start().await.unwrap();
    let (folder, _) = folder_with("");
    let config = folder.path().join("mailkit.toml");
    let queue = format!("sqlite:{}", folder.path().join("q.db").display());
    let route = |name: &str, sink: &Sink| {
        format!("[[route]]\nname = \"{name}\"\nserver = \"smtp://{}?tls=none\"\n", sink.addr())
    };
    std::fs::write(&config, route("poor", &poor) + &route("rich", &rich)).unwrap();
    let work = |args: &[&str]| in_thread(|| mailkit(args));
    work(&[&["enqueue", "--queue", &queue], &TO_BOTH[..]].concat()).assert_code(0);
    work(&["work", "--queue", &queue, "--config", config.to_str().unwrap(), "--until-empty"]).assert_code(0);
    let (poor, rich) = (poor.captured(), rich.captured());
    assert_eq!((poor.len(), rich.len()), (1, 1));
    assert_eq!(poor[0].recipients[0].to_string(), "<bob@example.org>");
    assert_eq!(rich[0].recipients[0].to_string(), "<j\u{f6}rg@example.org>");
    assert!(String::from_utf8_lossy(&poor[0].content).contains(DOWNGRADED));
    assert!(String::from_utf8_lossy(&rich[0].content).contains("Jo <j\u{f6}rg@example.org>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_beyond_ascii_is_the_messages_own_need() {
    let sink = Sink::builder().extensions(seven_bit).start().await.unwrap();
    let server = format!("smtp://{}?tls=none", sink.addr());
    let args =
        ["send", "--server", &server, "--from", "j\u{f6}rg@example.com", "--to", "bob@example.org", "--text", "Hi"];
    in_thread(|| mailkit(args)).assert_code(69).assert_says("SMTPUTF8");
    assert!(sink.captured().is_empty());
}
