//! RFC 5322: the form of messages.

use mail_parser::MessageParser;
use mailkit_mime::{FieldProblem, Message, MessageBuilder, Stamps};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::{field, fields, letter, written};

#[test]
fn section_2_1_1_lines_have_78_characters_where_they_can_and_998_at_most() {
    for length in (1..1100).step_by(7).chain(990..1000) {
        let word = "x".repeat(length);
        for count in [1, 3] {
            let value = vec![word.as_str(); count].join(" ");
            let builder = letter().subject(value.as_str()).header("X-A", value.as_str());
            if length > 997 {
                let errors = builder.build().unwrap_err();
                assert_eq!((errors.iter().count(), errors.iter().next().unwrap().field()), (1, "X-A"));
                assert_eq!(errors.iter().next().unwrap().problem(), &FieldProblem::TooLong);
                continue;
            }
            let content = written(builder);
            assert_eq!(field(&content, "X-A"), value);
            let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
            assert_eq!(parsed.subject(), Some(value.as_str()));
            assert!(content.lines().all(|line| line.len() <= 78 || length > 70), "{content}");
        }
    }
}

#[test]
fn section_2_1_1_from_any_starting_column() {
    for length in [1, 60, 76, 77, 78, 200, 900, 995, 996, 997] {
        let name = "X".repeat(length);
        let content = written(letter().header(name.as_str(), "caf\u{e9} one two").header(name.as_str(), "plain words"));
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(fields(&content, &name)[1], "plain words");
        assert!(parsed.headers().iter().filter(|header| header.name() == name).count() == 2);
        assert!(content.lines().all(|line| !line.trim().is_empty() || line.is_empty()), "{content}");
    }
    assert!(letter().header("X".repeat(998), "x").build().is_err());
}

#[test]
fn section_2_2_names_and_values_of_fields() {
    for name in ["", "A B", "A:", "A\t", "A\r\n", "\u{e9}", "A\0", " A", "A\u{7f}"] {
        assert!(letter().header(name, "x").build().is_err(), "{name:?}");
    }
    for control in (0..0x20_u8).chain([0x7f]).map(char::from).filter(|control| *control != '\t') {
        let errors = letter().header("X-A", format!("a{control}b")).build().unwrap_err();
        assert!(matches!(errors.iter().next().unwrap().problem(), FieldProblem::ControlCharacter { position: 1 }));
    }
}

#[test]
fn section_3_3_dates_read_back() {
    for (at, wanted) in [
        (datetime!(1997-11-21 09:55:06 -06:00), "Fri, 21 Nov 1997 09:55:06 -0600"),
        (datetime!(2003-07-01 10:52:37 +02:00), "Tue, 1 Jul 2003 10:52:37 +0200"),
        (datetime!(1969-02-13 23:32:54 -03:30), "Thu, 13 Feb 1969 23:32:54 -0330"),
        (datetime!(2000-02-29 00:00:00 UTC), "Tue, 29 Feb 2000 00:00:00 +0000"),
        (datetime!(2026-12-31 23:59:59 +14:00), "Thu, 31 Dec 2026 23:59:59 +1400"),
        (datetime!(9999-12-31 23:59:59 UTC), "Fri, 31 Dec 9999 23:59:59 +0000"),
        (datetime!(2026-11-23 07:03:00.999 -00:30), "Mon, 23 Nov 2026 07:03:00 -0030"),
    ] {
        let content = written(letter().date(at));
        assert_eq!(field(&content, "Date"), wanted);
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(parsed.date().unwrap().to_timestamp(), at.unix_timestamp(), "{wanted}");
    }
    for at in [datetime!(1899-12-31 23:59 UTC), datetime!(-1-01-01 0:00 UTC)] {
        assert_eq!(letter().date(at).build().unwrap_err().iter().next().unwrap().field(), "Date");
    }
}

