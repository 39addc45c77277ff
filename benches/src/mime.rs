//! Messages built and rendered, side by side with mail-builder and lettre; and a large file streamed.

mod contenders;
mod stream;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;

use self::contenders::{CONTENDERS, Contender, Load, render};
use crate::measures::{median, shown};
use crate::report::Table;
use crate::work::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds, each of which runs every contender in turn.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Bytes of the large attachment.
    #[arg(long, default_value_t = 10_000_000)]
    attachment: u32,
    /// MiB of the file that is streamed; 0 leaves it out.
    #[arg(long, default_value_t = 1024)]
    file: u64,
    /// Render with this contender alone, a hundred times: for a profiler.
    #[arg(long)]
    only: Option<Contender>,
    /// Render header fields alone then.
    #[arg(long, requires = "only")]
    header: bool,
    /// Stream this file and print the rate and the peak of memory.
    #[arg(long, hide = true)]
    stream: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if let Some(path) = &options.stream {
        return stream::run(path);
    }
    let small = Load::small_text();
    if let Some(contender) = options.only {
        let load = if options.header { &Load::Header } else { &small };
        for _ in 0..100 {
            black_box(render(contender, black_box(load), Vec::new())?);
        }
        return Ok(());
    }
    let large = Load::attachment(options.attachment);
    compare("small text and HTML, not ASCII", &small, options.rounds, 200)?;
    compare("attachment", &large, options.rounds, 1)?;
    compare("header only", &Load::Header, options.rounds, 500)?;
    if options.file > 0 {
        streaming(&large, options)?;
    }
    Ok(())
}

/// Prints what each contender takes, as medians over the rounds.
fn compare(title: &str, load: &Load, rounds: usize, times: usize) -> Result<(), Failure> {
    let mut taken = vec![Vec::new(); CONTENDERS.len()];
    let mut sizes = vec![0; CONTENDERS.len()];
    for _ in 0..rounds {
        for (index, contender) in CONTENDERS.into_iter().enumerate() {
            // The first is not counted: it finds the memory and the caches as another left them.
            for counted in [false, true, true, true] {
                let mut owned = match (contender, load) {
                    (Contender::Lettre, Load::Attachment(bytes)) => bytes.to_vec(),
                    _ => Vec::new(),
                };
                let start = Instant::now();
                for _ in 0..times {
                    let rendered = render(contender, black_box(load), std::mem::take(&mut owned))?;
                    sizes[index] = black_box(rendered).len();
                }
                if counted {
                    taken[index].push(start.elapsed().as_secs_f64() / times as f64);
                }
            }
        }
    }
    let mut table = Table::new(title, ["ns", "MB/s", "bytes", "mailkit is faster by"]);
    let first = median(taken[0].clone());
    for ((contender, taken), size) in CONTENDERS.into_iter().zip(taken).zip(sizes) {
        let time = median(taken);
        let rate = load.weight(size) as f64 / time / 1e6;
        let cells = [shown(time * 1e9, 0), shown(rate, 0), shown(size as f64, 0), shown(time / first, 2)];
        table.row(contender.name(), cells);
    }
    table.print();
    Ok(())
}

fn streaming(load: &Load, options: &Options) -> Result<(), Failure> {
    let empty = Bytes::new();
    let bytes = if let Load::Attachment(bytes) = load { bytes } else { &empty };
    let (mut streamed, mut rendered, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..3 {
        let once = stream::in_a_process(options.file << 20)?;
        memory = memory.max(once.memory);
        streamed.push(once.rate);
        rendered.push(stream::from_memory(bytes, 20)?);
    }
    let (streamed, rendered) = (median(streamed), median(rendered));
    println!("\nA file of {} MiB streamed to nowhere", options.file);
    println!("  {:.0} MB/s, {:.2} of rendering from memory", streamed / 1e6, streamed / rendered);
    println!("  {:.1} MiB of memory at most", memory as f64 / 1024.0);
    Ok(())
}
