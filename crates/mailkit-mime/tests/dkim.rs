//! DKIM signatures as a user makes them, and as others see them.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mailkit_address::Domain;
use mailkit_mime::dkim::{
    Algorithm, BodyHasher, Canonicalization, DkimError, SignError, Signer, SigningKey, sign_message,
};
use mailkit_mime::{Attachment, Capabilities, MessageBuilder, Stamps};

const NOW: u64 = 1_700_000_000;

fn pem(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dkim").join(file)).unwrap()
}

fn key(file: &str) -> SigningKey {
    SigningKey::from_pem(&pem(file)).unwrap()
}

fn signer(file: &str, selector: &str) -> Signer {
    Signer::new(key(file), Domain::parse("example.com").unwrap(), selector).unwrap()
}

fn rsa() -> Signer {
    signer("rsa2048.pem", "rsa")
}

fn ed25519() -> Signer {
    signer("ed25519.pem", "ed")
}

/// The tags of the first signature, with the folds taken out.
fn tags(fields: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(fields).unwrap().replace("\r\n ", "\u{0}");
    let first = text.split("\r\n").next().unwrap().strip_prefix("DKIM-Signature:").unwrap();
    let tag = |tag: &str| {
        let (name, value) = tag.split_once('=').unwrap();
        (name.trim_matches([' ', '\u{0}']).to_owned(), value.replace('\u{0}', ""))
    };
    first.split(';').map(tag).collect()
}

#[test]
fn keys_come_in_pkcs1_pkcs8_and_as_a_seed() {
    for (file, algorithm) in [
        ("rsa2048.pem", Algorithm::RsaSha256),
        ("rsa2048_pkcs1.pem", Algorithm::RsaSha256),
        ("ed25519.pem", Algorithm::Ed25519Sha256),
    ] {
        assert_eq!(key(file).algorithm(), algorithm);
    }
    let with_crlf = String::from_utf8(pem("rsa2048.pem")).unwrap().replace('\n', "\r\n");
    let among_others = [pem("rsa2048_public.pem"), b"some words\n".to_vec(), with_crlf.into_bytes()].concat();
    let again = SigningKey::from_pem(&among_others).unwrap();
    assert_eq!(again.record(), key("rsa2048_pkcs1.pem").record());
    let seed = b" nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A \r\n";
    assert_eq!(SigningKey::from_pem(seed).unwrap().algorithm(), Algorithm::Ed25519Sha256);
}

#[test]
fn the_record_of_an_rsa_key_is_the_public_key_that_openssl_writes() {
    let public = String::from_utf8(pem("rsa2048_public.pem")).unwrap();
    let base64: String = public.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(key("rsa2048.pem").record(), format!("v=DKIM1; k=rsa; p={base64}"));
}

#[test]
fn keys_that_cannot_sign_are_refused_in_words() {
    for (file, error) in [
        ("rsa1024.pem", DkimError::KeyTooShort),
        ("rsa4104.pem", DkimError::KeyTooLong),
        ("p256.pem", DkimError::UnsupportedKey),
        ("encrypted.pem", DkimError::EncryptedKey),
        ("encrypted_pkcs1.pem", DkimError::EncryptedKey),
        ("rsa2048_public.pem", DkimError::NotPrivate { label: "PUBLIC KEY".to_owned() }),
    ] {
        assert_eq!(SigningKey::from_pem(&pem(file)).err(), Some(error), "{file}");
    }
    let openssh = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(SigningKey::from_pem(openssh).err(), Some(DkimError::UnsupportedKey));
    for text in ["", "From: ann@example.com", "AAAA", "-----BEGIN"] {
        assert_eq!(SigningKey::from_pem(text.as_bytes()).err(), Some(DkimError::NoKey), "{text:?}");
    }
}

