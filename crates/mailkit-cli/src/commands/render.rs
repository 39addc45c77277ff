//! `mailkit render`: the finished message, as it would go out.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use mailkit::Message;
use serde_json::json;

use crate::args::RenderArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::message::compose;
use crate::output::Output;

pub(crate) fn run(args: RenderArgs, output: &mut Output) -> Result<Exit, Failure> {
    let message = compose(args.message, args.seed)?.message;
    let file = args.output.as_deref().filter(|path| path.as_os_str() != "-");
    if let Some(path) = file {
        write_file(&message, path)
            .map_err(|error| Failure::system(&format!("{} cannot be written", path.display()), &error))?;
    }
    if output.json {
        output.object(&summary(&message, file))?;
    } else if file.is_none() {
        output.raw(|mut out| message.write_to(&mut out))?;
    }
    Ok(Exit::Done)
}

fn write_file(message: &Message, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    message.write_to(&mut file)?;
    file.flush()
}

fn summary(message: &Message, file: Option<&Path>) -> serde_json::Value {
    let envelope = message.envelope();
    let content = if file.is_none() { String::from_utf8(message.to_bytes().to_vec()).ok() } else { None };
    json!({
        "message_id": message.message_id(),
        "size": message.size(),
        "needs_8bit": message.needs_8bit(),
        "needs_smtputf8": message.needs_smtp_utf8(),
        "envelope": {
            "from": envelope.reverse_path().address().map(ToString::to_string).unwrap_or_default(),
            "to": envelope.recipients().iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "output": file,
        "content": content,
    })
}
