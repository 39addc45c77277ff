//! Exchanges of both halves, joined in memory, and hostile peers

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CLIENT_NONCE: &[u8] = &[7; 18];
const SERVER_NONCE: &[u8] = &[9; 18];
const HOST: &str = "mail.example.com";

fn available() -> Vec<Mechanism> {
    Mechanisms::available().iter().collect()
}

fn users() -> BTreeMap<String, Secret> {
    BTreeMap::from([
        ("ann".to_owned(), Secret::new("s3cret, =strange= señal")),
        ("a,b=c".to_owned(), Secret::new("pencil")),
        ("locked".to_owned(), Secret::new("")),
    ])
}

fn context() -> ExchangeContext<'static> {
    ExchangeContext { host: HOST, port: 587, nonce: CLIENT_NONCE }
}

fn client(mechanism: Mechanism, user: &str, secret: &str) -> ClientExchange {
    let credentials = if mechanism.takes_token() {
        Credentials::token(user, secret).unwrap()
    } else {
        Credentials::password(user, secret).unwrap()
    };
    ClientExchange::start(mechanism, &credentials, context()).unwrap()
}

/// Joins both halves until the server decides. Counts the challenges.
fn dialogue(client: &mut ClientExchange, with_initial: bool) -> (ServerStep, usize) {
    let users = users();
    let initial = with_initial.then(|| client.initial_response()).flatten();
    let initial = initial.as_ref().map(|bytes| bytes.as_slice());
    let (mut server, mut step) = ServerExchange::start(client.mechanism(), initial, &users, SERVER_NONCE, HOST);
    let mut challenges = 0;
    while let ServerStep::Challenge(challenge) = &step {
        challenges += 1;
        let response = client.respond(challenge).unwrap();
        step = server.respond(&response, &users);
    }
    (step, challenges)
}

fn accepted(user: &str) -> ServerStep {
    let user = user.to_owned();
    ServerStep::Accepted { user }
}

#[test]
fn the_right_secret_logs_in_by_every_mechanism_with_and_without_initial_response() {
    for mechanism in available() {
        for with_initial in [true, false] {
            for (user, secret) in [("ann", "s3cret, =strange= señal"), ("a,b=c", "pencil")] {
                let mut client = client(mechanism, user, secret);
                let (step, challenges) = dialogue(&mut client, with_initial);
                assert_eq!(step, accepted(user), "{mechanism}");
                assert_eq!(client.finish(), Ok(()), "{mechanism}");
                let expected = match mechanism {
                    Mechanism::Login => 2,
                    Mechanism::CramMd5 => 1,
                    Mechanism::ScramSha256 => 3 - usize::from(with_initial),
                    _ => 1 - usize::from(with_initial),
                };
                assert_eq!(challenges, expected, "{mechanism}");
            }
        }
    }
}

#[test]
fn a_wrong_secret_an_unknown_user_and_a_locked_one_are_refused_alike() {
    for mechanism in available() {
        for (user, secret) in [("ann", "pencil"), ("nobody", "decoy"), ("locked", "decoy")] {
            let mut client = client(mechanism, user, secret);
            let (step, _) = dialogue(&mut client, true);
            assert_eq!(step, ServerStep::Rejected(Rejection::BadCredentials), "{mechanism} {user}");
        }
    }
}

