//! Scopes that are open: what lives in each, and how it is taken back.
//!
//! A frame that closes refuses new values, closes the frames inside it, waits for what is being made, and then takes back each value
//! that was made, the last first, whatever else fails.

use std::{collections::HashMap, time::Duration};

use super::{
    super::graph::NodeId,
    Run, Stage,
    command::{CancelReason, CloseCause, Command, EventKind, Failure, Frame, Instance, Outcome},
    ops::{Task, Work},
};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct FrameState {
    generation: u32,
    parent: Option<usize>,
    pub(super) depth: usize,
    stage: FrameStage,
    slots: HashMap<NodeId, SlotState>,
    /// What was made, in the order of completion.
    pub(super) exits: Vec<Exit>,
    pub(super) builds: usize,
    children: Vec<usize>,
    forget: Vec<Instance>,
    failures: Vec<Failure>,
    finalizing: Option<Exit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameStage {
    Open,
    Closing(CloseCause),
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotState {
    Building(usize),
    Ready(Instance),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) node: NodeId,
    pub(super) instance: Instance,
    pub(super) is_held: bool,
    /// Who holds it, of what is made anew for each.
    pub(super) holder: Option<NodeId>,
}

impl FrameState {
    pub(super) fn root() -> Self {
        Self::inside(None, 0, 0)
    }

    fn inside(parent: Option<usize>, depth: usize, generation: u32) -> Self {
        Self {
            generation,
            parent,
            depth,
            stage: FrameStage::Open,
            slots: HashMap::new(),
            exits: Vec::new(),
            builds: 0,
            children: Vec::new(),
            forget: Vec::new(),
            failures: Vec::new(),
            finalizing: None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stage == FrameStage::Closed
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == FrameStage::Open
    }

    pub(super) fn slot_state(&self, node: NodeId) -> Option<SlotState> {
        self.slots.get(&node).copied()
    }

    pub(super) fn put(&mut self, node: NodeId, state: SlotState) {
        self.slots.insert(node, state);
    }

    pub(super) fn name(&self, index: usize) -> Frame {
        Frame(u64::from(self.generation) << 32 | index as u64)
    }
}

impl Run {
    /// Opens a scope inside another, by its place in the list of scopes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the other is closed or closing,
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the scope is not inside the other's.
    pub fn open_frame(&mut self, parent: Frame, depth: usize) -> Result<Frame> {
        let name = self.plan.scopes().get(depth).cloned().unwrap_or_default();
        let Some(parent) = self.frame_index(parent).filter(|&parent| self.frames[parent].is_open()) else {
            let message = format!("scope \"{name}\" cannot be entered: what it is inside of is closed or closing");
            return Err(Error::new(crate::ErrorKind::Closed, "scope", message));
        };
        let outer = self.frames[parent].depth;
        if depth <= outer || depth >= self.plan.scopes().len() {
            let inside = &self.plan.scopes()[outer];
            return Err(Error::invalid(
                "scope",
                format!("scope \"{name}\" is not inside \"{inside}\"; enter them from the longest to the shortest"),
            ));
        }
        let index = self.free_frames.pop().unwrap_or_else(|| {
            self.frames.push(FrameState::inside(None, 0, 0));
            self.frames.len() - 1
        });
        self.frames[index] = FrameState::inside(Some(parent), depth, self.frames[index].generation);
        self.frames[parent].children.push(index);
        Ok(self.frames[index].name(index))
    }

    /// Gives a frame the value of a node that comes with it, and returns the number to keep it under.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the frame is closed or closing.
    pub fn give_context(&mut self, frame: Frame, node: NodeId) -> Result<Instance> {
        let Some(index) = self.frame_index(frame).filter(|&frame| self.frames[frame].is_open()) else {
            return Err(Error::new(crate::ErrorKind::Closed, "scope", "the scope is closed or closing"));
        };
        let instance = self.new_instance();
        self.frames[index].slots.insert(node, SlotState::Ready(instance));
        self.frames[index].exits.push(Exit { node, instance, is_held: false, holder: None });
        Ok(instance)
    }

    /// Closes a scope, and first those inside it. Told by [`Command::FrameClosed`]; closing it again does nothing.
    pub fn close_frame(&mut self, now: u64, frame: Frame, cause: CloseCause) {
        self.look(now);
        if let Some(index) = self.frame_index(frame) {
            self.close_frame_at(index, cause);
        }
    }

    pub(super) fn close_frame_at(&mut self, frame: usize, cause: CloseCause) {
        if !self.frames[frame].is_open() {
            return;
        }
        self.frames[frame].stage = FrameStage::Closing(cause);
        for child in self.frames[frame].children.clone() {
            self.close_frame_at(child, CloseCause::Normal);
        }
        self.cancel_builds(frame, CancelReason::Shutdown);
        self.frame_progress(frame);
    }

    /// Closes every scope inside the application's.
    pub(super) fn close_inner_frames(&mut self) {
        for child in self.frames[0].children.clone() {
            self.close_frame_at(child, CloseCause::Normal);
        }
    }

    pub(super) fn frame_index(&self, frame: Frame) -> Option<usize> {
        let index = frame.0 as u32 as usize;
        let state = self.frames.get(index)?;
        (u64::from(state.generation) == frame.0 >> 32 && state.stage != FrameStage::Closed).then_some(index)
    }

    /// The frame of a scope, from one that is inside it. Of a scope that was not entered, the frame itself stands in.
    pub(super) fn home(&self, frame: usize, depth: usize) -> usize {
        let mut home = frame;
        while let Some(parent) = self.frames[home].parent {
            if self.frames[home].depth <= depth || self.frames[parent].depth < depth {
                break;
            }
            home = parent;
        }
        home
    }

    pub(super) fn slot(&self, frame: usize, node: NodeId, is_shadow: bool) -> Option<SlotState> {
        match self.shadow_slots(frame, node, is_shadow) {
            Some(slots) => slots.get(&node).copied(),
            None => self.frames[frame].slots.get(&node).copied(),
        }
    }

    pub(super) fn set_slot(&mut self, frame: usize, node: NodeId, is_shadow: bool, state: Option<SlotState>) {
        let is_shadow = self.shadow_slots(frame, node, is_shadow).is_some();
        let slots = match &mut self.reload {
            Some(reload) if is_shadow => &mut reload.slots,
            _ => &mut self.frames[frame].slots,
        };
        match state {
            Some(state) => slots.insert(node, state),
            None => slots.remove(&node),
        };
    }

    pub(super) fn finalize_timeout(&self, node: NodeId) -> Option<Duration> {
        self.plan.node(node).stop_timeout.or(self.options.stop_step_timeout)
    }

    /// Brings a closing frame on by a step.
    pub(super) fn frame_progress(&mut self, frame: usize) {
        let FrameStage::Closing(cause) = self.frames[frame].stage else { return };
        let state = &mut self.frames[frame];
        if !state.children.is_empty() || state.builds > 0 || state.finalizing.is_some() {
            return;
        }
        while let Some(exit) = self.frames[frame].exits.pop() {
            if exit.is_held {
                self.frames[frame].finalizing = Some(exit);
                // What was made of it lets go of it first.
                self.forget(frame);
                self.finalize(Task::Finalize(frame), exit, cause);
                return;
            }
            self.frames[frame].forget.push(exit.instance);
        }
        self.frame_closed(frame);
    }

    pub(super) fn finalize(&mut self, task: Task, exit: Exit, cause: CloseCause) {
        let op = self.begin(task, exit.node, self.finalize_timeout(exit.node));
        self.tell(EventKind::Finalizing, Some(exit.node), None, "");
        self.commands.push(Command::Finalize { op, node: exit.node, instance: exit.instance, cause });
    }

    pub(super) fn finalized(&mut self, frame: usize, work: &Work, outcome: Outcome) {
        match outcome {
            Outcome::Done | Outcome::Held => {
                self.tell_finalized(work, outcome);
                self.finalize_ended(frame);
            }
            Outcome::Failed(error) | Outcome::Fatal(error) => self.finalize_failed(frame, self.failed(work, error)),
            Outcome::Cancelled => self.finalize_failed(frame, self.cancelled(work)),
        }
    }

    pub(super) fn tell_finalized(&mut self, work: &Work, outcome: Outcome) {
        let took = self.now.saturating_sub(work.started);
        let kind = if matches!(outcome, Outcome::Done | Outcome::Held) { EventKind::Finalized } else { EventKind::FinalizeFailed };
        self.tell(kind, Some(work.node), Some(took), "");
    }

    pub(super) fn finalize_failed(&mut self, frame: usize, failure: Failure) {
        self.tell(EventKind::FinalizeFailed, Some(failure.node), None, failure.message.clone());
        // A value that nobody waited for is of no frame.
        if let Some(state) = self.frames.get_mut(frame) {
            state.failures.push(failure);
        }
        self.finalize_ended(frame);
    }

    fn finalize_ended(&mut self, frame: usize) {
        if let Some(state) = self.frames.get_mut(frame) {
            if let Some(exit) = state.finalizing.take() {
                state.forget.push(exit.instance);
            }
            self.frame_progress(frame);
        }
    }

    fn forget(&mut self, frame: usize) {
        let instances = std::mem::take(&mut self.frames[frame].forget);
        if !instances.is_empty() {
            self.commands.push(Command::Forget { instances });
        }
    }

    fn frame_closed(&mut self, frame: usize) {
        let state = &mut self.frames[frame];
        let name = state.name(frame);
        state.stage = FrameStage::Closed;
        state.slots.clear();
        let failures = std::mem::take(&mut state.failures);
        self.forget(frame);
        match self.frames[frame].parent {
            Some(parent) => {
                self.commands.push(Command::FrameClosed { frame: name, failures });
                self.frames[parent].children.retain(|&child| child != frame);
                self.frames[frame].generation += 1;
                self.free_frames.push(frame);
                self.frame_left(frame);
                self.frame_progress(parent);
            }
            None => {
                self.failures.extend(failures);
                if self.stage == Stage::Closing {
                    self.finish();
                }
            }
        }
    }
}
