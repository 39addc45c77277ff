//! What holds for every line of every message.

/// Checks a message that is not binary, line by line.
pub(crate) fn check(content: &[u8]) {
    let lines = content.strip_suffix(b"\r\n").expect("the content ends in a line end");
    let mut in_header = true;
    for line in split(lines) {
        assert!(line.len() <= 998, "{}", line.len());
        assert!(memchr::memchr3(b'\r', b'\n', 0, line).is_none(), "{}", line.escape_ascii());
        if line.is_empty() {
            in_header = false;
        }
        if in_header {
            check_header(line);
        }
    }
}

fn check_header(line: &[u8]) {
    assert!(line.is_ascii(), "{}", line.escape_ascii());
    let text = str::from_utf8(line).unwrap();
    assert!(!text.trim().is_empty());
    // Behind a name, or a blank, a word stands alone if it is too long.
    let words = text.trim_start().split(' ').count();
    let foldable = words > if text.starts_with(' ') { 1 } else { 2 };
    assert!(line.len() <= 78 || !foldable, "{text}");
    for word in text.split(' ').filter(|word| word.contains("=?utf-8?")) {
        assert!(word.len() <= 75, "{word}");
        assert!(line.len() <= 76, "{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
}

fn split(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(content);
    std::iter::from_fn(move || {
        let now = rest?;
        let end = memchr::memmem::find(now, b"\r\n");
        rest = end.map(|end| &now[end + 2..]);
        Some(&now[..end.unwrap_or(now.len())])
    })
}
