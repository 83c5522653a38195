//! How a worker is supervised, from the options of the public layer.

use hostloop::lifecycle::{OnExhausted, Policy, Restart};
use napi_derive::napi;

use crate::{
    errors::{Result, invalid},
    options::duration,
};

/// How a worker is supervised. The public layer has checked the values. Times are seconds.
#[napi(object)]
pub struct NativePolicy {
    pub restart: String,
    pub on_exhausted: String,
    pub backoff: f64,
    pub factor: f64,
    pub max_backoff: f64,
    pub jitter: f64,
    pub max_restarts: u32,
    pub window: f64,
    pub stable_after: f64,
    pub ready: bool,
    pub watchdog: Option<f64>,
}

pub(super) fn policy(given: &NativePolicy) -> Result<Policy> {
    Ok(Policy {
        restart: match &given.restart[..] {
            "never" => Restart::Never,
            "on-failure" => Restart::OnFailure,
            "always" => Restart::Always,
            other => return Err(invalid(format!("restart is {other:?}"))),
        },
        on_exhausted: match &given.on_exhausted[..] {
            "stop-app" => OnExhausted::StopApp,
            "degrade" => OnExhausted::Degrade,
            "restart-dependents" => OnExhausted::RestartDependents,
            other => return Err(invalid(format!("onExhausted is {other:?}"))),
        },
        backoff: duration(given.backoff)?,
        factor: given.factor,
        max_backoff: duration(given.max_backoff)?,
        jitter: given.jitter,
        max_restarts: given.max_restarts,
        window: duration(given.window)?,
        stable_after: duration(given.stable_after)?,
        has_ready_gate: given.ready,
        watchdog: given.watchdog.map(duration).transpose()?,
    })
}
