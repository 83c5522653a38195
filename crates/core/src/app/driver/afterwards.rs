//! What is left for when the lock is open again.

use std::sync::Arc;

use super::{Driver, Epoch, Progress, events::Told};
use crate::app::{
    error::AppError,
    listening::Listening,
    recipe::{BoxFuture, HookCalls},
    value::Held,
};

/// What is left to do when the lock is open again: it may call the user's code.
#[derive(Default)]
pub(super) struct Afterwards {
    pub(super) tasks: Vec<BoxFuture<()>>,
    pub(super) values: Vec<Held>,
    pub(super) listening: Vec<Listening>,
    pub(super) hooks: Vec<HookCalls>,
    pub(super) epochs: Vec<Arc<Epoch>>,
    pub(super) told: Vec<Told>,
    pub(super) is_up: bool,
    pub(super) ended: Option<Result<(), AppError>>,
    pub(super) exit: Option<i32>,
}

impl Afterwards {
    pub(super) fn finish(self, driver: &Driver) {
        self.told.into_iter().for_each(Told::tell);
        for task in self.tasks {
            driver.runtime.spawn(task);
        }
        drop((self.values, self.listening, self.hooks, self.epochs));
        if self.is_up {
            driver.progress.send_replace(Progress::Up);
        }
        if let Some(outcome) = self.ended {
            driver.progress.send_replace(Progress::Down(outcome));
            driver.alarm.notify_one();
        }
        if let Some(code) = self.exit {
            std::process::exit(code);
        }
    }
}
