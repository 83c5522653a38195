//! Limits and timeouts, from the Python dataclasses of the same names.

use std::time::Duration;

use hostloop::{Limits, ServerOptions, Timeouts};
use pyo3::{exceptions::PyValueError, prelude::*};

/// Reads `hostloop.Limits` and `hostloop.Timeouts`, which have checked their values.
pub(crate) fn server_options(
    limits: &Bound<'_, PyAny>,
    timeouts: &Bound<'_, PyAny>,
    report_access: bool,
) -> PyResult<ServerOptions> {
    let mut options = ServerOptions::default();
    options.limits = read_limits(limits)?;
    options.timeouts = read_timeouts(timeouts)?;
    options.report_access = report_access;
    Ok(options)
}

fn read_limits(given: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let mut limits = Limits::default();
    limits.head_bytes = given.getattr("head_bytes")?.extract()?;
    limits.target_bytes = given.getattr("target_bytes")?.extract()?;
    limits.header_count = given.getattr("header_count")?.extract()?;
    limits.body_bytes = given.getattr("body_bytes")?.extract()?;
    limits.connections = given.getattr("connections")?.extract()?;
    limits.requests = given.getattr("requests")?.extract()?;
    limits.gathered_bytes = given.getattr("gathered_bytes")?.extract()?;
    limits.stream_bytes = given.getattr("stream_bytes")?.extract()?;
    limits.min_rate = given.getattr("min_rate")?.extract()?;
    Ok(limits)
}

fn read_timeouts(given: &Bound<'_, PyAny>) -> PyResult<Timeouts> {
    let seconds = |name: &str| given.getattr(name)?.extract::<Option<f64>>()?.map(duration).transpose();
    let mut timeouts = Timeouts::default();
    timeouts.header = seconds("header")?;
    timeouts.body = seconds("body")?;
    timeouts.handler = seconds("handler")?;
    timeouts.write = seconds("write")?;
    timeouts.keep_alive = seconds("keep_alive")?;
    timeouts.drain = seconds("drain")?;
    Ok(timeouts)
}

pub(crate) fn duration(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(format!("{seconds} seconds: {error}")))
}
