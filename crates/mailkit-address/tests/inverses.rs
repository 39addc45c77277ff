//! What is printed parses back to the same value, and no text makes a parser panic.

use mailkit_address::{Address, AddressEntry, AddressList, Domain, ForwardPath, Group, Mailbox, ReversePath};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?",
        1 => proptest::sample::select(vec!["bücher", "faß", "日本", "παράδειγμα", "пример", "xn--bcher-kva"])
            .prop_map(str::to_owned),
        1 => "\\PC{1,6}",
    ]
}

fn domain() -> impl Strategy<Value = Domain> {
    let literal = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| Domain::from(std::net::IpAddr::V4(ip))),
        any::<std::net::Ipv6Addr>().prop_map(|ip| Domain::from(std::net::IpAddr::V6(ip))),
        "\\[[a-z-]{0,3}[a-z0-9]:[!-Z^-~]{1,9}\\]".prop_filter_map("a literal", |text| Domain::parse(&text).ok()),
    ];
    prop_oneof![
        4 => vec(label(), 1..4).prop_filter_map("a name", |labels| Domain::parse(&labels.join(".")).ok()),
        1 => literal,
    ]
}

fn address() -> impl Strategy<Value = Address> {
    let local_part = prop_oneof!["[a-z0-9.+-]{1,12}", "[ -~]{1,20}", "\\PC{1,10}"];
    (local_part, domain()).prop_filter_map("an address", |(local_part, domain)| Address::new(&local_part, domain).ok())
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let name = prop_oneof!["[A-Za-z]{1,5}( [A-Za-z.]{1,5}){0,2}", "[ -~]{0,20}", "\\PC{0,20}"];
    (option::of(name), address())
        .prop_filter_map("a mailbox", |(name, address)| Mailbox::new(name.as_deref(), address).ok())
}

fn group() -> impl Strategy<Value = Group> {
    (prop_oneof!["[ -~]{1,10}", "\\PC{1,10}"], vec(mailbox(), 0..4))
        .prop_filter_map("a group", |(name, members)| Group::new(&name, members).ok())
}

fn list() -> impl Strategy<Value = AddressList> {
    let entry = prop_oneof![
        3 => mailbox().prop_map(AddressEntry::from),
        1 => group().prop_map(AddressEntry::from),
    ];
    vec(entry, 0..6).prop_map(AddressList::from_iter)
}

/// Text made of the pieces that the grammar gives a meaning to.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => proptest::sample::select(vec![
            "a", "b.c", "@", "<", ">", ",", ";", ":", "\"", "\\", "(", ")", "[", "]", ".", " ", "\t", "\r\n ",
            "\r", "\n", "\0", "example.com", "[192.0.2.1]", "IPv6:::1", "a@x", "<a@x>", "Ann <a@x>",
            "g:", "é", "日本", "xn--", "-", "_", "\u{a0}", "\u{85}", "\u{3002}", "postmaster",
        ])
        .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Reads `text` as everything there is, and checks whatever comes out of it.
fn check_all(text: &str) -> Result<(), TestCaseError> {
    macro_rules! check {
        ($($type:ty),*) => {$(
            match <$type>::parse(text) {
                Ok(value) => {
                    let printed = value.to_string();
                    prop_assert!(!printed.contains(char::is_control), "{:?}", printed);
                    prop_assert_eq!(<$type>::parse(&printed), Ok(value));
                }
                Err(error) => {
                    prop_assert!(error.position() <= text.len());
                    prop_assert!(text.is_char_boundary(error.position()));
                    prop_assert!(!error.to_string().contains(char::is_control));
                }
            }
        )*};
    }
    check!(Domain, Address, Mailbox, AddressList, ReversePath, ForwardPath);
    if let Ok((path, rest)) = ReversePath::parse_prefix(text) {
        prop_assert!(text.ends_with(rest));
        prop_assert_eq!(ReversePath::parse(&path.to_string()), Ok(path));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn domains_in_both_of_their_forms(domain in domain()) {
        prop_assert_eq!(&Domain::parse(&domain.to_string()), &Ok(domain.clone()));
        prop_assert_eq!(&Domain::parse(domain.as_unicode()), &Ok(domain.clone()));
        prop_assert!(domain.as_ascii().is_ascii());
        prop_assert_eq!(domain.is_literal() , domain.as_ascii().starts_with('['));
    }

    #[test]
    fn addresses_by_every_door(address in address()) {
        let printed = address.to_string();
        prop_assert_eq!(&Address::parse(&printed), &Ok(address.clone()));
        prop_assert_eq!(&Address::parse(&address.to_unicode()), &Ok(address.clone()));
        prop_assert_eq!(&Mailbox::parse(&printed), &Ok(Mailbox::from(address.clone())));
        prop_assert_eq!(&ReversePath::parse(&format!("<{printed}>")), &Ok(address.clone().into()));
        prop_assert_eq!(&ForwardPath::parse(&format!("<{printed}>")), &Ok(address.clone().into()));
        prop_assert!(printed.len() <= mailkit_address::MAX_ADDRESS_LEN);
        prop_assert_eq!(address.needs_smtp_utf8(), !printed.is_ascii());
    }

    #[test]
    fn mailboxes(mailbox in mailbox()) {
        let printed = mailbox.to_string();
        prop_assert_eq!(&Mailbox::parse(&printed), &Ok(mailbox.clone()));
        prop_assert_eq!(&AddressList::parse(&printed), &Ok(mailbox.into()));
    }

    #[test]
    fn lists(list in list()) {
        prop_assert_eq!(AddressList::parse(&list.to_string()), Ok(list));
    }

    #[test]
    fn paths(address in option::of(address())) {
        let path = ReversePath::from(address.clone());
        let line = format!("{path} SIZE=1");
        prop_assert_eq!(ReversePath::parse_prefix(&line), Ok((path, " SIZE=1")));
        let path = address.map_or(ForwardPath::Postmaster, ForwardPath::from);
        let line = format!("{path} NOTIFY=NEVER");
        prop_assert_eq!(ForwardPath::parse_prefix(&line), Ok((path, " NOTIFY=NEVER")));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        check_all(&text)?;
    }

    #[test]
    fn any_soup(text in soup()) {
        check_all(&text)?;
        check_all(&format!("<{text}>"))?;
    }
}
