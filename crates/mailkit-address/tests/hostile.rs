//! Texts written to get past a parser, or to keep it busy.

use mailkit_address::{
    Address, AddressErrorKind as Kind, AddressList, Domain, ForwardPath, Group, MAX_COMMENT_DEPTH, MAX_INPUT_LEN,
    MAX_NAME_LEN, Mailbox, ReversePath,
};

/// What a server might act on if a line broke, and what cuts a C string.
const CONTROLS: [char; 7] = ['\r', '\n', '\0', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}'];

/// Every text that has a control character somewhere in `text`, with its place.
fn with_a_control_anywhere(text: &str) -> impl Iterator<Item = (String, usize)> {
    text.char_indices().map(|(index, _)| index).chain([text.len()]).flat_map(|index| {
        let (before, after) = text.split_at(index);
        CONTROLS.map(|control| (format!("{before}{control}{after}"), index))
    })
}

#[test]
fn a_control_character_is_refused_in_every_place_of_an_address() {
    for valid in ["a.b@cd.ef", "\"a\\b c\"@cd.ef", "a@[192.0.2.1]", "ä@[x:y]"] {
        assert!(Address::parse(valid).is_ok());
        for (text, index) in with_a_control_anywhere(valid) {
            let error = Address::parse(&text).unwrap_err();
            assert_eq!((error.kind(), error.position()), (Kind::ControlCharacter, index), "{text:?}");
            assert!(!error.to_string().contains(char::is_control));
        }
    }
}

#[test]
fn a_control_character_is_refused_in_every_place_of_a_mailbox() {
    for valid in ["Ann L. \"x\" <ann@cd.ef> (so (it) is)", "(a\\)b) ann@cd.ef", "<@r,@s:ann@cd.ef>"] {
        assert!(Mailbox::parse(valid).is_ok());
        for (text, index) in with_a_control_anywhere(valid) {
            for error in [Mailbox::parse(&text).unwrap_err(), AddressList::parse(&text).unwrap_err()] {
                assert_eq!((error.kind(), error.position()), (Kind::ControlCharacter, index), "{text:?}");
            }
        }
    }
}

#[test]
fn a_control_character_is_refused_in_every_place_of_a_path_and_of_a_group() {
    for valid in ["<ann@cd.ef>", "<@r,@s:ann@cd.ef>", "<\"a b\"@[192.0.2.1]>"] {
        for (text, index) in with_a_control_anywhere(valid) {
            for error in [ReversePath::parse(&text).unwrap_err(), ForwardPath::parse(&text).unwrap_err()] {
                assert_eq!((error.kind(), error.position()), (Kind::ControlCharacter, index), "{text:?}");
            }
        }
    }
    for (text, _) in with_a_control_anywhere("<>") {
        assert_eq!(ReversePath::parse(&text).unwrap_err().kind(), Kind::ControlCharacter);
    }
    for (text, index) in with_a_control_anywhere("Team: Ann <ann@cd.ef>, bob@cd.ef;") {
        let error = AddressList::parse(&text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (Kind::ControlCharacter, index), "{text:?}");
    }
}

#[test]
fn a_control_character_is_refused_in_every_part_that_values_are_made_of() {
    let address = Address::parse("ann@example.com").unwrap();
    for (text, index) in with_a_control_anywhere("ab c") {
        let errors = [
            Address::new(&text, address.domain().clone()).unwrap_err(),
            Mailbox::new(Some(&text), address.clone()).unwrap_err(),
            Group::new(&text, Vec::new()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.position()), (Kind::ControlCharacter, index), "{text:?}");
        }
    }
    for (text, index) in with_a_control_anywhere("example.com") {
        let error = Domain::parse(&text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (Kind::ControlCharacter, index), "{text:?}");
    }
}

#[test]
fn cve_2025_13033_the_host_is_what_stands_behind_the_quotes() {
    for (text, local_part, host) in [
        ("\"a@evil.com x\"@good.com", "a@evil.com x", "good.com"),
        ("\"xclow3n@gmail.com x\"@internal.domain", "xclow3n@gmail.com x", "internal.domain"),
        ("\"a@evil.com, b\"@good.com", "a@evil.com, b", "good.com"),
        ("\"<a@evil.com>\"@good.com", "<a@evil.com>", "good.com"),
        ("\"a\\\"@evil.com\"@good.com", "a\"@evil.com", "good.com"),
        ("\"a@evil.com(\"@good.com", "a@evil.com(", "good.com"),
    ] {
        let address = Address::parse(text).unwrap();
        assert_eq!(address.local_part(), local_part);
        assert_eq!(address.domain().as_ascii(), host);

        let list = AddressList::parse(text).unwrap();
        let found: Vec<_> = list.mailboxes().map(Mailbox::address).collect();
        assert_eq!(found, [&address]);
        let path = ReversePath::parse(&format!("<{text}>")).unwrap();
        assert_eq!(path.address(), Some(&address));
    }
}

