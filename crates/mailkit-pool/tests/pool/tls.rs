//! Connections under TLS.

use mailkit_server::{Sink, SinkTls};

use crate::setup::{pool_at, settings};

#[tokio::test]
async fn connections_of_a_pool_resume_each_others_tls_sessions() {
    let sink = Sink::builder().tls(SinkTls::Implicit).user("ann", "secret").start().await.unwrap();
    let ca = sink.ca_path().unwrap().display().to_string();
    let pool = pool_at(&format!("smtps://ann:secret@{}?ca={ca}", sink.addr()), settings(4));
    let first = pool.acquire().await.unwrap();
    assert!(!first.tls().unwrap().resumed);
    // A server hands out two tickets with each session, and each ticket is good for one: so not all at once.
    let mut held = vec![first];
    for _ in 0..3 {
        held.push(pool.acquire().await.unwrap());
        assert!(held.last().unwrap().tls().unwrap().resumed);
    }
}
