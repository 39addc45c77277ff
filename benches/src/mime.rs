//! Messages built and rendered, side by side with mail-builder and lettre; and a large file streamed.

mod compare;
mod contenders;
mod stream;

use std::hint::black_box;
use std::path::PathBuf;

use bytes::Bytes;

use self::compare::Comparison;
use self::contenders::{Contender, Load, Stamping, render};
use crate::measures::median;
use crate::work::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds, each of which runs every contender in turn, in another order.
    #[arg(long, default_value_t = 31)]
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
    /// Where Date and Message-ID come from then.
    #[arg(long, requires = "only", default_value = "given")]
    stamps: Stamping,
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
            black_box(render(contender, black_box(load), options.stamps, Vec::new())?);
        }
        return Ok(());
    }
    let large = Load::attachment(options.attachment);
    let (near, far) = (
        [Contender::Mailkit, Contender::MailkitText, Contender::MailBuilder].as_slice(),
        [Contender::Mailkit, Contender::Lettre].as_slice(),
    );
    // What mail-builder is compared in needs an allocator that is the same in every turn; lettre is also
    // measured with one that hands memory back, as it does until a program has freed large blocks.
    let fresh = [
        ("small text and HTML, beside lettre, before the allocator has settled", &small, Stamping::Given, far, 200),
        ("attachment, beside lettre, before the allocator has settled", &large, Stamping::Given, far, 10),
    ];
    let settled = [
        ("small text and HTML, not ASCII", &small, Stamping::Given, near, 1000),
        ("small text and HTML, with stamps of their own", &small, Stamping::Own, near, 1000),
        ("small text and HTML, beside lettre", &small, Stamping::Given, far, 200),
        ("header only", &Load::Header, Stamping::Given, near, 4000),
        ("header only, with stamps of their own", &Load::Header, Stamping::Own, near, 4000),
        ("attachment", &large, Stamping::Given, near, 10),
        ("attachment, beside lettre", &large, Stamping::Given, far, 10),
    ];
    let print = |rows: &[_]| {
        rows.iter().try_for_each(|&(title, load, stamping, contenders, times)| {
            Comparison { load, stamping, contenders, times }.print(title, options.rounds)
        })
    };
    print(&fresh)?;
    compare::settle_the_allocator();
    print(&settled)?;
    if options.file > 0 {
        streaming(&large, options)?;
    }
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
    println!("a file of {} MiB streamed to nowhere", options.file);
    println!("  {:.0} MB/s, {:.2} of rendering from memory", streamed / 1e6, streamed / rendered);
    println!("  {:.1} MiB of memory at most", memory as f64 / 1024.0);
    Ok(())
}
