//! The examples of the RFCs, and what they leave to decide.

use mailkit_address::{
    Address, AddressEntry, AddressErrorKind as Kind, AddressList, Domain, ForwardPath, Mailbox, ReversePath,
};

/// A list's text, and its mailboxes as name and address.
type Row = (&'static str, &'static [(Option<&'static str>, &'static str)]);

fn assert_mailboxes(rows: &[Row]) {
    for (text, expected) in rows {
        let list = AddressList::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let found: Vec<_> = list.mailboxes().map(|mailbox| (mailbox.name(), mailbox.address().to_string())).collect();
        let expected: Vec<_> = expected.iter().map(|(name, address)| (*name, (*address).to_owned())).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn rfc_5322_a_1_1_and_a_1_2_mailboxes_of_several_kinds() {
    assert_mailboxes(&[
        ("John Doe <jdoe@machine.example>", &[(Some("John Doe"), "jdoe@machine.example")]),
        ("\"Joe Q. Public\" <john.q.public@example.com>", &[(Some("Joe Q. Public"), "john.q.public@example.com")]),
        (
            "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
            &[(Some("Mary Smith"), "mary@x.test"), (None, "jdoe@example.org"), (Some("Who?"), "one@y.test")],
        ),
        (
            "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
            &[(None, "boss@nil.test"), (Some("Giant; \"Big\" Box"), "sysservices@example.net")],
        ),
    ]);
}

#[test]
fn rfc_5322_a_1_3_groups() {
    let list = AddressList::parse("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;").unwrap();
    let [AddressEntry::Group(group)] = list.iter().as_slice() else {
        panic!("one group: {list:?}");
    };
    assert_eq!(group.name(), "A Group");
    assert_eq!(group.members().len(), 3);
    assert_eq!(list.to_string(), "A Group: Ed Jones <c@a.test>, joe@where.test, John <jdoe@one.test>;");

    let hidden = AddressList::parse("Undisclosed recipients:;").unwrap();
    assert_eq!(hidden.len(), 1);
    assert_eq!(hidden.mailboxes().count(), 0);
}

#[test]
fn rfc_5322_a_5_white_space_and_comments_in_odd_places() {
    assert_mailboxes(&[
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &[(Some("Pete"), "pete@silly.test")]),
        (
            "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         \
             joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
            &[(Some("Chris Jones"), "c@public.example"), (None, "joe@example.org"), (Some("John"), "jdoe@one.test")],
        ),
        ("(Empty list)(start)Hidden recipients  :(nested(and\\)deep)) ;", &[]),
    ]);
}

#[test]
fn rfc_5322_a_6_obsolete_addresses_and_white_space() {
    assert_mailboxes(&[
        ("Joe Q. Public <john.q.public@example.com>", &[(Some("Joe Q. Public"), "john.q.public@example.com")]),
        (
            "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
            &[(Some("Mary Smith"), "mary@example.net"), (None, "jdoe@test.example")],
        ),
        ("John Doe <jdoe@machine(comment).  example>", &[(Some("John Doe"), "jdoe@machine.example")]),
        ("Mary Smith\r\n  \r\n          <mary@example.net>", &[(Some("Mary Smith"), "mary@example.net")]),
        ("john . (q) public@example.com", &[(None, "john.public@example.com")]),
    ]);
}

#[test]
fn names_keep_their_words_and_lose_their_folds() {
    assert_mailboxes(&[
        (
            "=?utf-8?q?B=C3=BCcher?= =?utf-8?q?wurm?= <b@example.com>",
            &[(Some("=?utf-8?q?B=C3=BCcher?= =?utf-8?q?wurm?="), "b@example.com")],
        ),
        ("\"Ann\r\n\tLee\" <ann@example.com>", &[(Some("Ann Lee"), "ann@example.com")]),
        ("J.R.R. Tolkien <jrr@example.com>", &[(Some("J.R.R. Tolkien"), "jrr@example.com")]),
        ("Ann\"Lee\"Roy <ann@example.com>", &[(Some("Ann Lee Roy"), "ann@example.com")]),
        ("\"\" <ann@example.com>, \"  \" <bob@example.com>", &[(None, "ann@example.com"), (None, "bob@example.com")]),
        ("Zoë Łukasz <zoe@example.com>", &[(Some("Zoë Łukasz"), "zoe@example.com")]),
    ]);
}

#[test]
fn empty_elements_are_dropped_and_an_empty_text_is_an_empty_list() {
    for text in ["", "  ", ",", " , (nobody) ,", "\r\n "] {
        assert!(AddressList::parse(text).unwrap().is_empty(), "{text:?}");
    }
    let list = AddressList::parse("a@x,,b@x,").unwrap();
    assert_eq!(list.to_string(), "a@x, b@x");
    let group = AddressList::parse("g: , a@x ,, ;").unwrap();
    assert_eq!(group.to_string(), "g: a@x;");
}

#[test]
fn rfc_5321_paths() {
    for (text, printed) in [
        ("<>", "<>"),
        ("<Smith@bar.com>", "<Smith@bar.com>"),
        ("<@hosta.int,@jkl.org:userc@d.bar.org>", "<userc@d.bar.org>"),
        ("<JQP@[192.0.2.8]>", "<JQP@[192.0.2.8]>"),
        ("<\"Joe.\\Blow\"@example.com>", "<Joe.Blow@example.com>"),
        ("<\">\"@example.com>", "<\">\"@example.com>"),
    ] {
        assert_eq!(ReversePath::parse(text).unwrap().to_string(), printed);
    }
    assert_eq!(ForwardPath::parse("<postMaster>").unwrap(), ForwardPath::Postmaster);
    assert_eq!(ForwardPath::parse("<postmaster@example.com>").unwrap().to_string(), "<postmaster@example.com>");
    assert_eq!(ForwardPath::parse("<>").unwrap_err().kind(), Kind::Empty);
    assert_eq!(ReversePath::parse("<Postmaster>").unwrap_err().kind(), Kind::NoDomain);
}

#[test]
fn a_path_ends_at_its_bracket_and_the_rest_is_handed_back() {
    for (text, path, rest) in [
        ("<a@b> SIZE=1", "<a@b>", " SIZE=1"),
        ("<> RET=HDRS ENVID=x", "<>", " RET=HDRS ENVID=x"),
        ("<\"> SIZE=9\"@b> SIZE=1", "<\"> SIZE=9\"@b>", " SIZE=1"),
        ("<a@b>", "<a@b>", ""),
        ("<a@b>\r\n", "<a@b>", "\r\n"),
    ] {
        let (found, found_rest) = ReversePath::parse_prefix(text).unwrap();
        assert_eq!((found.to_string().as_str(), found_rest), (path, rest));
    }
    let (path, rest) = ForwardPath::parse_prefix("<Postmaster> NOTIFY=NEVER").unwrap();
    assert_eq!((path, rest), (ForwardPath::Postmaster, " NOTIFY=NEVER"));
}

#[test]
fn a_quoted_local_part_is_kept_by_its_meaning() {
    for (text, local_part, printed) in [
        ("\"ann\"@x", "ann", "ann@x"),
        ("\"a\\n\\n\"@x", "ann", "ann@x"),
        ("\"a@b\"@x", "a@b", "\"a@b\"@x"),
        ("\"a b\"@x", "a b", "\"a b\"@x"),
        ("\".a\"@x", ".a", "\".a\"@x"),
        ("\"a..b\"@x", "a..b", "\"a..b\"@x"),
        ("\"a\\\"b\\\\c\"@x", "a\"b\\c", "\"a\\\"b\\\\c\"@x"),
        ("\"(a)\"@x", "(a)", "\"(a)\"@x"),
        ("Ann@x", "Ann", "Ann@x"),
        ("a+b/c=d@x", "a+b/c=d", "a+b/c=d@x"),
    ] {
        let address = Address::parse(text).unwrap();
        assert_eq!(address.local_part(), local_part, "{text}");
        assert_eq!(address.to_string(), printed, "{text}");
    }
    assert_eq!(Address::parse("\"ann\"@x").unwrap(), Address::parse("ann@X").unwrap());
    assert_ne!(Address::parse("Ann@x").unwrap(), Address::parse("ann@x").unwrap());
}

#[test]
fn rfc_6531_addresses_beyond_ascii() {
    let address = Address::parse("甲斐@黒川.日本").unwrap();
    assert!(address.needs_smtp_utf8());
    assert_eq!(address.local_part(), "甲斐");
    assert_eq!(address.to_string(), "甲斐@xn--5rtw95l.xn--wgv71a");
    assert_eq!(address.to_unicode(), "甲斐@黒川.日本");

    let ascii_local_part = Address::parse("ann@黒川.日本").unwrap();
    assert!(!ascii_local_part.needs_smtp_utf8());
}

#[test]
fn rfc_5890_one_name_has_one_form() {
    for (text, ascii, unicode) in [
        ("EXAMPLE.Com", "example.com", "example.com"),
        ("Bücher.example", "xn--bcher-kva.example", "bücher.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example", "bücher.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example", "bücher.example"),
        ("faß.de", "xn--fa-hia.de", "faß.de"),
        ("黒川。日本", "xn--5rtw95l.xn--wgv71a", "黒川.日本"),
        ("ＥＸＡＭＰＬＥ.com", "example.com", "example.com"),
        ("a_b.example", "a_b.example", "a_b.example"),
        ("ü.a_b.example", "xn--tda.a_b.example", "ü.a_b.example"),
        ("r3---sn-x.example", "r3---sn-x.example", "r3---sn-x.example"),
        ("localhost", "localhost", "localhost"),
        ("4.example", "4.example", "4.example"),
    ] {
        let domain = Domain::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(domain.as_ascii(), ascii);
        assert_eq!(domain.as_unicode(), unicode);
        assert!(!domain.is_literal());
    }
}

#[test]
fn names_that_no_host_has_are_refused_with_the_place() {
    let long_label = format!("x.{}.example", "a".repeat(64));
    let long_u_label = format!("x.{}.example", "ü".repeat(80));
    let long_name = "abcdefg.".repeat(32) + "example";
    let long_u_name = "bücher.".repeat(20) + "example";
    for (text, kind, position) in [
        ("", Kind::NoDomain, 0),
        ("example.com.", Kind::MisplacedDot, 11),
        (".example.com", Kind::MisplacedDot, 0),
        ("example..com", Kind::MisplacedDot, 8),
        ("ü.例。", Kind::MisplacedDot, 9),
        ("exa mple.com", Kind::UnexpectedCharacter, 3),
        ("exa@mple.com", Kind::UnexpectedCharacter, 3),
        ("-a.example", Kind::InvalidDomain, 0),
        ("a.b-.example", Kind::InvalidDomain, 3),
        ("_dmarc.example", Kind::InvalidDomain, 0),
        ("a_.example", Kind::InvalidDomain, 1),
        ("a.xn--a.example", Kind::InvalidDomain, 2),
        ("a.xn--a-ecp.ru", Kind::InvalidDomain, 2),
        ("a.\u{ff20}.example", Kind::InvalidDomain, 2),
        ("a.b\u{a0}.example", Kind::InvalidDomain, 2),
        ("127.0.0.1", Kind::MissingSquareBrackets, 0),
        ("１２７.0.0.1", Kind::MissingSquareBrackets, 0),
        ("1.2.3.999", Kind::MissingSquareBrackets, 0),
        (&long_label, Kind::LabelTooLong, 2),
        (&long_u_label, Kind::LabelTooLong, 2),
        (&long_name, Kind::DomainTooLong, 0),
        (&long_u_name, Kind::DomainTooLong, 0),
    ] {
        let error = Domain::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (kind, position), "{text}");
    }
}

