//! A large file streamed, by a process that does nothing else, so that its memory is its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use mailkit_mime::{Attachment, Message, Stamps};
use time::OffsetDateTime;

use crate::work::Failure;

/// What streaming the file took.
#[derive(Debug)]
pub(super) struct Streamed {
    /// Bytes of the file in a second.
    pub(super) rate: f64,
    /// The most memory that the process held, in KiB.
    pub(super) memory: u64,
}

/// Makes a sparse file of so many bytes and has a process of its own stream it.
pub(super) fn in_a_process(size: u64) -> Result<Streamed, Failure> {
    let file = tempfile::NamedTempFile::new()?;
    file.as_file().set_len(size)?;
    // The figure is ours, not that of the disk: the file is in the page cache, as one just written is.
    io::copy(&mut file.reopen()?, &mut io::sink())?;
    let output = Command::new(std::env::current_exe()?).args(["mime", "--stream"]).arg(file.path()).output()?;
    if !output.status.success() {
        return Err(format!("the streaming process failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace();
    let mut next = || words.next().ok_or("the streaming process said too little");
    Ok(Streamed { rate: next()?.parse()?, memory: next()?.parse()? })
}

/// Streams the file to nowhere and prints the rate and the peak of memory.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let size = File::open(path)?.metadata()?.len();
    let message = message(Attachment::file(PathBuf::from(path)))?;
    let start = Instant::now();
    let mut nowhere = Counting(0);
    message.write_to(&mut nowhere)?;
    let rate = size as f64 / start.elapsed().as_secs_f64();
    if message.size() != Some(nowhere.0) {
        return Err(format!("{} bytes were announced and {} written", message.size().unwrap_or(0), nowhere.0).into());
    }
    println!("{rate} {}", peak_memory());
    Ok(())
}

/// Bytes in a second when so many in memory are rendered, again and again, to a buffer of their own.
pub(super) fn from_memory(bytes: &Bytes, times: usize) -> Result<f64, Failure> {
    let message = message(Attachment::bytes("daten.bin", bytes.clone()))?;
    let start = Instant::now();
    for _ in 0..times {
        std::hint::black_box(message.to_bytes()?);
    }
    Ok((bytes.len() * times) as f64 / start.elapsed().as_secs_f64())
}

fn message(attachment: Attachment) -> Result<Message, Failure> {
    Ok(Message::builder(Stamps::new(OffsetDateTime::UNIX_EPOCH, 42))
        .from("ann@example.com")
        .to("bob@example.org")
        .attach(attachment)
        .build()?)
}

struct Counting(u64);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `VmHWM` in `/proc/self/status`, in KiB; zero where there is none.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
