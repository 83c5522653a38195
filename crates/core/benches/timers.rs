//! Arm, cancel and idle look with a million live timers: the wheel, tokio-util's `DelayQueue` and a binary heap.
//!
//! Deadlines are what servers arm: 1 to 120 s ahead, spread evenly. Each figure is for one timer among the million: a batch is armed
//! (or cancelled) and the time divided by its size, so that the clock's own cost does not count. The heap cancels lazily, by a
//! mark, as most heaps do.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    hint::black_box,
    time::Duration,
};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hostloop::Wheel;
use tokio_util::time::DelayQueue;

const LIVE: u64 = 1_000_000;
const BATCH: u64 = 1_000;
const SECOND: u64 = 1_000_000_000;

/// Deadlines from 1 to 120 s, in no order (splitmix64).
fn deadline(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    SECOND + (z ^ (z >> 31)) % (119 * SECOND)
}

fn wheel() -> Wheel {
    let mut wheel = Wheel::new(0);
    for n in 0..LIVE {
        wheel.arm(deadline(n), 0, n);
    }
    wheel
}

fn arm(c: &mut Criterion) {
    let mut group = c.benchmark_group("arm, 1M live");
    group.throughput(Throughput::Elements(BATCH));

    let mut live = wheel();
    let mut next = LIVE;
    group.bench_function("wheel", |b| {
        b.iter_custom(|iterations| {
            measured(iterations, || {
                let start = std::time::Instant::now();
                let armed: Vec<_> = (0..BATCH).map(|n| live.arm(deadline(next + n), 0, n)).collect();
                let taken = start.elapsed();
                next += BATCH;
                armed.into_iter().for_each(|id| assert!(live.cancel(id).is_some()));
                taken
            })
        });
    });

    let runtime = runtime();
    let _entered = runtime.enter();
    let mut queue = delay_queue();
    group.bench_function("tokio-util DelayQueue", |b| {
        b.iter_custom(|iterations| {
            measured(iterations, || {
                let start = std::time::Instant::now();
                let armed: Vec<_> = (0..BATCH).map(|n| queue.insert(n, Duration::from_nanos(deadline(next + n)))).collect();
                let taken = start.elapsed();
                next += BATCH;
                armed.iter().for_each(|key| {
                    black_box(queue.remove(key));
                });
                taken
            })
        });
    });

    let heap: BinaryHeap<Reverse<(u64, u64)>> = (0..LIVE).map(|n| Reverse((deadline(n), n))).collect();
    group.bench_function("binary heap", |b| {
        b.iter_batched_ref(
            || heap.clone(),
            |heap| (0..BATCH).for_each(|n| heap.push(Reverse((deadline(LIVE + n), n)))),
            BatchSize::PerIteration,
        );
    });
}

fn cancel(c: &mut Criterion) {
    let mut group = c.benchmark_group("cancel, 1M live");
    group.throughput(Throughput::Elements(BATCH));

    let mut live = wheel();
    group.bench_function("wheel", |b| {
        b.iter_custom(|iterations| {
            measured(iterations, || {
                let armed: Vec<_> = (0..BATCH).map(|n| live.arm(deadline(n), 0, n)).collect();
                let start = std::time::Instant::now();
                armed.into_iter().for_each(|id| {
                    black_box(live.cancel(id));
                });
                start.elapsed()
            })
        });
    });

    let mut ids: Vec<_> = (0..LIVE).map(|n| live.arm(deadline(n), 0, n)).collect();
    let mut at = 0;
    group.bench_function("wheel, victims anywhere", |b| {
        b.iter_custom(|iterations| {
            measured(iterations, || {
                let victims: Vec<usize> = (0..BATCH).map(|n| (deadline(at + n) % LIVE) as usize).collect();
                let held: Vec<_> = victims.iter().map(|&victim| ids[victim]).collect();
                at += BATCH;
                let start = std::time::Instant::now();
                held.iter().for_each(|&id| {
                    black_box(live.cancel(id));
                });
                let taken = start.elapsed();
                for victim in victims {
                    if !live.is_armed(ids[victim]) {
                        ids[victim] = live.arm(deadline(victim as u64), 0, victim as u64);
                    }
                }
                taken
            })
        });
    });

    let runtime = runtime();
    let _entered = runtime.enter();
    let mut queue = delay_queue();
    group.bench_function("tokio-util DelayQueue", |b| {
        b.iter_custom(|iterations| {
            measured(iterations, || {
                let armed: Vec<_> = (0..BATCH).map(|n| queue.insert(n, Duration::from_nanos(deadline(n)))).collect();
                let start = std::time::Instant::now();
                armed.iter().for_each(|key| {
                    black_box(queue.remove(key));
                });
                start.elapsed()
            })
        });
    });

    let mut cancelled = HashSet::with_capacity(2 * BATCH as usize);
    group.bench_function("binary heap, by a mark", |b| {
        b.iter(|| {
            (0..BATCH).for_each(|n| {
                cancelled.insert(n);
            });
            cancelled.clear();
        });
    });
}

fn idle(c: &mut Criterion) {
    let mut group = c.benchmark_group("idle turn");
    for live in [0, 1_000, LIVE] {
        let mut wheel = Wheel::new(0);
        for n in 0..live {
            wheel.arm(deadline(n), 0, n);
        }
        wheel.advance(1, |_, _| {});
        group.bench_with_input(BenchmarkId::new("wheel", live), &live, |b, _| {
            let mut now = 2;
            b.iter(|| {
                now = (now + 1) % SECOND;
                wheel.advance(black_box(now), |_, _| unreachable!("nothing is due"))
            });
        });
    }
}

fn measured(iterations: u64, mut batch: impl FnMut() -> Duration) -> Duration {
    (0..iterations).map(|_| batch()).sum()
}

fn delay_queue() -> DelayQueue<u64> {
    let mut queue = DelayQueue::with_capacity(LIVE as usize + BATCH as usize);
    for n in 0..LIVE {
        queue.insert(n, Duration::from_nanos(deadline(n)));
    }
    queue
}

fn runtime() -> tokio::runtime::Runtime {
    match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => unreachable!("a runtime without I/O needs nothing: {error}"),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = arm, cancel, idle
}
criterion_main!(benches);
