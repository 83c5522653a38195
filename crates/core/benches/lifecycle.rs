//! What the lifecycle costs by itself: a host that answers every command at once.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hostloop::lifecycle::{Command, Graph, Need, Node, NodeKind, Op, Options, Outcome, Plan, Run};

const NODES: usize = 1000;

/// Half resources, each of which needs up to three before it; half hooks, each on one of them.
fn graph() -> Graph {
    let mut graph = Graph::default();
    let keys: Vec<_> = (0..NODES / 2).map(|index| graph.key(format!("k{index}"))).collect();
    for (index, &key) in keys.iter().enumerate() {
        let needs = [1, 7, 31].iter().filter_map(|back| index.checked_sub(*back)).map(|need| Need::key("", keys[need]));
        graph.add(Node::new(NodeKind::Resource, format!("n{index}"), "app.py:1").provides(key).needs(needs));
    }
    for (index, &key) in keys.iter().enumerate() {
        graph.add(Node::new(NodeKind::Hook, format!("h{index}"), "app.py:2").needs([Need::key("", key)]));
    }
    graph
}

/// Starts and stops, and returns how many commands that took.
fn live(plan: &Arc<Plan>) -> usize {
    let mut run = Run::new(Arc::clone(plan), Options::default());
    run.start(1).unwrap();
    let mut now = 1;
    let mut count = 0;
    let mut is_over = false;
    while !is_over {
        now += 1;
        run.poll(now);
        for command in run.take_commands() {
            count += 1;
            let answer = |op: Op, outcome: Outcome| (op, outcome);
            let (op, outcome) = match command {
                Command::Construct { op, .. } => answer(op, Outcome::Held),
                Command::StartHook { op, .. } | Command::StopHook { op, .. } | Command::Finalize { op, .. } => {
                    answer(op, Outcome::Done)
                }
                Command::Started => {
                    run.stop(now, 0);
                    continue;
                }
                Command::Stopped { failures, .. } => {
                    assert!(failures.is_empty());
                    is_over = true;
                    continue;
                }
                _ => continue,
            };
            run.complete(now, op, outcome);
        }
        black_box(run.take_events());
    }
    count
}

fn lifecycle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lifecycle of 1,000 nodes");
    group.throughput(criterion::Throughput::Elements(NODES as u64));
    group.bench_function("check and plan", |bencher| {
        bencher.iter_batched(graph, |graph| black_box(graph.seal().unwrap()), BatchSize::LargeInput);
    });
    let plan = Arc::new(graph().seal().unwrap());
    group.bench_function("start and stop", |bencher| bencher.iter(|| black_box(live(&plan))));
    group.finish();
}

criterion_group!(benches, lifecycle);
criterion_main!(benches);
