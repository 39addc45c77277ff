//! `cargo bench -p mailkit-benches --bench micro`: what is done for every message, and every reply.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mailkit_address::{Address, AddressList, Mailbox};
use mailkit_smtp::ReplyDecoder;

fn addresses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse an address");
    group.bench_function("ann@example.com", |bencher| {
        bencher.iter(|| Address::parse(black_box("ann@example.com")).is_ok());
    });
    group.bench_function("with a name", |bencher| {
        bencher.iter(|| Mailbox::parse(black_box("Ann Müller <ann@example.com>")).is_ok());
    });
    let many = ["Ann <ann@example.com>"; 100].join(", ");
    group.bench_function("a list of a hundred", |bencher| {
        bencher.iter(|| AddressList::parse(black_box(&many)).is_ok());
    });
    group.finish();
}

fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode a reply");
    let ehlo =
        b"250-mail.example.com\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n\
                 250-AUTH PLAIN LOGIN\r\n250 CHUNKING\r\n";
    for (name, bytes) in [("250 2.1.5 Ok", b"250 2.1.5 Ok\r\n".as_slice()), ("to EHLO", ehlo)] {
        let mut decoder = ReplyDecoder::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                decoder.feed(black_box(bytes));
                decoder.next_reply().is_ok_and(|reply| reply.is_some())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, addresses, replies);
criterion_main!(benches);