#[test]
fn rfc_5321_4_1_3_address_literals() {
    for (text, printed) in [
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("[ipv6:2001:DB8:0:0:0:0:0:1]", "[IPv6:2001:db8::1]"),
        ("[IPv6:::ffff:192.0.2.1]", "[IPv6:::ffff:192.0.2.1]"),
        ("[X-tag:some/content]", "[X-tag:some/content]"),
    ] {
        let domain = Domain::parse(text).unwrap();
        assert_eq!(domain.to_string(), printed);
        assert_eq!(domain.as_unicode(), printed);
        assert!(domain.is_literal());
        assert_eq!(Domain::parse(printed).unwrap(), domain);
    }
    let long = format!("[tag:{}]", "x".repeat(256));
    for (text, kind, position) in [
        ("[]", Kind::InvalidLiteral, 0),
        ("[192.0.2]", Kind::InvalidLiteral, 0),
        ("[192.0.2.256]", Kind::InvalidLiteral, 0),
        ("[192.0.2.01]", Kind::InvalidLiteral, 0),
        ("[2001:db8::1]", Kind::InvalidLiteral, 0),
        ("[IPv6:2001:db8::1::2]", Kind::InvalidLiteral, 0),
        ("[IPv6:fe80::1%eth0]", Kind::InvalidLiteral, 0),
        ("[tag:]", Kind::InvalidLiteral, 0),
        ("[tag-:x]", Kind::InvalidLiteral, 0),
        ("[192.0.2.1", Kind::UnclosedLiteral, 0),
        ("[192.0. 2.1]", Kind::UnexpectedCharacter, 7),
        ("[tag:a[b]", Kind::UnexpectedCharacter, 6),
        ("[192.0.2.1]x", Kind::UnexpectedCharacter, 11),
        (&long, Kind::DomainTooLong, 0),
    ] {
        let error = Domain::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (kind, position), "{text}");
    }
}