#[test]
fn an_address_that_two_parsers_could_read_in_two_ways_is_refused() {
    for text in [
        "a@evil.com@good.com",
        "a@evil.com <b@good.com>",
        "\"a\".b@good.com",
        "\"a\"b@good.com",
        "a\"b\"@good.com",
        "<a@good.com>@evil.com",
        "a@good.com\\@evil.com",
        "<<a@good.com>>",
        "a(@evil.com@good.com",
        "a@good.com)",
        "a@b%c.com",
        "a@[192.0.2.1]evil.com",
        "a@\"good.com\"",
        "a@[good.com]",
        "@evil.com:a@good.com",
    ] {
        assert!(Mailbox::parse(text).is_err(), "{text}");
        assert!(AddressList::parse(text).is_err(), "{text}");
        assert!(Address::parse(text).is_err(), "{text}");
        assert!(ReversePath::parse(&format!("<{text}>")).is_err() || text.starts_with("@evil.com:"), "{text}");
    }
}

#[test]
fn comments_nest_to_their_limit_and_no_deeper() {
    let nested = |depth: usize| format!("{}{} a@x", "(".repeat(depth), ")".repeat(depth));
    assert!(Mailbox::parse(&nested(MAX_COMMENT_DEPTH)).is_ok());
    for depth in [MAX_COMMENT_DEPTH + 1, 100_000] {
        let error = AddressList::parse(&nested(depth)).unwrap_err();
        assert_eq!((error.kind(), error.position()), (Kind::CommentTooDeep, MAX_COMMENT_DEPTH));
    }
}

#[test]
fn a_name_has_4096_octets_and_no_more() {
    let address = Address::parse("ann@example.com").unwrap();
    for letter in ["n", "\u{e9}"] {
        let longest = letter.repeat(MAX_NAME_LEN / letter.len());
        let by_every_door = |name: &str| {
            let plain = format!("{name} <{address}>");
            let quoted = format!("\"{name}\" <{address}>");
            let first = |text: &str| AddressList::parse(text).map(|list| list.mailboxes().next().unwrap().clone());
            [
                Mailbox::new(Some(name), address.clone()),
                Mailbox::named(name, "ann@example.com"),
                Mailbox::parse(&plain),
                Mailbox::parse(&quoted),
                first(&plain),
                first(&quoted),
            ]
        };
        for taken in by_every_door(&longest) {
            assert_eq!(taken.unwrap().name(), Some(&*longest));
        }
        assert_eq!(Group::new(&longest, Vec::new()).unwrap().name(), longest);

        let too_long = format!("{longest}n");
        for refused in by_every_door(&too_long) {
            assert_eq!(refused.unwrap_err().kind(), Kind::NameTooLong);
        }
        assert_eq!(Group::new(&too_long, Vec::new()).unwrap_err().kind(), Kind::NameTooLong);
    }
}

#[test]
fn a_megabyte_of_anything_ends_in_a_short_error() {
    for unit in
        ["(", "((", "\\", "\"", "<", "@", ",a", ":", ";", "[", "a", "a.", "a ", "()", "\r\n ", "ü", "<a@", "a:", "xn--"]
    {
        let text = unit.repeat(MAX_INPUT_LEN / unit.len());
        let errors = [
            Address::parse(&text).err(),
            Mailbox::parse(&text).err(),
            AddressList::parse(&text).err(),
            ReversePath::parse(&text).err(),
            Domain::parse(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            assert!(error.input().len() < 1024, "{unit:?}");
            assert!(error.position() <= text.len());
        }
    }
}

#[test]
fn a_text_beyond_the_limit_is_refused_unread() {
    let longest = format!("{}a@x", " ".repeat(MAX_INPUT_LEN - 3));
    assert_eq!(AddressList::parse(&longest).unwrap().len(), 1);
    assert!(Mailbox::parse(&longest).is_ok());

    let too_long = format!(" {longest}");
    for error in [Mailbox::parse(&too_long).unwrap_err(), AddressList::parse(&too_long).unwrap_err()] {
        assert_eq!(error.kind(), Kind::InputTooLong);
    }
}

#[test]
fn a_list_of_a_hundred_thousand_is_read_whole() {
    let text = "a@b.example,".repeat(MAX_INPUT_LEN / 12);
    let list = AddressList::parse(&text).unwrap();
    assert_eq!(list.len(), MAX_INPUT_LEN / 12);

    let group = format!("g:{};", "a@x,".repeat(100_000));
    assert_eq!(AddressList::parse(&group).unwrap().mailboxes().count(), 100_000);
}

#[test]
fn an_error_shows_the_part_around_the_fault() {
    let text = format!("{}, eve@-evil.example, {}", vec!["ann@example.com"; 1000].join(","), "x".repeat(1000));
    let error = AddressList::parse(&text).unwrap_err();
    assert_eq!(text.get(error.position()..).unwrap().get(..5), Some("-evil"));
    assert!(error.input().starts_with('…') && error.input().ends_with('…'));
    assert!(error.input().contains("eve@-evil.example"));
}
