//! The application: a checked graph that can be run, any number of times.

use std::{fmt, sync::Arc};

use super::{
    blueprint::{Blueprint, Wiring},
    builder::AppBuilder,
    driver::Reach,
    error::AppError,
    running::Running,
    signals::Signals,
    testing::TestClient,
};
use crate::lifecycle::{Diagnostic, Explanation, Options, WiringError};

/// An application that is wired and checked, and not yet running.
///
/// It can be run more than once, one life after the other or beside each other: what it makes belongs to each run.
#[derive(Clone)]
pub struct App {
    wiring: Arc<Wiring>,
    blueprint: Arc<Blueprint>,
}

impl App {
    /// Begins an application.
    pub fn builder() -> AppBuilder {
        AppBuilder::new()
    }

    pub(crate) fn sealed(wiring: Wiring, options: Options, found: Vec<Diagnostic>) -> Result<Self, WiringError> {
        let blueprint = wiring.clone().seal(options, found)?;
        Ok(Self { wiring: Arc::new(wiring), blueprint: Arc::new(blueprint) })
    }

    /// Starts the application, waits for SIGINT or SIGTERM, and stops it. The first signal stops, also in the middle of the start; a
    /// second cuts the stop short; a third ends the process.
    ///
    /// What the signals did before is restored at the end.
    ///
    /// # Errors
    ///
    /// All that failed in the start and in the stop, the start's first.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or in one without time and I/O.
    pub async fn run(&self) -> Result<(), AppError> {
        let mut signals = Signals::catch()?;
        let running = Running::launch(&self.blueprint, Reach::Sockets)?;
        running.until_stopped(&mut signals).await
    }

    /// Starts the application and returns when all of it is up. Signals are left alone.
    ///
    /// # Errors
    ///
    /// What failed, after all that had started has been undone, and what failed in that.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or in one without time.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, what has started is undone in the background.
    pub async fn start(&self) -> Result<Running, AppError> {
        let running = Running::launch(&self.blueprint, Reach::Sockets)?;
        running.until_up().await?;
        Ok(running)
    }

    /// Starts the application without a socket, and returns a client that makes requests of it. No port is bound, and signals are left
    /// alone: any number of tests run beside each other.
    ///
    /// Requests go through the whole server, parsing, limits and timeouts included, and are answered on the thread that would answer them
    /// in production; only the connection is memory. See [`TestClient`] for what else differs.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use axum::{Router, routing::get};
    /// # struct Greeting(&'static str);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = hostloop::App::builder()
    /// #     .supply(Greeting("hello"))
    /// #     .http("127.0.0.1:8000", |greeting: Arc<Greeting>| Router::new().route("/", get(move || async move { greeting.0 })))
    /// #     .build()?;
    /// let client = app.with_overrides(|with| with.supply(Greeting("good morning")))?.test().await?;
    /// let response = client.get("/").await?;
    /// assert_eq!((response.status().as_u16(), response.text()), (200, "good morning".into()));
    /// client.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`App::start`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or in one without time.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, what has started is undone in the background.
    pub async fn test(&self) -> Result<TestClient, AppError> {
        let running = Running::launch(&self.blueprint, Reach::Memory)?;
        running.until_up().await?;
        Ok(TestClient::new(running))
    }

    /// Makes another application in which what the closure adds takes the place of what provides the same, decorators included. Settings
    /// can be changed too. This one stays as it is.
    ///
    /// ```
    /// # use std::{io, sync::Arc};
    /// # struct Mailer;
    /// # impl Mailer { async fn connect() -> io::Result<Self> { Ok(Self) } fn recording() -> Self { Self } }
    /// # fn app() -> hostloop::App {
    /// #     hostloop::App::builder().provide(Mailer::connect).invoke(|_: Arc<Mailer>| async {}).build().unwrap()
    /// # }
    /// let tested = app().with_overrides(|with| with.supply(Mailer::recording()))?;
    /// # Ok::<(), hostloop::lifecycle::WiringError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every mistake in the wiring; an override of what nothing provides is one.
    pub fn with_overrides(&self, change: impl FnOnce(AppBuilder) -> AppBuilder) -> Result<Self, WiringError> {
        let scopes = self.blueprint.plan.scopes().to_vec();
        change(AppBuilder::with(self.blueprint.options.clone(), scopes)).build_on((*self.wiring).clone(), true)
    }

    /// Describes the graph: what is there, what needs what, and in which order it starts.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        self.blueprint.plan.explain()
    }

    /// Returns what is odd about the wiring, and no mistake: what nothing needs.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        self.blueprint.plan.warnings()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("nodes", &self.blueprint.plan.len()).finish_non_exhaustive()
    }
}
