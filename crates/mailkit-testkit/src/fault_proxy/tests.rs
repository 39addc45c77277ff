//! The proxy between a client and an echo, on real sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::*;

/// A server that says back what it hears.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.into_split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    address
}

async fn client(faults: Faults) -> (FaultProxy, TcpStream) {
    let proxy = FaultProxy::start(echo().await, faults).await.unwrap();
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    (proxy, stream)
}

#[tokio::test]
async fn without_faults_bytes_pass_and_are_counted_and_the_end_is_handed_on() {
    let (proxy, mut stream) = client(Faults::none()).await;
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
    assert_eq!(proxy.traffic(), Traffic { connections: 1, to_server: 5, to_client: 5 });
}

#[tokio::test]
async fn a_round_trip_takes_twice_the_one_way_delay() {
    let (_proxy, mut stream) = client(Faults::none().one_way_delay(Duration::from_millis(10))).await;
    let mut trips = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        stream.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        trips.push(start.elapsed());
    }
    let fastest = trips.into_iter().min().unwrap();
    // Only the fastest says something of the proxy: the others may have waited for a busy machine.
    assert!((20..40).contains(&fastest.as_millis()), "{fastest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed_bytes_are_many_under_way_and_keep_their_order() {
    const SIZE: usize = 10 << 20;
    let (_proxy, stream) = client(Faults::none().one_way_delay(Duration::from_millis(10))).await;
    let sent: Vec<u8> = (0..SIZE).map(|index| (index / 7) as u8).collect();
    let (mut reader, mut writer) = stream.into_split();
    let start = Instant::now();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&copy).await.unwrap();
        writer
    });
    let mut heard = vec![0; SIZE];
    reader.read_exact(&mut heard).await.unwrap();
    assert!(heard == sent, "the bytes arrive in their order");
    assert!(start.elapsed() < Duration::from_secs(1), "10 MB took {:?}", start.elapsed());
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn a_cut_lets_exactly_so_many_bytes_pass() {
    let (proxy, mut stream) = client(Faults::none().cut_to_client_after(3)).await;
    stream.write_all(b"hello").await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert_eq!(heard, b"hel");
    assert_eq!(proxy.traffic().to_client, 3);

    let (proxy, mut stream) = client(Faults::none().cut_to_server_after(4)).await;
    stream.write_all(b"hello").await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert_eq!(proxy.traffic().to_server, 4);
}

#[tokio::test]
async fn a_trickle_takes_an_interval_for_each_portion() {
    let (_proxy, mut stream) = client(Faults::none().trickle_to_client(2, Duration::from_millis(5))).await;
    let start = Instant::now();
    stream.write_all(b"123456789").await.unwrap();
    let mut heard = [0; 9];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"123456789");
    assert!(start.elapsed() >= Duration::from_millis(25));
}

#[tokio::test]
async fn a_swallowed_connection_opens_and_never_answers() {
    let (proxy, mut stream) = client(Faults::none().swallow()).await;
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 1];
    assert!(timeout(Duration::from_millis(50), stream.read(&mut heard)).await.is_err());
    assert_eq!(proxy.traffic(), Traffic { connections: 1, to_server: 0, to_client: 0 });
}

#[tokio::test]
async fn faults_may_end_with_the_first_connections() {
    let faults = Faults::none().cut_to_client_after(0).for_first_connections(1);
    let (proxy, mut first) = client(faults).await;
    first.write_all(b"x").await.unwrap();
    assert!(first.read_u8().await.is_err());
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    second.write_all(b"y").await.unwrap();
    assert_eq!(second.read_u8().await.unwrap(), b'y');
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections() {
    let (proxy, mut stream) = client(Faults::none()).await;
    stream.write_all(b"x").await.unwrap();
    stream.read_u8().await.unwrap();
    drop(proxy);
    assert!(stream.read_u8().await.is_err());
}
