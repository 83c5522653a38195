//! What is told through `tracing`.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps what is told, one line each: level, message, node, paths and error.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// Waits until something is told that has all of these in it, and returns it.
    pub(crate) async fn until(&self, parts: &[&str]) -> String {
        loop {
            let is_it = |line: &&String| parts.iter().all(|part| line.contains(part));
            if let Some(line) = self.0.lock().unwrap().iter().find(is_it) {
                return line.clone();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Takes what was told at these levels.
    pub(crate) fn take(&self, levels: &[Level]) -> Vec<String> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        all.into_iter().filter(|line| levels.iter().any(|level| line.starts_with(level.as_str()))).collect()
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["hostloop::lifecycle", "hostloop::watch"].contains(&metadata.target())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if ["node", "error"].contains(&field.name()) {
            self.0 += &format!(" {value}");
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if ["message", "path", "paths", "folder", "error"].contains(&field.name()) {
            self.0 += &format!(" {value:?}");
        }
    }
}