#[test]
fn rfc_5321_4_5_3_1_limits_count_octets_as_printed() {
    let domain = Domain::parse("example.com").unwrap();
    // A local part may be longer than 64 octets: the limit is that of the address.
    for (longest, more) in
        [("a".repeat(242), "a"), ("é".repeat(121), "é"), ("a ".repeat(120), " "), ("\\".repeat(120), "a")]
    {
        let address = Address::new(&longest, domain.clone()).unwrap();
        assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
        assert!(address.to_string().len() <= 254);
        let error = Address::new(&format!("{longest}{more}"), domain.clone()).unwrap_err();
        assert_eq!(error.kind(), Kind::AddressTooLong, "{longest}");
    }

    let domain_of = |last: usize| ["a".repeat(63), "b".repeat(63), "c".repeat(last)].join(".");
    let local_part = "l".repeat(64);
    let longest = format!("{local_part}@{}", domain_of(61));
    assert_eq!(longest.len(), 254);
    assert!(Address::parse(&longest).is_ok());
    let error = Address::parse(&format!("{local_part}@{}", domain_of(62))).unwrap_err();
    assert_eq!(error.kind(), Kind::AddressTooLong);
}

#[test]
fn a_bad_address_names_itself_and_the_place_in_it() {
    for (text, said) in [
        ("", "no address in `` at 0: write it as name@example.com"),
        ("ann", "no domain in `ann` at 3: write it as name@example.com"),
        ("ann@", "no domain in `ann@` at 4: write it as name@example.com"),
        ("@x", "nothing before the @ in `@x` at 0: write it as name@example.com"),
        ("ann@x\r\nRCPT", "control character in `ann@x\\r\\nRCPT` at 5: remove it"),
        ("ann@10.0.0.1", "IP address for a domain name in `ann@10.0.0.1` at 4: write it in brackets, as [192.0.2.1]"),
    ] {
        assert_eq!(Address::parse(text).unwrap_err().to_string(), said);
    }
}