#[test]
fn section_3_4_addresses_in_the_forms_of_the_grammar() {
    for (given, wanted) in [
        ("simon@example.com", "simon@example.com"),
        ("<simon@example.com>", "simon@example.com"),
        ("Mary Smith <mary@x.test>", "Mary Smith <mary@x.test>"),
        ("\"Joe Q. Public\" <john.q.public@example.com>", "\"Joe Q. Public\" <john.q.public@example.com>"),
        ("Who? <one@y.test>", "Who? <one@y.test>"),
        (
            "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
            "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
        ),
        (
            "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            "A Group: Ed Jones <c@a.test>, joe@where.test, John <jdoe@one.test>;",
        ),
        ("Undisclosed recipients:;", "Undisclosed recipients: ;"),
        ("\"quoted local\"@example.com", "\"quoted local\"@example.com"),
        ("x@[192.0.2.1]", "x@[192.0.2.1]"),
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete <pete@silly.test>"),
    ] {
        assert_eq!(field(&written(letter().cc(given)), "Cc"), wanted, "{given}");
    }
}

#[test]
fn section_3_4_names_of_every_length_keep_to_78_characters() {
    for length in 1..90 {
        let name = "x".repeat(length);
        let given = format!("{name} y <a@example.com>, {name}: b@example.com, {name} <c@example.com>;, {name}:;");
        let content = written(letter().cc(given));
        assert!(content.lines().all(|line| line.len() <= 78), "{content}");
    }
}

#[test]
fn section_3_6_each_field_occurs_as_often_as_it_may() {
    let twice = |text: &str| [text, text].map(str::to_owned);
    let mut builder = letter().sender("s@example.com").in_reply_to("<a@b>").subject("x").message_id("<m@example.com>");
    for id in ["<a@b>", "<c@d>"] {
        builder = builder.references(id);
    }
    for address in twice("x@example.org") {
        builder = builder.to(&address).cc(&address).reply_to(&address).bcc("hidden@example.net");
    }
    let content = written(builder.header("Comments", "one").header("Comments", "two").header("Keywords", "a, b"));
    let once = ["Date", "From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject"];
    for name in once {
        assert_eq!(fields(&content, name).len(), 1, "{name}");
        assert!(letter().header(name, "x").build().is_err(), "{name} cannot be added");
        assert!(letter().header(name.to_ascii_uppercase(), "x").build().is_err(), "{name} cannot be added");
    }
    assert_eq!(fields(&content, "Comments"), ["one", "two"]);
    assert!(!content.contains("hidden"));
    let least = written(letter());
    assert_eq!(least.matches(": ").count(), 4, "Date, From, To and Message-ID: {least}");
}

#[test]
fn section_3_6_2_several_authors_need_a_sender_and_none_is_a_group() {
    let from = |text: &str| Message::builder(Stamps::new(OffsetDateTime::UNIX_EPOCH, 1)).from(text).to("b@example.org");
    let two = "a@example.com, c@example.com";
    assert_eq!(from(two).build().unwrap_err().iter().next().unwrap().problem(), &FieldProblem::NoSender);
    assert_eq!(field(&written(from(two).sender("a@example.com")), "From"), two);
    let errors = from(two).sender("a@").build().unwrap_err();
    let found: Vec<_> = errors.iter().map(|error| error.field()).collect();
    assert_eq!(found, ["Sender"], "one that cannot be read was given all the same");
    for group in ["Team: a@example.com;", "Team:;"] {
        let errors = from(group).sender("a@example.com").build().unwrap_err();
        assert!(errors.iter().any(|error| *error.problem() == FieldProblem::Group), "{group}: {errors}");
    }
}

#[test]
fn section_3_6_4_identifiers_are_unique_and_in_brackets() {
    let with = |unique| {
        Message::builder(Stamps::new(OffsetDateTime::UNIX_EPOCH, unique)).from("a@b.example").to("c@d.example")
    };
    let ids: Vec<_> = [0, 1, u128::MAX].map(|unique| field(&written(with(unique)), "Message-ID")).into();
    assert_eq!(ids[0], "<00000000000000000000000000000000@b.example>");
    assert!(ids[0] != ids[1] && ids[2] == format!("<{}@b.example>", "f".repeat(32)));
    for bad in ["", "a", "<a@b", "a b@c", "<a@b>x", "<a@b>\r\nBcc: x", "\u{e9}@b", "<a@@b>"] {
        let errors = letter().message_id(bad).build().unwrap_err();
        assert_eq!(errors.iter().next().unwrap().field(), "Message-ID", "{bad:?}");
    }
}

