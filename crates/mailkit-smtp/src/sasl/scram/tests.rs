//! The example of RFC 7677 §3, and peers that cheat

use std::collections::BTreeMap;

use super::super::{
    ClientExchange, Credentials, ExchangeContext, Mechanism, Rejection, SaslError, Secret, ServerExchange, ServerFault,
    ServerStep, decode_base64, encode_base64,
};
use super::keys::Keys;
use super::{MAX_ITERATIONS, MIN_ITERATIONS};

const CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                              p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

/// A client that has sent its first message.
fn rfc_client() -> ClientExchange {
    let credentials = Credentials::password("user", "pencil").unwrap();
    let nonce = decode_base64("rOprNGfwEbeRWgbNEkqO").unwrap();
    let context = ExchangeContext { host: "", port: 0, nonce: &nonce };
    let mut client = ClientExchange::start(Mechanism::ScramSha256, &credentials, context).unwrap();
    assert_eq!(**client.initial_response().unwrap(), *CLIENT_FIRST);
    client
}

fn fault(result: Result<zeroize::Zeroizing<Vec<u8>>, SaslError>) -> ServerFault {
    match result.unwrap_err() {
        SaslError::Server { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc_7677_section_3() {
    let mut client = rfc_client();
    let response = client.respond(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(**response, *CLIENT_FINAL);
    assert!(client.finish().is_err());
    assert!(client.respond(SERVER_FINAL).unwrap().is_empty());
    assert_eq!(client.finish(), Ok(()));
}

#[test]
fn the_server_signs_the_example_alike() {
    let salt = decode_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = Keys::derive("pencil", &salt, 4096);
    let (without_proof, _) = std::str::from_utf8(CLIENT_FINAL).unwrap().rsplit_once(",p=").unwrap();
    let auth_message = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{SERVER_FIRST},{without_proof}");
    let signature = encode_base64(&keys.server_signature(&auth_message));
    assert_eq!(format!("v={}", *signature).as_bytes(), SERVER_FINAL);
}

#[test]
fn a_tampered_signature_unmasks_the_server() {
    for signature in [
        b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".as_slice(),
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==",
        b"v=",
    ] {
        let mut client = rfc_client();
        client.respond(SERVER_FIRST.as_bytes()).unwrap();
        assert_eq!(fault(client.respond(signature)), ServerFault::WrongSignature);
        assert!(client.finish().is_err(), "a 235 after it changes nothing");
    }
}

#[test]
fn success_without_a_signature_is_not_believed() {
    let mut client = rfc_client();
    assert_eq!(
        client.finish().unwrap_err().to_string(),
        "SCRAM-SHA-256: the server reported success without proving that it knows the password: \
         it may be an impostor"
    );
    client.respond(SERVER_FIRST.as_bytes()).unwrap();
    assert!(client.finish().is_err());
}

#[test]
fn iteration_counts_out_of_bounds_are_refused_before_any_work() {
    let with_count = |count: &str| {
        let challenge = SERVER_FIRST.replace("i=4096", &format!("i={count}"));
        fault(rfc_client().respond(challenge.as_bytes()))
    };
    let too_few = |asked| ServerFault::TooFewIterations { asked, minimum: MIN_ITERATIONS };
    let too_many = ServerFault::TooManyIterations { maximum: MAX_ITERATIONS };
    assert_eq!(with_count("0"), too_few(0));
    assert_eq!(with_count("4095"), too_few(4095));
    assert_eq!(with_count("1000001"), too_many);
    assert_eq!(with_count("4294967295"), too_many);
    assert_eq!(with_count(&"9".repeat(1000)), too_many);
    for nonsense in ["", "-1", "+4096", "4096 ", "0x1000"] {
        assert!(matches!(with_count(nonsense), ServerFault::Malformed(_)));
    }
}

#[test]
fn a_nonce_that_does_not_continue_the_clients_is_foreign() {
    for nonce in [
        "rOprNGfwEbeRWgbNEkqO",
        "rOprNGfwEbeRWgbNEkq0%hvYDpWUa2RaTCAfuxFIlj",
        "%hvYDpWUa2RaTCAfuxFIljrOprNGfwEbeRWgbNEkqO",
    ] {
        let challenge = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let fault = fault(rfc_client().respond(challenge.as_bytes()));
        assert_eq!(fault, ServerFault::ForeignNonce, "{nonce}");
    }
}

#[test]
fn a_mandatory_extension_and_a_refusal_are_surfaced() {
    let challenge = format!("m=new,{SERVER_FIRST}");
    assert_eq!(fault(rfc_client().respond(challenge.as_bytes())), ServerFault::MandatoryExtension);
    assert_eq!(fault(rfc_client().respond(b"e=unknown-user")), ServerFault::Refused("unknown-user".to_owned()));
    let mut client = rfc_client();
    client.respond(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(
        client.respond(b"e=invalid-proof,x=1").unwrap_err().to_string(),
        "SCRAM-SHA-256: the server refused: invalid-proof"
    );
}

#[test]
fn an_extension_that_may_be_ignored_is() {
    let mut client = rfc_client();
    let challenge = format!("{SERVER_FIRST},x=anything");
    assert!(client.respond(challenge.as_bytes()).is_ok());
}

#[test]
fn malformed_challenges_are_the_servers_fault() {
    let long_salt = encode_base64(&[1; 1025]).to_string();
    for challenge in [
        String::new(),
        "r=rOprNGfwEbeRWgbNEkqO%".to_owned(),
        "r=rOprNGfwEbeRWgbNEkqO%,s=,i=4096".to_owned(),
        "r=rOprNGfwEbeRWgbNEkqO%,s=W22Z*,i=4096".to_owned(),
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqO%,i=4096".to_owned(),
        "r=rOprNGfwEbeRWgbNEkqO\x07,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".to_owned(),
        format!("r=rOprNGfwEbeRWgbNEkqO%,s={long_salt},i=4096"),
        format!("{SERVER_FIRST},x={}", "y".repeat(5000)),
    ] {
        let fault = fault(rfc_client().respond(challenge.as_bytes()));
        assert!(matches!(fault, ServerFault::Malformed(_)), "{challenge}: {fault:?}");
    }
}

#[test]
fn a_nonce_that_can_be_guessed_is_ours_to_refuse() {
    let credentials = Credentials::password("user", "pencil").unwrap();
    let context = ExchangeContext { host: "", port: 0, nonce: &[1; 11] };
    let error = ClientExchange::start(Mechanism::ScramSha256, &credentials, context).unwrap_err();
    assert!(!error.blames_server());
    assert_eq!(error.to_string(), "a nonce of 11 bytes can be guessed: at least 12 are needed");
}

fn users() -> BTreeMap<String, Secret> {
    BTreeMap::from([("user".to_owned(), Secret::new("pencil"))])
}

/// A server that has read the first message, and its answer.
fn server(first: &[u8]) -> (ServerExchange, ServerStep) {
    ServerExchange::start(Mechanism::ScramSha256, Some(first), &users(), &[9; 18], "mx")
}

fn malformed(step: &ServerStep) -> bool {
    matches!(step, ServerStep::Rejected(Rejection::Malformed(_)))
}

#[test]
fn the_server_refuses_first_messages_that_break_the_grammar() {
    for first in [
        "",
        "n,,",
        "n,,n=,r=abc",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,r=abc,n=user",
        "n,,m=ext,n=user,r=abc",
        "n,,n=us=2Xer,r=abc",
        "n,,n=user,r=a\x7fb",
        "p=tls-unique,,n=user,r=abc",
        "n,user,n=user,r=abc",
    ] {
        assert!(malformed(&server(first.as_bytes()).1), "{first:?}");
    }
    assert_eq!(server(b"n,a=boss,n=user,r=abc").1, ServerStep::Rejected(Rejection::BadCredentials));
    for first in ["y,,n=user,r=abc", "n,a=user,n=user,r=abc"] {
        let (_, step) = server(first.as_bytes());
        assert!(matches!(step, ServerStep::Challenge(_)), "{first:?}");
    }
}

#[test]
fn an_unknown_user_sees_a_salt_that_stays_the_same_and_is_his_own() {
    let challenge = |user: &str| match server(format!("n,,n={user},r=abc").as_bytes()).1 {
        ServerStep::Challenge(challenge) => challenge,
        other => panic!("{other:?}"),
    };
    assert_eq!(challenge("nobody"), challenge("nobody"));
    assert_ne!(challenge("nobody"), challenge("somebody"));
    assert_eq!(challenge("nobody").len(), challenge("user").len());
}

#[test]
fn the_server_refuses_another_header_or_nonce_than_it_began_with() {
    let (_, step) = server(b"n,,n=user,r=abc");
    let ServerStep::Challenge(challenge) = step else { panic!("{step:?}") };
    let challenge = String::from_utf8(challenge).unwrap();
    let nonce = challenge.split(',').next().unwrap();
    let proof = encode_base64(&[0; 32]);
    let answer = |response: &str| server(b"n,,n=user,r=abc").0.respond(response.as_bytes(), &users());
    assert!(malformed(&answer(&format!("c=eSws,{nonce},p={}", *proof))));
    assert!(malformed(&answer(&format!("c=biws,r=abc,p={}", *proof))));
    assert!(malformed(&answer(&format!("c=biws,{nonce}"))));
    for proof in [proof.as_str(), "", "AAAA"] {
        assert_eq!(answer(&format!("c=biws,{nonce},p={proof}")), ServerStep::Rejected(Rejection::BadCredentials));
    }
}

#[test]
fn one_password_in_two_spellings_is_one_password() {
    let credentials = Credentials::password("user", "I\u{ad}X \u{2168} e\u{301}").unwrap();
    let users = BTreeMap::from([("user".to_owned(), Secret::new("IX\u{a0}IX é"))]);
    let context = ExchangeContext { host: "", port: 0, nonce: &[1; 18] };
    let mut client = ClientExchange::start(Mechanism::ScramSha256, &credentials, context).unwrap();
    let first = client.initial_response().unwrap();
    let (mut server, mut step) = ServerExchange::start(Mechanism::ScramSha256, Some(&first), &users, &[2; 18], "mx");
    while let ServerStep::Challenge(challenge) = &step {
        step = server.respond(&client.respond(challenge).unwrap(), &users);
    }
    assert!(matches!(step, ServerStep::Accepted { .. }));
    assert_eq!(client.finish(), Ok(()));
}
