//! The swap: new values take the place of old ones in one step, and what is made of old ones meanwhile is not left behind.

use super::{
    super::graph::NodeId,
    Age, Run,
    command::{Command, EventKind, HookId, Instance},
    frame::{Exit, SlotState},
    reload::{Reload, Step},
    retire::Retirement,
    schedule::{ItemState, Schedule},
    supervise::WorkerState,
};

impl Run {
    /// What is made of old values meanwhile must have its new one too, or it would outlive what it is made of.
    pub(super) fn swap_unless_behind(&mut self) {
        if self.is_old_one_building() {
            if let Some(reload) = &mut self.reload {
                reload.step = Step::Waiting;
            }
            return;
        }
        let late = self.made_meanwhile();
        if late.is_empty() {
            return self.swap();
        }
        if let Some(reload) = &mut self.reload {
            (reload.step, reload.left) = (Step::Building, 1);
        }
        for node in late {
            self.shadow_build(node);
        }
        self.shadow_progress();
    }

    fn is_old_one_building(&self) -> bool {
        self.builds.iter().flatten().any(|build| build.frame == 0 && !build.is_shadow && self.is_affected(build.node))
    }

    fn made_meanwhile(&self) -> Vec<NodeId> {
        let Some(reload) = &self.reload else { return Vec::new() };
        let is_late = |node: &NodeId| {
            let is_there = matches!(self.frames[0].slot_state(*node), Some(SlotState::Ready(_)));
            is_there && reload.is_affected[node.index()] && !reload.slots.contains_key(node)
        };
        self.plan.order().iter().copied().filter(is_late).collect()
    }

    /// Something has been made, or has failed, that a swap may wait for.
    pub(super) fn old_one_built(&mut self) {
        if self.reload.as_ref().is_some_and(|reload| reload.step == Step::Waiting && reload.failure.is_none()) {
            self.swap_unless_behind();
        }
    }

    fn swap(&mut self) {
        let Some(reload) = self.reload.take() else { return };
        let Reload { generation, is_affected, slots, args, built, started, .. } = reload;
        let mut values: Vec<(NodeId, Instance)> = slots
            .iter()
            .filter_map(|(&node, &state)| if let SlotState::Ready(instance) = state { Some((node, instance)) } else { None })
            .collect();
        values.sort_unstable();
        for (&node, &state) in &slots {
            self.frames[0].put(node, state);
        }
        let is_old = |exit: &Exit| is_affected[exit.node.index()] || exit.holder.is_some_and(|holder| is_affected[holder.index()]);
        let (old, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.frames[0].exits).into_iter().partition(is_old);
        self.frames[0].exits = kept;
        self.frames[0].exits.extend(built);
        let mut hooks = Vec::new();
        for (index, hook) in self.hooks.iter_mut().enumerate() {
            let id = HookId(index as u32);
            match hook.age {
                Age::Next if started.contains(&id) => hook.age = Age::Current,
                Age::Current if is_affected[hook.node.index()] => {
                    hook.age = Age::Old;
                    hooks.push(id);
                }
                _ => {}
            }
        }
        self.reschedule();
        self.args.extend(args);
        self.commands.push(Command::Swap { values });
        self.tell(EventKind::Swapped, None, None, "");
        self.commands.push(Command::Reloaded { generation, failure: None });
        let frames: Vec<_> = (1..self.frames.len()).filter(|&frame| !self.frames[frame].is_closed()).collect();
        let users = self.renew_workers(&is_affected) + frames.len() + 1;
        self.begin_retirement(Retirement::of_replaced(hooks, old, users, frames));
        self.reload_again();
    }

    /// All that is up stays up, among what took another's place.
    fn reschedule(&mut self) {
        self.schedule = Schedule::of(&self.plan, self.options.order, &self.hooks, &self.workers);
        (0..self.schedule.items.len()).for_each(|item| self.schedule.set(item, ItemState::Up));
    }

    /// Has workers that hold what was replaced run again, and returns how many must end first.
    fn renew_workers(&mut self, is_affected: &[bool]) -> usize {
        let retirement = self.retirements.len();
        let mut ending = 0;
        for worker in 0..self.workers.len() {
            let is_running = matches!(self.workers[worker].state, WorkerState::Running(_));
            if is_running && is_affected[self.workers[worker].node.index()] {
                self.workers[worker].renewed_for = Some(retirement);
                self.stop_worker(worker);
                ending += 1;
            }
        }
        ending
    }
}
