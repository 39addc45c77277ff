//! Messages at random, with what a reader has to find in them.

use mailkit_mime::{Attachment, Message, MessageBuilder, MultipartKind, Part, Stamps};
use time::macros::datetime;

/// What a reader has to find.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) subject: String,
    pub(crate) from_name: String,
    pub(crate) to: Vec<(String, String)>,
    pub(crate) custom: Vec<String>,
    pub(crate) leaves: Vec<Leaf>,
}

/// A part without parts, in the order in which they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) content_type: String,
    pub(crate) name: Option<String>,
    pub(crate) content_id: Option<String>,
    /// Line ends are compared as LF, and one at the end may be added.
    pub(crate) is_text: bool,
    pub(crate) bytes: Vec<u8>,
}

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// A character of any plane that is no control character and no line separator.
    fn character(&mut self) -> char {
        loop {
            let code = match self.below(8) {
                0..=3 => 0x20 + self.below(0x5f),
                4 => 0xa0 + self.below(0x560),
                5 => 0x800 + self.below(0xf800),
                _ => 0x1_0000 * (1 + self.below(16)) + self.below(0x1_0000),
            };
            match char::from_u32(u32::try_from(code).unwrap()) {
                Some('\u{2028}' | '\u{2029}' | '\u{fffd}' | '\u{feff}') | None => {}
                Some(character) => return character,
            }
        }
    }

    fn line(&mut self, most: usize) -> String {
        let length = self.below(most + 1);
        if self.chance(3) {
            return (0..length).map(|_| char::from(b' ' + u8::try_from(self.below(95)).unwrap())).collect();
        }
        (0..length).map(|_| self.character()).collect()
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(12) {
            match self.below(10) {
                0 => text.push_str("From here"),
                1 => text.push_str("..\n."),
                2 => text.push_str("blanks \t "),
                3 => text.push_str("--=_0_not a boundary"),
                4 => text.push_str(&"long ".repeat(self.below(250))),
                _ => text.push_str(&self.line(90)),
            }
            text.push_str(["\n", "\r\n", "\n\n"][self.below(3)]);
        }
        text
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most);
        let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }

    /// A name as a person may give to a file or to a mailbox.
    fn name(&mut self, most: usize) -> String {
        let name = self.line(most);
        let name = name.replace("=?", "").trim_matches(|c: char| c.is_whitespace()).to_owned();
        if name.is_empty() { "name".to_owned() } else { name }
    }
}

fn text_leaf(content_type: &str, text: &str) -> Leaf {
    Leaf {
        content_type: content_type.to_owned(),
        name: None,
        content_id: None,
        is_text: true,
        bytes: text.as_bytes().to_vec(),
    }
}

fn attachment(random: &mut Random, leaves: &mut Vec<Leaf>, content_id: Option<String>) -> Attachment {
    let (extension, content_type) =
        [("bin", "application/octet-stream"), ("png", "image/png"), ("pdf", "application/pdf")][random.below(3)];
    let name = format!("{}.{extension}", random.name(60).replace(['/', '\\'], "_"));
    let most = if random.chance(80) { 40_000 } else { 300 };
    let bytes = random.bytes(most);
    leaves.push(Leaf {
        content_type: content_type.to_owned(),
        name: Some(name.clone()),
        content_id: content_id.clone(),
        is_text: false,
        bytes: bytes.clone(),
    });
    let attachment = match random.below(3) {
        0 => Attachment::bytes(name, bytes),
        1 => Attachment::bytes("x", bytes).name(name).content_type(content_type),
        _ => {
            let length = bytes.len() as u64;
            Attachment::reader(name, Some(length), std::io::Cursor::new(bytes))
        }
    };
    match content_id {
        Some(id) => attachment.inline(id),
        None => attachment,
    }
}

/// A tree of parts by hand.
fn tree(random: &mut Random, leaves: &mut Vec<Leaf>, depth: usize) -> Part {
    if depth == 0 || random.chance(3) {
        let text = random.text();
        leaves.push(text_leaf("text/plain", &text));
        return Part::text(text);
    }
    let count = 1 + random.below(3);
    let parts: Vec<_> = (0..count).map(|_| tree(random, leaves, depth - 1)).collect();
    Part::multipart(MultipartKind::Mixed, parts)
}

fn content(
    random: &mut Random,
    mut builder: MessageBuilder<Stamps>,
    leaves: &mut Vec<Leaf>,
    level: usize,
) -> MessageBuilder<Stamps> {
    if random.chance(6) {
        builder = builder.body(tree(random, leaves, 4));
    } else {
        let (has_text, has_html) = (random.chance(2), random.chance(2));
        if has_text {
            let text = random.text();
            leaves.push(text_leaf("text/plain", &text));
            builder = builder.text(text);
        }
        if has_html {
            let html = format!("<p>{}</p>", random.text());
            leaves.push(text_leaf("text/html", &html));
            builder = builder.html(html);
            for number in 0..random.below(3) {
                let id = format!("image{number}@example.com");
                builder = builder.attach(attachment(random, leaves, Some(id)));
            }
        }
        if random.chance(8) {
            let calendar = format!("BEGIN:VCALENDAR\r\nX:{}\r\nEND:VCALENDAR\r\n", random.line(30));
            leaves.push(text_leaf("text/calendar", &calendar));
            builder = builder.calendar("REQUEST", calendar);
        }
    }
    for _ in 0..random.below(3) {
        builder = builder.attach(attachment(random, leaves, None));
    }
    if level < 2 && random.chance(8) {
        let inner = Message::builder(stamps(random)).from("inner@example.com").to("b@example.org").subject("Inner");
        let message = content(random, inner, leaves, level + 1).build().unwrap();
        builder = builder.attach_message(&message);
    }
    builder
}

fn stamps(random: &mut Random) -> Stamps {
    // Often the same number, as with a seed: boundaries must not depend on it.
    let unique = if random.chance(2) { 7 } else { u128::from(random.next()) };
    Stamps::new(datetime!(2026-11-23 07:03 UTC), unique)
}

pub(crate) fn message(seed: u64) -> (Message, Expected) {
    let random = &mut Random::new(seed);
    let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let from_name = random.name(60);
    let to: Vec<_> = (0..=random.below(4)).map(|n| (random.name(40), format!("user{n}@example.org"))).collect();
    let subject = random.name(200);
    let custom: Vec<_> = (0..random.below(3)).map(|_| random.name(150)).collect();
    let mut builder = Message::builder(stamps(random))
        .from(format!("{} <ann@example.com>", quoted(&from_name)))
        .bcc("hidden@example.net")
        .subject(subject.as_str());
    for (name, address) in &to {
        builder = builder.to(format!("{} <{address}>", quoted(name)));
    }
    for value in &custom {
        builder = builder.header("X-Custom", value.as_str());
    }
    let mut leaves = Vec::new();
    let builder = content(random, builder, &mut leaves, 0);
    let message = builder.build().unwrap_or_else(|errors| panic!("seed {seed}: {errors}"));
    (message, Expected { subject, from_name, to, custom, leaves })
}