#[test]
fn a_refused_token_leaves_the_servers_words() {
    for (mechanism, words) in [
        (Mechanism::OAuthBearer, r#"{"status":"invalid_token"}"#),
        (Mechanism::XOAuth2, r#"{"status":"401","schemes":"Bearer"}"#),
    ] {
        let mut client = client(mechanism, "ann", "expired");
        let (step, _) = dialogue(&mut client, true);
        assert_eq!(step, ServerStep::Rejected(Rejection::BadCredentials));
        assert_eq!(client.server_words(), Some(words));
    }
}

#[test]
fn the_answer_to_a_token_error_is_what_each_mechanism_asks_for() {
    for (mechanism, answer) in [(Mechanism::OAuthBearer, b"\x01".as_slice()), (Mechanism::XOAuth2, b"")] {
        let mut client = client(mechanism, "ann", "expired");
        let _ = client.initial_response();
        assert_eq!(**client.respond(b"{\r\n}\xff").unwrap(), *answer);
        assert_eq!(client.server_words(), Some("{  }\u{fffd}"));
        let error = client.respond(b"again").unwrap_err();
        assert_eq!(error, SaslError::Server { mechanism, fault: ServerFault::UnexpectedChallenge });
    }
}

#[test]
fn a_password_serves_as_token_but_a_token_never_as_password() {
    let password = Credentials::password("ann", "ya29").unwrap();
    let mut exchange = ClientExchange::start(Mechanism::XOAuth2, &password, context()).unwrap();
    assert_eq!(**exchange.initial_response().unwrap(), *b"user=ann\x01auth=Bearer ya29\x01\x01");
    let token = Credentials::token("ann", "ya29").unwrap();
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        let error = ClientExchange::start(mechanism, &token, context()).unwrap_err();
        assert_eq!(error, SaslError::NeedsPassword(mechanism));
    }
}

#[test]
fn a_host_with_control_characters_is_refused() {
    let token = Credentials::token("ann", "ya29").unwrap();
    let context = ExchangeContext { host: "mail\x01auth=Bearer x", ..context() };
    let error = ClientExchange::start(Mechanism::OAuthBearer, &token, context).unwrap_err();
    assert_eq!(error, SaslError::InvalidHost { position: 4 });
}

#[test]
fn credentials_changed_behind_the_constructor_are_still_refused() {
    let mut credentials = Credentials::password("ann", "pw").unwrap();
    if let Credentials::Password { user, .. } = &mut credentials {
        user.push('\0');
    }
    let error = ClientExchange::start(Mechanism::Plain, &credentials, context()).unwrap_err();
    assert!(matches!(error, SaslError::Credentials(invalid) if invalid.position == 3));
}

#[test]
fn a_challenge_beyond_the_exchange_is_the_servers_fault() {
    let mut plain = client(Mechanism::Plain, "ann", "pw");
    let _ = plain.initial_response();
    let error = plain.respond(b"and your PIN?").unwrap_err();
    assert!(error.blames_server());
    assert_eq!(error.to_string(), "PLAIN: the server sent a challenge after the exchange was complete");
    let mut early = client(Mechanism::Plain, "ann", "pw");
    assert!(early.respond(b"text").is_err());
    assert!(early.respond(b"").is_err(), "nothing is sent after an error");
}

#[test]
fn what_is_not_compiled_in_is_refused_by_both_halves() {
    let password = Credentials::password("ann", "pw").unwrap();
    for mechanism in Mechanism::ALL {
        let client = ClientExchange::start(mechanism, &password, context()).map(drop);
        let (_, server) = ServerExchange::start(mechanism, None, &users(), SERVER_NONCE, HOST);
        if mechanism.available() {
            assert_eq!(client, Ok(()));
            assert!(matches!(server, ServerStep::Challenge(_)));
        } else {
            assert_eq!(client, Err(SaslError::NotCompiledIn(mechanism)));
            let rejection = Rejection::Unavailable(mechanism);
            assert_eq!(server, ServerStep::Rejected(rejection));
        }
    }
}

#[test]
fn nothing_follows_a_decision() {
    let (mut server, step) =
        ServerExchange::start(Mechanism::Plain, Some(b"\0a,b=c\0pencil"), &users(), SERVER_NONCE, HOST);
    assert_eq!(step, accepted("a,b=c"));
    let step = server.respond(b"\0a,b=c\0pencil", &users());
    assert!(matches!(step, ServerStep::Rejected(Rejection::Malformed(_))));
}

#[test]
fn no_debug_output_holds_a_secret() {
    for mechanism in available() {
        let client = client(mechanism, "ann", "hunter2");
        assert!(!format!("{client:?}").contains("hunter2"));
    }
    let (server, _) = ServerExchange::start(Mechanism::Login, Some(b"ann"), &users(), SERVER_NONCE, HOST);
    assert_eq!(format!("{server:?}"), "ServerExchange { mechanism: Login, .. }");
}

#[cfg(feature = "cram-md5")]
#[test]
fn cram_md5_has_no_initial_response() {
    let users = users();
    let (_, step) = ServerExchange::start(Mechanism::CramMd5, Some(b""), &users, SERVER_NONCE, HOST);
    assert!(matches!(step, ServerStep::Rejected(Rejection::Malformed(_))));
    let mut client = client(Mechanism::CramMd5, "ann", "pw");
    assert!(client.initial_response().is_none());
    assert!(client.respond(b"").unwrap_err().blames_server());
}

#[cfg(any(feature = "cram-md5", feature = "scram"))]
#[test]
fn a_server_without_a_nonce_offers_no_challenge() {
    for mechanism in [Mechanism::CramMd5, Mechanism::ScramSha256] {
        if mechanism.available() {
            let (_, step) = ServerExchange::start(mechanism, None, &users(), &[0; 11], HOST);
            assert_eq!(step, ServerStep::Rejected(Rejection::ShortNonce));
        }
    }
}

fn any_mechanism() -> impl Strategy<Value = Mechanism> {
    prop::sample::select(available())
}

/// Bytes that get further into a parser than noise does.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "r=",
        "s=",
        "i=4096",
        "v=",
        "e=",
        "m=",
        "c=biws",
        "p=",
        "n,",
        "y,",
        "n=",
        "a=",
        ",",
        "=",
        "=2C",
        "=3D",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcH",
        "CQkJCQkJ",
        "user=",
        "auth=Bearer ",
        "\x01",
        "\x01\x01",
        "\0",
        " ",
        "é",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_client_survives_any_challenge(
        mechanism in any_mechanism(),
        challenges in prop::collection::vec(message(), 1..4),
        with_initial: bool,
    ) {
        let mut client = client(mechanism, "ann", "pw");
        if with_initial {
            let _ = client.initial_response();
        }
        for challenge in &challenges {
            if let Err(error) = client.respond(challenge) {
                prop_assert!(error.blames_server());
            }
        }
        prop_assert_eq!(client.finish().is_ok(), mechanism != Mechanism::ScramSha256);
    }

    #[test]
    fn a_server_survives_any_response_and_lets_nobody_in(
        mechanism in any_mechanism(),
        initial in prop::option::of(message()),
        responses in prop::collection::vec(message(), 0..4),
    ) {
        let users = users();
        let (mut server, step) =
            ServerExchange::start(mechanism, initial.as_deref(), &users, SERVER_NONCE, HOST);
        let accepted = matches!(step, ServerStep::Accepted { .. });
        prop_assert!(!accepted);
        for response in &responses {
            let step = server.respond(response, &users);
            let accepted = matches!(step, ServerStep::Accepted { .. });
            prop_assert!(!accepted);
        }
    }
}
