//! Server URLs: what each part means, what is refused, and that no password is ever shown.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::path::Path;
use std::time::Duration;

use mailkit_connection::{ConnectorConfig, Endpoint, Protocol, Proxy, ServerUrl, TimeLimits, TlsMode, UrlError};
use mailkit_smtp::sasl::{Credentials, Mechanism, Secret};
use proptest::prelude::*;

fn config(url: &str) -> ConnectorConfig {
    ServerUrl::parse(url).unwrap().into_config().unwrap()
}

fn refusal(url: &str) -> UrlError {
    match ServerUrl::parse(url) {
        Ok(url) => panic!("accepted: {url}"),
        Err(error) => error,
    }
}

#[test]
fn scheme_gives_protocol_port_and_encryption() {
    for (url, protocol, endpoint, tls) in [
        ("smtp://h.example", Protocol::Smtp, "h.example:587", TlsMode::StartTls),
        ("SMTP://H.example:25/", Protocol::Smtp, "h.example:25", TlsMode::StartTls),
        ("smtp://h.example?tls=required", Protocol::Smtp, "h.example:587", TlsMode::StartTls),
        ("smtp://h.example?tls=opportunistic", Protocol::Smtp, "h.example:587", TlsMode::Opportunistic),
        ("smtp://h.example/?tls=none", Protocol::Smtp, "h.example:587", TlsMode::None),
        ("smtps://[2001:db8::1]", Protocol::Smtp, "[2001:db8::1]:465", TlsMode::Implicit),
        ("smtps://[::1]:4650", Protocol::Smtp, "[::1]:4650", TlsMode::Implicit),
        ("lmtp://h.example", Protocol::Lmtp, "h.example:24", TlsMode::None),
        ("lmtp://h.example?tls=required", Protocol::Lmtp, "h.example:24", TlsMode::StartTls),
        ("lmtp+unix:///run/dovecot/lmtp%20in", Protocol::Lmtp, "/run/dovecot/lmtp in", TlsMode::None),
        (
            "smtp://b%C3%BCcher.example".replace("%C3%BC", "ü").as_str(),
            Protocol::Smtp,
            "xn--bcher-kva.example:587",
            TlsMode::StartTls,
        ),
    ] {
        let config = config(url);
        assert_eq!(config.protocol(), protocol, "{url}");
        assert_eq!(config.endpoint().to_string(), endpoint, "{url}");
        assert_eq!(config.tls_mode(), tls, "{url}");
    }
}

#[test]
fn user_and_password_are_percent_decoded() {
    for (url, user, password) in [
        ("smtp://ann:s3cret@h", "ann", "s3cret"),
        ("smtp://ann%40example.com:p%3A%2F%3F%23%40%25@h", "ann@example.com", "p:/?#@%"),
        // A mail address as the user is no mistake: no host holds an @.
        ("smtp://ann@example.com:s3cret@h", "ann@example.com", "s3cret"),
        ("smtp://ann:a:b@h", "ann", "a:b"),
        ("smtp://ann:+%2B@h", "ann", "++"),
        ("smtp://ann:p%C3%A4ss@h", "ann", "päss"),
    ] {
        let config = config(url);
        let credentials = config.credentials().unwrap();
        assert_eq!((credentials.user(), credentials.secret().expose()), (user, password), "{url}");
    }
    assert!(config("smtp://h").credentials().is_none());
}

#[test]
fn every_parameter_reaches_the_settings() {
    let config = config(
        "smtp://ann:t0ken@h?auth=XOAUTH2&allow-cleartext-auth=yes&ehlo=me.example&pipelining=off&chunking=off\
         &timeout=2.5&proxy=http://p.example:3128&insecure=no-verify",
    );
    assert_eq!(config.mechanism(), Some(Mechanism::XOAuth2));
    assert!(matches!(config.credentials(), Some(Credentials::Token { .. })));
    assert!(config.allows_cleartext_auth());
    assert_eq!(config.ehlo_name(), Some("me.example"));
    assert!(!config.uses_pipelining() && !config.uses_chunking());
    assert_eq!(*config.limits(), TimeLimits::uniform(Duration::from_millis(2500)));
    assert_eq!(config.proxy().map(ToString::to_string).as_deref(), Some("http://p.example:3128"));
    assert!(config.tls().accepts_any_certificate());
}

