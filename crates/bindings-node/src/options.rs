//! Limits and timeouts, from the public layer's objects of the same names.

use std::time::Duration;

use hostloop::{Limits, ServerOptions, Timeouts};
use napi_derive::napi;

use crate::errors::{Result, invalid};

/// How much a server takes. The public layer has checked the values.
#[napi(object)]
pub struct NativeLimits {
    pub head_bytes: f64,
    pub target_bytes: f64,
    pub header_count: f64,
    pub body_bytes: f64,
    pub connections: f64,
    pub requests: f64,
    pub gathered_bytes: f64,
    pub stream_bytes: f64,
    pub min_rate: f64,
}

/// How long a server waits, in seconds.
#[napi(object)]
pub struct NativeTimeouts {
    pub header: Option<f64>,
    pub body: Option<f64>,
    pub handler: Option<f64>,
    pub write: Option<f64>,
    pub keep_alive: Option<f64>,
    pub drain: Option<f64>,
}

pub(crate) fn server_options(given: &NativeLimits, waits: &NativeTimeouts, report_access: bool) -> Result<ServerOptions> {
    let mut options = ServerOptions::default();
    options.limits = limits(given);
    options.timeouts = timeouts(waits)?;
    options.report_access = report_access;
    Ok(options)
}

fn limits(given: &NativeLimits) -> Limits {
    let mut limits = Limits::default();
    limits.head_bytes = given.head_bytes as usize;
    limits.target_bytes = given.target_bytes as usize;
    limits.header_count = given.header_count as usize;
    limits.body_bytes = given.body_bytes as u64;
    limits.connections = given.connections as usize;
    limits.requests = given.requests as usize;
    limits.gathered_bytes = given.gathered_bytes as usize;
    limits.stream_bytes = given.stream_bytes as usize;
    limits.min_rate = given.min_rate as u32;
    limits
}

pub(crate) fn timeouts(given: &NativeTimeouts) -> Result<Timeouts> {
    let seconds = |value: Option<f64>| value.map(duration).transpose();
    let mut timeouts = Timeouts::default();
    timeouts.header = seconds(given.header)?;
    timeouts.body = seconds(given.body)?;
    timeouts.handler = seconds(given.handler)?;
    timeouts.write = seconds(given.write)?;
    timeouts.keep_alive = seconds(given.keep_alive)?;
    timeouts.drain = seconds(given.drain)?;
    Ok(timeouts)
}

pub(crate) fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| invalid(format!("{seconds} seconds: {error}")))
}