#[test]
fn damaged_keys_are_found_when_they_are_read() {
    let text = String::from_utf8(pem("rsa2048.pem")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for cut in 1..lines.len() {
        let cut = SigningKey::from_pem(lines[..cut].join("\n").as_bytes());
        assert_eq!(cut.err(), Some(DkimError::MalformedPem));
    }
    for left_out in 1..lines.len() - 1 {
        let mut lines = lines.clone();
        lines.remove(left_out);
        let damaged = SigningKey::from_pem(lines.join("\n").as_bytes()).err();
        assert!(
            matches!(damaged, Some(DkimError::MalformedPem | DkimError::InvalidKey { .. } | DkimError::UnsupportedKey)),
            "{left_out}: {damaged:?}"
        );
    }
    // The last octets are of the coefficient, which only signing finds wrong.
    let end = lines.len() - 2;
    let swapped = lines[end - 1].chars().rev().collect::<String>();
    let mut lines = lines.clone();
    lines[end - 1] = &swapped;
    let damaged = SigningKey::from_pem(lines.join("\n").as_bytes()).err();
    assert!(matches!(damaged, Some(DkimError::Refused | DkimError::InvalidKey { .. })), "{damaged:?}");
}

#[test]
fn a_signature_states_what_was_asked_for_and_no_length() {
    let message = b"From: ann@example.com\r\nTo: bob@example.org\r\nSubject: a\r\nX-Tag: 1\r\nX-Tag: 2\r\n\r\nhi\r\n";
    let plain = tags(&sign_message(message, &[rsa()], NOW).unwrap());
    let plain: Vec<_> = plain.iter().filter(|(name, _)| !["b", "bh"].contains(&name.as_str())).collect();
    let shown: Vec<String> = plain.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        shown,
        [
            "a=rsa-sha256",
            "c=relaxed/relaxed",
            "d=example.com",
            "h=From:From:Sender:Reply-To:To:To:Cc:Subject:Subject:Date:Message-ID:In-Reply-To:References:MIME-Version:\
             Content-Type:Content-Transfer-Encoding:List-Unsubscribe:List-Unsubscribe-Post",
            "s=rsa",
            "t=1700000000",
            "v=1",
        ]
    );
    let full = ed25519()
        .canonicalization(Canonicalization::Simple, Canonicalization::Simple)
        .oversigned(["From"])
        .and_then(|signer| signer.headers(["Subject", "X-Tag"]))
        .and_then(|signer| signer.identity("ann@news.example.com"))
        .unwrap()
        .expires_in(Duration::from_secs(3600));
    let stated = tags(&sign_message(message, std::slice::from_ref(&full), NOW).unwrap());
    assert_eq!(stated["c"], "simple/simple");
    assert_eq!(stated["h"], "From:From:Subject:X-Tag:X-Tag");
    assert_eq!(stated["i"], "ann@news.example.com");
    assert_eq!((&*stated["t"], &*stated["x"]), ("1700000000", "1700003600"));
    let timeless = tags(&sign_message(message, &[full.timestamp(false)], NOW).unwrap());
    assert_eq!((timeless.get("t"), &*timeless["x"]), (None, "1700003600"));
}

#[test]
fn equal_input_gives_equal_signatures_and_other_signatures_do_not_matter() {
    let message = b"From: ann@example.com\r\n\r\nhi\r\n".to_vec();
    let signers = [rsa(), ed25519(), rsa().canonicalization(Canonicalization::Relaxed, Canonicalization::Simple)];
    let fields = sign_message(&message, &signers, NOW).unwrap();
    assert_eq!(fields, sign_message(&message, &signers, NOW).unwrap());
    let signed = [fields.clone(), message].concat();
    assert_eq!(sign_message(&signed, &signers, NOW).unwrap(), fields);
    let lines = String::from_utf8(fields).unwrap();
    assert_eq!(lines.matches("DKIM-Signature:").count(), 3);
    assert!(lines.split("\r\n").all(|line| line.len() <= 78), "{lines}");
}

#[test]
fn content_that_the_way_would_change_is_not_signed() {
    for (message, error) in [
        ("", DkimError::NoFrom),
        ("\r\nhi\r\n", DkimError::NoFrom),
        ("To: bob@example.org\r\n\r\nhi\r\n", DkimError::NoFrom),
        ("From: ann@example.com\n\nhi\n", DkimError::HeaderLineEnd { line: 1 }),
        ("From: ann@example.com\r\nTo\r\n\r\nhi\r\n", DkimError::MalformedHeader { line: 2 }),
        ("From: ann@example.com\r\n\r\nhi\n", DkimError::BodyLineEnd),
        ("From: ann@example.com\r\n\r\nhi\r", DkimError::BodyLineEnd),
    ] {
        assert_eq!(sign_message(message.as_bytes(), &[rsa()], NOW), Err(error), "{message:?}");
    }
    let hash = BodyHasher::new(Canonicalization::Simple).finish().unwrap();
    assert_eq!(
        rsa().sign(b"From: ann@example.com\r\n", &hash, NOW),
        Err(DkimError::BodyCanonicalization { wanted: Canonicalization::Relaxed, given: Canonicalization::Simple })
    );
}

