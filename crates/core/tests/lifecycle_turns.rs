//! A host that does one call after the other tells when each began: none is blamed for those before it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use hostloop::lifecycle::{Command, EventKind, Graph, Need, Node, NodeKind, Options, Outcome, Run};

const STEP: u64 = 60_000_000;

#[test]
fn a_call_that_had_to_wait_for_its_turn_took_no_longer_for_that() {
    let mut graph = Graph::default();
    let keys: Vec<_> = ["a", "b", "c"].map(|label| graph.key(label)).into();
    for (key, label) in keys.iter().zip(["a", "b", "c"]) {
        graph.add(Node::new(NodeKind::Factory, label, "").provides(*key));
    }
    graph.add(Node::new(NodeKind::Invoke, "main", "").needs(keys.iter().map(|key| Need::key("", *key))));
    let mut options = Options::default();
    options.blocked_after = Duration::from_millis(100);
    let mut run = Run::new(Arc::new(graph.seal().unwrap()), options);

    run.start(0).unwrap();
    let mut now = 0;
    for command in run.take_commands() {
        let Command::Construct { op, .. } = command else { panic!("{command:?}") };
        run.began(now, op);
        now += STEP;
        run.complete(now, op, Outcome::Done);
    }
    let events = run.take_events();
    let made: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Constructed).map(|event| event.duration).collect();
    assert_eq!(made, [Some(Duration::from_nanos(STEP)); 3]);
    assert!(events.iter().all(|event| event.kind != EventKind::Blocked));
}
