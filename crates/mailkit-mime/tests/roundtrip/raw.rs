//! Finished messages at random, with octets beyond ASCII wherever people put them.

use crate::generate::Random;

/// One message, with CRLF line ends.
pub(crate) fn message(seed: u64) -> Vec<u8> {
    let random = &mut Random::new(seed);
    let mut out = Vec::new();
    header(random, &mut out);
    entity(random, &mut out, 3, &mut 0);
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
}

fn header(random: &mut Random, out: &mut Vec<u8>) {
    let name = word(random);
    let from = match random.below(4) {
        0 => format!("{name} <ann@example.com>"),
        1 => format!("\"{name}, {}\" <ann@example.com>", word(random)),
        2 => format!("Ann {name} <ann@b\u{fc}cher.example>"),
        _ => "ann@example.com".to_owned(),
    };
    field(out, "From", &from);
    let to: Vec<_> = (0..=random.below(3)).map(|n| format!("{} <user{n}@example.org>", word(random))).collect();
    field(out, "To", &to.join(if random.chance(2) { ", " } else { ",\r\n " }));
    let subject: Vec<_> = (0..=random.below(12)).map(|_| word(random)).collect();
    field(out, "Subject", &subject.join(" "));
    if random.chance(2) {
        field(out, "MIME-Version", "1.0");
    }
    if random.chance(3) {
        field(
            out,
            "Received",
            &format!("from a.example ({}) by b.example; Mon, 23 Nov 2026 07:03:00 +0000", word(random)),
        );
    }
}

/// A word with at least one letter, often beyond ASCII.
fn word(random: &mut Random) -> String {
    let words = ["caf\u{e9}", "plain", "J\u{f6}rg", "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}", "\u{1f600}x", "a-b"];
    words[random.below(words.len())].to_owned()
}

fn entity(random: &mut Random, out: &mut Vec<u8>, depth: usize, boundaries: &mut usize) {
    match random.below(if depth == 0 { 4 } else { 8 }) {
        0 | 1 => text(random, out),
        2 => encoded(random, out),
        3 => binary(random, out),
        4 => {
            field(out, "Content-Type", "message/rfc822");
            if random.chance(2) {
                field(out, "Content-Transfer-Encoding", "8bit");
            }
            out.extend_from_slice(b"\r\n");
            header(random, out);
            entity(random, out, depth - 1, boundaries);
        }
        _ => multipart(random, out, depth, boundaries),
    }
}

fn multipart(random: &mut Random, out: &mut Vec<u8>, depth: usize, boundaries: &mut usize) {
    *boundaries += 1;
    let boundary = format!("=_{boundaries}_");
    let kind = ["mixed", "alternative", "related"][random.below(3)];
    field(out, "Content-Type", &format!("multipart/{kind};\r\n\tboundary=\"{boundary}\""));
    if random.chance(3) {
        field(out, "Content-Transfer-Encoding", ["8bit", "7bit", "binary"][random.below(3)]);
    }
    out.extend_from_slice(b"\r\n");
    for _ in 0..=random.below(3) {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        entity(random, out, depth - 1, boundaries);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    if random.chance(6) {
        out.extend_from_slice(b"epilogue\r\n");
    }
}

fn text(random: &mut Random, out: &mut Vec<u8>) {
    if !random.chance(6) {
        let kind = ["text/plain", "text/html", "TEXT/plain"][random.below(3)];
        field(out, "Content-Type", &format!("{kind}; charset={}", ["utf-8", "\"UTF-8\""][random.below(2)]));
    }
    if random.chance(2) {
        field(out, "Content-Transfer-Encoding", ["8bit", "8BIT", "binary", "7bit"][random.below(4)]);
    }
    disposition(random, out);
    out.extend_from_slice(b"\r\n");
    lines(random, out);
}

fn lines(random: &mut Random, out: &mut Vec<u8>) {
    for _ in 0..random.below(8) {
        match random.below(8) {
            0 => out.extend_from_slice(b"From here, -- no boundary "),
            1 => out.extend_from_slice("x\u{e9} ".repeat(random.below(400)).as_bytes()),
            2 => out.extend_from_slice("y".repeat(random.below(3000)).as_bytes()),
            3 => out.extend_from_slice(b"--"),
            4 => out.extend_from_slice(b"= .\t "),
            _ => (0..random.below(9)).for_each(|_| out.extend_from_slice(format!("{} ", word(random)).as_bytes())),
        }
        out.extend_from_slice(b"\r\n");
    }
    if random.chance(2) {
        out.extend_from_slice(word(random).as_bytes());
    }
}

fn encoded(random: &mut Random, out: &mut Vec<u8>) {
    let is_base64 = random.chance(2);
    field(out, "Content-Transfer-Encoding", if is_base64 { "base64" } else { "Quoted-Printable" });
    field(out, "Content-Type", if is_base64 { "image/png" } else { "text/plain; charset=utf-8" });
    disposition(random, out);
    out.extend_from_slice(if is_base64 { b"\r\naGVsbG8gaGVsbG8=\r\n" } else { b"\r\nGr=C3=BC=C3=9Fe=\r\n, you\r\n" });
}

fn binary(random: &mut Random, out: &mut Vec<u8>) {
    field(out, "Content-Type", ["image/png", "application/octet-stream"][random.below(2)]);
    field(out, "Content-Transfer-Encoding", "binary");
    disposition(random, out);
    out.extend_from_slice(b"\r\n");
    let bytes = random.bytes(3000);
    out.extend(bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0 | b'-')));
}

fn disposition(random: &mut Random, out: &mut Vec<u8>) {
    if random.chance(3) {
        field(out, "Content-Disposition", &format!("attachment; filename=\"{} {}.txt\"", word(random), word(random)));
    }
}