#[test]
fn section_3_6_4_the_longest_identifier_fills_a_line_of_998() {
    let id = |length: usize| format!("<{}@b>", "a".repeat(length - " <@b>".len()));
    let with_all = |id: &str| letter().message_id(id).in_reply_to(id).references(format!("{id} {id}"));
    let longest = id(998);
    let content = written(with_all(&longest));
    assert_eq!(content.lines().filter(|line| line.len() == 998).count(), 4);
    for (name, wanted) in [("Message-ID", 1), ("In-Reply-To", 1), ("References", 2)] {
        assert_eq!(field(&content, name), vec![longest.as_str(); wanted].join(" "));
    }
    let errors = with_all(&id(999)).build().unwrap_err();
    let found: Vec<_> = errors.iter().map(|error| (error.field(), error.problem())).collect();
    let wanted = ["Message-ID", "In-Reply-To", "References"].map(|name| (name, &FieldProblem::InvalidMessageId));
    assert_eq!(found, wanted);
}

fn appendix() -> MessageBuilder<Stamps> {
    letter()
        .from("John Doe <jdoe@machine.example>")
        .subject("Saying Hello")
        .date(datetime!(1997-11-21 09:55:06 -06:00))
        .message_id("<1234@local.machine.example>")
        .text("This is a message just to say hello.\nSo, \"Hello\".\n")
}

#[test]
fn appendix_a_1_the_examples_are_written_as_they_stand() {
    let content = written(appendix().sender("Michael Jones <mjones@machine.example>"));
    for line in [
        "From: John Doe <jdoe@machine.example>\r\n",
        "Sender: Michael Jones <mjones@machine.example>\r\n",
        "Subject: Saying Hello\r\n",
        "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n",
        "Message-ID: <1234@local.machine.example>\r\n",
        "\r\n\r\nThis is a message just to say hello.\r\nSo, \"Hello\".\r\n",
    ] {
        assert!(content.contains(line), "{line:?} in {content}");
    }
}

#[test]
fn appendix_a_2_a_reply_carries_the_conversation() {
    let reply = appendix()
        .message_id("<abcd.1234@local.machine.test>")
        .in_reply_to("<3456@example.net>")
        .references("<1234@local.machine.example> <3456@example.net>");
    let content = written(reply);
    assert_eq!(field(&content, "In-Reply-To"), "<3456@example.net>");
    assert_eq!(field(&content, "References"), "<1234@local.machine.example> <3456@example.net>");
}

#[test]
fn appendix_a_3_to_a_6_finished_messages_pass_as_they_are() {
    for (message, recipients) in [
        (
            "Resent-From: Mary Smith <mary@example.net>\r\nResent-To: Jane Brown <j-brown@other.example>\r\n\
             Resent-Date: Mon, 24 Nov 1997 14:22:01 -0800\r\nResent-Message-ID: <78910@example.net>\r\n\
             From: John Doe <jdoe@machine.example>\r\nTo: Mary Smith <mary@example.net>\r\n\r\nhello\r\n",
            "j-brown@other.example",
        ),
        (
            "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\r\n\
             To:A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n\
             \x20        joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)\r\n\
             Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\r\n\r\nTesting.\r\n",
            "c@public.example joe@example.org jdoe@one.test",
        ),
        (
            "From: Joe Q. Public <john.q.public@example.com>\r\nTo: Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example\r\n\
             Date: Tue, 1 Jul 2003 10:52:37 +0200\r\n\r\nHi everyone.\r\n",
            "mary@example.net jdoe@test.example",
        ),
        (
            "From  : John Doe <jdoe@machine(comment).  example>\r\nTo    : Mary Smith\r\n  \r\n\
             \x20         <mary@example.net>\r\nSubject     : Saying Hello\r\n\r\nhello\r\n",
            "mary@example.net",
        ),
    ] {
        let read = Message::from_eml(message, None).unwrap_or_else(|error| panic!("{error}: {message}"));
        assert_eq!(read.to_bytes().unwrap(), message);
        let found: Vec<_> = read.envelope().recipients().iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), recipients);
    }
}
