//! Content that is made by blocking code, on a thread of its own.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Tally;

/// How many pieces may be ready before they are asked for.
const AHEAD: usize = 2;

type Source = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;

/// A piece, and whether it is the last.
type Piece = (Bytes, bool);

pub(super) struct Chunks {
    state: State,
    tally: Tally,
}

enum State {
    /// The thread begins when the first piece is asked for.
    Waiting(Option<Source>),
    Running(mpsc::Receiver<io::Result<Piece>>),
}

impl Chunks {
    pub(super) fn new(source: Source, size: Option<u64>) -> Self {
        Self { state: State::Waiting(Some(source)), tally: Tally::new(size) }
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Piece>> {
        if let State::Waiting(source) = &mut self.state {
            let (sender, receiver) = mpsc::channel(AHEAD);
            if let Some(source) = source.take() {
                tokio::task::spawn_blocking(move || make(source, &sender));
            }
            self.state = State::Running(receiver);
        }
        let State::Running(receiver) = &mut self.state else { return Poll::Pending };
        let (piece, last) = match ready!(receiver.poll_recv(context)) {
            Some(made) => made?,
            // The code that makes the content panicked.
            None => return Poll::Ready(Err(io::Error::other("the content broke off"))),
        };
        self.tally.add(piece.len())?;
        if last {
            self.tally.end()?;
        }
        Poll::Ready(Ok((piece, last)))
    }
}

/// Makes piece after piece until the source is dry, breaks, or nobody asks any more.
fn make(source: Source, sender: &mpsc::Sender<io::Result<Piece>>) {
    let mut source = source.peekable();
    loop {
        let piece = source.next().unwrap_or_else(|| Ok(Bytes::new()));
        // A failure behind this piece is told in its turn.
        let last = source.peek().is_none();
        let over = last || piece.is_err();
        if sender.blocking_send(piece.map(|piece| (piece, last))).is_err() || over {
            return;
        }
    }
}
