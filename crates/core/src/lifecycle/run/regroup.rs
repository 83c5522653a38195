//! What follows when a worker is exhausted whose dependents are to be restarted: they stop, it is run anew, they are run again.

use super::{super::graph::NodeId, Run, Stage, command::Failure, supervise::WorkerState};
use crate::timer::clock::nanos;

#[derive(Debug)]
pub(super) struct Regroup {
    worker: usize,
    dependents: Vec<usize>,
    is_stopping: bool,
}

impl Run {
    pub(super) fn regroup(&mut self, worker: usize, failure: Failure) {
        let window = nanos(self.plan.node(self.workers[worker].node).policy.window);
        let is_again = self.workers[worker].regrouped.is_some_and(|at| self.now - at < window);
        if is_again || self.regroup.is_some() || self.stage != Stage::Running {
            return self.stop_for(failure);
        }
        self.workers[worker].regrouped = Some(self.now);
        let dependents = self.dependents_of(worker);
        self.regroup = Some(Regroup { worker, dependents: dependents.clone(), is_stopping: true });
        for &dependent in dependents.iter().rev() {
            self.stop_worker(dependent);
        }
        self.regroup_progress();
    }

    /// The workers that start after one, in an order in which they can.
    fn dependents_of(&self, worker: usize) -> Vec<usize> {
        let mut after: Vec<NodeId> = vec![self.workers[worker].node];
        let mut found = Vec::new();
        for &node in self.plan.order() {
            if self.plan.node(node).after.iter().any(|other| after.contains(other)) {
                after.push(node);
                found.extend(self.workers.iter().position(|worker| worker.node == node));
            }
        }
        found
    }

    pub(super) fn regroup_progress(&mut self) {
        let Some(Regroup { worker, dependents, is_stopping: true }) = &self.regroup else { return };
        let is_down = |worker: &usize| !matches!(self.workers[*worker].state, WorkerState::Running(_) | WorkerState::Stopping(_));
        if !dependents.iter().all(is_down) {
            return;
        }
        let all: Vec<usize> = std::iter::once(*worker).chain(dependents.iter().copied()).collect();
        if let Some(regroup) = &mut self.regroup {
            regroup.is_stopping = false;
        }
        if self.stage == Stage::Running {
            for worker in all {
                self.renew(worker);
                self.run_worker(worker);
            }
        }
        self.regroup = None;
    }
}