#[test]
fn without_parameters_the_defaults_hold() {
    let config = config("smtp://h?&");
    assert_eq!(config.mechanism(), None);
    assert!(!config.allows_cleartext_auth());
    assert_eq!(config.ehlo_name(), None);
    assert!(config.uses_pipelining() && config.uses_chunking());
    assert_eq!(*config.limits(), TimeLimits::default());
    assert!(config.proxy().is_none());
    assert!(!config.tls().accepts_any_certificate());
}

#[test]
fn ehlo_takes_domains_and_address_literals() {
    for (given, name) in [
        ("me.example", "me.example"),
        ("B%C3%BCcher.example", "xn--bcher-kva.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ] {
        assert_eq!(config(&format!("smtp://h?ehlo={given}")).ehlo_name(), Some(name));
    }
    for bad in ["", "192.0.2.1", "a%20b", "[me]", "a%3Eb", "["] {
        let error = refusal(&format!("smtp://h?ehlo={bad}"));
        assert!(matches!(error, UrlError::BadValue { name: "ehlo", .. }), "{bad}: {error:?}");
    }
}

#[test]
fn a_refusal_names_the_part_and_what_is_allowed() {
    for (url, words) in [
        ("host", "the URL has no scheme: use smtp://, smtps://, lmtp:// or lmtp+unix://"),
        ("https://h", "the scheme \"https\" is unknown: use smtp://, smtps://, lmtp:// or lmtp+unix://"),
        ("smtp://", "the host is missing"),
        ("smtp://:25", "the host is missing"),
        ("smtp://h/inbox", "something stands behind the host: only parameters (?name=value) may"),
        ("smtp://h?pipelining=off#x", "something stands behind the host: only parameters (?name=value) may"),
        ("smtp://:pw@h", "there is a password, but no user"),
        ("smtp://a%zz:pw@h", "the user holds a percent sign without two hexadecimal digits behind it: write it %25"),
        ("smtp://ann:%ff@h", "the password is no UTF-8 once percent-decoded"),
        ("smtp://ann:a%0Ab@h", "the password holds a control character"),
        ("smtp://ann%00:x@h", "the user holds a control character"),
        ("smtp://h?ehlo=a%0d%0aRSET", "the ehlo holds a control character"),
        ("smtp://h\r\n", "the URL holds a control character"),
        ("smtp://h?tls=maybe", "the parameter tls cannot be \"maybe\": use required, opportunistic or none"),
        ("smtps://h?tls=none", "the parameter tls has no meaning with smtps://"),
        ("smtp://h?tls=none&tls=none", "the parameter tls is given twice"),
        (
            "smtp://h?timeout=0",
            "the parameter timeout cannot be \"0\": use seconds, not milliseconds: from 0.1 to 3600",
        ),
        (
            "smtp://h?timeout=1e3",
            "the parameter timeout cannot be \"1e3\": use seconds, not milliseconds: from 0.1 to 3600",
        ),
        (
            "smtp://h?timeout=0.05",
            "the parameter timeout cannot be \"0.05\": use seconds, not milliseconds: from 0.1 to 3600",
        ),
        (
            "smtp://h?timeout=30000",
            "the parameter timeout cannot be \"30000\": use seconds, not milliseconds: from 0.1 to 3600",
        ),
        (
            "smtp://h?timeout=inf",
            "the parameter timeout cannot be \"inf\": use seconds, not milliseconds: from 0.1 to 3600",
        ),
        ("smtp://h?pipelining=no", "the parameter pipelining cannot be \"no\": use on or off"),
        ("smtp://h?insecure=yes", "the parameter insecure cannot be \"yes\": use no-verify"),
        ("smtp://h?cert=c.pem", "the parameter cert is given, but key is missing"),
        ("smtp://h?key=k.pem", "the parameter key is given, but cert is missing"),
        ("smtp://h?ca=", "the parameter ca cannot be \"\": use the path of a file"),
        ("smtp://h?proxy=p.example", "the parameter proxy is no proxy URL"),
        ("lmtp+unix://host/run/lmtp", "a Unix socket is written lmtp+unix:///absolute/path, without a host"),
        ("lmtp+unix://", "a Unix socket is written lmtp+unix:///absolute/path, without a host"),
        ("lmtp+unix:///run/lmtp?tls=none", "the parameter tls has no meaning with lmtp+unix://"),
        ("lmtp+unix:///run/l%00mtp", "the socket path holds a control character"),
        ("smtp://ann:x@h?password-file=/f", "there is a password and a password-file: only one may be given"),
    ] {
        assert_eq!(refusal(url).to_string(), words, "{url:?}");
    }
    let unknown = refusal("smtp://h?ciphers=all").to_string();
    assert!(unknown.starts_with("the parameter \"ciphers\" is unknown: there are tls, auth, ca"), "{unknown}");
}

#[test]
fn ports_are_numbers_from_1_to_65535() {
    for port in ["0", "65536", "+25", "25x", "-1", " 25", "99999999999", ":25", "2:5"] {
        let error = refusal(&format!("smtp://h:{port}"));
        assert!(matches!(error, UrlError::Port), "{port}: {error:?}");
    }
    // Bare IPv6 looks like a host with a port.
    assert!(matches!(refusal("smtp://2001:db8::1"), UrlError::Port));
    assert!(matches!(refusal("smtp://[::1]x:25"), UrlError::Host(_)));
}

#[test]
fn a_password_that_breaks_the_url_is_not_quoted() {
    for url in [
        "smtp://ann:PW/x@h",
        "smtp://ann:PW?x@h",
        "smtp://ann:PW#x@h",
        "smtp://ann:12?PW@h",
        "smtp://ann:12?PW=1&PW@h",
        "smtp://ann:12/PW?tls=none&x@h",
        "smtp://h?proxy=http://ann:PW/x@p",
        "smtp://h?proxy=ftp://ann:PW@p",
        "smtp://ann:PW",
        "PW:PW://h",
        "smtp://ann:PW%zz@h",
        "smtp://ann:PW@h@h:1x",
        "smtp://ann:PW@[h",
        "smtp://ann:x@PW /@h",
    ] {
        let error = refusal(url);
        let mut words = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            words.push_str(&inner.to_string());
            source = inner.source();
        }
        assert!(!words.contains("PW"), "{url}: {words}");
    }
}