#[test]
fn what_is_no_single_mailbox_is_refused_with_the_place() {
    for (text, kind, position) in [
        ("", Kind::Empty, 0),
        ("Ann", Kind::NoDomain, 3),
        ("Ann Lee", Kind::MissingAngleBrackets, 4),
        ("Ann ann@example.com", Kind::MissingAngleBrackets, 4),
        ("Ann <ann@example.com", Kind::UnclosedAngleBracket, 4),
        ("Ann <ann@example.com>>", Kind::TrailingText, 21),
        ("Ann <>", Kind::Empty, 5),
        ("a@x, b@x", Kind::TrailingText, 3),
        ("team: a@x;", Kind::UnexpectedGroup, 4),
        ("\"Ann <ann@example.com>", Kind::UnclosedQuote, 0),
        ("Ann (at home <ann@example.com>", Kind::UnclosedComment, 4),
        ("Ann [x] <ann@example.com>", Kind::UnexpectedCharacter, 4),
        ("ann@x.org <bob@x.org>", Kind::AddressAsName, 0),
        ("Ann ann@x.org <ann@x.org>", Kind::MissingAngleBrackets, 4),
        ("Ann\t<ann@example.com>", Kind::ControlCharacter, 3),
        ("Ann\r\n <ann@example.com>", Kind::ControlCharacter, 3),
        ("Ann <@example.com>", Kind::NoLocalPart, 5),
        ("ann\u{a0}@example.com", Kind::UnexpectedCharacter, 3),
    ] {
        let error = Mailbox::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (kind, position), "{text}");
    }
}

