//! The same messages, as each contender builds and renders them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use mail_builder::MessageBuilder;
use mailkit_mime::{GivenAddresses, Message, Stamps};
use time::OffsetDateTime;

type Failure = Box<dyn std::error::Error>;

/// All write the time and the identifier that they are given.
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

pub(crate) const CONTENDERS: [Contender; 4] =
    [Contender::Mailkit, Contender::MailkitText, Contender::MailBuilder, Contender::Lettre];

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
pub(crate) fn render(contender: Contender, load: &Load, owned: Vec<u8>) -> Result<Bytes, Failure> {
    match contender {
        Contender::Mailkit => mailkit(load, ("Jürgen Groß", "juergen@example.com"), ("Bob", "bob@example.org")),
        Contender::MailkitText => mailkit(load, "Jürgen Groß <juergen@example.com>", "Bob <bob@example.org>"),
        Contender::MailBuilder => mail_builder(load),
        Contender::Lettre => lettre(load, owned),
    }
}

fn mailkit(load: &Load, from: impl Into<GivenAddresses>, to: impl Into<GivenAddresses>) -> Result<Bytes, Failure> {
    let at = OffsetDateTime::from_unix_timestamp(SENT_AT as i64)?;
    let builder = Message::builder(Stamps::new(at, 42)).message_id(ID).from(from).to(to).subject(SUBJECT);
    let builder = match load {
        Load::Header => builder.text(""),
        Load::Text { plain, html } => builder.text(plain).html(html),
        Load::Attachment(bytes) => {
            builder.text("Anbei.\n").attach(mailkit_mime::Attachment::bytes("daten.bin", bytes.clone()))
        }
    };
    Ok(builder.build()?.to_bytes()?)
}

fn mail_builder(load: &Load) -> Result<Bytes, Failure> {
    let builder = MessageBuilder::new()
        .date(SENT_AT as i64)
        .message_id(ID)
        .from(("Jürgen Groß", "juergen@example.com"))
        .to(("Bob", "bob@example.org"))
        .subject(SUBJECT);
    let builder = match load {
        Load::Header => builder.text_body(""),
        Load::Text { plain, html } => builder.text_body(plain).html_body(html),
        Load::Attachment(bytes) => {
            builder.text_body("Anbei.\n").attachment("application/octet-stream", "daten.bin", bytes.as_ref())
        }
    };
    Ok(builder.write_to_vec()?.into())
}

fn lettre(load: &Load, owned: Vec<u8>) -> Result<Bytes, Failure> {
    let builder = lettre::Message::builder()
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(SENT_AT))
        .message_id(Some(format!("<{ID}>")))
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
