//! RFC 2369 and RFC 8058: leaving a list, and RFC 2387: what belongs together.

use mailkit_mime::{ListUnsubscribe, MultipartKind, Part};

use crate::{field, fields, letter, written};

#[test]
fn rfc_8058_section_8_the_fields_of_the_examples() {
    let url = "https://example.com/unsubscribe.html?opaque=123456789";
    let mailto = "mailto:listrequest@example.com?subject=unsubscribe";
    for (way, wanted) in [
        (ListUnsubscribe::new().url(url), format!("<{url}>")),
        (ListUnsubscribe::new().mailto(mailto).url(url), format!("<{mailto}>, <{url}>")),
    ] {
        let content = written(letter().list_unsubscribe(way.clone().one_click()));
        assert_eq!(field(&content, "List-Unsubscribe"), wanted);
        assert_eq!(field(&content, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        assert!(fields(&written(letter().list_unsubscribe(way)), "List-Unsubscribe-Post").is_empty());
    }
}

#[test]
fn rfc_2369_section_2_nothing_ends_the_brackets_around_a_url() {
    for url in
        ["https://a.example/>", "https://a.example/ b", "https://a.example/\u{e9}", "https://a.example/\r\nBcc: x", "x"]
    {
        let errors = letter().list_unsubscribe(ListUnsubscribe::new().url(url)).build().unwrap_err();
        assert_eq!(errors.iter().next().unwrap().field(), "List-Unsubscribe", "{url:?}");
    }
}

#[test]
fn rfc_2387_section_3_1_related_names_the_type_of_its_root() {
    let picture = Part::new("image/gif", "x").content_id("pic@example.com");
    for (root, wanted) in [
        (Part::html("x"), "type=\"text/html\""),
        (
            Part::multipart(MultipartKind::Alternative, [Part::text("x"), Part::html("x")]),
            "type=\"multipart/alternative\"",
        ),
    ] {
        let content = written(letter().body(Part::multipart(MultipartKind::Related, [root, picture.clone()])));
        assert!(field(&content, "Content-Type").contains(wanted), "{content}");
        assert!(content.contains("Content-ID: <pic@example.com>\r\n"), "{content}");
    }
}
