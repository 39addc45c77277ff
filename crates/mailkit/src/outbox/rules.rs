//! What is done to a message when it is delivered, beside sending it: safeguards and the archive copy.

mod archive;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::{Address, Envelope};
use mailkit_dispatch::{Job, Outcome};
use mailkit_queue::{Chunks, Content, ContentSource, Leased, Queue};

use self::archive::Archive;
#[cfg(feature = "dkim")]
use crate::DomainSigners;
use crate::{Guarded, Safeguards};

/// What holds for every message that leaves.
pub(super) struct DeliveryRules {
    safeguards: Safeguards,
    archive: Option<Archive>,
    #[cfg(feature = "dkim")]
    signers: DomainSigners,
}

impl DeliveryRules {
    /// Copies go to `archive_to`, unless all mail is redirected.
    pub(super) fn new(safeguards: Safeguards, archive_to: Option<Address>, queue: &Arc<dyn Queue>) -> Self {
        let archive_to = archive_to.filter(|_| safeguards.redirect_all_to.is_none());
        let archive = archive_to.map(|to| Archive::new(to, Arc::clone(queue)));
        Self {
            safeguards,
            archive,
            #[cfg(feature = "dkim")]
            signers: DomainSigners::default(),
        }
    }

    /// Signs what was not signed when it was enqueued.
    #[cfg(feature = "dkim")]
    pub(super) fn signed_by(self, signers: DomainSigners) -> Self {
        Self { signers, ..self }
    }

    /// What the safeguards make of an envelope; `None` where there are none.
    pub(super) fn guard(&self, envelope: &Envelope) -> Option<Guarded> {
        (!self.safeguards.is_empty()).then(|| self.safeguards.apply(envelope))
    }

    /// The content as it leaves: signed, and with these fields in front.
    pub(super) fn content(&self, message: &Leased, fields: &str) -> Content {
        let content = message.content.clone();
        #[cfg(feature = "dkim")]
        let content = self.signers.sign(content);
        if fields.is_empty() {
            return content;
        }
        match content.in_memory() {
            Some(bytes) => Content::from(Bytes::from([fields.as_bytes(), bytes].concat())),
            None => {
                let size = content.size().map(|size| size + fields.len() as u64);
                Content::stored(Arc::new(Prefixed { fields: Bytes::copy_from_slice(fields.as_bytes()), content }), size)
            }
        }
    }

    /// Enqueues the archive copy of a message, if there shall be one and there is none yet.
    pub(super) async fn archive(&self, job: &Job, outcome: &Outcome) {
        if let Some(archive) = &self.archive {
            archive.copy(job, outcome).await;
        }
    }
}

/// Content of a store behind header fields.
struct Prefixed {
    fields: Bytes,
    content: Content,
}

impl ContentSource for Prefixed {
    fn open(&self) -> io::Result<Chunks> {
        Ok(Box::new(std::iter::once(Ok(self.fields.clone())).chain(self.content.chunks()?)))
    }
}
