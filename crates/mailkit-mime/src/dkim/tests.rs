//! The published examples: what they hash and what signs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};

use super::*;
use crate::dkim::selection::Selection;

/// The header of RFC 8463 appendix A.3, without signatures.
const HEADER: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";

/// Its body.
const BODY: &str = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

/// The canonical fields of these names and the canonical signature field without its value.
fn signed_data(form: Canonicalization, header: &str, names: &[&str], signature: &str) -> Vec<u8> {
    let mut selection = Selection::default();
    selection.set_oversigned::<&str>([]).unwrap();
    selection.set_signed(names).unwrap();
    let (_, mut data) = selection.apply(&fields::parse(header.as_bytes()).unwrap(), form);
    form.field(signature.as_bytes(), &mut data);
    data
}

fn verify_rsa(public_key: &str, data: &[u8], signature: &str) {
    // ring takes the RSAPublicKey within the SubjectPublicKeyInfo: behind 22 octets with 1024 bits.
    let info = STANDARD.decode(public_key).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &info[22..])
        .verify(data, &STANDARD.decode(signature).unwrap())
        .unwrap();
}

fn body_hash(form: Canonicalization, body: &str) -> String {
    let mut hasher = BodyHasher::new(form);
    hasher.update(body.as_bytes());
    hasher.finish().unwrap().to_base64()
}

const NAMES: [&str; 5] = ["from", "to", "subject", "date", "message-id"];

#[test]
fn the_ed25519_key_of_rfc_8463_makes_the_signature_of_its_appendix() {
    let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let data = signed_data(
        Canonicalization::Relaxed,
        HEADER,
        &NAMES,
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
         d=football.example.com; i=@football.example.com;\r\n \
         q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
         subject : date : message-id : from : subject : date;\r\n \
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=",
    );
    assert_eq!(
        STANDARD.encode(key.sign(&data).unwrap()),
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
    );
    assert_eq!(body_hash(Canonicalization::Relaxed, BODY), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

#[test]
fn the_rsa_signature_of_rfc_8463_holds_for_what_is_hashed_here() {
    let data = signed_data(
        Canonicalization::Relaxed,
        HEADER,
        &NAMES,
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n \
         d=football.example.com; i=@football.example.com;\r\n \
         q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n \
         date : message-id : from : subject : date;\r\n \
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=",
    );
    verify_rsa(
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b\
         yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l\
         /K4w3QIDAQAB",
        &data,
        "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGs\
         geefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=",
    );
}

/// With errata 3192 (one blank in the body) and 4926 (six blanks before the lines of the signature).
#[test]
fn the_simple_signature_of_rfc_6376_appendix_a_2_holds_for_what_is_hashed_here() {
    let header = format!(
        "Received: from client1.football.example.com  [192.0.2.1]\r\n      \
         by submitserver.example.com with SUBMISSION;\r\n      \
         Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n{HEADER}"
    );
    let data = signed_data(
        Canonicalization::Simple,
        &header,
        &["Received", "From", "To", "Subject", "Date", "Message-ID"],
        "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n      \
         c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n      \
         h=Received : From : To : Subject : Date : Message-ID;\r\n      \
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n      b=;",
    );
    verify_rsa(
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcT\
         Nh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ\
         2QIDAQAB",
        &data,
        "AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\
         KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV4bmp/YzhwvcubU4=",
    );
    let body = BODY.replace(".  Are", ". Are");
    assert_eq!(body_hash(Canonicalization::Simple, &body), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

#[test]
fn a_message_is_split_behind_the_last_field() {
    for (message, header, body) in [
        ("A: 1\r\n\r\nb\r\n", "A: 1\r\n", "b\r\n"),
        ("A: 1\r\n\r\n\r\n\r\nb", "A: 1\r\n", "\r\n\r\nb"),
        ("A: 1\r\n\r\n", "A: 1\r\n", ""),
        ("A: 1\r\n", "A: 1\r\n", ""),
        ("\r\nA: 1\r\n\r\nb", "", "A: 1\r\n\r\nb"),
        ("", "", ""),
    ] {
        assert_eq!(split(message.as_bytes()), (header.as_bytes(), body.as_bytes()), "{message:?}");
    }
}
