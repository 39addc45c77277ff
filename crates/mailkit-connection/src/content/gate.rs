//! The last piece of a content held back until something else is done.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::Source;

type Opening = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Asks for the gate to be opened.
type Open = Arc<dyn Fn() -> Opening + Send + Sync>;

/// Holds the last piece back until its future is done.
pub(super) struct Gate {
    open: Open,
    /// The last piece, and what it waits for.
    held: Option<(Bytes, Opening)>,
}

impl Gate {
    pub(super) fn new(open: Open) -> Self {
        Self { open, held: None }
    }

    /// The gate for the same content again.
    pub(super) fn again(&self) -> Self {
        Self::new(Arc::clone(&self.open))
    }

    pub(super) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        source: &mut Source,
        put: impl FnOnce(&[u8], bool),
    ) -> Poll<io::Result<()>> {
        let mut put = Some(put);
        if self.held.is_none() {
            // Only the source knows which piece is its last, and it gives each one once.
            let mut last_piece = None;
            ready!(source.poll_piece(context, |piece, last| match put.take_if(|_| !last) {
                Some(put) => put(piece, last),
                None => last_piece = Some(Bytes::copy_from_slice(piece)),
            }))?;
            self.held = last_piece.map(|piece| (piece, (self.open)()));
        }
        let (Some((piece, opening)), Some(put)) = (&mut self.held, put) else { return Poll::Ready(Ok(())) };
        ready!(opening.as_mut().poll(context))?;
        put(piece, true);
        self.held = None;
        Poll::Ready(Ok(()))
    }
}
