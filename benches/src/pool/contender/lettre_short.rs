//! lettre, a connection for each message: a pool that keeps none, so each is closed, with QUIT, by a task of its own.

use futures_util::future::BoxFuture;

use super::{Address, Contender, Lettre, lettre};
use crate::work::Failure;

pub(super) struct LettreShort(Lettre);

impl LettreShort {
    pub(super) fn new(address: &Address) -> Result<Self, Failure> {
        lettre(address, 0).map(Self)
    }
}

impl Contender for LettreShort {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.send())
    }
}
