//! `mailkit render`: the finished message, as it would go out.

mod replace;

use std::io::{self, Write};
use std::path::Path;

use mailkit::Message;
use mailkit::config::Config;
use mailkit::mime::dkim::SignError;
use mailkit::mime::{Capabilities, Chunks, Encoded};
use serde_json::json;
use time::OffsetDateTime;

use crate::args::RenderArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::message::{Composed, Purpose, compose};
use crate::output::Output;
use replace::replace;

pub(crate) fn run(args: RenderArgs, config: Option<&Config>, output: &mut Output) -> Result<Exit, Failure> {
    let hostname = config.and_then(|config| config.hostname.as_deref());
    let composed = compose(args.message, Purpose::Render { seed: args.seed }, hostname)?;
    composed.show_notes(output);
    let signed = signed(&composed)?;
    let rendered = Rendered { message: &composed.message, signed };
    let file = args.output.as_deref().filter(|path| path.as_os_str() != "-");
    if let Some(path) = file {
        let unwritable = |error: io::Error| Failure::system(&format!("{} cannot be written", path.display()), &error);
        replace(path, |out| rendered.write_to(out, unwritable))?;
    }
    if output.json {
        output.object(&rendered.summary(file)?)?;
    } else if file.is_none() {
        output.raw(|out| rendered.write_to(out, Failure::from))?;
    }
    Ok(Exit::Done)
}

/// The message with its signature, if it shall have one. Where a date was given, it is the signature's as well.
fn signed(composed: &Composed) -> Result<Option<Encoded>, Failure> {
    let Some(signer) = &composed.signer else {
        return Ok(None);
    };
    let message = &composed.message;
    let least = Capabilities { eight_bit: message.needs_8bit(), binary: false, smtp_utf8: message.needs_smtp_utf8() };
    let now = composed.date.unwrap_or_else(OffsetDateTime::now_utc).unix_timestamp();
    let encoded = message.encode(least).map_err(|error| Failure::message("", &error))?;
    let signed = encoded.sign(std::slice::from_ref(signer), u64::try_from(now).unwrap_or_default());
    signed.map(Some).map_err(|error| match error {
        SignError::Read(error) => Failure::content(&error),
        error => Failure::message("", &error),
    })
}

/// The message as it is written.
struct Rendered<'a> {
    message: &'a Message,
    signed: Option<Encoded>,
}

impl Rendered<'_> {
    fn chunks(&self) -> Chunks {
        self.signed.as_ref().map_or_else(|| self.message.chunks(), Encoded::chunks)
    }

    fn size(&self) -> Option<u64> {
        self.signed.as_ref().map_or_else(|| self.message.size(), Encoded::size)
    }

    /// Writes it piece by piece; it is never in memory as a whole.
    fn write_to(&self, out: &mut dyn Write, unwritable: impl Fn(io::Error) -> Failure) -> Result<(), Failure> {
        for chunk in self.chunks() {
            let chunk = chunk.map_err(|error| Failure::content(&error))?;
            out.write_all(&chunk).map_err(&unwritable)?;
        }
        Ok(())
    }

    /// What `--json` prints, with the content where no file has it.
    fn summary(&self, file: Option<&Path>) -> Result<serde_json::Value, Failure> {
        let Self { message, .. } = self;
        let mut content = Vec::new();
        if file.is_none() {
            self.write_to(&mut content, Failure::from)?;
        }
        let content = if file.is_none() { String::from_utf8(content).ok() } else { None };
        let envelope = message.envelope();
        Ok(json!({
            "message_id": message.message_id(),
            "size": self.size(),
            "needs_8bit": message.needs_8bit(),
            "needs_smtputf8": message.needs_smtp_utf8() || envelope.needs_smtp_utf8(),
            "envelope": {
                "from": envelope.reverse_path().address().map(ToString::to_string).unwrap_or_default(),
                "to": envelope.recipients().iter().map(ToString::to_string).collect::<Vec<_>>(),
            },
            "output": file,
            "content": content,
        }))
    }
}