#[test]
fn what_is_no_list_is_refused_with_the_place() {
    for (text, kind, position) in [
        ("a@x b@x", Kind::UnexpectedCharacter, 4),
        ("a@x, b", Kind::NoDomain, 6),
        ("a@x; b@x", Kind::SemicolonForComma, 3),
        (":a@x;", Kind::NoGroupName, 0),
        ("\"\":a@x;", Kind::NoGroupName, 0),
        ("g: a@x", Kind::UnclosedGroup, 1),
        ("g: a@x, h: b@x;;", Kind::UnexpectedGroup, 9),
        ("g: a@x; b@x", Kind::UnexpectedCharacter, 8),
        ("Ann <a@x>; Bob <b@x>", Kind::SemicolonForComma, 9),
        ("a@x,\r\nb@x", Kind::ControlCharacter, 4),
        ("a@x\r\n", Kind::ControlCharacter, 3),
        ("\"a\tb\"@x", Kind::ControlCharacter, 2),
    ] {
        let error = AddressList::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (kind, position), "{text:?}");
    }
}

#[test]
fn an_address_may_stand_as_its_own_name() {
    for (text, name, printed) in [
        ("ann@example.com <ann@example.com>", "ann@example.com", "\"ann@example.com\" <ann@example.com>"),
        ("ann@example.com<ann@example.com>", "ann@example.com", "\"ann@example.com\" <ann@example.com>"),
        ("Ann@Example.com (c) <ann@example.com>", "Ann@Example.com", "\"Ann@Example.com\" <ann@example.com>"),
        (
            "z\u{eb}@b\u{fc}.de <z\u{eb}@xn--b-eha.de>",
            "z\u{eb}@b\u{fc}.de",
            "\"z\u{eb}@b\u{fc}.de\" <z\u{eb}@xn--b-eha.de>",
        ),
    ] {
        let mailbox = Mailbox::parse(text).unwrap();
        assert_eq!((mailbox.name(), mailbox.to_string().as_str()), (Some(name), printed), "{text}");
        assert_eq!(Mailbox::parse(printed).unwrap(), mailbox);
        let list = AddressList::parse(&format!("b@x, {text},\r\n {text}, Team: {text};")).unwrap();
        assert!(list.mailboxes().skip(1).all(|found| *found == mailbox), "{list}");
    }
    // Two addresses without a comma between them stay a fault: one would get no mail.
    for text in [
        "ann@x <bob@x>",
        "ann@x <ann@y>",
        "ann@x carl@x <ann@x>",
        "ann@@x <ann@x>",
        "Ann@Work <ann@x>",
        "bob@x Carl <carl@x>",
        "bob@x carl@x",
        "bob@x \"Carl\" <carl@x>",
        "Bob bob@x <carl@x>",
    ] {
        assert!(AddressList::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_comma_in_a_name_is_explained() {
    for (text, place) in [
        ("Doe, Ann <ann@example.com>", 3),
        ("bob@example.org, Doe, Ann <ann@example.com>", 20),
        ("Doe, Ann, PhD <ann@example.com>, bob@example.org", 3),
        ("Dr. Ann Doe, PhD <ann@example.com>", 11),
        ("\"Doe\", Ann <ann@example.com>", 5),
        ("Team: Doe, Ann <ann@example.com>;", 9),
        ("D\u{f6}, Ann <ann@example.com>", 3),
    ] {
        let error = AddressList::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (Kind::UnquotedComma, place), "{text}");
        assert!(error.to_string().contains("put the name in quotation marks"), "{error}");
    }
    let error = Mailbox::parse("Doe, Ann <ann@example.com>").unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::UnquotedComma, 3));
    for text in ["ann, bob@example.org", "bob@x, ann", "ann", "ann, bob", "a@, Bob <b@x>"] {
        assert_eq!(AddressList::parse(text).unwrap_err().kind(), Kind::NoDomain, "{text}");
    }
}