/// Messages whose content is easily changed between signing and verifying.
fn messages() -> Vec<Vec<u8>> {
    let fields = "From: Ann <ann@example.com>\r\nTo: Bob <bob@example.org>\r\nSubject: Hello\r\n\
                  Date: Mon, 23 Nov 2026 07:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n";
    let long = (0..80).map(|n| format!("Person {n} <person.{n}@example.org>")).collect::<Vec<_>>().join(",\r\n  ");
    let unfolded = "x".repeat(980);
    let mut messages: Vec<Vec<u8>> = [
        format!("{fields}\r\nHow are you?\r\n"),
        format!("{fields}\r\n.\r\n..\r\n.dot\r\n\r\n.\r\n"),
        format!("{fields}\r\ntrailing \t \r\n \r\n\t\r\n  two  blanks\t\tand tabs\r\n\r\n \r\n\r\n"),
        format!("{fields}\r\n"),
        fields.to_owned(),
        format!("{fields}\r\n\r\n\r\n"),
        format!("{fields}\r\n \r\n"),
        format!("{fields}\r\nno line end"),
        format!("{fields}Cc: {long}\r\nReferences:\r\n <a@b>\r\n\t<c@d>\r\n\r\nlong header\r\n"),
        format!("{fields}In-Reply-To: <{unfolded}@example.com>\r\n\r\n{unfolded}\r\n"),
        format!("{fields}Reply-To: Zo\u{eb} <zo\u{eb}@example.com>\r\n\r\nna\u{ef}ve \u{1f4e7}\r\n"),
        format!("{fields}Cc: a@example.org\r\nX-Other: 1\r\ncc:   b@example.org \r\nCC:\r\n\r\nrepeated\r\n"),
        format!(
            "{fields}List-Unsubscribe: <https://example.com/u>\r\n\
                 List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n\
                 Content-Type: multipart/mixed;\r\n\tboundary=\"=_1\"\r\n\r\n--=_1\r\n\r\na\r\n--=_1--\r\n"
        ),
    ]
    .map(String::into_bytes)
    .into();
    let latin1 = [fields.as_bytes(), b"Reply-To: Zo\xeb <z@example.com>\r\n\r\nna\xefve \xff\r\n"].concat();
    messages.push(latin1);
    messages
}

