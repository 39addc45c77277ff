//! Durable delivery: a queue, the routes that its messages take, and a dispatcher between them.

mod carrier;
mod job_rounds;
mod outcome;
mod prepare;
mod route;
mod rules;
mod stored;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mailkit_dispatch::{Dispatcher, Settings};
#[cfg(feature = "dkim")]
use mailkit_mime::dkim::Signer;
use mailkit_queue::{Enqueued, NewMessage, Queue};

use self::carrier::Carrier;
pub use self::prepare::EnqueueOptions;
pub use self::route::Route;
use self::rules::DeliveryRules;
pub use self::transaction::UnsupportedOption;
#[cfg(feature = "dkim")]
use crate::DomainSigners;
use crate::{Address, Error, Mailer, Message, Safeguards};

/// Takes messages into a queue and delivers them over its routes, whatever fails in between. Cheap to clone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use mailkit::{EnqueueOptions, MemoryQueue, Message, Outbox, Route};
///
/// let outbox = Outbox::builder()
///     .queue(MemoryQueue::new())
///     .route(Route::new("primary", "smtp://localhost:2525?tls=none")?.rate("14/s".parse()?))
///     .start()
///     .await?;
/// let message = Message::builder().from("ann@example.com").to("bob@example.org").text("Hello.").build()?;
/// let enqueued = outbox.enqueue(&message, EnqueueOptions::new().idempotency_key("order-42")).await?;
/// assert!(!enqueued.duplicate && outbox.queue().get(enqueued.id).await?.is_some());
/// outbox.shutdown(Duration::from_millis(10)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Arc<dyn Queue>,
    dispatcher: Dispatcher,
    /// By the names of their routes.
    mailers: Vec<(String, Mailer)>,
    #[cfg(feature = "dkim")]
    signers: Arc<[Signer]>,
}

impl Outbox {
    /// Starts to put one together.
    pub fn builder() -> OutboxBuilder {
        OutboxBuilder::default()
    }

    /// Stores a message. Returned means stored, as durably as the queue is: it will be delivered, or end where it can be
    /// seen. The answer says whether its idempotency key was there already, and in which state the message is.
    ///
    /// # Errors
    /// [`ErrorKind::QueueFull`](crate::ErrorKind::QueueFull), [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) for an
    /// idempotency key that stands for another message, those of [`prepare`](Self::prepare), or the store's own.
    pub async fn enqueue(&self, message: &Message, options: EnqueueOptions) -> Result<Enqueued, Error> {
        let new = self.prepare(message, options).await?;
        Ok(self.shared.queue.enqueue(new).await?)
    }

    /// Makes of a message what [`enqueue`](Self::enqueue) stores, signed by DKIM where the outbox signs: for
    /// [`Queue::enqueue`] on the queue itself.
    ///
    /// # Errors
    /// [`ErrorKind::Message`](crate::ErrorKind::Message) for a message that cannot be stored or signed,
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for options that a queue cannot grant, and
    /// [`ErrorKind::Content`](crate::ErrorKind::Content) where an attachment cannot be read.
    pub async fn prepare(&self, message: &Message, options: EnqueueOptions) -> Result<NewMessage, Error> {
        #[cfg(feature = "dkim")]
        if !self.shared.signers.is_empty() {
            return options.prepare_signed(message, Arc::clone(&self.shared.signers)).await;
        }
        options.prepare(message).await
    }

    /// The queue: to look at messages, and to act on them.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.shared.queue
    }

    /// What delivers: events, statistics, pausing and resuming of routes, other settings.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.shared.dispatcher
    }

    /// The connections of a route: their statistics, and sending past the queue.
    #[must_use]
    pub fn mailer(&self, route: &str) -> Option<&Mailer> {
        self.shared.mailers.iter().find(|(name, _)| name == route).map(|(_, mailer)| mailer)
    }

    /// Leases no more, waits until what is under way is done, but no longer than this, gives the rest back to the queue
    /// and parts from the servers.
    pub async fn shutdown(&self, deadline: Duration) {
        self.shared.dispatcher.shutdown(deadline).await;
        for (_, mailer) in &self.shared.mailers {
            mailer.close().await;
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.shared.mailers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Outbox").field("routes", &routes).finish_non_exhaustive()
    }
}

