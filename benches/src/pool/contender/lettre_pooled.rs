//! lettre with its pool. It keeps as many connections as it is told, and opens one for each sender that finds none.

use futures_util::future::BoxFuture;

use super::{Address, Contender, Lettre, lettre};
use crate::work::Failure;

pub(super) struct LettrePooled(Lettre);

impl LettrePooled {
    pub(super) fn new(address: &Address, connections: u32) -> Result<Self, Failure> {
        lettre(address, connections).map(Self)
    }
}

impl Contender for LettrePooled {
    fn send(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.send())
    }
}
