//! Timers through the engine, with a clock that the test moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use hostloop::{Cause, ErrorKind, Event, Handle};
use support::{Host, SECOND, kind};

const NOW: Duration = Duration::ZERO;
const EXACTLY: Duration = Duration::ZERO;
const MILLISECOND: Duration = Duration::from_millis(1);

impl Host {
    fn timer(&mut self, delay: Duration, token: u64) -> Handle {
        self.engine.timer_start(delay, EXACTLY, token).unwrap()
    }

    /// Moves the clock, and returns what fired, in order.
    fn fired_after(&mut self, by: Duration) -> Vec<u64> {
        self.advance(by);
        let fired = |event| if let Event::Timer { token, .. } = event { Some(token) } else { None };
        self.events().into_iter().filter_map(fired).collect()
    }
}

#[test]
fn a_timer_fires_once_at_its_deadline_and_never_before() {
    let mut host = Host::new();
    host.timer(SECOND, 1);
    assert_eq!(host.fired_after(SECOND - Duration::from_nanos(1)), [0u64; 0]);
    assert_eq!(host.fired_after(Duration::from_nanos(1)), [1]);
    assert_eq!(host.fired_after(SECOND * 3600), [0u64; 0]);
}

#[test]
fn a_timer_of_no_delay_fires_in_the_next_turn() {
    let mut host = Host::new();
    host.timer(NOW, 1);
    assert_eq!(host.fired_after(NOW), [1]);
}

#[test]
fn timers_fire_in_order_of_deadline_and_equal_ones_in_order_of_start() {
    let mut host = Host::new();
    for (token, millis) in [30, 10, 20, 10, 7_200_000, 10].into_iter().enumerate() {
        host.timer(MILLISECOND * millis, token as u64);
    }
    assert_eq!(host.fired_after(SECOND * 7200), [1, 3, 5, 2, 0, 4]);
}

#[test]
fn what_is_due_at_once_fires_in_one_turn() {
    let mut host = Host::new();
    for token in 0..5000 {
        host.timer(MILLISECOND, token);
    }
    host.clock.advance(SECOND);
    host.turn().unwrap();
    assert_eq!(host.events().len(), 5000);
}

#[test]
fn a_cancelled_timer_never_fires_and_ends_with_closed() {
    let mut host = Host::new();
    let timer = host.timer(SECOND, 1);
    host.engine.timer_cancel(timer).unwrap();
    host.advance(SECOND * 2);
    assert!(
        matches!(host.events()[..], [Event::Closed { handle, token: 1, cause: Cause::Cancelled }] if handle == timer),
        "one event, its last"
    );
}

#[test]
fn a_timer_that_is_due_may_be_cancelled_until_a_turn_has_fired_it() {
    let mut host = Host::new();
    let timer = host.timer(SECOND, 1);
    host.clock.advance(SECOND * 2);
    host.engine.timer_cancel(timer).unwrap();
    assert_eq!(host.fired_after(SECOND), [0u64; 0]);
    assert_eq!(host.finals(1), 1);
}

#[test]
fn a_fired_timer_is_stale() {
    let mut host = Host::new();
    let timer = host.timer(NOW, 1);
    assert_eq!(host.fired_after(NOW), [1]);
    assert_eq!(kind(host.engine.timer_cancel(timer)), ErrorKind::Stale);
    assert_eq!(kind(host.engine.timer_restart(timer, SECOND, EXACTLY)), ErrorKind::Stale);
    let successor = host.timer(SECOND, 2);
    assert_ne!(timer, successor);
    assert_eq!(kind(host.engine.timer_cancel(timer)), ErrorKind::Stale, "its successor is safe from it");
    assert_eq!(host.fired_after(SECOND), [2]);
}

#[test]
fn a_restarted_timer_counts_from_the_restart() {
    let mut host = Host::new();
    let timer = host.timer(SECOND, 1);
    assert_eq!(host.fired_after(SECOND / 2), [0u64; 0]);
    host.engine.timer_restart(timer, SECOND, EXACTLY).unwrap();
    assert_eq!(host.fired_after(SECOND * 9 / 10), [0u64; 0]);
    assert_eq!(host.fired_after(SECOND / 10), [1]);
}

#[test]
fn a_restart_may_bring_a_timer_forward() {
    let mut host = Host::new();
    let timer = host.timer(SECOND * 3600, 1);
    host.timer(SECOND * 2, 2);
    host.engine.timer_restart(timer, SECOND, EXACTLY).unwrap();
    assert_eq!(host.fired_after(SECOND * 3600), [1, 2]);
}

#[test]
fn a_delay_counts_from_the_verb_and_not_from_the_last_turn() {
    let mut host = Host::new();
    host.run();
    host.clock.advance(SECOND * 10);
    host.timer(SECOND, 1);
    assert_eq!(host.fired_after(SECOND / 2), [0u64; 0]);
    assert_eq!(host.fired_after(SECOND / 2), [1]);
}

#[test]
fn slack_delays_by_no_more_than_itself_and_lets_timers_share_an_instant() {
    let mut host = Host::new();
    for token in 0..100 {
        let delay = SECOND * 10 + MILLISECOND * token as u32;
        host.engine.timer_start(delay, SECOND, token).unwrap();
    }
    assert_eq!(host.fired_after(SECOND * 10 - MILLISECOND), [0u64; 0], "none early");
    let mut instants = 0;
    let mut fired = 0;
    for _ in 0..1200 {
        let now = host.fired_after(MILLISECOND).len();
        instants += usize::from(now > 0);
        fired += now;
    }
    assert_eq!(fired, 100, "none later than its slack");
    assert!(instants <= 2, "{instants} wake-ups");
}

#[test]
fn far_deadlines_hold_to_the_nanosecond() {
    let year = SECOND * 86_400 * 365;
    let mut host = Host::new();
    host.timer(year * 100, 1);
    host.timer(year * 100 + Duration::from_nanos(1), 2);
    host.timer(Duration::MAX, 3);
    assert_eq!(host.fired_after(year * 50), [0u64; 0]);
    assert_eq!(host.fired_after(year * 50 - Duration::from_nanos(1)), [0u64; 0]);
    assert_eq!(host.fired_after(Duration::from_nanos(1)), [1]);
    assert_eq!(host.fired_after(Duration::from_nanos(1)), [2]);
    assert_eq!(host.fired_after(year * 400), [0u64; 0]);
    host.close();
    assert_eq!(host.finals(3), 1);
}

#[test]
fn every_timer_ends_when_the_engine_is_closed() {
    let mut host = Host::new();
    for token in 0..100 {
        host.timer(SECOND * (1 + token as u32), token);
    }
    assert_eq!(host.fired_after(SECOND * 50).len(), 50);
    host.close();
    assert!((0..100).all(|token| host.finals(token) == 1));
}