#[test]
fn the_password_can_come_from_elsewhere() {
    let url = ServerUrl::parse("smtp://ann@h").unwrap();
    assert!(url.password_missing());
    assert!(matches!(url.clone().into_config(), Err(UrlError::PasswordMissing)));

    let url = url.with_password(Secret::new("s3cret"));
    assert!(!url.password_missing());
    assert_eq!(url.to_string(), "smtp://ann:***@h");
    assert!(!ServerUrl::parse("smtp://h").unwrap().password_missing());
    // What a script's empty variable leaves is no password.
    assert!(ServerUrl::parse("smtp://ann:@h").unwrap().password_missing());
}

#[test]
fn the_password_file_is_read_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let read = |content: &[u8]| {
        let path = folder.path().join("password");
        std::fs::write(&path, content).unwrap();
        let url = ServerUrl::parse(&format!("smtp://ann@h?password-file={}", path.display())).unwrap();
        assert!(!url.password_missing());
        url.into_config()
    };
    for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
        let config = read(content.as_bytes()).unwrap();
        assert_eq!(config.credentials().unwrap().secret().expose(), "s3cret");
    }
    assert!(matches!(read(b"two\nlines\n"), Err(UrlError::Credentials(_))));
    assert!(matches!(read(b"\n"), Err(UrlError::Credentials(_))));
    assert!(matches!(read(b"\xff"), Err(UrlError::PasswordFile { .. })));
    assert!(matches!(read(&vec![b'a'; 70_000]), Err(UrlError::PasswordFile { .. })));

    let nobody = ServerUrl::parse("smtp://h?password-file=/nowhere").unwrap();
    assert!(matches!(nobody.clone().into_config(), Err(UrlError::UserMissing)));
    assert!(matches!(nobody.with_user("ann").into_config(), Err(UrlError::PasswordFile { .. })));
    let missing = ServerUrl::parse("smtp://ann@h?password-file=/nowhere/at/all").unwrap();
    let error = missing.into_config().unwrap_err();
    assert!(error.to_string().starts_with("the password file /nowhere/at/all cannot be read: "), "{error}");
}

#[test]
fn a_socket_is_a_path_and_nothing_else() {
    let url = ServerUrl::parse("lmtp+unix:///run/lmtp?timeout=3").unwrap();
    assert_eq!(*url.endpoint(), Endpoint::Unix(Path::new("/run/lmtp").to_owned()));
    assert_eq!(url.to_string(), "lmtp+unix:///run/lmtp?timeout=3");
}

