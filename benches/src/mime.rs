//! Messages built and rendered, side by side with mail-builder and lettre; and a large file streamed.

mod contenders;
mod stream;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;

use self::contenders::{CONTENDERS, Contender, Load, render};
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

/// Runs of each contender that are not counted.
const WARM_UP: usize = 5;

/// Prints what each contender takes, as medians over the rounds.
fn compare(title: &str, load: &Load, rounds: usize, times: usize) -> Result<(), Failure> {
    let mut taken = vec![Vec::new(); CONTENDERS.len()];
    let mut sizes = vec![0; CONTENDERS.len()];
    for _ in 0..rounds {
        for (index, contender) in CONTENDERS.into_iter().enumerate() {
            // The first are not counted: they find memory and caches as another left them.
            for run in 0..WARM_UP + 3 {
                let mut owned = match (contender, load) {
                    (Contender::Lettre, Load::Attachment(bytes)) => bytes.to_vec(),
                    _ => Vec::new(),
                };
                let start = Instant::now();
                for _ in 0..times {
                    let rendered = render(contender, black_box(load), std::mem::take(&mut owned))?;
                    sizes[index] = black_box(rendered).len();
                }
                if run >= WARM_UP {
                    taken[index].push(start.elapsed().as_secs_f64() / times as f64);
                }
            }
        }
    }
    println!("{title}");
    println!("{:<14} {:>12} {:>10} {:>10} {:>22}", "", "ns", "MB/s", "bytes", "mailkit is faster by");
    let first = median(&taken[0]);
    for (index, contender) in CONTENDERS.into_iter().enumerate() {
        let time = median(&taken[index]);
        let rate = load.weight(sizes[index]) as f64 / time / 1e6;
        let (name, nanoseconds, faster) = (contender.name(), time * 1e9, time / first);
        println!("{name:<14} {nanoseconds:>12.0} {rate:>10.0} {:>10} {faster:>22.2}", sizes[index]);
    }
    println!();
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
    let (streamed, rendered) = (median(&streamed), median(&rendered));
    println!("a file of {} MiB streamed to nowhere", options.file);
    println!("  {:.0} MB/s, {:.2} of rendering from memory", streamed / 1e6, streamed / rendered);
    println!("  {:.1} MiB of memory at most", memory as f64 / 1024.0);
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
