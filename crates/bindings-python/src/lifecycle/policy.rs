//! How a worker is supervised, from the Python dataclass of the same name.

use hostloop::lifecycle::{OnExhausted, Policy, Restart};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::options::duration;

/// Reads a policy, which has checked its values.
pub(super) fn policy(given: &Bound<'_, PyAny>) -> PyResult<Policy> {
    let seconds = |name: &str| duration(given.getattr(name)?.extract()?);
    let restart: String = given.getattr("restart")?.extract()?;
    let on_exhausted: String = given.getattr("on_exhausted")?.extract()?;
    Ok(Policy {
        restart: match &restart[..] {
            "never" => Restart::Never,
            "on_failure" => Restart::OnFailure,
            "always" => Restart::Always,
            other => return Err(unknown("restart", other)),
        },
        on_exhausted: match &on_exhausted[..] {
            "stop_app" => OnExhausted::StopApp,
            "degrade" => OnExhausted::Degrade,
            "restart_dependents" => OnExhausted::RestartDependents,
            other => return Err(unknown("on_exhausted", other)),
        },
        backoff: seconds("backoff")?,
        factor: given.getattr("factor")?.extract()?,
        max_backoff: seconds("max_backoff")?,
        jitter: given.getattr("jitter")?.extract()?,
        max_restarts: given.getattr("max_restarts")?.extract()?,
        window: seconds("window")?,
        stable_after: seconds("stable_after")?,
        has_ready_gate: given.getattr("ready")?.extract()?,
        watchdog: given.getattr("watchdog")?.extract::<Option<f64>>()?.map(duration).transpose()?,
    })
}

fn unknown(name: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("{name} is {value:?}"))
}
