use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

fn fired(wheel: &mut Wheel, now: u64) -> Vec<u64> {
    let mut payloads = Vec::new();
    wheel.advance(now, |_, payload| payloads.push(payload));
    payloads
}

#[test]
fn a_timer_never_fires_early_not_even_by_a_nanosecond() {
    let mut wheel = Wheel::new(0);
    wheel.arm(1_000_001, 0, 7);
    assert!(fired(&mut wheel, 1_000_000).is_empty());
    assert_eq!(fired(&mut wheel, 1_000_001), [7]);
}

#[test]
fn a_cancelled_timer_never_fires() {
    let mut wheel = Wheel::new(0);
    let id = wheel.arm(5, 0, 7);
    assert_eq!(wheel.cancel(id), Some(7));
    assert_eq!(wheel.cancel(id), None);
    assert!(fired(&mut wheel, 1 << 40).is_empty());
}

#[test]
fn equal_deadlines_fire_in_the_order_they_were_armed_even_across_levels() {
    let mut wheel = Wheel::new(0);
    let deadline = 10_000_000_000;
    wheel.arm(deadline, 0, 1);
    assert!(fired(&mut wheel, deadline - 1_000_000).is_empty());
    wheel.arm(deadline, 0, 2);
    assert!(fired(&mut wheel, deadline - 10).is_empty());
    wheel.arm(deadline, 0, 3);
    assert_eq!(fired(&mut wheel, deadline), [1, 2, 3]);
}

#[test]
fn order_holds_when_the_sequence_wraps() {
    let mut wheel = Wheel::new(0);
    wheel.sequence = u32::MAX - 1;
    for payload in 0..4 {
        wheel.arm(100, 0, payload);
    }
    assert_eq!(fired(&mut wheel, 100), [0, 1, 2, 3]);
}

#[test]
fn a_deadline_in_the_past_fires_at_once() {
    let mut wheel = Wheel::new(1 << 50);
    wheel.arm(3, 0, 9);
    assert_eq!(fired(&mut wheel, 1 << 50), [9]);
}

#[test]
fn the_far_end_of_time_can_be_armed_and_cancelled() {
    let mut wheel = Wheel::new(12_345);
    let id = wheel.arm(u64::MAX, 0, 1);
    assert!(fired(&mut wheel, 1 << 62).is_empty());
    assert_eq!(wheel.cancel(id), Some(1));
}

#[test]
fn slack_lets_timers_share_an_instant_and_is_never_exceeded() {
    let second = 1_000_000_000;
    let shared: Vec<u64> = (0..100).map(|i| coalesce(75 * second + i * 1_000_000, second)).collect();
    assert!(shared.iter().zip(0..).all(|(&at, i)| (0..=second).contains(&(at - (75 * second + i * 1_000_000)))));
    assert!(shared.iter().collect::<std::collections::BTreeSet<_>>().len() <= 2);
}

#[derive(Clone, Debug)]
enum Step {
    Arm { after: u64 },
    Cancel { nth: usize },
    Restart { nth: usize, after: u64 },
    Advance { by: u64 },
}

fn span() -> impl Strategy<Value = u64> {
    prop_oneof![0..3u64, 0..200_000u64, 0..100_000_000u64, 0..1u64 << 45]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => span().prop_map(|after| Step::Arm { after }),
        2 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        2 => (any::<usize>(), span()).prop_map(|(nth, after)| Step::Restart { nth, after }),
        3 => span().prop_map(|by| Step::Advance { by }),
    ];
    prop::collection::vec(step, 1..200)
}

/// What the wheel must do, said with an ordered map.
#[derive(Default)]
struct Model {
    by_deadline: BTreeMap<(u64, u64), u64>,
    by_payload: HashMap<u64, (u64, u64)>,
    sequence: u64,
}

impl Model {
    fn arm(&mut self, deadline: u64, payload: u64) {
        self.sequence += 1;
        let key = (deadline, self.sequence);
        if let Some(old) = self.by_payload.insert(payload, key) {
            self.by_deadline.remove(&old);
        }
        self.by_deadline.insert(key, payload);
    }

    fn cancel(&mut self, payload: u64) -> bool {
        self.by_payload.remove(&payload).is_some_and(|key| self.by_deadline.remove(&key).is_some())
    }

    fn advance(&mut self, now: u64) -> Vec<u64> {
        let later = self.by_deadline.split_off(&(now + 1, 0));
        let due = std::mem::replace(&mut self.by_deadline, later);
        due.into_values().inspect(|payload| assert!(self.by_payload.remove(payload).is_some())).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_wheel_does_what_an_ordered_map_does(start in span(), steps in steps()) {
        let (mut wheel, mut model, mut now) = (Wheel::new(start), Model::default(), start);
        let mut ids: Vec<TimerId> = Vec::new();
        for step in steps {
            match step {
                Step::Arm { after } => {
                    let payload = ids.len() as u64;
                    ids.push(wheel.arm(now + after, 0, payload));
                    model.arm(now + after, payload);
                }
                Step::Cancel { nth } if !ids.is_empty() => {
                    let nth = nth % ids.len();
                    prop_assert_eq!(wheel.cancel(ids[nth]).is_some(), model.cancel(nth as u64));
                }
                Step::Restart { nth, after } if !ids.is_empty() => {
                    let nth = nth % ids.len();
                    let armed = model.by_payload.contains_key(&(nth as u64));
                    prop_assert_eq!(wheel.restart(ids[nth], now + after, 0), armed);
                    if armed {
                        model.arm(now + after, nth as u64);
                    }
                }
                Step::Advance { by } => {
                    now += by;
                    prop_assert_eq!(fired(&mut wheel, now), model.advance(now));
                }
                Step::Cancel { .. } | Step::Restart { .. } => {}
            }
            prop_assert_eq!(wheel.len(), model.by_deadline.len());
            let earliest = model.by_deadline.keys().next().map(|key| key.0);
            prop_assert_eq!(wheel.next_deadline().is_none() && earliest.is_some(), false);
            if let (Some(next), Some(earliest)) = (wheel.next_deadline(), earliest) {
                prop_assert!(next <= earliest.max(now));
            }
        }
    }
}
