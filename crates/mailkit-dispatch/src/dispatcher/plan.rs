//! The settings and routes of a dispatcher, and how it is started.

use std::fmt;
use std::sync::{Arc, Mutex};

use mailkit_queue::Queue;
use tokio::runtime::Handle;

use super::deliver::Deliver;
use super::handle::Dispatcher;
use super::lease_term::BootClock;
use super::route::Route;
use super::route_settings::RouteSettings;
use super::runtime::Shared;
use super::settings::{Settings, SettingsError, check};
use super::state::State;
use super::{leasing, settling};

/// The settings and routes of a dispatcher.
#[derive(Clone, Default)]
pub struct Plan {
    pub(super) settings: Settings,
    pub(super) routes: Vec<(RouteSettings, Arc<dyn Deliver>)>,
}

impl Plan {
    /// A plan with default settings and without routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Adds a route. Without preferences, messages use the first available route.
    #[must_use]
    pub fn route(mut self, settings: RouteSettings, deliver: Arc<dyn Deliver>) -> Self {
        self.routes.push((settings, deliver));
        self
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let routes: Vec<&RouteSettings> = self.routes.iter().map(|(settings, _)| settings).collect();
        check(&self.settings, &routes)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<&str> = self.routes.iter().map(|(settings, _)| &*settings.name).collect();
        f.debug_struct("Plan").field("routes", &routes).field("settings", &self.settings).finish()
    }
}

/// Builds and starts a [`Dispatcher`].
#[derive(Clone)]
pub struct Builder {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) plan: Plan,
    pub(super) boot: BootClock,
}

impl Builder {
    /// Sets the monotonic clock for leases, for tests that simulate a suspended machine.
    #[must_use]
    pub fn boot_clock(mut self, clock: BootClock) -> Self {
        self.boot = clock;
        self
    }

    /// Sets the settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.plan = self.plan.settings(settings);
        self
    }

    /// Adds a route. Without preferences, messages use the first available route.
    #[must_use]
    pub fn route(mut self, settings: RouteSettings, deliver: Arc<dyn Deliver>) -> Self {
        self.plan = self.plan.route(settings, deliver);
        self
    }

    /// Replaces all settings and routes by those of a plan.
    #[must_use]
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Starts the dispatcher on the current tokio runtime. If the store is unavailable, the dispatcher waits for it.
    ///
    /// # Errors
    /// The settings are invalid or contradict each other.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    pub fn start(self) -> Result<Dispatcher, SettingsError> {
        self.plan.check()?;
        let Plan { settings, routes } = self.plan;
        let routes = routes.into_iter().map(|(settings, deliver)| Route::new(settings, deliver)).collect();
        let shared = Arc::new(Shared::new(self.queue, State::new(settings, routes), Handle::current(), self.boot));
        let tasks = vec![
            tokio::spawn(leasing::lease(Arc::clone(&shared))),
            tokio::spawn(leasing::renew(Arc::clone(&shared))),
            tokio::spawn(settling::settle(Arc::clone(&shared))),
        ];
        Ok(Dispatcher { shared, tasks: Mutex::new(tasks) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("plan", &self.plan).finish_non_exhaustive()
    }
}
