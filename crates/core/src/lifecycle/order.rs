//! An order in which each node comes after what it needs, and the cycles that stand in the way of one.

use super::{
    graph::{Graph, NodeId},
    plan::{Dep, Facts},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Sorts the nodes. What is lazy takes no part. Each cycle begins with the node that was declared first.
pub(crate) fn sort(facts: &[Facts], graph: &Graph) -> (Vec<NodeId>, Vec<Vec<NodeId>>) {
    let mut marks = vec![Mark::New; facts.len()];
    let (mut order, mut cycles) = (Vec::with_capacity(facts.len()), Vec::new());
    for root in 0..facts.len() {
        if marks[root] != Mark::New {
            continue;
        }
        // A way down, and how many of each node's needs were looked at: no recursion, whatever the depth.
        let mut way = vec![(NodeId::new(root), before(facts, graph, NodeId::new(root)), 0)];
        marks[root] = Mark::Open;
        while let Some((node, needs, looked)) = way.last_mut() {
            let Some(&next) = needs.get(*looked) else {
                marks[node.index()] = Mark::Done;
                order.push(*node);
                way.pop();
                continue;
            };
            *looked += 1;
            match marks[next.index()] {
                Mark::Done => {}
                Mark::New => {
                    marks[next.index()] = Mark::Open;
                    way.push((next, before(facts, graph, next), 0));
                }
                Mark::Open => {
                    let cycle: Vec<_> = way.iter().map(|(node, ..)| *node).skip_while(|node| *node != next).collect();
                    let cycle = from_first_declared(cycle);
                    if !cycles.contains(&cycle) {
                        cycles.push(cycle);
                    }
                }
            }
        }
    }
    (order, cycles)
}

fn before(facts: &[Facts], graph: &Graph, node: NodeId) -> Vec<NodeId> {
    let needs = facts[node.index()].deps.iter().copied().filter_map(Dep::eager);
    needs.chain(graph.node(node).after.iter().copied()).collect()
}

fn from_first_declared(mut cycle: Vec<NodeId>) -> Vec<NodeId> {
    let first = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    cycle
}
