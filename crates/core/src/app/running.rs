//! An application that runs.

use std::{fmt, ops::Deref, sync::Arc};

#[cfg(feature = "watch")]
use super::watching::Watching;
use super::{
    blueprint::Blueprint,
    driver::{Driver, Origin, Progress, Reach, wait::first_of},
    error::AppError,
    handle::AppHandle,
    signals::Signals,
};
use crate::Address;

/// An application that was started. Dropped, it is stopped in the background; [`Running::stop`] also waits and tells what failed.
pub struct Running {
    handle: AppHandle,
}

impl Running {
    pub(crate) fn launch(blueprint: &Arc<Blueprint>, reach: Reach) -> Result<Self, AppError> {
        #[cfg(feature = "watch")]
        let watching = Watching::begin(blueprint)?;
        let driver = Driver::launch(blueprint, reach);
        #[cfg(feature = "watch")]
        if let Some(watching) = watching {
            watching.follow(&driver);
        }
        Ok(Self { handle: AppHandle::new(driver, Origin::APP) })
    }

    pub(crate) async fn until_up(&self) -> Result<(), AppError> {
        let mut progress = self.handle.driver().progress();
        let reached = progress.wait_for(|progress| !matches!(progress, Progress::Starting)).await;
        match reached.as_deref() {
            Ok(Progress::Down(Err(error))) => Err(error.clone()),
            Ok(Progress::Down(Ok(()))) => Err(AppError::closed("the application was stopped before it was up")),
            _ => Ok(()),
        }
    }

    pub(crate) async fn until_stopped(&self, signals: &mut Signals) -> Result<(), AppError> {
        let driver = self.handle.driver();
        loop {
            match first_of(driver.ended(), signals.next()).await {
                Ok(outcome) => return outcome,
                Err(number) => driver.act(|state, now| state.run.signal(now, number)),
            }
        }
    }

    /// Stops the application and waits for its end. Called again, it waits for the same.
    ///
    /// # Errors
    ///
    /// All that failed since the start.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the stop goes on in the background.
    pub async fn stop(&self) -> Result<(), AppError> {
        self.handle.request_stop(0);
        self.ended().await
    }

    /// Waits for the application's end, whoever brings it about: [`AppHandle::request_stop`], or a worker that has failed too often.
    ///
    /// # Errors
    ///
    /// All that failed since the start.
    pub async fn ended(&self) -> Result<(), AppError> {
        self.handle.driver().ended().await
    }

    /// Returns where the application listens: the real ports, if port 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.handle.driver().addresses()
    }
}

impl Deref for Running {
    type Target = AppHandle;

    fn deref(&self) -> &AppHandle {
        &self.handle
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.request_stop(0);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}
