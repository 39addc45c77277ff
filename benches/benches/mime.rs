//! `cargo bench -p mailkit-benches`: the comparison of `mailkit-benches mime`, by criterion.

#[path = "../src/mime/contenders.rs"]
mod contenders;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use self::contenders::{Contender, Load, Stamping, render};

const CONTENDERS: [Contender; 4] =
    [Contender::Mailkit, Contender::MailkitText, Contender::MailBuilder, Contender::Lettre];

fn mime(criterion: &mut Criterion) {
    let loads = [
        ("small text and HTML", Load::small_text()),
        ("attachment of 10 MB", Load::attachment(10_000_000)),
        ("header only", Load::Header),
    ];
    for (title, load) in &loads {
        let owned = if let Load::Attachment(bytes) = load { bytes.to_vec() } else { Vec::new() };
        let mut group = criterion.benchmark_group(*title);
        for contender in CONTENDERS {
            let Ok(rendered) = render(contender, load, Stamping::Given, owned.clone()) else {
                panic!("{} cannot render the message", contender.name());
            };
            group.throughput(Throughput::Bytes(load.weight(rendered.len()) as u64));
            group.bench_function(contender.name(), |bencher| {
                bencher.iter_batched(
                    || owned.clone(),
                    |owned| black_box(render(contender, black_box(load), Stamping::Given, owned).is_ok()),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, mime);
criterion_main!(benches);