/// Puts an [`Outbox`] together.
#[derive(Default)]
#[must_use = "nothing is delivered until it is started"]
pub struct OutboxBuilder {
    queue: Option<Arc<dyn Queue>>,
    routes: Vec<Route>,
    settings: Settings,
    safeguards: Safeguards,
    archive_to: Option<Address>,
    #[cfg(feature = "dkim")]
    signers: Arc<[Signer]>,
    #[cfg(feature = "dkim")]
    domain_signers: DomainSigners,
}

impl OutboxBuilder {
    /// The queue.
    pub fn queue(self, queue: impl Queue + 'static) -> Self {
        self.shared_queue(Arc::new(queue))
    }

    /// A queue that others hold too.
    pub fn shared_queue(mut self, queue: Arc<dyn Queue>) -> Self {
        self.queue = Some(queue);
        self
    }

    /// One more route. The first takes all messages; the next is for when it is not open, and so on, unless their
    /// settings say otherwise.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Retries, leases, and limits of tenants.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Who may get mail when it is delivered, and where the rest goes instead.
    pub fn safeguards(mut self, safeguards: Safeguards) -> Self {
        self.safeguards = safeguards;
        self
    }

    /// Sends a copy of each message to this address, once, as a message of its own; none of bounces, and none where all
    /// mail is redirected.
    pub fn archive_to(mut self, address: Address) -> Self {
        self.archive_to = Some(address);
        self
    }

    /// Signs each message by DKIM with each of these when it is enqueued, and again where it is converted for a server
    /// that takes no 8-bit content.
    #[cfg(feature = "dkim")]
    pub fn signers(mut self, signers: impl Into<Arc<[Signer]>>) -> Self {
        self.signers = signers.into();
        self
    }

    /// Signs the mail of their domains by DKIM with these when it is delivered, unless it has a signature of the domain.
    #[cfg(feature = "dkim")]
    pub fn domain_signers(mut self, signers: DomainSigners) -> Self {
        self.domain_signers = signers;
        self
    }

    /// Starts to deliver.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration): no queue, no route, settings that contradict each
    /// other, a certificate that cannot be read.
    #[expect(clippy::unused_async, reason = "stores beyond this machine will be asked here whether they are there")]
    pub async fn start(self) -> Result<Outbox, Error> {
        let queue = self.queue.ok_or_else(|| Error::configuration(NoQueue))?;
        let rules = DeliveryRules::new(self.safeguards, self.archive_to, &queue);
        #[cfg(feature = "dkim")]
        let rules = rules.signed_by(self.domain_signers.clone());
        let rules = Arc::new(rules);
        let mut builder = Dispatcher::builder(Arc::clone(&queue)).settings(self.settings);
        #[cfg(feature = "dkim")]
        let renewing: Vec<Signer> = self.signers.iter().chain(self.domain_signers.all()).cloned().collect();
        let mut mailers = Vec::with_capacity(self.routes.len());
        for route in self.routes {
            let (settings, mailer) = route.into_parts()?;
            #[cfg(feature = "dkim")]
            let mailer = mailer.with_renewed_signatures(renewing.clone());
            mailers.push((settings.name.clone(), mailer.clone()));
            builder = builder.route(settings, Arc::new(Carrier::new(mailer, Arc::clone(&rules))));
        }
        let dispatcher = builder.start().map_err(Error::configuration)?;
        let shared = Shared {
            queue,
            dispatcher,
            mailers,
            #[cfg(feature = "dkim")]
            signers: self.signers,
        };
        Ok(Outbox { shared: Arc::new(shared) })
    }
}

impl fmt::Debug for OutboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxBuilder").field("routes", &self.routes).finish_non_exhaustive()
    }
}

/// An outbox without a queue.
#[derive(Debug)]
struct NoQueue;

impl fmt::Display for NoQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an outbox needs a queue: give one with `queue`")
    }
}

impl std::error::Error for NoQueue {}