/// Runs dkimpy over signed messages; nothing where it is missing and not required.
fn dkimpy(records: &[&Signer], messages: &[Vec<u8>]) -> Option<Vec<String>> {
    const PYTHON: &str = "/usr/bin/python3";
    let there = Command::new(PYTHON).args(["-c", "import dkim, nacl.signing"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("MAILKIT_REQUIRE_REAL").is_none(),
            "no dkimpy: install python3-dkim and python3-nacl (Debian's names)"
        );
        eprintln!("skipped: no dkimpy (python3-dkim, python3-nacl)");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let record_file = folder.path().join("records");
    let records: String =
        records.iter().map(|signer| format!("{}\t{}\n", signer.record_name(), signer.key().record())).collect();
    fs::write(&record_file, records).unwrap();
    let files: Vec<PathBuf> = (0..messages.len()).map(|at| folder.path().join(at.to_string())).collect();
    for (file, message) in files.iter().zip(messages) {
        fs::write(file, message).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/verify_dkim.py");
    let output = Command::new(PYTHON).arg(script).arg(&record_file).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let results: Vec<String> =
        lines.lines().map(|line| line.split_once(' ').unwrap_or((line, "")).1.to_owned()).collect();
    assert_eq!(results.len(), messages.len());
    Some(results)
}

#[test]
fn real_dkimpy_verifies_both_algorithms_in_every_form() {
    use Canonicalization::{Relaxed, Simple};
    let mut signers = Vec::new();
    for (header, body) in [(Relaxed, Relaxed), (Relaxed, Simple), (Simple, Relaxed), (Simple, Simple)] {
        for signer in [rsa(), ed25519()] {
            signers.push(signer.canonicalization(header, body));
        }
    }
    let lifetime = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    signers.push(rsa().identity("\"a;b=c d\"@news.example.com").unwrap().expires_in(lifetime));
    signers.push(ed25519().timestamp(false).headers(["X-Other", "Received"]).unwrap());
    let signed: Vec<Vec<u8>> = messages()
        .iter()
        .map(|message| [sign_message(message, &signers, NOW).unwrap(), message.clone()].concat())
        .collect();
    let Some(results) = dkimpy(&[&rsa(), &ed25519()], &signed) else { return };
    for (at, result) in results.iter().enumerate() {
        assert_eq!(result.split(' ').collect::<Vec<_>>(), ["pass"; 10], "message {at}");
    }
}

/// The fields that nobody may add to a signed message (RFC 6376 §8.15).
const OVERSIGNED: [&str; 15] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

#[test]
fn rfc_6376_section_8_15_each_field_is_named_once_more_than_it_occurs() {
    let header = OVERSIGNED.map(|name| format!("{name}: a\r\n"));
    for present in [String::new(), header.concat(), header.concat().repeat(2)] {
        let message = format!("From: ann@example.com\r\n{present}\r\nhi\r\n");
        let named = tags(&sign_message(message.as_bytes(), &[ed25519()], NOW).unwrap());
        for name in OVERSIGNED {
            let occurs = message.lines().filter(|line| line.starts_with(&format!("{name}:"))).count();
            assert_eq!(named["h"].split(':').filter(|named| *named == name).count(), occurs + 1, "{name}");
        }
    }
}

#[test]
fn real_dkimpy_finds_each_field_that_was_added() {
    let header = OVERSIGNED.map(|name| format!("{name}: a\r\n")).concat();
    for present in ["From: ann@example.com\r\n", &header] {
        let message = format!("{present}X-Other: 1\r\n\r\nhi\r\n");
        let fields = String::from_utf8(sign_message(message.as_bytes(), &[rsa(), ed25519()], NOW).unwrap()).unwrap();
        let with = |more: &str| format!("{fields}{more}{message}").into_bytes();
        let mut copies = vec![with(""), with("X-Other: 2\r\n")];
        copies.extend(OVERSIGNED.map(|name| with(&format!("{name}: b\r\n"))));
        let Some(results) = dkimpy(&[&rsa(), &ed25519()], &copies) else { return };
        assert_eq!(results[..2], ["pass pass"; 2]);
        for (name, result) in OVERSIGNED.iter().zip(&results[2..]) {
            assert_eq!(result, "fail fail", "{name}");
        }
    }
}

#[test]
fn real_dkimpy_finds_what_was_changed_or_added() {
    let message = b"From: ann@example.com\r\nSubject: a  b\r\n\r\nhi  there\r\n";
    let signers = [rsa(), ed25519().canonicalization(Canonicalization::Simple, Canonicalization::Simple)];
    let signed = String::from_utf8([sign_message(message, &signers, NOW).unwrap(), message.to_vec()].concat()).unwrap();
    let changed: Vec<Vec<u8>> = [
        signed.clone(),
        signed.replace("hi  there", "hi there"),
        signed.replace("a  b", "a b"),
        signed.replace("hi  there", "hi  here"),
        signed.replace("\r\nFrom:", "\r\nSubject: c\r\nFrom:"),
        signed.replace("\r\nFrom:", "\r\nList-Unsubscribe: <https://example.net/>\r\nFrom:"),
        signed.replace("\r\nFrom:", "\r\nX-Other: 1\r\nFrom:"),
        format!("{signed}more\r\n"),
    ]
    .map(String::into_bytes)
    .into();
    let Some(results) = dkimpy(&[&rsa(), &ed25519()], &changed) else { return };
    let passed: Vec<Vec<bool>> = results
        .iter()
        .map(|line| line.split(' ').filter(|word| word.starts_with("pass") || word.starts_with("fail")))
        .map(|words| words.map(|word| word == "pass").collect())
        .collect();
    let both = |relaxed, simple| vec![relaxed, simple];
    assert_eq!(
        passed,
        [
            both(true, true),
            both(true, false),
            both(true, false),
            both(false, false),
            both(false, false),
            both(false, false),
            both(true, true),
            both(false, false),
        ]
    );
}

fn letter() -> MessageBuilder<Stamps> {
    let stamps = Stamps::new(time::macros::datetime!(2026-11-23 07:03 UTC), 7);
    MessageBuilder::new(stamps)
        .from("Ann <ann@example.com>")
        .to("bob@example.org")
        .subject("Größe and a subject that goes on until it has to be folded, and then some more")
        .text(".a dot\n..\n\ntrailing blanks   \n\n\n")
}

#[test]
fn a_message_in_the_form_for_a_server_is_signed_as_its_bytes_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.bin");
    fs::write(&path, (0..200_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>()).unwrap();
    let simple = ed25519().canonicalization(Canonicalization::Simple, Canonicalization::Simple);
    let signers = [rsa(), simple, ed25519()];
    for message in [letter().build().unwrap(), letter().attach(Attachment::file(&path)).build().unwrap()] {
        let encoded = message.encode(Capabilities::default()).unwrap();
        let plain = encoded.to_bytes().unwrap();
        let expected = [sign_message(&plain, &signers, NOW).unwrap(), plain.to_vec()].concat();
        let signed = encoded.sign(&signers, NOW).unwrap();
        assert_eq!(signed.size(), Some(expected.len() as u64));
        assert!(signed.to_bytes().unwrap() == expected);
        let chunks: Vec<u8> = signed.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
        assert!(chunks == expected);
    }
}

#[test]
fn what_can_be_read_once_cannot_be_signed_and_is_left_unread() {
    let message = letter().attach(Attachment::reader("a.bin", Some(3), &b"abc"[..])).build().unwrap();
    let encoded = message.encode(Capabilities::default()).unwrap();
    assert!(matches!(encoded.clone().sign(&[rsa()], NOW), Err(SignError::ReadsOnce)));
    assert!(encoded.to_bytes().is_ok());
}
