//! One direction of a proxied connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

const CHUNK: usize = 64 * 1024;
/// How much later than asked a timer of tokio may fire.
const TIMER: Duration = Duration::from_millis(1);

/// How bytes go from a reader to a writer.
pub(super) struct Pipe {
    pub(super) delay: Duration,
    pub(super) cut_after: Option<u64>,
    pub(super) trickle: Option<(usize, Duration)>,
    pub(super) counter: Arc<AtomicU64>,
}

/// Bytes under way, and when they arrive.
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
}

impl Pipe {
    /// Carries bytes until the reader's end of file, which is handed on, or until a cut, which is an error.
    pub(super) async fn run(self, reader: OwnedReadHalf, writer: OwnedWriteHalf) -> io::Result<()> {
        let (sender, receiver) = unbounded_channel();
        // Reading never waits for writing: the network between has room for all that is under way.
        tokio::try_join!(take_in(reader, sender, self.delay), self.hand_out(receiver, writer)).map(drop)
    }

    async fn hand_out(self, mut parcels: UnboundedReceiver<Parcel>, mut writer: OwnedWriteHalf) -> io::Result<()> {
        let mut left = self.cut_after.unwrap_or(u64::MAX);
        while let Some(Parcel { due, bytes }) = parcels.recv().await {
            arrive(due).await;
            let passing = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let bytes = bytes.get(..passing).unwrap_or(&bytes);
            self.write(&mut writer, bytes).await?;
            left -= bytes.len() as u64;
            if left == 0 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        writer.shutdown().await
    }

    async fn write(&self, writer: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
        let Some((portion, interval)) = self.trickle else {
            writer.write_all(bytes).await?;
            self.counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            return Ok(());
        };
        for part in bytes.chunks(portion) {
            sleep(interval).await;
            writer.write_all(part).await?;
            self.counter.fetch_add(part.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Waits to within some microseconds: tokio's timers alone count whole milliseconds, which is a tenth of a usual delay.
async fn arrive(due: Instant) {
    if let Some(early) = due.checked_sub(TIMER) {
        sleep_until(early).await;
    }
    while Instant::now() < due {
        yield_now().await;
    }
}

/// Reads to the end of file and drops what it reads.
pub(super) async fn drain(mut reader: OwnedReadHalf) {
    let mut buffer = vec![0; CHUNK];
    while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
}

async fn take_in(mut reader: OwnedReadHalf, sender: UnboundedSender<Parcel>, delay: Duration) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = reader.read(&mut buffer).await?;
        // The end of file travels as an empty parcel, as late as the bytes before it.
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        let sent = sender.send(Parcel { due: Instant::now() + delay, bytes });
        if length == 0 || sent.is_err() {
            return Ok(());
        }
    }
}
