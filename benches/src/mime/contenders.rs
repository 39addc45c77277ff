//! The same messages, as each contender builds and renders them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use mail_builder::MessageBuilder;
use mailkit_mime::{GivenAddresses, Message, StampSource, Stamps};
use time::OffsetDateTime;

type Failure = Box<dyn std::error::Error>;

/// The time and the identifier, where they are given.
const SENT_AT: u64 = 1_795_417_380;
const ID: &str = "0000000000000000000000000000002a@example.com";
const SUBJECT: &str = "Grüße aus Köln: die Zahlen für das dritte Quartal";

/// Who builds and renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Contender {
    /// Names and addresses apart, as mail-builder takes them.
    Mailkit,
    /// Addresses as text, as lettre takes them.
    MailkitText,
    MailBuilder,
    Lettre,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mailkit => "mailkit",
            Self::MailkitText => "mailkit, text",
            Self::MailBuilder => "mail-builder",
            Self::Lettre => "lettre",
        }
    }
}

/// Where Date and Message-ID come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stamping {
    /// All write what they are given.
    Given,
    /// Each asks the clock and its own source of uniqueness, as it does when nobody says anything.
    Own,
}

/// What a message holds.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// Header fields alone.
    Header,
    /// A text and its twin in HTML.
    Text { plain: String, html: String },
    /// A line of text and an attachment.
    Attachment(Bytes),
}

impl Load {
    /// About a kilobyte of German text, and the same in HTML.
    pub(crate) fn small_text() -> Self {
        let plain = "Liebe Kolleginnen und Kollegen,\n\nanbei die Zahlen für das dritte Quartal; bitte bis \
                     Freitag prüfen.\nDie größten Änderungen stehen auf Seite 3.\n\nSchöne Grüße,\nJürgen\n\n"
            .repeat(5);
        let html = format!("<html><body>\n<p>{}</p>\n</body></html>\n", plain.replace('\n', "<br>\n"));
        Self::Text { plain, html }
    }

    /// Bytes without a pattern that helps anyone.
    pub(crate) fn attachment(size: u32) -> Self {
        Self::Attachment((0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect())
    }

    /// The bytes that a rate counts: those of the bodies, else of the message.
    pub(crate) fn weight(&self, rendered: usize) -> usize {
        match self {
            Self::Header => rendered,
            Self::Text { plain, html } => plain.len() + html.len(),
            Self::Attachment(bytes) => bytes.len(),
        }
    }
}

/// The message in a buffer of its own. `owned` is the attachment for who wants it to keep.
pub(crate) fn render(contender: Contender, load: &Load, stamping: Stamping, owned: Vec<u8>) -> Result<Bytes, Failure> {
    let (from, to) = (("Jürgen Groß", "juergen@example.com"), ("Bob", "bob@example.org"));
    match contender {
        Contender::Mailkit => mailkit(load, stamping, from, to),
        Contender::MailkitText => mailkit(load, stamping, "Jürgen Groß <juergen@example.com>", "Bob <bob@example.org>"),
        Contender::MailBuilder => mail_builder(load, stamping),
        Contender::Lettre => lettre(load, stamping, owned),
    }
}

fn mailkit(
    load: &Load,
    stamping: Stamping,
    from: impl Into<GivenAddresses>,
    to: impl Into<GivenAddresses>,
) -> Result<Bytes, Failure> {
    match stamping {
        Stamping::Given => {
            let at = OffsetDateTime::from_unix_timestamp(SENT_AT as i64)?;
            let builder = Message::builder(Stamps::new(at, 42)).message_id(ID);
            Ok(filled(builder, load, from, to).build()?.to_bytes()?)
        }
        Stamping::Own => Ok(filled(mailkit::Message::builder(), load, from, to).build()?.to_bytes()?),
    }
}

fn filled<S: StampSource>(
    builder: mailkit_mime::MessageBuilder<S>,
    load: &Load,
    from: impl Into<GivenAddresses>,
    to: impl Into<GivenAddresses>,
) -> mailkit_mime::MessageBuilder<S> {
    let builder = builder.from(from).to(to).subject(SUBJECT);
    match load {
        Load::Header => builder.text(""),
        Load::Text { plain, html } => builder.text(plain).html(html),
        Load::Attachment(bytes) => {
            builder.text("Anbei.\n").attach(mailkit_mime::Attachment::bytes("daten.bin", bytes.clone()))
        }
    }
}

fn mail_builder(load: &Load, stamping: Stamping) -> Result<Bytes, Failure> {
    let mut builder = MessageBuilder::new();
    if stamping == Stamping::Given {
        builder = builder.date(SENT_AT as i64).message_id(ID);
    }
    let builder = builder.from(("Jürgen Groß", "juergen@example.com")).to(("Bob", "bob@example.org")).subject(SUBJECT);
    let builder = match load {
        Load::Header => builder.text_body(""),
        Load::Text { plain, html } => builder.text_body(plain).html_body(html),
        Load::Attachment(bytes) => {
            builder.text_body("Anbei.\n").attachment("application/octet-stream", "daten.bin", bytes.as_ref())
        }
    };
    Ok(builder.write_to_vec()?.into())
}

fn lettre(load: &Load, stamping: Stamping, owned: Vec<u8>) -> Result<Bytes, Failure> {
    let builder = lettre::Message::builder();
    let builder = match stamping {
        Stamping::Given => {
            builder.date(SystemTime::UNIX_EPOCH + Duration::from_secs(SENT_AT)).message_id(Some(format!("<{ID}>")))
        }
        Stamping::Own => builder.date_now().message_id(None),
    };
    let builder = builder
        .from("Jürgen Groß <juergen@example.com>".parse()?)
        .to("Bob <bob@example.org>".parse()?)
        .subject(SUBJECT);
    let message = match load {
        Load::Header => builder.singlepart(SinglePart::plain(String::new()))?,
        Load::Text { plain, html } => {
            builder.multipart(MultiPart::alternative_plain_html(plain.clone(), html.clone()))?
        }
        Load::Attachment(_) => {
            let attachment =
                Attachment::new("daten.bin".to_owned()).body(owned, ContentType::parse("application/octet-stream")?);
            let text = SinglePart::plain("Anbei.\n".to_owned());
            builder.multipart(MultiPart::mixed().singlepart(text).singlepart(attachment))?
        }
    };
    Ok(message.formatted().into())
}
