//! Messages flow, and end where they shall.

use std::time::Duration;

use mailkit_dispatch::RouteSettings;
use mailkit_queue::Queue;

use crate::server::{Server, enqueue, queue, start, tally};

#[tokio::test(start_paused = true)]
async fn every_message_goes_out_once_and_is_sent() {
    let (queue, server) = (queue(), Server::new());
    let ids = enqueue(&queue, 200).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.dead, stats.held), (200, 0, 0));
    assert_eq!(tally(&server.ids()), tally(&ids));
    assert_eq!(dispatcher.stats().routes[0].outcomes.accepted, 200);
    assert_eq!(dispatcher.shutdown(Duration::from_secs(1)).await, 0);
    assert_eq!(queue.stats().await.unwrap().ambiguous_total, 0);
}