#[test]
fn proxies_are_read_with_their_logins() {
    for (given, printed) in [
        ("socks5://p", "socks5://p:1080"),
        ("socks5h://[::1]:9050/", "socks5://[::1]:9050"),
        ("http://ann:s3cret@p:3128", "http://ann:***@p:3128"),
        ("HTTP://p", "http://p:80"),
    ] {
        assert_eq!(Proxy::parse(given).unwrap().to_string(), printed, "{given}");
    }
    for bad in
        ["p:1080", "https://p", "socks4://p", "http://", "http://p/x", "http://ann@p", "http://p:0", "http://p\n"]
    {
        assert!(Proxy::parse(bad).is_err(), "{bad:?}");
    }
    let url = "smtp://h?proxy=http://ann:s3cret@p:3128";
    assert_eq!(ServerUrl::parse(url).unwrap().to_string(), "smtp://h?proxy=http://ann:***%40p:3128");
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

proptest! {
    #[test]
    fn what_is_printed_never_shows_a_password(user in "[a-z@ü]{1,8}", password in "SEC[ -~]{0,12}RET", proxy in "KEY[!-~]{0,12}END") {
        let url = format!(
            "smtp://{}:{}@h?proxy={}",
            encoded(&user), encoded(&password), encoded(&format!("socks5://u:{}@p", encoded(&proxy))),
        );
        let parsed = ServerUrl::parse(&url).unwrap();
        let shown = format!("{parsed} {parsed:?}");
        prop_assert!(!shown.contains("SEC") && !shown.contains("KEY"), "{}", shown);
        prop_assert!(shown.contains("***"));
        let config = parsed.into_config().unwrap();
        prop_assert_eq!(config.credentials().unwrap().user(), user);
        prop_assert_eq!(config.credentials().unwrap().secret().expose(), password);
        let shown = format!("{config:?}");
        prop_assert!(!shown.contains("SEC") && !shown.contains("KEY"), "{}", shown);
    }

    #[test]
    fn no_error_shows_a_password_however_the_url_is_mangled(
        password in "[ -~]{0,6}QQQ[ -~]{0,6}",
        tail in "(@h|@h:1x|@h/x|@h\\?x=1|@h?tls=x|)",
    ) {
        if let Err(error) = ServerUrl::parse(&format!("smtp://ann:{password}{tail}")) {
            // Without the last @, what follows a password's own @ cannot be told from a host.
            prop_assert!(tail.is_empty() || !format!("{error} {error:?}").contains("QQQ"), "{}", error);
        }
    }

    #[test]
    fn without_a_password_printing_and_parsing_are_inverses(
        scheme in "(smtp|lmtp)",
        user in proptest::option::of("[ -~ü]{1,8}"),
        host in "([a-z]{1,8}\\.example|192\\.0\\.2\\.1|\\[2001:db8::1\\])",
        port in proptest::option::of(1_u16..),
        ca in proptest::option::of("[ -~ä]{1,12}"),
        timeout in proptest::option::of(1_u32..3_600),
    ) {
        let mut url = format!("{scheme}://");
        if let Some(user) = &user {
            url.push_str(&format!("{}@", encoded(user)));
        }
        url.push_str(&host);
        if let Some(port) = port {
            url.push_str(&format!(":{port}"));
        }
        url.push_str("?pipelining=off");
        if let Some(ca) = &ca {
            url.push_str(&format!("&ca={}", encoded(ca)));
        }
        if let Some(seconds) = timeout {
            url.push_str(&format!("&timeout={seconds}"));
        }
        let first = ServerUrl::parse(&url).unwrap();
        let second = ServerUrl::parse(&first.to_string()).unwrap();
        prop_assert_eq!(first.to_string(), second.to_string());
        prop_assert_eq!(second.user(), user.as_deref());
        prop_assert_eq!(first.endpoint(), second.endpoint());
    }

    #[test]
    fn nothing_makes_the_parser_panic(text in "(smtp://|smtps://|lmtp://|lmtp\\+unix://|)\\PC{0,40}") {
        let _ = ServerUrl::parse(&text);
        let _ = Proxy::parse(&text);
    }
}
